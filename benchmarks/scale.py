"""How the cost grows with symbols and folds, and whether it can be foretold."""

from __future__ import annotations

from benchmarks.data import kdd17, tiled
from benchmarks.measure import Report, cpu_seconds, fitted_exponent, projected
from benchmarks.train import problem
from engine.training.walkforward import walk_forward
from forewalk.types import Bars
from models.recurrent.forecaster import LSTMForecaster

SYMBOLS = (50, 200, 500)
FOLDS = (5, 10, 20)
TRAIN_BARS = 1006
LARGER = (1000, 10)  # symbols, folds: where the projection is checked
AIM = (1000, 20)
TARGET = 1.1
MODEL = {"max_epochs": 1, "seeds": 1}


def run() -> Report:
    """Fit the cost over symbols and over folds, project it, and check the projection."""
    bars, data = kdd17()
    report = Report("scale", f"{data}; more symbols are copies with new noise; one seed, one pass")
    walk(bars, 5)  # first use of the libraries
    by_symbols = {count: walk(tiled(bars, count), FOLDS[0]) for count in SYMBOLS}
    by_folds = {count: walk(bars, count) for count in FOLDS}
    for name, points in (("symbols", by_symbols), ("folds", by_folds)):
        for count, (seconds, targets) in points.items():
            report.add(f"walk-forward, {count} {name}", seconds, "s CPU", note=f"{targets} targets")
        sizes, costs = [float(count) for count in points], [seconds for seconds, _ in points.values()]
        exponent = fitted_exponent(sizes, costs)
        report.add(f"exponent over {name}", exponent, "", target=f"<= {TARGET}", reached=exponent <= TARGET)
    every = [*by_symbols.values(), *by_folds.values()]
    sizes, costs = [float(targets) for _, targets in every], [seconds for seconds, _ in every]
    seconds, targets = walk(tiled(bars, LARGER[0]), LARGER[1])
    foretold = projected(sizes, costs, targets)
    report.add(
        f"{LARGER[0]} symbols, {LARGER[1]} folds: measured",
        seconds,
        "s CPU",
        against="projected",
        ratio=seconds / foretold,
        target="projection within 25 %",
        reached=abs(seconds / foretold - 1) <= 0.25,
        note=f"projected {foretold:.1f} s",
    )
    aim = targets * AIM[1] / LARGER[1]
    report.add(
        f"projected: {AIM[0]} symbols, 10 years, {AIM[1]} folds, one seed and pass",
        projected(sizes, costs, aim),
        "s CPU",
        note="times seeds and passes",
    )
    return report


def walk(bars: Bars, folds: int) -> tuple[float, int]:
    """Return the processor seconds of features, training and forecasts, and the number of training targets."""
    step = -(-(len(bars) - TRAIN_BARS) // folds)
    targets: list[int] = []

    def work() -> None:
        task = problem(bars, model=MODEL, folds={"train_bars": TRAIN_BARS, "refit_every_bars": step})
        forecaster = LSTMForecaster(task.settings.model, task.settings.seed)
        timeline, _ = walk_forward(task.panel, task.labels, task.folds, forecaster, 504)
        timeline.forecasts(task.panel, 1)
        targets.append(sum(task.targets(fold) for fold in task.folds))

    return cpu_seconds(work), targets[0]
