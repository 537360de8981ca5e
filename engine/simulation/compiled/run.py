"""Compiled simulation of the signal policy: thousands of settings on one set of forecasts.

Equal to `engine.simulation.cerebro.simulate` with `SignalStrategy`, order by order and bar by bar
(`tests/engine/simulation/compiled`). Import it inside functions: numba takes a while.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.simulation.compiled.broker import run_settings
from engine.simulation.compiled.inputs import (
    TERMS,
    Panel,
    Rules,
    account_terms,
    make_panel,
    make_rules,
    own,
    rests,
    terms_of,
)
from engine.simulation.compiled.scope import unsupported
from engine.simulation.compiled.summary import summary_of
from engine.simulation.compiled.types import (
    BOOK,
    FILLS,
    LOG,
    ORDERS,
    PANEL,
    STACK,
    SUMMARY,
    TOTALS,
    Terms,
)
from engine.simulation.money import with_frictions
from forewalk.compute.pool import Processes
from forewalk.compute.workers import Workers
from forewalk.instruments import traded
from forewalk.sessions import bars_per_year
from forewalk.settings.sections import Settings
from forewalk.types import Arrays, Bars, FloatArray, Forecasts
from strategies.risk import smoothed

Numbers = npt.NDArray[np.int64]
ALONE = Processes(1)  # this thread
CHUNK = 32  # settings that a thread takes at a time
STATUSES = TOTALS[:5]
Records = npt.NDArray[Any]  # of a named type of `engine.simulation.compiled.types`
NO_PATH, NO_LOG, NO_FILLS = np.empty((2, 0)), np.empty(0, LOG), np.empty(0, FILLS)


class Outputs(NamedTuple):
    """What the compiled code writes into: equity [N, T], totals and summary of each account."""

    equity: FloatArray
    totals: FloatArray
    summary: FloatArray


@dataclass(frozen=True, eq=False)
class VectorResult:
    """What N accounts did over T bars.

    Attributes:
        timestamps: close of each bar, UTC, length T.
        equity: value of each account at each close, [N, T].
        table: one row per account: total_return, sharpe (per year) and sharpe_per_bar (NaN where nothing
            moved), max_drawdown (<= 0), turnover_per_year (traded value over mean equity), fees, and the
            numbers of orders that ended pending, filled, partial, cancelled, or refused for want of cash (margin).
    """

    timestamps: pd.DatetimeIndex
    equity: FloatArray
    table: pd.DataFrame


def simulate_settings(
    bars: Bars,
    forecasts: Forecasts,
    settings: Sequence[Settings],
    workers: Workers = ALONE,
    on_done: Callable[[int, int], None] = lambda done, total: None,
) -> VectorResult:
    """Run the signal policy once per settings, each over all symbols with one account.

    Args:
        bars, forecasts: as for `simulate`; only the bars from the first forecast on are used.
        settings: their `strategy` and `execution` count.
        workers: who simulates: threads of this machine, or a cluster. Never changes a result.
        on_done: called with (settings done, all settings).

    What the compiled account does not know (see `unsupported`) is simulated by Cerebro, one setting after the other:
    the same numbers, thousands of times slower.

    Raises:
        ConfigError: a policy is the user's own.
    """
    if settings:  # they share their data
        bars, forecasts = traded(bars, forecasts, settings[0].data.trade_as)
    span = bars.since(forecasts.timestamps[0])
    if any(not each.strategy.is_own and unsupported(bars, each) for each in settings):
        return _by_cerebro(bars, forecasts, settings, on_done)
    ranked = any(each.strategy.kind == "cross_section" for each in settings)
    grid = make_rules(settings, len(span.symbols))
    groups = _by_capacity(settings)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for which, numbers in enumerate(groups):
        first = settings[numbers[0]]
        execution = first.execution
        own_span = with_frictions(bars, execution).since(forecasts.timestamps[0])
        told = smoothed(forecasts, first.strategy.smooth_std_bars)
        arrays[f"panel{which}"] = make_panel(own_span, told, execution, ranked)
        arrays |= {f"{name}{which}": values for name, values in account_terms(own_span, first).items()}
    parts = [
        (which, numbers[i : i + CHUNK])
        for which, numbers in enumerate(groups)
        for i in range(0, len(numbers), CHUNK)
    ]
    finished = 0

    def count(part: int) -> None:
        nonlocal finished
        finished += len(parts[part][1])
        on_done(finished, len(grid))

    tasks = [(which, grid[numbers]) for which, numbers in parts]
    found = workers.run_compiled(_simulate_part, tasks, arrays, count)
    outputs = _outputs(len(grid), len(span))
    for (_, numbers), part in zip(parts, found, strict=True):
        for whole, values in zip(outputs, part, strict=True):
            whole[numbers] = values
    return VectorResult(span.timestamps, outputs.equity, _table(outputs, span))


def _by_cerebro(
    bars: Bars, forecasts: Forecasts, settings: Sequence[Settings], on_done: Callable[[int, int], None]
) -> VectorResult:
    from engine.simulation.cerebro import simulate

    span = bars.since(forecasts.timestamps[0])
    outputs = _outputs(len(settings), len(span))
    for number, each in enumerate(settings):
        result = simulate(bars, forecasts, each)
        traded = (result.orders["fill_price"] * result.orders["filled_quantity"]).abs().sum()
        known = {**result.counts, "fees": result.counts["fees_paid"], "traded": traded}
        outputs.equity[number] = result.equity["equity"].to_numpy(dtype=np.float64)
        outputs.totals[number] = [known.get(name, 0.0) for name in TOTALS]
        summary_of(outputs.equity[number], outputs.summary[number])
        on_done(number + 1, len(settings))
    return VectorResult(span.timestamps, outputs.equity, _table(outputs, span))


def run_accounts(
    panel: Panel,
    grid: Rules,
    terms: Terms,
    path: FloatArray = NO_PATH,
    log: Records = NO_LOG,
    fills: Records = NO_FILLS,
) -> tuple[Outputs, int, Records]:
    """Simulate one account for each record of `grid`; return the outputs, the rows of `log` filled, and the book.

    `path`, `log` and `fills` are those of `broker.run_account`, and with the book those of the last account.
    """
    outputs = _outputs(len(grid), len(panel))
    symbols = panel.shape[1]
    book, orders, sums = np.zeros(symbols, BOOK), np.zeros(2 * symbols, ORDERS), np.zeros(2 * symbols + STACK)
    return outputs, run_settings(panel, grid, terms, book, orders, sums, *outputs, path, log, fills), book


def warm_up() -> None:
    """Compile everything, or read it from the cache on disk."""
    grid = make_rules([Settings()], 1)
    for kind in (0, 1):
        grid["kind"] = kind
        run_accounts(np.zeros((2, 1), PANEL), grid, terms_of({"years": np.zeros(2)}))


def _simulate_part(task: tuple[int, Rules], arrays: Arrays) -> Outputs:
    """Run the accounts of some settings over the panel and the terms of their group."""
    which, grid = task
    terms = {name: arrays[f"{name}{which}"] for name in TERMS if f"{name}{which}" in arrays}
    return run_accounts(own(arrays[f"panel{which}"]), grid, terms_of(terms))[0]


def _by_capacity(settings: Sequence[Settings]) -> list[Numbers]:
    """Group the settings by what decides how much a bar can fill, at which spread, and which std counts.

    They share a panel.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, each in enumerate(settings):
        execution = each.execution
        key = (
            *(execution.max_volume_share, execution.volume_known),
            *(execution.fractional, execution.stale_exit_bars),
            *(execution.delisting_return, execution.spread, execution.impact > 0, rests(each)),
            each.strategy.smooth_std_bars,
        )
        groups.setdefault(key, []).append(number)
    return [np.array(members) for members in groups.values()]


def _outputs(count: int, bars: int) -> Outputs:
    return Outputs(
        np.empty((count, bars)),
        np.empty((count, len(TOTALS))),
        np.empty((count, len(SUMMARY))),
    )


def _table(outputs: Outputs, span: Bars) -> pd.DataFrame:
    year = bars_per_year(span.calendar, span.interval)
    table = pd.DataFrame(outputs.summary, columns=list(SUMMARY))
    counts = pd.DataFrame(outputs.totals, columns=list(TOTALS))
    table["sharpe"] = table["sharpe_per_bar"] * np.sqrt(year)
    table["turnover_per_year"] = counts["traded"] / table.pop("mean_equity") / (len(span) / year)
    table["fees"] = counts["fees"]
    for name in STATUSES:
        table[name] = counts[name].astype(np.int64)
    return table
