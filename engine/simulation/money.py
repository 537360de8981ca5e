"""What an account earns and pays besides its trades, and what a fill costs. Plain arithmetic, compiled as it stands.

Cerebro's account and the compiled one call the same functions in the same order, so that both end at the same bits.
Interest is simple, from one close to the next, by the time between them: a weekend bears three days.

Spreads and impact are told from bars that had closed before a fill, so that no cost knows the bar that it is paid on.
Spread: Corwin & Schultz (2012), "A Simple Way to Estimate Bid-Ask Spreads from Daily High and Low Prices", Journal of
Finance 67, with their correction for what happened overnight and negative estimates set to zero; the mean of 21 pairs
of bars. Impact: the square-root law (Almgren, Thum, Hauptmann & Li 2005, Risk 18; Toth et al. 2011, Physical Review X
1): a fill of Q units is worse by `impact` x volatility of a bar x sqrt(Q / volume of a bar).
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from forewalk.instruments import spread_of
from forewalk.sessions import microseconds
from forewalk.settings.sections import ExecutionSettings
from forewalk.types import Bars, BoolArray, FloatArray

BPS = 1e-4
MOST_IMPACT = 0.5  # of the price; the law is about orders far smaller than a day's volume
WINDOW_BARS = 21
IMPACT = (
    "impact"  # among the extras of bars: what the root of one unit moves the price by, a fraction, [T, S]
)
VOLUME_BEFORE = "volume_before"  # among the extras of bars: see `volume_before`
PARKINSON = 4.0 * np.log(2.0)
_ROOT = 3.0 - 2.0 * np.sqrt(2.0)
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
        quantity: units, >= 0. one: what the root of one unit moves the price by, see `engine.simulation.money`.
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
        self._rates = (
            execution.cash_yield,
            execution.borrow_bps_per_year * BPS,
            execution.margin_bps_per_year * BPS,
        )
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
            paid += interest(cash, short, float(self._years[t]), *self._rates)
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


def with_frictions(bars: Bars, execution: ExecutionSettings) -> Bars:
    """Return the bars with what `execution` asks for: spreads where the data have none, what impact needs, and the
    volume before each bar.

    Args:
        bars: the whole history, so that the first fill has a past. Bars that have both already stay as they are.
    """
    extras: dict[str, FloatArray] = {}
    if execution.spread == "estimated":
        guess, known = estimated_spread(bars), bars.extras.get("spread")
        extras["spread"] = guess if known is None else np.where(np.isfinite(known), known, guess)
    if execution.impact and IMPACT not in bars.extras:
        extras[IMPACT] = impact_of_one(bars)
    told = with_known_volume(bars, execution)
    return told.with_extras(**extras) if extras else told


def with_known_volume(bars: Bars, execution: ExecutionSettings) -> Bars:
    """Return the bars with the volume before each where orders are capped by it; `bars` are the whole history."""
    capped = execution.max_volume_share is not None and execution.volume_known == "before"
    if not capped or VOLUME_BEFORE in bars.extras:
        return bars
    return bars.with_extras(**{VOLUME_BEFORE: volume_before(bars)})


def volume_before(bars: Bars) -> FloatArray:
    """Return the mean volume of a symbol's 21 bars before each, [T, S], told from those bars alone.

    NaN where the symbol has reported no volume so far: at its first bar, and always for a currency or an index.
    A bar without a price counts for none and has what the next one has.
    """
    present = np.asarray(bars.present)
    own = np.argsort(
        ~present, axis=0, kind="stable"
    )  # a symbol's bars first, in order, then the rows without one
    volume = np.where(present, np.nan_to_num(bars.volume), 0.0)
    traded = np.vstack([np.zeros((1, volume.shape[1])), np.take_along_axis(volume, own, axis=0)])
    sums = np.zeros(traded.shape)  # of the bars before a symbol's own bar 0, 1, ..., T
    for age in range(min(WINDOW_BARS, len(volume))):
        sums[age:] += traded[: len(traded) - age]
    count = np.minimum(np.arange(len(sums)), WINDOW_BARS)[:, None]
    begun = np.maximum.accumulate(traded, axis=0) > 0
    known = np.where(begun, sums / np.maximum(count, 1), np.nan)
    return np.asarray(np.take_along_axis(known, np.cumsum(present, axis=0) - present, axis=0))


def estimated_spread(bars: Bars) -> FloatArray:
    """Return the spread in units of the price at each bar, [T, S], told from the bars before it.

    NaN before the first pair of bars. A symbol whose bars have no range (high = low) shows none.
    """
    result = np.full(bars.close.shape, np.nan)
    for column in range(len(bars.symbols)):
        own = np.flatnonzero(bars.present[:, column])
        high, low, close = (values[own, column] for values in (bars.high, bars.low, bars.close))
        share = pd.Series(np.concatenate([[np.nan], pair_spreads(high, low, close)]))
        usual = share.rolling(WINDOW_BARS, min_periods=1).mean().shift(1)
        result[own, column] = usual.to_numpy() * np.concatenate([[np.nan], close[:-1]])
    return result


def pair_spreads(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """Return the spread over the price told from each pair of neighbouring bars, [n - 1], never below 0.

    Corwin & Schultz (2012), equations 14 and 18; a close outside the next bar's range moves that range to it.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.maximum(low[1:] - close[:-1], 0.0)  # opened above: the night is no spread
        down = np.maximum(close[:-1] - high[1:], 0.0)
        second = (high[1:] - up + down, low[1:] - up + down)
        beta = np.log(high[:-1] / low[:-1]) ** 2 + np.log(second[0] / second[1]) ** 2
        gamma = np.log(np.maximum(high[:-1], second[0]) / np.minimum(low[:-1], second[1])) ** 2
        alpha = (np.sqrt(2.0 * beta) - np.sqrt(beta)) / _ROOT - np.sqrt(gamma / _ROOT)
        spread = 2.0 * (np.exp(alpha) - 1.0) / (1.0 + np.exp(alpha))
    return np.where(np.isfinite(spread), np.maximum(spread, 0.0), 0.0)


def impact_of_one(bars: Bars) -> FloatArray:
    """Return volatility of a bar over the root of its volume, [T, S], told from the 21 bars before each.

    Volatility by the range of each bar (Parkinson 1980, Journal of Business 53) or its move from the last close,
    whichever is larger. 0 where no volume is known: a currency, an index.
    """
    result = np.zeros(bars.close.shape)
    for column in range(len(bars.symbols)):
        own = np.flatnonzero(bars.present[:, column])
        high, low, close = (values[own, column] for values in (bars.high, bars.low, bars.close))
        volume = pd.Series(np.nan_to_num(bars.volume[own, column]))
        with np.errstate(divide="ignore", invalid="ignore"):
            ranged = np.nan_to_num(np.log(high / low) ** 2 / PARKINSON)
            moved = np.nan_to_num(np.diff(np.log(close), prepend=np.log(close[:1])) ** 2)
        variance = pd.Series(np.maximum(ranged, moved)).rolling(WINDOW_BARS, min_periods=1).mean().shift(1)
        traded = volume.rolling(WINDOW_BARS, min_periods=1).mean().shift(1).to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            one = np.sqrt(variance.to_numpy() / traded)
        result[own, column] = np.where(np.isfinite(one), one, 0.0)
    return result
