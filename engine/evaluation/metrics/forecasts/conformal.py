"""Central ranges around a forecast, widened where ranges like it have held less often than they promise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.special import ndtri

from engine.evaluation.metrics.forecasts.pit import LEVELS
from engine.evaluation.metrics.inference import robust_mean_test
from engine.evaluation.metrics.statistics import row_means
from forewalk.types import FloatArray

SIGNIFICANT = 0.05
STEPS = 20  # parts of the past in which the record of widened ranges is told
Ranges = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Widening:
    """What one range is widened by.

    Attributes:
        level: share that is promised, 0.8 for 80 %. held: share of past outcomes inside, NaN where there are none.
        factor: on the half width; 1 where the range has held, or where too little is known.
        held_widened: share of past outcomes inside ranges widened in this way by what was known before them; None
            where nothing is widened.
    """

    level: float
    held: float
    factor: float
    held_widened: float | None = None


def widenings(
    mean: FloatArray, std: FloatArray, actual: FloatArray, horizon_bars: int
) -> tuple[Widening, ...]:
    """Return for 50, 80 and 95 % by what to widen, told from past forecasts and their outcomes, each [T, S].

    A range that has held significantly too seldom (two-sided 5 %, symbols of a bar as one cluster) is widened to the
    quantile of past distances that would have held, the split-conformal one: rank ceil((n + 1) level) of n.
    Vovk, Gammerman & Shafer (2005), Algorithmic Learning in a Random World, ch. 2. Nothing is ever narrowed.
    """
    distance = _distances(mean, std, actual)
    return _told(distance, _shares_inside(distance), horizon_bars)


def with_record(
    found: tuple[Widening, ...], mean: FloatArray, std: FloatArray, actual: FloatArray, reach_bars: int
) -> tuple[Widening, ...]:
    """Return the widenings with how often ranges widened like that would have held, each told from the rows before.

    The rows, [T, S] in time order, are gone through in STEPS parts. Each part is widened by what the outcomes of the
    rows before it say, without those that were not known yet when its first forecast was made; they become known
    `reach_bars` rows after their own.
    """
    if all(each.factor == 1 for each in found):
        return found
    distance = _distances(mean, std, actual)
    shares = _shares_inside(distance)
    starts = np.linspace(0, len(mean), STEPS + 1).astype(int)
    inside, counted = dict.fromkeys(LEVELS, 0), 0
    for first, last in pairwise(starts[1:].tolist()):
        known = max(0, first - reach_bars + 1)
        part = distance[first:last]
        counted += int(np.isfinite(part).sum())
        for each in _told(distance[:known], {level: of[:known] for level, of in shares.items()}, reach_bars):
            inside[each.level] += int(np.sum(part <= each.factor * _reach(each.level)))
    if not counted:
        return found
    return tuple(
        replace(each, held_widened=inside[each.level] / counted) if each.factor > 1 else each
        for each in found
    )


def ranges(mean: float, std: float, widened: tuple[Widening, ...]) -> Ranges:
    """Return the central ranges of a log return, by percentage: {"50": (low, high), ...}."""
    if tuple(w.level for w in widened) != LEVELS:
        raise ValueError(f"ranges are for the levels {LEVELS}")
    return {
        f"{w.level:.0%}".rstrip("%"): (
            mean - w.factor * std * _reach(w.level),
            mean + w.factor * std * _reach(w.level),
        )
        for w in widened
    }


def _reach(level: float) -> float:
    """Return the half width of a central range of the normal distribution, in standard deviations."""
    return float(ndtri(0.5 + level / 2))


def _distances(mean: FloatArray, std: FloatArray, actual: FloatArray) -> FloatArray:
    """Return |outcome - mean| / std, NaN where one of them is unknown."""
    used = np.isfinite(mean) & np.isfinite(actual) & (std > 0)
    return np.where(used, np.abs(actual - mean) / np.where(used, std, 1.0), np.nan)


def _shares_inside(distance: FloatArray) -> dict[float, FloatArray]:
    """Return by level the share of each bar's symbols that ended inside, [T]."""
    known = np.isfinite(distance)
    return {level: row_means(np.where(known, distance <= _reach(level), np.nan)) for level in LEVELS}


def _told(distance: FloatArray, shares: dict[float, FloatArray], horizon_bars: int) -> tuple[Widening, ...]:
    found = []
    for level in LEVELS:
        test = robust_mean_test(shares[level] - level, horizon_bars)
        held, factor = test.mean + level, 1.0
        if test.p_two_sided < SIGNIFICANT and held < level:
            factor = max(1.0, _would_have_held(distance, level) / _reach(level))
        found.append(Widening(level, held, factor))
    return tuple(found)


def _would_have_held(distance: FloatArray, level: float) -> float:
    """Return the distance that the split-conformal rank names; 0 where there are too few for it."""
    known = distance[np.isfinite(distance)]
    rank = int(np.ceil((len(known) + 1) * level))
    return float(np.partition(known, rank - 1)[rank - 1]) if rank <= len(known) else 0.0
