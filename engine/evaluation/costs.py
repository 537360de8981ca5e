"""What reality would charge: fees, slippage, a late order, borrowed shares; what the strategy can bear and carry.

Every row of the grid is the same forecasts and policy with other execution settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from engine.evaluation.metrics.accounts.account import return_metrics, traded_value, turnover_per_year
from engine.evaluation.metrics.door import LEFT_OUT, Record, named
from engine.evaluation.sizes import AccountAtSize, Delistings
from engine.simulation.benchmark import benchmark_of
from engine.simulation.engines import Account, simulate_beside, simulate_each
from engine.simulation.money import with_frictions
from forewalk.data.cleaning.together import markets_of
from forewalk.returns import bars_per_year_covered, hedged_returns, simple_returns
from forewalk.sessions import bars_per_year
from forewalk.settings.sections import ExecutionSettings, Settings
from forewalk.types import Bars, FloatArray, Forecasts, IntArray, SimulationResult

FEES_BPS = (0.0, 1.0, 5.0)
SLIPPAGES_BPS = (0.0, 4.0, 10.0)
BORROW_BPS_PER_YEAR = (50.0, 300.0)
VOLUME_SHARES = (0.01, 0.05)
MOST_RUNS = 12
PRECISION_BPS = 0.1


@dataclass(frozen=True)
class AccountAtCosts(Record):
    """What came out of the strategy at other costs.

    Attributes:
        fee_bps, slippage_bps: basis points of each fill.
        delay_bars: by which every decision is later.
        borrow_bps_per_year: of the value of short positions.
        total_return, cagr, max_drawdown: fractions.
        sharpe_annual: Sharpe ratio per year.
        turnover_per_year: value of all fills over the mean account value.
    """

    fee_bps: float
    slippage_bps: float
    delay_bars: int
    borrow_bps_per_year: float
    total_return: float | None
    cagr: float | None
    sharpe_annual: float | None = field(metadata=named("sharpe"))
    max_drawdown: float | None
    turnover_per_year: float | None


@dataclass(frozen=True)
class BreakEven(Record):
    """The cost per fill at which nothing is left of the strategy.

    Attributes:
        cost_bps: basis points of each fill, to a tenth; None where nothing is left even for free.
        first_order_bps: what is left without costs over the value traded.
        runs: simulations that it took.
    """

    cost_bps: float | None = field(metadata=named("bps"))
    first_order_bps: float | None
    runs: int


@dataclass(frozen=True)
class Capacity(Record):
    """How large the account could have been if no fill took more than a share of its bar's volume.

    Attributes:
        volume_share: that share.
        money: account that the 5 % tightest fills allow; median_money: what half of them do.
        fills: on bars with volume.
    """

    volume_share: float
    money: float | None
    median_money: float | None
    fills: int


@dataclass(frozen=True)
class RealityMetrics(Record):
    """What reality would charge: a grid of fees and slippage, a late order, borrowed shares, break-even, capacity.

    Attributes:
        break_even: against cash. break_even_excess: against buying and holding the same symbols, at the account's own
            beta; absent for an account that is as much short as long, which is compared with cash.
        sizes: accounts of other sizes, whose costs grow with their orders.
        delistings: positions closed at the last price of a symbol without bars; absent without any.
    """

    grid: tuple[AccountAtCosts, ...]
    delay: AccountAtCosts
    borrow: tuple[AccountAtCosts, ...]
    break_even: BreakEven
    capacity: tuple[Capacity, ...]
    break_even_excess: BreakEven | None = field(default=None, metadata=LEFT_OUT)
    sizes: tuple[AccountAtSize, ...] = ()
    delistings: Delistings | None = field(default=None, metadata=LEFT_OUT)


def cost_grid(
    bars: Bars,
    forecasts: Forecasts,
    settings: Settings,
    fees_bps: Sequence[float] = FEES_BPS,
    slippages_bps: Sequence[float] = SLIPPAGES_BPS,
) -> tuple[AccountAtCosts, ...]:
    """Return one entry per fee and slippage, the slippage fastest."""
    grid = [with_costs(settings, fee, slippage) for fee in fees_bps for slippage in slippages_bps]
    accounts = simulate_each(bars, forecasts, grid)
    return tuple(_at_costs(each, bars, account) for each, account in zip(grid, accounts, strict=True))


def delay_row(bars: Bars, forecasts: Forecasts, settings: Settings, delay_bars: int = 1) -> AccountAtCosts:
    """Return what comes out at the run's own costs with every decision `delay_bars` later."""
    first = len(bars) - len(forecasts)
    own = [(market.rows[market.rows >= first] - first, market.columns) for market in markets_of(bars)]
    result = simulate_beside(bars, delayed(forecasts, delay_bars, own), settings)
    return replace(_at_costs(settings, bars, result), delay_bars=delay_bars)


def borrow_rows(
    bars: Bars,
    result: SimulationResult,
    settings: Settings,
    rates_bps_per_year: Sequence[float] = BORROW_BPS_PER_YEAR,
) -> tuple[AccountAtCosts, ...]:
    """Return what comes out of a finished run with short positions charged; the trades stay as they were."""
    exposure = short_exposure(bars, result)
    year = _year(bars, result.equity)
    rows = []
    for rate in rates_bps_per_year:
        equity = result.equity.assign(
            equity=result.equity["equity"].to_numpy() - np.cumsum(exposure) * rate * 1e-4 / year
        )
        row = _at_costs(settings, bars, Account(equity, result.orders))
        rows.append(replace(row, borrow_bps_per_year=rate))
    return tuple(rows)


def delayed(
    forecasts: Forecasts, bars: int = 1, own: Sequence[tuple[IntArray, Any]] | None = None
) -> Forecasts:
    """Return the forecasts as if each were known `bars` bars later; the first rows are NaN.

    `own` are rows and columns of markets that count their own bars; None: all rows are theirs.
    """
    later = [np.full(forecasts.mean.shape, np.nan) for _ in range(3)]
    markets = [(np.arange(len(forecasts)), slice(None))] if own is None else own
    for values, known in zip(later, (forecasts.mean, forecasts.std, forecasts.p_up), strict=True):
        for rows, columns in markets:
            mine = values[:, columns]
            mine[rows[bars:]] = known[:, columns][rows[: max(len(rows) - bars, 0)]]
            values[:, columns] = mine
    mean, std, p_up = later
    return replace(forecasts, mean=mean, std=std, p_up=p_up)


def short_exposure(bars: Bars, result: SimulationResult) -> FloatArray:
    """Return the value of all short positions at each close of the run, [T], >= 0, from its fills."""
    times = pd.DatetimeIndex(result.equity["time"])
    span = bars.since(times[0])
    position = np.zeros(span.close.shape)
    for row, column, quantity in _fills(span, result.orders):
        position[row, column] += quantity
    held = np.minimum(np.cumsum(position, axis=0), 0.0)
    held[held > -1e-9] = 0.0
    price = pd.DataFrame(span.close).ffill().to_numpy()
    return np.asarray(np.where(held != 0, -held * price, 0.0).sum(axis=1))


def break_even(
    bars: Bars,
    forecasts: Forecasts,
    settings: Settings,
    against: Literal["cash", "benchmark"] = "cash",
    most_runs: int = MOST_RUNS,
) -> BreakEven:
    """Return the cost per fill, in basis points of its value, at which nothing is left of the strategy.

    Args:
        against: "cash" (a total return of zero) or "benchmark" (no alpha against buying and holding the same symbols
            at the same cost, taken out at the account's own beta).
        most_runs: simulations; with fewer the answer is coarser.
    """
    span = with_frictions(bars, settings.execution).since(forecasts.timestamps[0])

    def left(cost_bps: float) -> tuple[float, Account]:
        changed = with_costs(settings, cost_bps, 0.0)
        account = simulate_beside(bars, forecasts, changed)
        equity = account.equity["equity"].to_numpy(dtype=np.float64)
        if against == "cash":
            return float(equity[-1]) - settings.execution.cash, account
        held = simple_returns(benchmark_of(span, forecasts, changed.execution))
        beyond = hedged_returns(simple_returns(equity), held)
        return float(np.nansum(beyond) * equity.mean()), account

    free, result = left(0.0)
    traded = traded_value(result.orders)
    if free <= 0 or traded <= 0:
        return BreakEven(None, None, 1)
    first_order = free / traded * 1e4
    low, high, runs = 0.0, first_order, 2
    gain_low, gain_high = free, left(high)[0]
    while gain_high > 0 and runs < most_runs:
        low, gain_low, high = high, gain_high, high * 2
        gain_high, runs = left(high)[0], runs + 1
    while high - low > PRECISION_BPS and runs < most_runs:
        guess = low + (high - low) * min(max(gain_low / (gain_low - gain_high), 0.1), 0.9)
        gain, runs = left(guess)[0], runs + 1
        if gain > 0:
            low, gain_low = guess, gain
        else:
            high, gain_high = guess, gain
    return BreakEven(round((low + high) / 2, 2), first_order, runs)


def capacity(
    bars: Bars, result: SimulationResult, volume_shares: Sequence[float] = VOLUME_SHARES
) -> tuple[Capacity, ...]:
    """Return how large the account could have been if no fill took more than a share of its bar's volume.

    Each fill allows the account of its own moment times (share x volume of the bar) / quantity; `money` is
    what the 5 % tightest fills allow, `median_money` what half of them do. None without a fill on a bar with
    volume. Prices are assumed not to move with the larger orders.
    """
    times = pd.DatetimeIndex(result.equity["time"])
    span, equity = bars.since(times[0]), result.equity["equity"].to_numpy(dtype=np.float64)
    allowed = []
    for row, column, quantity in _fills(span, result.orders):
        volume = span.volume[row, column]
        if volume > 0:
            allowed.append(equity[max(row - 1, 0)] * volume / abs(quantity))
    rows = []
    for share in volume_shares:
        tight, middle = (np.quantile(allowed, [0.05, 0.5]) * share) if allowed else (np.nan, np.nan)
        rows.append(Capacity(share, tight, middle, len(allowed)))
    return tuple(rows)


def costs_in_words(execution: ExecutionSettings, pairs: int) -> str:
    """Say what a fill costs."""
    points = execution.fee_bps + execution.slippage_bps
    parts = [f"{points:g} basis points per fill"] if points or not pairs else []
    if pairs:
        parts.append(
            f"half the spread (of the data, else {execution.spread_pips:g} pip{'s' * (execution.spread_pips != 1)})"
        )
    if execution.fee_per_share:
        parts.append(f"{execution.fee_per_share:g} per share")
    if execution.fee_min:
        parts.append(f"at least {execution.fee_min:g} per fill")
    return ", ".join(parts)


def with_costs(settings: Settings, fee_bps: float, slippage_bps: float) -> Settings:
    """Return the settings with another fee and slippage per fill."""
    execution = settings.execution.model_copy(update={"fee_bps": fee_bps, "slippage_bps": slippage_bps})
    return settings.model_copy(update={"execution": execution})


def _year(bars: Bars, equity: pd.DataFrame) -> float:
    usual = bars_per_year(bars.calendar, bars.interval)
    return bars_per_year_covered(pd.DatetimeIndex(equity["time"]), usual)


def _at_costs(settings: Settings, bars: Bars, account: Account) -> AccountAtCosts:
    year = _year(bars, account.equity)
    values = account.equity["equity"].to_numpy(dtype=np.float64)
    earned = return_metrics(values, pd.DatetimeIndex(account.equity["time"]), year)
    return AccountAtCosts(
        fee_bps=settings.execution.fee_bps,
        slippage_bps=settings.execution.slippage_bps,
        delay_bars=0,
        borrow_bps_per_year=0.0,
        total_return=earned.total_return,
        cagr=earned.cagr,
        sharpe_annual=earned.sharpe_annual,
        max_drawdown=earned.max_drawdown,
        turnover_per_year=turnover_per_year(account.orders, values, year),
    )


def _fills(bars: Bars, orders: pd.DataFrame) -> Iterable[tuple[int, int, float]]:
    """Yield (row, column, signed quantity) of every fill; a fill at a bar's open belongs to that bar."""
    filled = orders[orders["filled_quantity"].astype(float) > 0]
    rows = bars.timestamps.searchsorted(pd.DatetimeIndex(filled["filled_at"]))
    signs = np.where(filled["side"] == "buy", 1.0, -1.0)
    quantities = signs * filled["filled_quantity"].to_numpy(dtype=np.float64)
    for row, symbol, quantity in zip(rows.tolist(), filled["symbol"], quantities.tolist(), strict=True):
        yield row, bars.symbols.index(symbol), quantity
