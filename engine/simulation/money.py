"""What an account earns and pays besides its trades, and what a fill costs. Plain arithmetic, compiled as it stands.

Cerebro's account and the compiled one call the same functions in the same order, so that both end at the same bits.
Interest is simple, from one close to the next, by the time between them: a weekend bears three days.
"""

from __future__ import annotations

import math

import numpy as np

from engine.simulation.frictions import IMPACT
from forewalk.instruments import spread_of
from forewalk.sessions import microseconds
from forewalk.settings.sections import ExecutionSettings
from forewalk.types import Bars, BoolArray, FloatArray

BPS = 1e-4
MOST_IMPACT = 0.5  # of the price; the law is about orders far smaller than a day's volume
YEAR_US = 365.25 * 24 * 3600 * 1e6


def fee_of(quantity: float, price: float, rate: float, per_share: float, least: float) -> float:
    """Return the fee of one fill: a share of its value and so much a share, but at least so much.

    Args:
        quantity: shares, >= 0. price: of the fill.
        rate: fraction of the value. per_share, least: money.
    """
    fee = quantity * rate * price + quantity * per_share
    return fee if fee > least else least


def impact_share(quantity: float, one: float, impact: float) -> float:
    """Return by which fraction of the price a fill is worse because of its own size, one half at the most.

    Args:
        quantity: units, >= 0. one: what the root of one unit moves the price by, see `engine.simulation.frictions`.
        impact: coefficient of the square-root law.
    """
    share = impact * one * math.sqrt(quantity)
    return share if share < MOST_IMPACT else MOST_IMPACT


def interest(
    cash: float, short: float, years: float, cash_yield: float, borrow: float, margin: float = 0.0
) -> float:
    """Return what cash earned less what borrowed shares and borrowed money cost over `years`.

    Args:
        cash: of the account, the proceeds of short sales included.
        short: value of the shares owed, >= 0; their proceeds lie with the lender and earn nothing here.
        years: time that passed.
        cash_yield, borrow, margin: yearly rates; `margin` is paid on what is missing where `cash` is below `short`.
    """
    free = cash - short
    earned = free * cash_yield * years if free > 0.0 else free * margin * years
    return earned - short * borrow * years


def years_between(bars: Bars) -> FloatArray:
    """Return the time from the bar before to each bar in years of 365.25 days, [T]; 0 for the first."""
    stamps = microseconds(bars.timestamps).astype(np.float64)
    return np.asarray(np.diff(stamps, prepend=stamps[:1]) / YEAR_US)


def dividends_of(bars: Bars) -> FloatArray | None:
    """Return the cash paid per share, [T, S], None where prices are not raw or nothing is known."""
    return np.nan_to_num(bars.extras["dividend"]) if "dividend" in bars.extras else None


def half_spread_of(bars: Bars, spread_pips: float = 0.0) -> FloatArray | None:
    """Return what a fill is worse than the mid price by, in units of the price, [T, S]; None where none is known.

    `spread_pips` is the spread of currency pairs where the data have none.
    """
    known = spread_of(bars, spread_pips)
    return None if known is None else np.nan_to_num(known) * 0.5


def bears_interest(execution: ExecutionSettings) -> bool:
    """Whether cash, borrowed shares or borrowed money bear interest."""
    return bool(execution.cash_yield or execution.borrow_bps_per_year or execution.margin_bps_per_year)


class Holding:
    """What holding shares and cash bears, for accounts in fractions of shares without orders: the baselines."""

    def __init__(self, bars: Bars, execution: ExecutionSettings) -> None:
        self._execution = execution
        self._years = years_between(bars) if bears_interest(execution) else None
        self._dividends = dividends_of(bars)
        self._one = bars.extras.get(IMPACT) if execution.impact else None
        self._open = bars.open
        self._extra: FloatArray | None = None
        half = half_spread_of(bars, execution.spread_pips)
        if half is not None or execution.fee_per_share:
            with np.errstate(invalid="ignore"):
                extra = (
                    execution.fee_per_share if half is None else half + execution.fee_per_share
                ) / bars.open
            self._extra = np.nan_to_num(extra)

    def due(self, t: int, cash: float, shares: FloatArray, price: FloatArray) -> float:
        """Return dividends and interest at row `t` on what was held at the close before; `price` is of that close."""
        paid = 0.0
        if self._dividends is not None:
            paid += float((shares * self._dividends[t])[shares != 0].sum())
        if self._years is not None:
            short = float(-(shares * price)[shares < 0].sum())
            borrow, margin = (
                rate * BPS
                for rate in (self._execution.borrow_bps_per_year, self._execution.margin_bps_per_year)
            )
            years = float(self._years[t])
            paid += interest(cash, short, years, self._execution.cash_yield, borrow, margin)
        return paid

    def cost(self, t: int, values: FloatArray, columns: BoolArray) -> float:
        """Return what trading |values| (money, of the columns where the mask is true) costs at row `t`."""
        rate = (self._execution.fee_bps + self._execution.slippage_bps) * BPS
        paid = rate * float(values.sum())
        if self._one is not None:
            one, price = np.nan_to_num(self._one[t][columns]), self._open[t][columns]
            quantity = np.nan_to_num(values / price)
            share = np.minimum(self._execution.impact * one * np.sqrt(quantity), MOST_IMPACT)
            paid += float((values * share).sum())
        return paid if self._extra is None else paid + float((values * self._extra[t][columns]).sum())
