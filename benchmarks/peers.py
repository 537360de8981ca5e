"""Our simulation and training beside other libraries', each in the environment that `make bench-peers` makes.

Same bars and signals; the rules of fills and costs differ from library to library, so orders are not equal.
vectorbt is measured in the `sweep` suite. A library that cannot run here is named with its error.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import backtrader as bt
import numpy as np

from benchmarks.data import kdd17
from benchmarks.measure import Report, median_cpu, side_by_side
from benchmarks.simulate import made_up_forecasts
from benchmarks.train import problem
from engine.simulation.account import simulated_broker
from engine.simulation.cerebro import simulate
from engine.simulation.compiled.account import simulate_compiled
from engine.simulation.feeds import feed_columns, feed_for
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts
from models.base import fit
from models.recurrent.forecaster import LSTMForecaster

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parent / ".venv-peers" / "bin" / "python"
PASSES = 3


def run() -> Report:
    """Measure every peer that is installed."""
    bars, data = kdd17()
    report = Report("peers", data)
    if not PYTHON.exists():
        report.details["missing"] = "no .venv-peers here; `make bench-peers` makes it"
        return report
    forecasts = made_up_forecasts(bars, 0.95)
    one = bars.symbols[:1]
    _simulation(report, "backtesting", bars.select(one), made_up_forecasts(bars.select(one), 0.95))
    floor_lines(report, bars.select(one))
    _simulation(report, "pybroker", bars, forecasts)
    _simulation(report, "ml4t", bars, forecasts)
    _training(report, bars)
    return report


class Nothing(bt.Strategy):
    """Does nothing at any bar."""


class Bare(bt.Strategy):
    """Holds while the signal [T] is positive, with nothing beside it: no sizes, no rules, no record."""

    params = (("signal", ()),)

    def next(self) -> None:
        """Buy or sell, or do nothing."""
        wanted, held = self.p.signal[len(self) - 1] > 0, self.position.size
        if wanted and not held:
            self.buy(size=1000)
        elif held and not wanted:
            self.sell(size=held)


def held_while_positive() -> Settings:
    """Return the settings of what every peer does: hold a symbol while its signal is positive."""
    return settings_from(
        {
            "strategy": {"entry": 0.0, "min_hold_bars": 0},
            "execution": {"max_volume_share": None, "cash": 10_000_000.0},
        }
    )


def floor_lines(report: Report, bars: Bars, runs: int = 3) -> None:
    """Add what backtrader takes for bars on which nothing happens, beside our runs with and without it."""
    settings, forecasts = held_while_positive(), made_up_forecasts(bars, 0.95)

    def only_backtrader(strategy: type[bt.Strategy], **params: object) -> None:
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.setbroker(simulated_broker(settings.execution, bars))
        for symbol, columns in zip(bars.symbols, feed_columns(bars, settings.execution), strict=True):
            cerebro.adddata(feed_for(columns)(columns=columns), name=symbol)
        cerebro.addstrategy(strategy, **params)
        cerebro.run()

    def stock_backtrader() -> None:
        cerebro = bt.Cerebro(stdstats=False)
        for symbol in bars.symbols:
            frame = bars.frame(symbol).tz_localize(None)
            cerebro.adddata(bt.feeds.PandasData(dataname=frame, openinterest=None))
        cerebro.addstrategy(Nothing)
        cerebro.run()

    signal = forecasts.mean[:, 0].tolist()
    simulate_compiled(bars, forecasts, settings)
    works = {
        "backtrader's PandasData, a strategy that does nothing": stock_backtrader,
        "backtrader's loop over our feeds, a strategy that does nothing": lambda: only_backtrader(Nothing),
        "the same with the orders and nothing else": lambda: only_backtrader(Bare, signal=signal),
        "our Cerebro": lambda: simulate(bars, forecasts, settings),
        "compiled, every table": lambda: simulate_compiled(bars, forecasts, settings),
    }
    for what, seconds in side_by_side(works, runs).items():
        report.add(
            f"{what}, {len(bars.symbols)} symbol x {len(bars)} bars", bars.close.size / seconds, "bars/s"
        )


def _simulation(report: Report, peer: str, bars: Bars, forecasts: Forecasts) -> None:
    found = _measured(peer, bars, forecasts)
    what = f"{peer}, {len(bars.symbols)} symbols x {len(bars)} bars"
    if "error" in found:
        report.add(f"{what}: not measured", float("nan"), "", note=found["error"])
        return
    settings = held_while_positive()
    result = simulate(bars, forecasts, settings)
    seconds = median_cpu(lambda: simulate(bars, forecasts, settings), 3)
    theirs, own = found["units"] / found["seconds"], bars.close.size / seconds
    report.add(what, theirs, "bars/s", note=f"{found['orders']} orders")
    report.add(
        f"our Cerebro, {len(bars.symbols)} symbols x {len(bars)} bars",
        own,
        "bars/s",
        against=peer,
        ratio=own / theirs,
        note=f"{len(result.orders)} orders",
    )


def _training(report: Report, bars: Bars) -> None:
    found = _measured("neuralforecast", bars, made_up_forecasts(bars, 0.95))
    if "error" in found:
        report.add("neuralforecast LSTM: not measured", float("nan"), "", note=found["error"])
        return
    task = problem(bars, model={"max_epochs": PASSES, "patience": PASSES, "seeds": 1})
    fold, forecaster = task.folds[4], LSTMForecaster(task.settings.model, 7)
    data = task.data(fold)
    seconds = median_cpu(lambda: fit(forecaster, data), 3)
    theirs = 1e6 * found["seconds"] / found["units"]
    own = 1e6 * seconds / (PASSES * task.targets(fold))
    report.add("neuralforecast LSTM, input 60, hidden 32, batch 256, one thread", theirs, "us CPU per target")
    report.add("our loop", own, "us CPU per target and pass", against="neuralforecast", ratio=theirs / own)


def _measured(peer: str, bars: Bars, forecasts: Forecasts) -> dict[str, float | str]:
    """Run one peer in its own environment and return what it printed, or its error."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "panel.npz"
        fields = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
        dates = bars.timestamps.tz_localize(None).normalize().to_numpy("M8[ns]")
        np.savez(file, dates=dates, signal=forecasts.mean, **fields)
        child = subprocess.run(
            [str(PYTHON), str(HERE / "peer_engines.py"), peer, str(file)],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    if child.returncode:
        return {"error": (child.stderr.strip().splitlines() or ["no message"])[-1][:200]}
    return dict(json.loads(child.stdout.strip().splitlines()[-1]))
