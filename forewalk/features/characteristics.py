"""Thirty-two characteristics of price and volume on which symbols can be compared with each other.

With r the log return from a symbol's previous bar, m the mean of r over the symbols of a bar (members of the
universe, where there is one), v the root mean square of r over `features.volatility_bars` bars, b the slope of r
on m over 126 bars, e = r - b m, and O H L C V the bar. "Scaled sum" over n bars means the sum over v sqrt(n).

`reversal` (Jegadeesh 1990; Lehmann 1990): market_relative_1, _3, _5: scaled sums of r - m.
`momentum` (Jegadeesh & Titman 1993; Novy-Marx 2012): momentum_63, _126, _252: scaled log price changes;
    momentum_252_21: from 252 to 21 bars ago.
`extremes` (Bali, Cakici & Whitelaw 2011; George & Hwang 2004): largest_return and smallest_return: of r over 21
    bars; from_high and from_low: log of C over its largest and smallest of 252 bars.
`residual` (Frazzini & Pedersen 2014; Blitz, Huij & Martens 2011): beta: b; residual_1, _5, _21: scaled sums of e.
`risk` (Ang, Hodrick, Xing & Zhang 2006; Amaya et al. 2015): residual_volatility_21, _126: root mean square of e;
    volatility_ratio: v over the root mean square of r over 126 bars; skewness: of r over 63 bars.
`overnight` (Lou, Polk & Skouras 2019): overnight_1, _5, _21: scaled sums of log(O / previous C); day_1, _5, _21: of
    log(C / O).
`volume` (Gervais, Kaniel & Mingelgrin 2001): volume_shock: V over its mean of 21 bars; volume_score: log of V less
    its mean over 21 bars, over their standard deviation; volume_trend: mean of V C over 5 bars over that of 63;
    signed_volume: log((1 + V C over its mean of 21 bars) / 2) times the sign of r - m.
`location` (Williams 1972, accumulation/distribution): close_location_1, _5: mean of (2C - H - L) / (H - L), which
    is 0 where high is low.
`seasonal` (Heston & Sadka 2008): year_ago: mean of e / v over the three bars around one year before the next bar.

No level of a price or of a volume is among them: a later dividend or split multiplies all earlier prices and
volumes of adjusted data by constants, so that a level carries the future into a comparison. That is why the level
of dollar volume and Amihud's (2002) illiquidity, which belong to this family, are missing.

All arrays are [N, S] over each symbol's own bars, pushed together: row k is the symbol's k-th bar; NaN where it
has no more. Every window is summed bar by bar, so a value depends on the bars of its window and on nothing else,
not even in its last bit: neither on where the history begins nor on what comes later.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from forewalk.features.technical import SMALLEST_VOLATILITY
from forewalk.types import FloatArray

MONTH_BARS, QUARTER_BARS, HALF_YEAR_BARS, YEAR_BARS = 21, 63, 126, 252
SMALLEST_SPREAD = 1e-6  # of the log of a volume: one that varies less stands still
SEASON_LAG = 250  # the three bars that end 250 bars ago lie around the one a year before the next bar


@dataclass(frozen=True, eq=False)
class OwnBars:
    """The bars of every symbol, pushed together, float64 [N, S] each; NaN after a symbol's last.

    `market` is the mean return of the market on the bar that stands in each cell.
    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    market: FloatArray


def characteristics(bars: OwnBars, volatility_bars: int, groups: Collection[str]) -> dict[str, FloatArray]:
    """Return the characteristics of `groups` by name, [N, S] each, in a fixed order; NaN while bars are too few."""
    with np.errstate(divide="ignore", invalid="ignore"):
        known = _Known(bars, volatility_bars)
        return {
            name: np.where(np.isfinite(values), values, np.nan)
            for group, of in _GROUPS.items()
            if group in groups
            for name, values in of(known).items()
        }


class _Known:
    """What several groups are made of."""

    def __init__(self, bars: OwnBars, volatility_bars: int) -> None:
        self.bars = bars
        self.returns = np.log(bars.close / lagged(bars.close, 1))
        volatility = root_mean_square(self.returns, volatility_bars)
        self.volatility = np.where(volatility > SMALLEST_VOLATILITY, volatility, np.nan)
        self.relative = self.returns - bars.market
        self.beta = rolling_slope(self.returns, bars.market, HALF_YEAR_BARS)
        self.residual = self.returns - self.beta * bars.market
        self.worth = bars.close * np.maximum(bars.volume, 0.0)

    def scaled(self, values: FloatArray, bars: int) -> FloatArray:
        """Sum over `bars` bars in units of the volatility of as many bars."""
        return np.asarray(rolling_sum(values, bars) / (self.volatility * np.sqrt(bars)))


def _reversal(known: _Known) -> dict[str, FloatArray]:
    return {f"market_relative_{span}": known.scaled(known.relative, span) for span in (1, 3, 5)}


def _momentum(known: _Known) -> dict[str, FloatArray]:
    close = known.bars.close

    def change(newest: int, oldest: int) -> FloatArray:
        moved = np.log(lagged(close, newest) / lagged(close, oldest))
        return np.asarray(moved / (known.volatility * np.sqrt(oldest - newest)))

    spans = (QUARTER_BARS, HALF_YEAR_BARS, YEAR_BARS)
    whole = {f"momentum_{span}": change(0, span) for span in spans}
    return whole | {"momentum_252_21": change(MONTH_BARS, YEAR_BARS)}


def _extremes(known: _Known) -> dict[str, FloatArray]:
    close = known.bars.close
    return {
        "largest_return": rolling_largest(known.returns, MONTH_BARS),
        "smallest_return": -rolling_largest(-known.returns, MONTH_BARS),
        "from_high": np.log(close / rolling_largest(close, YEAR_BARS)),
        "from_low": np.log(close / -rolling_largest(-close, YEAR_BARS)),
    }


def _residual(known: _Known) -> dict[str, FloatArray]:
    sums = {f"residual_{span}": known.scaled(known.residual, span) for span in (1, 5, MONTH_BARS)}
    return {"beta": known.beta} | sums


def _risk(known: _Known) -> dict[str, FloatArray]:
    long = root_mean_square(known.returns, HALF_YEAR_BARS)
    return {
        "residual_volatility_21": root_mean_square(known.residual, MONTH_BARS),
        "residual_volatility_126": root_mean_square(known.residual, HALF_YEAR_BARS),
        "volatility_ratio": known.volatility / long,
        "skewness": rolling_skewness(known.returns, QUARTER_BARS),
    }


def _overnight(known: _Known) -> dict[str, FloatArray]:
    bars = known.bars
    night, day = np.log(bars.open / lagged(bars.close, 1)), np.log(bars.close / bars.open)
    parts = {"overnight": night, "day": day}
    return {
        f"{name}_{span}": known.scaled(values, span)
        for name, values in parts.items()
        for span in (1, 5, MONTH_BARS)
    }


def _volume(known: _Known) -> dict[str, FloatArray]:
    volume = np.maximum(known.bars.volume, 0.0)
    shock = np.log((1.0 + _share(known.worth, rolling_mean(known.worth, MONTH_BARS))) / 2.0)
    return {
        "volume_shock": _share(volume, rolling_mean(volume, MONTH_BARS)),
        "volume_score": score_over(np.log(np.where(volume > 0.0, volume, np.nan)), MONTH_BARS),
        "volume_trend": _share(rolling_mean(known.worth, 5), rolling_mean(known.worth, QUARTER_BARS)),
        "signed_volume": shock * np.sign(known.relative),
    }


def _location(known: _Known) -> dict[str, FloatArray]:
    bars = known.bars
    spread = bars.high - bars.low
    place = np.where(spread > 0.0, ((bars.close - bars.low) - (bars.high - bars.close)) / spread, 0.0)
    place = np.where(np.isfinite(bars.close), place, np.nan)
    return {"close_location_1": place, "close_location_5": rolling_mean(place, 5)}


def _seasonal(known: _Known) -> dict[str, FloatArray]:
    return {"year_ago": lagged(rolling_mean(known.residual / known.volatility, 3), SEASON_LAG)}


_GROUPS = {
    "reversal": _reversal,
    "momentum": _momentum,
    "extremes": _extremes,
    "residual": _residual,
    "risk": _risk,
    "overnight": _overnight,
    "volume": _volume,
    "location": _location,
    "seasonal": _seasonal,
}


def lagged(values: FloatArray, bars: int) -> FloatArray:
    """Return the values of `bars` rows earlier; NaN where there are none."""
    result = np.full_like(values, np.nan)
    if bars < len(values):
        result[bars:] = values[: len(values) - bars]
    return result


def rolling_sum(values: FloatArray, bars: int) -> FloatArray:
    """Return the sum over the last `bars` rows, oldest first; NaN where one of them is."""
    result = np.full_like(values, np.nan)
    if len(values) >= bars:
        total = np.zeros_like(values[bars - 1 :])
        for first in range(bars):
            total += values[first : first + len(total)]
        result[bars - 1 :] = total
    return result


def rolling_mean(values: FloatArray, bars: int) -> FloatArray:
    """Return the mean over the last `bars` rows; NaN where one of them is."""
    return rolling_sum(values, bars) / bars


def rolling_largest(values: FloatArray, bars: int) -> FloatArray:
    """Return the largest of the last `bars` rows; NaN where one of them is."""
    result = np.full_like(values, np.nan)
    if len(values) >= bars:
        largest = values[bars - 1 :].copy()
        for first in range(bars - 1):
            np.maximum(largest, values[first : first + len(largest)], out=largest)
        result[bars - 1 :] = largest
    return result


def root_mean_square(values: FloatArray, bars: int) -> FloatArray:
    """Return the root mean square of the last `bars` rows."""
    return np.sqrt(rolling_mean(values**2, bars))


def rolling_slope(y: FloatArray, x: FloatArray, bars: int) -> FloatArray:
    """Return the least-squares slope of y on x over the last `bars` rows; NaN where x stands still."""
    x = np.where(np.isfinite(y), x, np.nan)
    mean_x, mean_y = rolling_mean(x, bars), rolling_mean(y, bars)
    covariance = rolling_mean(x * y, bars) - mean_x * mean_y
    variance = rolling_mean(x**2, bars) - mean_x**2
    return np.where(variance > SMALLEST_VOLATILITY**2, covariance / variance, np.nan)


def rolling_skewness(values: FloatArray, bars: int) -> FloatArray:
    """Return the third central moment over the 3/2th power of the second; NaN where the values stand still."""
    mean, square, cube = (rolling_mean(values**power, bars) for power in (1, 2, 3))
    variance = square - mean**2
    third = cube - 3.0 * mean * square + 2.0 * mean**3
    return np.where(variance > SMALLEST_VOLATILITY**2, third / variance**1.5, np.nan)


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return part over whole; 1, which says nothing, where nothing was traded, NaN where either is unknown."""
    return np.where(whole > 0.0, part / whole, np.where(np.isnan(whole) | np.isnan(part), np.nan, 1.0))


def score_over(values: FloatArray, bars: int) -> FloatArray:
    """Return values less their mean over the last `bars` rows, over the standard deviation of these.

    NaN where one of these is, or where they stand still.
    """
    mean = rolling_mean(values, bars)
    spread = np.sqrt(np.maximum(rolling_mean(values**2, bars) - mean**2, 0.0))
    return (values - mean) / np.where(spread > SMALLEST_SPREAD, spread, np.nan)
