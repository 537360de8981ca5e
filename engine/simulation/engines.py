"""Which engine simulates: Cerebro for the account that is reported, compiled code for all the others beside it.

Both take the same decisions and add up money in the same steps, so they must agree to the last bit. Each run proves
it on its own account; where they part, the run ends with the first bar at which they do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from engine.simulation.cerebro import simulate
from engine.simulation.compiled.scope import unsupported
from forewalk.compute.pool import Processes
from forewalk.errors import EnginesDiffer
from forewalk.settings.sections import Settings
from forewalk.types import Arrays, Bars, BoolArray, Forecasts, SimulationResult


@dataclass(frozen=True, eq=False)
class Account:
    """An account beside the reported one: `equity` (columns time, equity), `orders` as in `SimulationResult`."""

    equity: pd.DataFrame
    orders: pd.DataFrame


def is_compiled(bars: Bars, settings: Settings) -> bool:
    """Whether accounts beside the reported one are compiled: if the settings want it and compiled code can."""
    return settings.execution.engine == "compiled" and not unsupported(bars, settings)


def simulate_reported(bars: Bars, forecasts: Forecasts, settings: Settings) -> SimulationResult:
    """Simulate the account of a run in Cerebro, and prove that compiled code gives the same one.

    Raises:
        EnginesDiffer: it does not.
    """
    account = simulate(bars, forecasts, settings)
    if is_compiled(bars, settings):
        check_equal(account, simulate_again(bars, forecasts, settings))
    return account


def simulate_again(bars: Bars, forecasts: Forecasts, settings: Settings) -> SimulationResult:
    """Simulate an account beside the reported one with all its tables: other forecasts, other settings."""
    if not is_compiled(bars, settings):
        return simulate(bars, forecasts, settings)
    from engine.simulation.compiled.account import simulate_compiled

    return simulate_compiled(bars, forecasts, settings)


def simulate_beside(bars: Bars, forecasts: Forecasts, settings: Settings) -> Account:
    """Simulate an account beside the reported one, of which equity and orders are wanted."""
    if not is_compiled(bars, settings):
        whole = simulate(bars, forecasts, settings)
        return Account(whole.equity, whole.orders)
    from engine.simulation.compiled.account import equity_and_orders

    times, equity, orders = equity_and_orders(bars, forecasts, settings)
    return Account(pd.DataFrame({"time": times, "equity": equity}), orders)


def simulate_each(bars: Bars, forecasts: Forecasts, settings: Sequence[Settings]) -> list[Account]:
    """Do `simulate_beside` for each of the settings; compiled ones share the cores of this machine."""
    at_once = all(is_compiled(bars, each) for each in settings)
    workers = Processes(settings[0].jobs if at_once and settings else 1)

    def one(task: Settings, arrays: Arrays) -> Account:
        return simulate_beside(bars, forecasts, task)

    return workers.run_compiled(one, settings, {})


def check_equal(cerebro: SimulationResult, compiled: SimulationResult) -> None:
    """Hold two accounts equal, every bar, order and decision to the last bit.

    Raises:
        EnginesDiffer: they part; the message names the first bar and what differs there.
    """
    tables = (("decisions", "asof"), ("orders", "decided_at"), ("equity", "time"))
    found = [
        difference
        for name, time in tables
        if (difference := _first_difference(name, getattr(cerebro, name), getattr(compiled, name), time))
    ]
    if found:
        bar, what = min(found, key=lambda difference: difference[0])
        raise EnginesDiffer(
            f"the compiled simulation and Cerebro part at the bar of {bar}: {what}. This is a bug of Forewalk, and "
            "no number of this run can be trusted until it is found: please report it with the settings. Until "
            "then --set execution.engine=cerebro simulates everything in Cerebro"
        )


def _first_difference(
    name: str, one: pd.DataFrame, other: pd.DataFrame, time: str
) -> tuple[pd.Timestamp, str] | None:
    rows = min(len(one), len(other))
    differs = {column: _differs(one[column].iloc[:rows], other[column].iloc[:rows]) for column in one.columns}
    parted = np.flatnonzero(np.logical_or.reduce(list(differs.values())))
    if len(parted):
        row = int(parted[0])
        column = next(column for column, cells in differs.items() if cells[row])
        values = f"{one[column].iloc[row]!r} in Cerebro, {other[column].iloc[row]!r} compiled"
        return min(one[time].iloc[row], other[time].iloc[row]), f"{column} of {name} is {values}"
    if len(one) == len(other):
        return None
    longer = max((one, other), key=len)
    return longer[time].iloc[rows], f"{name} has {len(one)} rows in Cerebro, {len(other)} compiled"


def _differs(one: pd.Series[Any], other: pd.Series[Any]) -> BoolArray:
    missing = one.isna().to_numpy() & other.isna().to_numpy()
    return np.asarray((one.to_numpy() != other.to_numpy()) & ~missing, dtype=np.bool_)


@contextmanager
def compiling(bars: Bars, settings: Settings) -> Iterator[None]:
    """Get the compiled code ready in the background while something else is done, where it will be needed.

    From the cache on disk it takes half a second; compiled for the first time, some seconds.
    """
    if not is_compiled(bars, settings):
        yield
        return
    worker = _Compiler(daemon=True)  # an error or Ctrl-C inside does not wait for it
    worker.start()
    yield
    worker.join()
    if worker.error is not None:
        raise worker.error


class _Compiler(threading.Thread):
    error: Exception | None = None

    def run(self) -> None:
        try:
            from engine.simulation.compiled.run import warm_up

            warm_up()
        except Exception as error:  # noqa: BLE001 - the thread's own boundary: `compiling` raises it again
            self.error = error
