"""What the account did: returns, risk, trading and costs, for the strategy and for buying and holding.

Conventions, chosen to equal QuantStats 0.0.86 on the same rows: simple returns per bar, the first of
them 0 (the account still holds its starting cash); years are rows / bars_per_year; the risk-free rate is
0; standard deviations take one degree of freedom off; downside deviation divides by all rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np
import pandas as pd

from engine.evaluation.metrics.door import LEFT_OUT, Record, named
from forewalk.returns import drawdown_series, simple_returns
from forewalk.types import FloatArray


@dataclass(frozen=True)
class ReturnMetrics(Record):
    """Growth, risk and drawdown of an account.

    Attributes:
        bars: account values. years: the same in years.
        total_return: fraction.
        cagr: growth per year, `(1 + total_return) ** (bars_per_year / bars) - 1`; None where the account ends at
            or below zero.
        volatility_annual: standard deviation of returns times sqrt(bars_per_year), a fraction.
        sharpe_annual, sortino_annual: Sharpe (1994) and Sortino ratio per year (downside deviation of all bars
            against 0); None for an account that never moved, or never fell.
        calmar: cagr over the deepest drawdown.
        max_drawdown: the deepest fall from a peak, a fraction <= 0.
        drawdown_start: the peak before it. drawdown_trough: its deepest bar. drawdown_recovery: the first bar
            back at that peak, None if there is none. ISO 8601, UTC.
    """

    bars: int
    years: float
    total_return: float
    cagr: float | None
    volatility_annual: float | None = field(metadata=named("annual_volatility"))
    sharpe_annual: float | None = field(metadata=named("sharpe"))
    sortino_annual: float | None = field(metadata=named("sortino"))
    calmar: float | None
    max_drawdown: float
    drawdown_start: str | None
    drawdown_trough: str | None
    drawdown_recovery: str | None


@dataclass(frozen=True)
class StrategyMetrics(ReturnMetrics):
    """`ReturnMetrics` of the strategy, and how it traded.

    Attributes:
        mean_gross_exposure: mean sum of |weights|.
        turnover_per_year: value of all fills over the mean account value, per year.
        trades: closed round trips.
        hit_rate: share of them that won money.
        average_win, average_loss: mean return of a winning and of a losing trade, fractions.
    """

    mean_gross_exposure: float | None = field(metadata=named("exposure"))
    turnover_per_year: float | None
    trades: int
    hit_rate: float | None
    average_win: float | None
    average_loss: float | None


@dataclass(frozen=True)
class CostMetrics(Record):
    """What trading cost.

    Attributes:
        fees_paid, slippage_paid, total_paid: money.
        share_of_start: of the first account value.
    """

    fees_paid: float
    slippage_paid: float
    total_paid: float = field(metadata=named("total"))
    share_of_start: float | None


@dataclass(frozen=True)
class OrderMetrics(Record):
    """How many orders ended how, and what was paid for them.

    Attributes:
        orders: all of them. filled, partial, cancelled, margin, rejected, expired, pending: by how they ended.
        fees_paid, slippage_paid: money; half the spread is part of the slippage.
        interest, dividends: money received less what was paid; None where nothing bears any.
        pips_per_fill: by which fills of currency pairs were worse than the mid price, on average; None without any.
    """

    orders: int
    filled: int
    partial: int
    cancelled: int
    margin: int
    rejected: int
    expired: int
    pending: int
    fees_paid: float
    slippage_paid: float
    interest: float | None = field(default=None, metadata=LEFT_OUT)
    dividends: float | None = field(default=None, metadata=LEFT_OUT)
    pips_per_fill: float | None = field(default=None, metadata=LEFT_OUT)

    @classmethod
    def of(cls, counts: Mapping[str, float]) -> OrderMetrics:
        """Return the counts of a simulation; what it did not count is 0."""
        none = {item.name: None if item.metadata.get("left_out") else 0 for item in fields(cls)}
        return cls(**{name: counts.get(name, otherwise) for name, otherwise in none.items()})  # type: ignore[arg-type]


@dataclass(frozen=True)
class AccountMetrics(Record):
    """The strategy, buying and holding the same symbols, and what trading cost."""

    strategy: StrategyMetrics
    benchmark: ReturnMetrics
    costs: CostMetrics


def strategy_metrics(
    equity: pd.DataFrame,
    trades: pd.DataFrame,
    orders: pd.DataFrame,
    counts: Mapping[str, float],
    bars_per_year: float,
) -> AccountMetrics:
    """Summarise one simulated account as in `SimulationResult`.

    Args:
        equity: columns time, equity, gross_exposure, benchmark; one row per bar.
        trades: closed round trips with columns pnl and return; may be empty.
        orders: columns fill_price and filled_quantity, NaN where nothing was filled; may be empty.
        counts: fees_paid and slippage_paid in money, among others.
        bars_per_year: bars in one year, e.g. 252.

    Raises:
        ValueError: `equity` has no rows.
    """
    times = pd.DatetimeIndex(equity["time"])
    values = equity["equity"].to_numpy(dtype=np.float64)
    returns = np.zeros(0) if trades.empty else trades["return"].to_numpy(dtype=np.float64)
    profit = np.zeros(0) if trades.empty else trades["pnl"].to_numpy(dtype=np.float64)
    wins, losses = returns[profit > 0], returns[profit < 0]
    strategy = StrategyMetrics(
        **vars(return_metrics(values, times, bars_per_year)),
        mean_gross_exposure=float(equity["gross_exposure"].mean()),
        turnover_per_year=turnover_per_year(orders, values, bars_per_year),
        trades=len(trades),
        hit_rate=len(wins) / len(profit) if len(profit) else None,
        average_win=float(wins.mean()) if len(wins) else None,
        average_loss=float(losses.mean()) if len(losses) else None,
    )
    held = equity["benchmark"].to_numpy(dtype=np.float64)
    benchmark = return_metrics(held, times, bars_per_year)
    return AccountMetrics(strategy, benchmark, _costs(counts, float(values[0])))


def return_metrics(values: FloatArray, times: pd.DatetimeIndex, bars_per_year: float) -> ReturnMetrics:
    """Return growth, risk and drawdown of account values, [T], at `times`.

    Raises:
        ValueError: `values` is empty, or starts at or below zero.
    """
    if not len(values) or not values[0] > 0:
        raise ValueError("there must be at least one account value and the first must be positive")
    returns = simple_returns(values)
    spread = float(returns.std(ddof=1)) if len(returns) > 1 else math.nan
    downside = math.sqrt(float(np.sum(np.minimum(returns, 0.0) ** 2)) / len(returns))
    total = float(values[-1] / values[0]) - 1.0
    cagr = math.pow(1.0 + total, bars_per_year / len(values)) - 1.0 if total > -1 else math.nan
    depth, start, trough, recovery = _drawdown(values, times)
    year = math.sqrt(bars_per_year)
    return ReturnMetrics(
        bars=len(values),
        years=len(values) / bars_per_year,
        total_return=total,
        cagr=cagr,
        volatility_annual=spread * year,
        sharpe_annual=float(returns.mean()) / spread * year if spread > 0 else None,
        sortino_annual=float(returns.mean()) / downside * year if downside > 0 else None,
        calmar=cagr / -depth if depth < 0 else None,
        max_drawdown=depth,
        drawdown_start=start,
        drawdown_trough=trough,
        drawdown_recovery=recovery,
    )


def turnover_per_year(orders: pd.DataFrame, values: FloatArray, bars_per_year: float) -> float:
    """Return the value of all fills over the mean account value, [T], in a year."""
    return traded_value(orders) / float(values.mean()) / (len(values) / bars_per_year)


def traded_value(orders: pd.DataFrame) -> float:
    """Return the value of all fills, buys plus sells, in money."""
    if orders.empty:
        return 0.0
    value = orders["fill_price"].astype(float) * orders["filled_quantity"].astype(float)
    return float(np.nansum(np.abs(value.to_numpy())))


def _drawdown(
    values: FloatArray, times: pd.DatetimeIndex
) -> tuple[float, str | None, str | None, str | None]:
    """Return the deepest fall and the times of its start, trough and recovery."""
    depth = drawdown_series(values)
    trough = int(np.argmin(depth))
    if depth[trough] == 0:
        return 0.0, None, None, None
    start = int(np.argmax(values[: trough + 1]))
    back = np.flatnonzero(values[trough:] >= values[start])
    recovery = times[trough + int(back[0])].isoformat() if len(back) else None
    return float(depth[trough]), times[start].isoformat(), times[trough].isoformat(), recovery


def _costs(counts: Mapping[str, float], start_value: float) -> CostMetrics:
    fees, slippage = float(counts.get("fees_paid", 0.0)), float(counts.get("slippage_paid", 0.0))
    total = fees + slippage
    return CostMetrics(fees, slippage, total, total / start_value)
