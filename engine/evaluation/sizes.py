"""How much money a strategy bears: the same decisions by accounts of other sizes, whose orders move prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from engine.evaluation.metrics.accounts.account import return_metrics, traded_value
from engine.evaluation.metrics.door import Record, named
from engine.simulation.engines import Account, simulate_beside, simulate_each
from forewalk.returns import bars_per_year_covered
from forewalk.sessions import bars_per_year
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts

SIZES = (1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
USUAL_IMPACT = 1.0  # where the settings have none: about what studies of stocks find
FAILURE = -0.3  # return of a delisted failure: Shumway (1997), Journal of Finance 52


@dataclass(frozen=True)
class AccountAtSize(Record):
    """What came out with another amount of money.

    Attributes:
        cash: at the start. total_return: fraction. sharpe_annual: Sharpe ratio per year.
        cost_bps: fees, spread and impact of all fills, in basis points of their value; None without a fill.
        filled: value filled over value ordered; the rest was beyond `execution.max_volume_share`, or the cash.
    """

    cash: float
    total_return: float
    sharpe_annual: float | None = field(metadata=named("sharpe"))
    cost_bps: float | None
    filled: float | None


@dataclass(frozen=True)
class Delistings(Record):
    """Positions that were closed at the last price of a symbol without bars, and what if that had been a failure.

    Attributes:
        positions: closed so. assumed: return on the last price. total_return: of the account then, a fraction.
    """

    positions: int
    assumed: float
    total_return: float


def size_rows(
    bars: Bars, forecasts: Forecasts, settings: Settings, sizes: Sequence[float] = SIZES
) -> tuple[AccountAtSize, ...]:
    """Return the run's account with other amounts of money, each symbol's spread and each order's impact charged.

    Fees as set. In place of the flat slippage come half the spread (of the data, else told from highs and lows) and
    the square-root law with `execution.impact`, or 1 where that is 0.
    """
    tried = [at_size(settings, cash) for cash in sizes]
    accounts = simulate_each(bars, forecasts, tried)
    return tuple(_row(each, bars, account) for each, account in zip(tried, accounts, strict=True))


def at_size(settings: Settings, cash: float) -> Settings:
    """Return the settings with so much money and costs that grow with it."""
    impact = settings.execution.impact or USUAL_IMPACT
    update = {"cash": cash, "slippage_bps": 0.0, "spread": "estimated", "impact": impact}
    return settings.model_copy(update={"execution": settings.execution.model_copy(update=update)})


def delistings(
    bars: Bars, forecasts: Forecasts, settings: Settings, orders: pd.DataFrame
) -> Delistings | None:
    """Return how many positions left at the last price of a symbol, None where none did."""
    count = _left_without_a_bar(bars, orders)
    if not count:
        return None
    update = {"delisting_return": FAILURE}
    execution = settings.execution.model_copy(update=update)
    account = simulate_beside(bars, forecasts, settings.model_copy(update={"execution": execution}))
    equity = account.equity["equity"].to_numpy(dtype=np.float64)
    return Delistings(count, FAILURE, float(equity[-1] / equity[0] - 1.0))


def _left_without_a_bar(bars: Bars, orders: pd.DataFrame) -> int:
    filled = orders[orders["filled_quantity"].astype(float) > 0]
    rows = bars.timestamps.searchsorted(pd.DatetimeIndex(filled["filled_at"]))
    columns = [bars.symbols.index(symbol) for symbol in filled["symbol"]]
    return sum(
        not bars.present[row, column]
        for row, column in zip(rows.tolist(), columns, strict=True)
        if row < len(bars)
    )


def _row(settings: Settings, bars: Bars, account: Account) -> AccountAtSize:
    times = pd.DatetimeIndex(account.equity["time"])
    year = bars_per_year_covered(times, bars_per_year(bars.calendar, bars.interval))
    values = account.equity["equity"].to_numpy(dtype=np.float64)
    earned = return_metrics(values, times, year)
    value = traded_value(account.orders)
    return AccountAtSize(
        cash=settings.execution.cash,
        total_return=earned.total_return,
        sharpe_annual=earned.sharpe_annual,
        cost_bps=_paid(bars, account.orders) / value * 1e4 if value > 0 else None,
        filled=_filled(account.orders),
    )


def _paid(bars: Bars, orders: pd.DataFrame) -> float:
    """Fees, and how far fills lay from the open of their bar, in money; fills without a bar have no open."""
    filled = orders[orders["filled_quantity"].astype(float) > 0]
    rows = np.minimum(bars.timestamps.searchsorted(pd.DatetimeIndex(filled["filled_at"])), len(bars) - 1)
    columns = [bars.symbols.index(symbol) for symbol in filled["symbol"]]
    away = np.abs(filled["fill_price"].to_numpy(dtype=np.float64) - bars.open[rows, columns])
    return float(filled["fee"].sum() + np.nansum(away * filled["filled_quantity"].to_numpy(dtype=np.float64)))


def _filled(orders: pd.DataFrame) -> float | None:
    wanted = float(orders["quantity"].astype(float).sum())
    return float(orders["filled_quantity"].astype(float).sum()) / wanted if wanted > 0 else None
