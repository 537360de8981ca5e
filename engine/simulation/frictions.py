"""What trading costs beyond fees: spreads told from highs and lows, and impact that grows with an order's size.

Both are told from bars that had closed before a fill, so that no cost knows the bar that it is paid on.

Spread: Corwin & Schultz (2012), "A Simple Way to Estimate Bid-Ask Spreads from Daily High and Low Prices", Journal of
Finance 67, with their correction for what happened overnight and negative estimates set to zero; the mean of 21 pairs
of bars. Impact: the square-root law (Almgren, Thum, Hauptmann & Li 2005, Risk 18; Toth et al. 2011, Physical Review X
1): a fill of Q units is worse by `impact` x volatility of a bar x sqrt(Q / volume of a bar).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from forewalk.settings.sections import ExecutionSettings
from forewalk.types import Bars, FloatArray

WINDOW_BARS = 21
IMPACT = (
    "impact"  # among the extras of bars: what the root of one unit moves the price by, a fraction, [T, S]
)
PARKINSON = 4.0 * np.log(2.0)
_ROOT = 3.0 - 2.0 * np.sqrt(2.0)


def with_frictions(bars: Bars, execution: ExecutionSettings) -> Bars:
    """Return the bars with what `execution` asks for: spreads where the data have none, and what impact needs.

    Args:
        bars: the whole history, so that the first fill has a past. Bars that have both already stay as they are.
    """
    extras: dict[str, FloatArray] = {}
    if execution.spread == "estimated":
        guess, known = estimated_spread(bars), bars.extras.get("spread")
        extras["spread"] = guess if known is None else np.where(np.isfinite(known), known, guess)
    if execution.impact and IMPACT not in bars.extras:
        extras[IMPACT] = impact_of_one(bars)
    return bars.with_extras(**extras) if extras else bars


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
