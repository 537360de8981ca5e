"""Prediction: the whole out-of-sample panel at once, and what a decision of the daemon waits for at a new bar."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import pandas as pd

from benchmarks.data import kdd17, tiled
from benchmarks.measure import Report, median_cpu
from benchmarks.train import problem
from engine.live.deciding.decide import run_strategy
from engine.live.models.files import ModelFile, sha256_of
from engine.live.models.tasks import ForecastTask, do_task
from engine.simulation.capture import positions_after
from engine.simulation.cerebro import simulate
from engine.simulation.orders import AccountState, PastFill, PastOrder
from engine.simulation.strategies import load_strategy
from engine.training.walkforward import walk_forward
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts
from models.base import fit
from models.recurrent.forecaster import LSTMForecaster

LIVE_BARS, LIVE_SYMBOLS = 1500, (50, 500)
AFTER_FIT = 126  # bars since the model was trained, as many as are replayed by default
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
    for symbols in LIVE_SYMBOLS:
        _live(report, tiled(bars.since(bars.timestamps[-LIVE_BARS]), symbols))
    return report


def _traded(bars: Bars, forecasts: Forecasts, settings: Settings) -> AccountState:
    """Return the account that traded every bar but the last as the backtest does."""
    result = simulate(bars, forecasts, settings)
    equity = result.equity.set_index("time")
    past: list[PastOrder] = []
    for row in result.orders[result.orders["decided_at"] < bars.timestamps[-1]].itertuples():
        sign = 1.0 if row.side == "buy" else -1.0
        fills: tuple[PastFill, ...] = ()
        if row.filled_quantity:
            fills = (PastFill(sign * row.filled_quantity, row.fill_price, row.filled_at.to_pydatetime()),)
        decided = row.decided_at.to_pydatetime()
        over = None if row.status == "filled" else decided + timedelta(days=1)
        past.append(PastOrder(f"{len(past)}", decided, row.symbol, sign * row.quantity, fills, over))
    held = positions_after([(order.symbol, fill) for order in past for fill in order.fills])
    cash_at = {time.to_pydatetime(): cash for time, cash in equity["cash"][:-1].items()}
    return AccountState(float(equity["cash"].iloc[-1]), held, past, {}, cash_at)


def _live(report: Report, bars: Bars) -> None:
    """Measure what the daemon runs once a new bar is there: the model process's task, then the strategy."""
    task = problem(bars, model=MODEL, folds={"train_bars": len(bars) - AFTER_FIT})
    model = fit(LSTMForecaster(task.settings.model, task.settings.seed), task.data(task.folds[0]))
    first = pd.Timestamp(bars.timestamps[-task.settings.live.replay_bars])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        model.save(file)
        question = ForecastTask(bars, task.settings, (ModelFile(file, sha256_of(file)),), first)
        asked = median_cpu(lambda: do_task(question), 7)
        forecasts = do_task(question)
    account = _traded(bars.since(first), forecasts, task.settings)
    strategy = load_strategy(task.settings)
    decided = median_cpu(lambda: run_strategy(bars, forecasts, task.settings, strategy, account, first), 7)
    what = f"live step, {len(bars.symbols)} symbols, {len(bars)} bars, 3 seeds"
    replayed = f"{task.settings.live.replay_bars} bars replayed"
    report.add(f"{what}: features and forecasts", 1e3 * asked, "ms CPU", note="in the model process")
    report.add(f"{what}: the strategy's decision", 1e3 * decided, "ms CPU", note=replayed)
