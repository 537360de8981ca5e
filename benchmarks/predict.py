"""Prediction: the whole out-of-sample panel at once, and one live step."""

from __future__ import annotations

import numpy as np

from benchmarks.data import kdd17, tiled
from benchmarks.measure import Report, median_cpu
from benchmarks.train import problem
from engine.training.walkforward import walk_forward
from models.base import fit
from models.recurrent.forecaster import LSTMForecaster

LIVE_SYMBOLS = 500
MODEL = {"max_epochs": 1, "seeds": 3}  # how long it was trained does not matter here


def run() -> Report:
    """Measure a whole panel and a live step."""
    bars, data = kdd17()
    report = Report("predict", data)
    task = problem(bars, model=MODEL)
    forecaster = LSTMForecaster(task.settings.model, task.settings.seed)
    timeline, _ = walk_forward(task.panel, task.labels, task.folds, forecaster, 504)
    seconds = median_cpu(lambda: timeline.forecasts(task.panel, 1))
    rows = len(timeline.forecasts(task.panel, 1))
    report.add(
        f"out-of-sample panel, {len(bars.symbols)} symbols x {rows} bars, {len(task.folds)} folds, 3 seeds",
        seconds,
        "s CPU",
        target="< 0.2 s",
        reached=seconds < 0.2,
    )
    _live(report)
    return report


def _live(report: Report) -> None:
    bars, _ = kdd17()
    recent = bars.since(bars.timestamps[-700])
    task = problem(tiled(recent, LIVE_SYMBOLS), model=MODEL, folds={"train_bars": 400})
    model = fit(
        LSTMForecaster(task.settings.model, task.settings.seed),
        task.data(task.folds[0]),
    )
    first = int(task.folds[0].test[0])
    panel = task.panel.known(first + 50)
    _, memory = model.read_on(panel, model.warmed(panel), len(panel) - 1)
    seconds = median_cpu(lambda: model.read_on(panel, memory, len(panel)), 21)
    live = model.read_on(panel, memory, len(panel))[0].mean[0]
    whole = model.predict_scaled(panel, first, len(panel)).mean[-1]
    report.add(
        f"live step, {LIVE_SYMBOLS} symbols, 3 seeds",
        1e3 * seconds,
        "ms CPU",
        target="< 50 ms",
        reached=seconds < 0.05,
        note=f"differs from the whole pass by {np.nanmax(np.abs(live - whole)):.1e} volatilities at the most",
    )
