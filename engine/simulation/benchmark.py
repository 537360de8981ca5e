"""What the account is measured against: the same cash in the same symbols, in equal parts, left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.simulation.feeds import delisted
from engine.simulation.money import Holding, with_frictions
from forewalk.instruments import account_bars
from forewalk.returns import SAME_SYMBOLS
from forewalk.settings.sections import ExecutionSettings
from forewalk.types import Bars, BoolArray, FloatArray, Forecasts, SimulationResult


def equal_weight_benchmark(bars: Bars, members: BoolArray, execution: ExecutionSettings) -> FloatArray:
    """Return the value of an equal-weight buy-and-hold portfolio at each close, length T.

    Decided at the close at which a symbol joins, bought at the next open with the run's own fee and
    slippage, in fractions of shares. When symbols join later or leave the universe, everything is set to equal parts
    again; in between nothing is traded. A symbol without a bar keeps its last price; one that leaves without a bar
    is sold at it; `execution.delisting_return` is lost where a symbol counts as delisted.

    Args:
        bars: T bars of S symbols.
        members: bool [T, S], True where a symbol belongs to the universe; see `members_of`.
        execution: starting cash, costs and interest; a least fee per order counts for nothing here.
    """
    holding = Holding(bars, execution)
    shares = np.zeros(len(bars.symbols))
    cash = execution.cash
    price = np.full(len(bars.symbols), np.nan)
    values = np.empty(len(bars))
    joined = np.zeros(len(bars.symbols), dtype=bool)
    gone = delisted(bars, execution) if execution.delisting_return else None
    for t in range(len(bars)):
        if t:
            cash += holding.due(t, cash, shares, price)
        tradable = members[t - 1] & bars.present[t] if t else joined
        leaving = joined & ~members[t - 1] if t else joined
        if (tradable & ~joined).any() or leaving.any():
            now = np.where(bars.present[t], bars.open[t], price)
            sold = (shares * now)[leaving]
            cash += float(sold.sum()) - holding.cost(t, np.abs(sold), leaving)
            shares = np.where(leaving, 0.0, shares)
            joined = (joined | tradable) & ~leaving
            if tradable.any():
                cash, shares = _equalise(t, cash, shares, now, tradable, holding)
        price = np.where(bars.present[t], bars.close[t], price)
        if gone is not None:
            price = np.where(gone[t], price * (1.0 + execution.delisting_return), price)
        values[t] = cash + float(np.where(shares != 0, shares * price, 0.0).sum())
    return values


def beside(simulation: SimulationResult, benchmark: Bars, execution: ExecutionSettings) -> SimulationResult:
    """Return the account with a benchmark of one symbol beside it; the same symbols move to their own column.

    Decided at the first close, bought at the next open at the run's costs, and held.
    """
    always = np.ones((len(benchmark), 1), dtype=bool)
    benchmark = with_frictions(benchmark, execution)
    held = equal_weight_benchmark(benchmark, always, execution)[-len(simulation.equity) :]
    equity = simulation.equity.rename(columns={"benchmark": SAME_SYMBOLS})
    equity.insert(len(equity.columns) - 1, "benchmark", held)
    return replace(simulation, equity=equity)


def benchmark_of(bars: Bars, forecasts: Forecasts, execution: ExecutionSettings) -> FloatArray:
    """Return what a run is measured against at each of its bars, [T]: buying and holding, in the account's currency.

    Currency pairs are left out: where there is nothing else, it is cash.
    """
    members = to_hold(bars, members_of(bars, forecasts))
    return equal_weight_benchmark(account_bars(bars, execution.spread_pips), members, execution)


def members_of(bars: Bars, forecasts: Forecasts) -> BoolArray:
    """Return which symbols count at each bar of the forecasts, [T, S]: from their first forecast on, while members.

    Args:
        bars: T bars, those of the forecasts' rows.
    """
    begun = np.logical_or.accumulate(np.isfinite(forecasts.mean), axis=0)
    return begun if bars.member is None else begun & bars.member


def to_hold(bars: Bars, members: BoolArray) -> BoolArray:
    """Return the members without currency pairs: holding a pair is no investment, cash is what they are beside."""
    pair = bars.extras.get("pair")
    return members if pair is None else members & ~(pair > 0)


def _equalise(
    t: int, cash: float, shares: FloatArray, price: FloatArray, tradable: BoolArray, holding: Holding
) -> tuple[float, FloatArray]:
    """Spread the tradable part of the portfolio evenly; the cost of every trade is paid out of it."""
    held = np.where(tradable & (shares != 0), shares * price, 0.0)
    total = cash + float(held.sum())
    target = np.where(tradable, total / max(int(tradable.sum()), 1), 0.0)
    for _ in range(8):  # costs depend on the trades, which depend on what is left after costs
        paid = holding.cost(t, np.abs(target - held)[tradable], tradable)
        target = np.where(tradable, (total - paid) / max(int(tradable.sum()), 1), 0.0)
    paid = holding.cost(t, np.abs(target - held)[tradable], tradable)
    fresh = np.where(tradable, target / np.where(tradable, price, 1.0), shares)
    return total - paid - float(target.sum()), fresh
