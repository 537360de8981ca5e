"""Compiled simulation of the signal policy: thousands of settings on one set of forecasts.

Equal to `engine.simulate.simulate` with `SignalStrategy`, order by order and bar by bar (`tests/vector`). It
needs numba, which the extra `fast` brings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.config import Settings
from engine.errors import ConfigError, ForewalkError
from engine.parallel import available_cores
from engine.sessions import bar_open_times, bars_per_year
from engine.types import Bars, FloatArray, Forecasts
from strategies.policy import REASONS

Panel = npt.NDArray[Any]  # records of vector_types.PANEL
BPS = 1e-4
CHUNK = 32  # settings that a thread takes at a time
STATUSES = ("pending", "filled", "partial", "cancelled", "margin")


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
    jobs: int = 1,
    on_done: Callable[[int, int], None] = lambda done, total: None,
) -> VectorResult:
    """Run the signal policy once per settings, each over all symbols with one account.

    Args:
        bars, forecasts: as for `simulate`; only the bars from the first forecast on are used.
        settings: their `strategy` and `execution` count.
        jobs: threads; 0 is one per core. Never changes a result.
        on_done: called with (settings done, all settings).

    Raises:
        ForewalkError: numba is not installed.
    """
    kernels, types, _, _ = _kernels()
    span = bars.since(forecasts.timestamps[0])
    ranked = any(each.strategy.kind == "cross_section" for each in settings)
    grid = make_rules(settings)
    equity, totals, summary = _outputs(len(settings), len(span))
    log = np.empty((0, len(types.LOG)))

    def work(chosen: Panel, numbers: npt.NDArray[np.int64]) -> int:
        kernels.run_settings(chosen, grid, numbers, equity, totals, summary, log)
        return len(numbers)

    panels = [
        (make_panel(span, forecasts, grid[numbers[0]], ranked), numbers) for numbers in _by_capacity(settings)
    ]
    parts = [
        (panel, numbers[i : i + CHUNK]) for panel, numbers in panels for i in range(0, len(numbers), CHUNK)
    ]
    _in_threads(work, parts, jobs, lambda done: on_done(done, len(settings)))
    return VectorResult(span.timestamps, equity, _table(totals, summary, span))


def simulate_columns(bars: Bars, forecasts: Forecasts, settings: Settings, jobs: int = 1) -> VectorResult:
    """Run the signal policy once per symbol, each as if it were alone, with the whole cash of its own.

    The rows of the result are the symbols. Equal to `simulate` on `bars.select([symbol])`.

    Raises:
        ConfigError: the strategy ranks symbols against each other.
        ForewalkError: numba is not installed.
    """
    if settings.strategy.kind == "cross_section":
        raise ConfigError("strategy.kind = 'cross_section' ranks symbols; alone there is nothing to rank")
    *_, kernels = _kernels()
    span = bars.since(forecasts.timestamps[0])
    seen = _seen(span, forecasts)
    (rules,) = make_rules([settings])
    symbols = len(span.symbols)
    equity, totals, summary = _outputs(symbols, len(span))

    def work(first: int, last: int) -> int:
        part = slice(first, last)
        kernels.run_columns(*seen, rules, first, equity[part], totals[part], summary[part])
        return last - first

    parts = [(i, min(i + CHUNK, symbols)) for i in range(0, symbols, CHUNK)]
    _in_threads(work, parts, jobs, lambda done: None)
    return VectorResult(span.timestamps, equity, _table(totals, summary, span))


def vector_orders(bars: Bars, forecasts: Forecasts, settings: Settings) -> tuple[FloatArray, pd.DataFrame]:
    """Run the signal policy once; return the equity, [T], and every order as in `SimulationResult.orders`.

    The column `type` is left out: all are market orders.
    """
    kernels, types, _, _ = _kernels()
    span = bars.since(forecasts.timestamps[0])
    grid = make_rules([settings])
    panel = make_panel(span, forecasts, grid[0], settings.strategy.kind == "cross_section")
    equity, totals, summary = _outputs(1, len(span))
    log = np.empty((span.close.size, len(types.LOG)))
    one = np.zeros(1, np.int64)
    sent = kernels.run_settings(panel, grid, one, equity, totals, summary, log)
    return equity[0], _order_table(dict(zip(types.LOG, log[:sent].T, strict=True)), span)


def make_panel(span: Bars, forecasts: Forecasts, rules: Any, ranked: bool) -> Panel:
    """Return what the accounts see as records, [T, S], with the rankings where `ranked`."""
    _, types, feed, _ = _kernels()
    panel = np.zeros(span.close.shape, types.PANEL)
    feed.fill_panel(*_seen(span, forecasts), rules, panel)
    if ranked:
        ranking = np.argsort(-panel["score"], axis=1, kind="stable")  # NaN last
        panel["ranked"] = ranking
        np.put_along_axis(panel["rank"], ranking, np.arange(panel.shape[1])[None, :], axis=1)
    return panel


def _seen(span: Bars, forecasts: Forecasts) -> tuple[Any, ...]:
    horizon_years = forecasts.horizon_bars / bars_per_year(span.calendar, span.interval)
    return span.open, span.close, span.volume, forecasts.mean, forecasts.std, np.sqrt(horizon_years)


def make_rules(settings: Sequence[Settings]) -> npt.NDArray[Any]:
    """Return one record of plain numbers per settings; what is not set becomes infinite or NaN."""
    _, types, _, _ = _kernels()
    grid = np.zeros(len(settings), types.RULES)
    for rules, each in zip(grid, settings, strict=True):
        strategy, execution = each.strategy, each.execution
        for name in ("entry", "exit", "min_hold_bars", "top", "hysteresis", "target_volatility"):
            rules[name] = getattr(strategy, name)
        rules["max_weight"], rules["max_gross"] = strategy.max_weight, strategy.max_gross
        rules["kind"] = strategy.kind == "cross_section"
        rules["direction"] = strategy.direction == "long_short"
        rules["sizing"] = strategy.sizing == "volatility_target"
        rules["stop_loss"] = np.inf if strategy.stop_loss is None else strategy.stop_loss
        rules["take_profit"] = np.inf if strategy.take_profit is None else strategy.take_profit
        rules["turnover_cap"] = np.nan if strategy.turnover_cap is None else strategy.turnover_cap
        rules["fraction"] = np.nan if strategy.fraction is None else strategy.fraction
        rules["fractional"], rules["cash"] = execution.fractional, execution.cash
        rules["stale_exit_bars"] = execution.stale_exit_bars
        share = execution.max_volume_share
        rules["max_volume_share"] = np.nan if share is None else share
        rules["fee"], rules["slippage"] = execution.fee_bps * BPS, execution.slippage_bps * BPS
    return grid


def _kernels() -> tuple[Any, Any, Any, Any]:
    try:
        from engine import vector_broker, vector_columns, vector_feed, vector_types
    except ModuleNotFoundError as missing:
        if missing.name != "numba":
            raise
        raise ForewalkError(
            "the compiled simulation needs numba; install it with: pip install 'forewalk[fast]'"
        ) from None
    return vector_broker, vector_types, vector_feed, vector_columns


def _by_capacity(settings: Sequence[Settings]) -> list[npt.NDArray[np.int64]]:
    """Group the settings by what decides how much a bar can fill: they share a panel."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, each in enumerate(settings):
        execution = each.execution
        key = (execution.max_volume_share, execution.fractional, execution.stale_exit_bars)
        groups.setdefault(key, []).append(number)
    return [np.array(members) for members in groups.values()]


def _in_threads(
    work: Callable[..., int], parts: Sequence[tuple[Any, ...]], jobs: int, on_done: Callable[[int], None]
) -> None:
    """Run `work` over the parts and add up what it returns for `on_done`.

    Compiled code releases the interpreter, so threads use the cores and nothing has to be copied.
    """
    done = 0
    threads = min(jobs or available_cores(), max(len(parts), 1))
    pool = ThreadPoolExecutor(threads)
    try:
        for future in as_completed([pool.submit(work, *part) for part in parts]):
            done += future.result()
            on_done(done)
    finally:  # Ctrl-C: do not begin what has not begun
        pool.shutdown(wait=True, cancel_futures=True)


def _outputs(count: int, bars: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    _, types, _, _ = _kernels()
    return (
        np.empty((count, bars)),
        np.empty((count, len(types.TOTALS))),
        np.empty((count, len(types.SUMMARY))),
    )


def _table(totals: FloatArray, summary: FloatArray, span: Bars) -> pd.DataFrame:
    _, types, _, _ = _kernels()
    year = bars_per_year(span.calendar, span.interval)
    table = pd.DataFrame(summary, columns=list(types.SUMMARY))
    counts = pd.DataFrame(totals, columns=list(types.TOTALS))
    table["sharpe"] = table["sharpe_per_bar"] * np.sqrt(year)
    table["turnover_per_year"] = counts["traded"] / table.pop("mean_equity") / (len(span) / year)
    table["fees"] = counts["fees"]
    for name in STATUSES:
        table[name] = counts[name].astype(np.int64)
    return table


def _order_table(log: dict[str, FloatArray], span: Bars) -> pd.DataFrame:
    opens = bar_open_times(span)
    filled = log["filled"] > 0
    row = np.where(filled, log["filled_at"], 0).astype(np.int64)
    return pd.DataFrame(
        {
            "decided_at": span.timestamps[log["decided"].astype(np.int64)],
            "symbol": np.array(span.symbols, dtype=object)[log["symbol"].astype(np.int64)],
            "side": np.where(log["quantity"] > 0, "buy", "sell").astype(object),
            "quantity": np.abs(log["quantity"]),
            "status": np.array(STATUSES, dtype=object)[log["status"].astype(np.int64)],
            "reason": np.array(REASONS, dtype=object)[log["reason"].astype(np.int64)],
            "filled_at": opens[row].where(filled),
            "filled_quantity": log["filled"],
            "fill_price": np.where(filled, log["price"], np.nan),
            "fee": log["fee"],
        }
    )
