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

from engine.config import ExecutionSettings, Settings
from engine.errors import ConfigError, ForewalkError
from engine.parallel import available_cores
from engine.sessions import bar_open_times, bars_per_year
from engine.simulate import BPS, fill_capacity
from engine.types import Bars, FloatArray, Forecasts
from strategies.policy import REASONS

Panel = npt.NDArray[Any]  # records of vector_types.PANEL
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
    kernels, types = _kernels()
    span = bars.since(forecasts.timestamps[0])
    ranked = any(each.strategy.kind == "cross_section" for each in settings)
    grid = make_rules(settings)
    equity, totals, summary = _outputs(len(settings), len(span))
    log = np.empty((0, len(types.LOG)))

    def work(chosen: Panel, numbers: npt.NDArray[np.int64]) -> int:
        kernels.run_settings(chosen, grid, numbers, equity, totals, summary, log)
        return len(numbers)

    panels = [
        (make_panel(span, forecasts, execution, ranked), numbers)
        for execution, numbers in _by_capacity(settings)
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
    kernels = _columns_kernel()
    span = bars.since(forecasts.timestamps[0])
    columns = tuple(
        np.ascontiguousarray(x) for x in make_columns(span, forecasts, settings.execution).values()
    )
    (rules,) = make_rules([settings])
    symbols = len(span.symbols)
    equity, totals, summary = _outputs(symbols, len(span))

    def work(first: int, last: int) -> int:
        part = slice(first, last)
        kernels.run_columns(*columns, rules, first, equity[part], totals[part], summary[part])
        return last - first

    parts = [(i, min(i + CHUNK, symbols)) for i in range(0, symbols, CHUNK)]
    _in_threads(work, parts, jobs, lambda done: None)
    return VectorResult(span.timestamps, equity, _table(totals, summary, span))


def vector_orders(bars: Bars, forecasts: Forecasts, settings: Settings) -> tuple[FloatArray, pd.DataFrame]:
    """Run the signal policy once; return the equity, [T], and every order as in `SimulationResult.orders`.

    The column `type` is left out: all are market orders.
    """
    kernels, types = _kernels()
    span = bars.since(forecasts.timestamps[0])
    panel = make_panel(span, forecasts, settings.execution, settings.strategy.kind == "cross_section")
    equity, totals, summary = _outputs(1, len(span))
    log = np.empty((span.close.size, len(types.LOG)))
    one = np.zeros(1, np.int64)
    sent = kernels.run_settings(panel, make_rules([settings]), one, equity, totals, summary, log)
    return equity[0], _order_table(dict(zip(types.LOG, log[:sent].T, strict=True)), span)


def make_columns(span: Bars, forecasts: Forecasts, execution: ExecutionSettings) -> dict[str, FloatArray]:
    """Return what the simulation sees, [T, S] each: open, close, capacity, score, annual_std.

    Prices and capacity are those of the feeds of `engine.simulate`; score is mean / std, NaN where not finite.
    """
    close = _carried(span)
    horizon_years = forecasts.horizon_bars / bars_per_year(span.calendar, span.interval)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = forecasts.mean / forecasts.std
    return {
        "open": np.where(span.present, span.open, close),
        "close": close,
        "capacity": fill_capacity(span, execution),
        "score": np.where(np.isfinite(score), score, np.nan),
        "annual_std": forecasts.std / np.sqrt(horizon_years),
    }


def make_panel(span: Bars, forecasts: Forecasts, execution: ExecutionSettings, ranked: bool) -> Panel:
    """Return the columns as one array of records, [T, S], with the rankings where `ranked`."""
    _, types = _kernels()
    columns = make_columns(span, forecasts, execution)
    panel = np.zeros(columns["close"].shape, types.PANEL)
    for name, values in columns.items():
        panel[name] = values
    panel["known"][:, 0] = np.isfinite(columns["score"]).sum(axis=1)
    if ranked:
        ranking = np.argsort(-columns["score"], axis=1, kind="stable")  # NaN last
        panel["ranked"] = ranking
        np.put_along_axis(panel["rank"], ranking, np.arange(panel.shape[1])[None, :], axis=1)
    return panel


def make_rules(settings: Sequence[Settings]) -> npt.NDArray[Any]:
    """Return one record of plain numbers per settings; what is not set becomes infinite or NaN."""
    _, types = _kernels()
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
        rules["fee"], rules["slippage"] = execution.fee_bps * BPS, execution.slippage_bps * BPS
    return grid


def _columns_kernel() -> Any:
    _kernels()
    from engine import vector_columns

    return vector_columns


def _kernels() -> tuple[Any, Any]:
    try:
        from engine import vector_broker, vector_types
    except ModuleNotFoundError as missing:
        if missing.name != "numba":
            raise
        raise ForewalkError(
            "the compiled simulation needs numba; install it with: pip install 'forewalk[fast]'"
        ) from None
    return vector_broker, vector_types


def _carried(span: Bars) -> FloatArray:
    """Return closes carried over missing bars, 0 before the first: the feed's close."""
    row = np.arange(len(span))[:, None]
    last = np.maximum.accumulate(np.where(span.present, row, -1), axis=0)
    return np.where(last >= 0, np.take_along_axis(span.close, np.maximum(last, 0), axis=0), 0.0)


def _by_capacity(settings: Sequence[Settings]) -> list[tuple[ExecutionSettings, npt.NDArray[np.int64]]]:
    """Group the settings by what decides how much a bar can fill."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, each in enumerate(settings):
        execution = each.execution
        key = (execution.max_volume_share, execution.fractional, execution.stale_exit_bars)
        groups.setdefault(key, []).append(number)
    return [(settings[members[0]].execution, np.array(members)) for members in groups.values()]


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
    _, types = _kernels()
    return (
        np.empty((count, bars)),
        np.empty((count, len(types.TOTALS))),
        np.empty((count, len(types.SUMMARY))),
    )


def _table(totals: FloatArray, summary: FloatArray, span: Bars) -> pd.DataFrame:
    _, types = _kernels()
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
