"""Where each symbol stands among the others of its bar: ranks as normal scores.

A network that is to order symbols learns little from features whose spread changes from bar to bar. Ranks do not:
every bar has the same distribution (Gu, Kelly & Xiu 2020, Review of Financial Studies 33, rank their
characteristics in the same way). What the ranks leave out, the state of the market, stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtri

from forewalk.errors import ConfigError
from forewalk.features.characteristics import (
    YEAR_BARS,
    OwnBars,
    characteristics,
    root_mean_square,
    score_over,
)
from forewalk.features.technical import LIMIT, SMALLEST_VOLATILITY
from forewalk.settings.features import FEWEST_SYMBOLS, FeatureSettings
from forewalk.types import Bars, BoolArray, FloatArray

PREFIX, OVER_TIME = "rank_", "own_"
MIDDLE = 0.0  # score of a symbol whose bars do not reach back as far as a characteristic does


def cross_section_features(
    bars: Bars, technical: Mapping[str, FloatArray], market: FloatArray, settings: FeatureSettings
) -> dict[str, FloatArray]:
    """Return the ranked features of every symbol by name, float64 [T, S] each.

    Args:
        bars: of all symbols. A rank is taken over those that have the characteristic on the bar and, where `bars`
            has a universe, are members on it; the others have none.
        technical: the features of `forewalk.features.technical`, [T, S] each, ranked as they are.
        market: mean one-bar log return of the market, [T].
        settings: which groups of `forewalk.features.characteristics` there are, and the span of volatility.

    A score of bar t depends on bars up to t only. It is NaN on bars with fewer than 20 symbols to compare. Where all
    of `technical` is known and a characteristic is not, since it reaches further back or nothing was traded, its
    score is 0, the middle: a symbol would otherwise have no forecast, and a network no row, for a year and a half.

    Raises:
        ConfigError: there are not 20 symbols in all.
    """
    if len(bars.symbols) < FEWEST_SYMBOLS:
        raise ConfigError(
            f"features.cross_section compares at least {FEWEST_SYMBOLS} symbols on a bar, here are "
            f"{len(bars.symbols)}; load more, or set features.cross_section = false"
        )
    own = _own_bars(bars, market)
    found = characteristics(own, settings.volatility_bars, settings.cross_section_groups)
    ranked = {name: normal_scores(values, bars.member) for name, values in technical.items()}
    compared = np.logical_and.reduce([np.isfinite(values) for values in ranked.values()])
    for name, values in found.items():
        scores = normal_scores(_spread(values, bars), bars.member)
        ranked[name] = np.where(compared & np.isnan(scores), MIDDLE, scores)
    return {f"{PREFIX}{name}": values for name, values in ranked.items()}


def features_over_time(
    bars: Bars, technical: Mapping[str, FloatArray], market: FloatArray, settings: FeatureSettings
) -> dict[str, FloatArray]:
    """Return the same characteristics where there are too few symbols to rank them, float64 [T, S] each.

    Each is compared with the symbol's own past year instead: less its mean over 252 of the symbol's bars, over their
    standard deviation, cut at +-10. Arguments as for `cross_section_features`. A value of bar t depends on bars up to
    t only. Where all of `technical` is known and a characteristic is not, since it reaches further back or stands
    still, it is 0.
    """
    own = _own_bars(bars, market)
    found = characteristics(own, settings.volatility_bars, settings.cross_section_groups)
    usable = np.logical_and.reduce([np.isfinite(values) for values in technical.values()])
    result = {}
    for name, values in found.items():
        over_time = np.clip(_spread(score_over(values, YEAR_BARS), bars), -LIMIT, LIMIT)
        result[f"{OVER_TIME}{name}"] = np.where(usable & np.isnan(over_time), MIDDLE, over_time)
    return result


def market_volatility(market: FloatArray, span: int) -> FloatArray:
    """Return the log of the root mean square of the market's return over `span` bars, [T]; NaN where it is still."""
    size = root_mean_square(market[:, None], span)[:, 0]
    return np.log(np.where(size > SMALLEST_VOLATILITY, size, np.nan))


def normal_scores(values: FloatArray, member: BoolArray | None = None) -> FloatArray:
    """Rank each row of values [T, S] and return Phi^-1((rank - 1/2) / n), ties at their mean rank.

    NaN where the value is NaN or the symbol no member, and on rows with fewer than 20 others. (Blom 1958 calls them
    normal scores.)
    """
    there = np.isfinite(values)
    if member is not None:
        there = there & member
    count = there.sum(axis=1, keepdims=True)
    from scipy.stats import rankdata  # takes half a second, and only panels with ranks need it

    ranks = rankdata(np.where(there, values, np.inf), axis=1)  # what is not there comes last
    enough = there & (count >= FEWEST_SYMBOLS)
    share = np.where(enough, (ranks - 0.5) / np.maximum(count, 1), 0.5)
    return np.where(enough, ndtri(share), np.nan)


def _own_bars(bars: Bars, market: FloatArray) -> OwnBars:
    fields = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    beside = np.broadcast_to(market[:, None], bars.close.shape)
    return OwnBars(*(_together(values, bars.present) for values in (*fields, beside)))


def _together(values: FloatArray, present: BoolArray) -> FloatArray:
    """Push each symbol's own bars together, NaN after the last, [T, S]."""
    result = np.full(values.shape, np.nan)
    for column in range(values.shape[1]):
        own = values[present[:, column], column]
        result[: len(own), column] = own
    return result


def _spread(values: FloatArray, bars: Bars) -> FloatArray:
    """Undo `_together`."""
    result = np.full(values.shape, np.nan)
    for column in range(values.shape[1]):
        present = bars.present[:, column]
        result[present, column] = values[: int(present.sum()), column]
    return result
