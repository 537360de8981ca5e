"""Compiled simulation of the signal policy: thousands of settings on one set of forecasts.

Equal to `engine.simulation.cerebro.simulate` with `SignalStrategy`, order by order and bar by bar
(`tests/engine/simulation/compiled`). It needs numba, which the extra `fast` brings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.simulation.feeds import feed_lines
from engine.simulation.money import BPS, dividends_of, half_spread_of, years_between
from forewalk.compute.pool import Processes
from forewalk.compute.workers import Workers
from forewalk.errors import ConfigError, ForewalkError
from forewalk.sessions import bar_open_times, bars_per_year
from forewalk.settings.sections import ExecutionSettings, Settings
from forewalk.types import Arrays, Bars, FloatArray, Forecasts
from strategies.policy import REASONS

Panel = npt.NDArray[Any]  # records of types.PANEL
Numbers = npt.NDArray[np.int64]
TERMS = ("years", "dividends", "half_spread")  # in the order in which the kernels take them
NOTHING = np.empty((0, 0))
ALONE = Processes(1)  # this thread
CHUNK = 32  # settings that a thread takes at a time
STATUSES = ("pending", "filled", "partial", "cancelled", "margin")


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


def unsupported(bars: Bars, settings: Settings) -> str:
    """Return what of a run the compiled account does not know, in words; "" where it knows all."""
    if "rate_close" in bars.extras:
        return "currency pairs and prices in several currencies"
    if settings.strategy.stop_orders:
        return "resting stop orders (strategy.stop_orders)"
    return ""


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
        ForewalkError: numba is not installed.
    """
    span = bars.since(forecasts.timestamps[0])
    if any(unsupported(bars, each) for each in settings):
        return _by_cerebro(bars, forecasts, settings, on_done)
    ranked = any(each.strategy.kind == "cross_section" for each in settings)
    grid = make_rules(settings, len(span.symbols))
    groups = _by_capacity(settings)
    panels = {
        f"panel{which}": make_panel(span, forecasts, settings[numbers[0]].execution, ranked)
        for which, numbers in enumerate(groups)
    }
    parts = [
        (name, numbers[i : i + CHUNK])
        for name, numbers in zip(panels, groups, strict=True)
        for i in range(0, len(numbers), CHUNK)
    ]
    finished = 0

    def count(part: int) -> None:
        nonlocal finished
        finished += len(parts[part][1])
        on_done(finished, len(grid))

    tasks = [(name, grid[numbers]) for name, numbers in parts]
    found = workers.run_compiled(_simulate_part, tasks, {**panels, **account_terms(span)}, count)
    outputs = _outputs(len(grid), len(span))
    for (_, numbers), part in zip(parts, found, strict=True):
        for whole, values in zip(outputs, part, strict=True):
            whole[numbers] = values
    return VectorResult(span.timestamps, outputs.equity, _table(outputs, span))


def _by_cerebro(
    bars: Bars, forecasts: Forecasts, settings: Sequence[Settings], on_done: Callable[[int, int], None]
) -> VectorResult:
    from engine.simulation.cerebro import simulate

    kernels, types = _kernels()
    span = bars.since(forecasts.timestamps[0])
    outputs = _outputs(len(settings), len(span))
    for number, each in enumerate(settings):
        result = simulate(bars, forecasts, each)
        traded = (result.orders["fill_price"] * result.orders["filled_quantity"]).abs().sum()
        known = {**result.counts, "fees": result.counts["fees_paid"], "traded": traded}
        outputs.equity[number] = result.equity["equity"].to_numpy(dtype=np.float64)
        outputs.totals[number] = [known.get(name, 0.0) for name in types.TOTALS]
        kernels.summarise(outputs.equity[number], outputs.summary[number])
        on_done(number + 1, len(settings))
    return VectorResult(span.timestamps, outputs.equity, _table(outputs, span))


def _simulate_part(task: tuple[str, npt.NDArray[Any]], arrays: Arrays) -> Outputs:
    """Run the accounts of some settings over one panel."""
    name, grid = task
    kernels, types = _kernels()
    # the kernels are compiled for arrays of this process alone
    panel, *terms = (_own(arrays, each) for each in (name, *TERMS))
    outputs = _outputs(len(grid), len(panel))
    kernels.run_settings(panel, grid, tuple(terms), *outputs, np.empty((0, len(types.LOG))))
    return outputs


def _own(arrays: Arrays, name: str) -> npt.NDArray[Any]:
    """Return an array that may be written to; one that is not there is empty."""
    values = arrays.get(name, NOTHING)
    return values if values.flags.writeable else values.copy()


def account_terms(span: Bars) -> dict[str, FloatArray]:
    """Return what an account bears besides its orders, by the names of `TERMS`; only what there is."""
    known = {"dividends": dividends_of(span), "half_spread": half_spread_of(span)}
    return {"years": years_between(span), **{name: v for name, v in known.items() if v is not None}}


def vector_orders(bars: Bars, forecasts: Forecasts, settings: Settings) -> tuple[FloatArray, pd.DataFrame]:
    """Run the signal policy once; return the equity, [T], and every order as in `SimulationResult.orders`.

    The column `type` is left out: all are market orders.
    """
    kernels, types = _kernels()
    span = bars.since(forecasts.timestamps[0])
    grid = make_rules([settings], len(span.symbols))
    panel = make_panel(span, forecasts, settings.execution, settings.strategy.kind == "cross_section")
    outputs = _outputs(1, len(span))
    log = np.empty((span.close.size, len(types.LOG)))
    terms = account_terms(span)
    sent = kernels.run_settings(panel, grid, tuple(_own(terms, name) for name in TERMS), *outputs, log)
    return outputs.equity[0], _order_table(dict(zip(types.LOG, log[:sent].T, strict=True)), span)


def make_panel(span: Bars, forecasts: Forecasts, execution: ExecutionSettings, ranked: bool) -> Panel:
    """Return what the accounts see as records, [T, S]: the feeds' lines, and the rankings where `ranked`."""
    _, types = _kernels()
    panel = np.zeros(span.close.shape, types.PANEL)
    lines = feed_lines(span, execution)
    for name in ("open", "close", "capacity"):
        panel[name] = lines[name]
    score = forecasts.mean / forecasts.std
    panel["score"] = np.where(np.isfinite(score), score, np.nan)
    horizon_years = forecasts.horizon_bars / bars_per_year(span.calendar, span.interval)
    panel["annual_std"] = forecasts.std / np.sqrt(horizon_years)
    panel["known"][:, 0] = np.isfinite(score).sum(axis=1)
    if ranked:
        ranking = np.argsort(-panel["score"], axis=1, kind="stable")  # NaN last
        panel["ranked"] = ranking
        np.put_along_axis(panel["rank"], ranking, np.arange(panel.shape[1])[None, :], axis=1)
    return panel


def make_rules(settings: Sequence[Settings], symbols: int) -> npt.NDArray[Any]:
    """Return one record of plain numbers per settings, over so many symbols; what is not set is infinite or NaN."""
    _, types = _kernels()
    grid = np.zeros(len(settings), types.RULES)
    for rules, each in zip(grid, settings, strict=True):
        strategy, execution = each.strategy, each.execution
        if strategy.is_own:
            raise ConfigError(
                f"strategy.kind = {strategy.kind!r} is your own; only the built-in policies are compiled"
            )
        for name in ("entry", "exit", "min_hold_bars", "top", "hysteresis", "target_volatility"):
            rules[name] = getattr(strategy, name)
        rules["max_weight"], rules["max_gross"] = strategy.weight_limit(symbols), strategy.max_gross
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
        rules["fee_per_share"], rules["fee_min"] = execution.fee_per_share, execution.fee_min
        rules["cash_yield"] = execution.cash_yield
        rules["borrow"] = execution.borrow_bps_per_year * BPS
    return grid


def _kernels() -> tuple[Any, Any]:
    try:
        from engine.simulation.compiled import broker, types
    except ModuleNotFoundError as missing:
        if missing.name != "numba":
            raise
        raise ForewalkError(
            "the compiled simulation needs numba; install it with: pip install 'forewalk[fast]'"
        ) from None
    return broker, types


def _by_capacity(settings: Sequence[Settings]) -> list[Numbers]:
    """Group the settings by what decides how much a bar can fill: they share a panel."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, each in enumerate(settings):
        execution = each.execution
        key = (execution.max_volume_share, execution.fractional, execution.stale_exit_bars)
        groups.setdefault(key, []).append(number)
    return [np.array(members) for members in groups.values()]


def _outputs(count: int, bars: int) -> Outputs:
    _, types = _kernels()
    return Outputs(
        np.empty((count, bars)),
        np.empty((count, len(types.TOTALS))),
        np.empty((count, len(types.SUMMARY))),
    )


def _table(outputs: Outputs, span: Bars) -> pd.DataFrame:
    _, types = _kernels()
    year = bars_per_year(span.calendar, span.interval)
    table = pd.DataFrame(outputs.summary, columns=list(types.SUMMARY))
    counts = pd.DataFrame(outputs.totals, columns=list(types.TOTALS))
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
