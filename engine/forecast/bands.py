"""Central ranges around a forecast, widened where ranges like it have held less often than they promise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from engine.evaluation.metrics.forecasts.pit import LEVELS, calibration
from forewalk.types import FloatArray

SIGNIFICANT = 0.05
Ranges = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Widening:
    """What one range is widened by.

    Attributes:
        level: share that is promised, 0.8 for 80 %. held: share of past outcomes inside, NaN where there are none.
        factor: on the half width; 1 where the range has held, or where too little is known.
    """

    level: float
    held: float
    factor: float


def widenings(
    mean: FloatArray, std: FloatArray, actual: FloatArray, horizon_bars: int
) -> tuple[Widening, ...]:
    """Return for 50, 80 and 95 % by what to widen, told from past forecasts and their outcomes, each [T, S].

    A range that has held significantly too seldom (two-sided 5 %, symbols of a bar as one cluster) is widened to the
    quantile of past distances that would have held, the split-conformal one: rank ceil((n + 1) level) of n.
    Vovk, Gammerman & Shafer (2005), Algorithmic Learning in a Random World, ch. 2. Nothing is ever narrowed.
    """
    used = np.isfinite(mean) & np.isfinite(actual) & (std > 0)
    distance = np.sort(np.abs((actual - mean)[used] / std[used]))
    found = []
    for test in calibration(mean, std, actual, horizon_bars).coverage:
        held = float("nan") if test.share is None else test.share
        factor, rank = 1.0, int(np.ceil((len(distance) + 1) * test.level))
        fails = test.p is not None and test.p < SIGNIFICANT and held < test.level
        if fails and rank <= len(distance):
            factor = max(1.0, float(distance[rank - 1] / stats.norm.ppf(0.5 + test.level / 2)))
        found.append(Widening(test.level, held, factor))
    return tuple(found)


def ranges(mean: float, std: float, widened: tuple[Widening, ...]) -> Ranges:
    """Return the central ranges of a log return, by percentage: {"50": (low, high), ...}."""
    if tuple(w.level for w in widened) != LEVELS:
        raise ValueError(f"ranges are for the levels {LEVELS}")
    return {
        f"{w.level:.0%}".rstrip("%"): (
            mean - w.factor * std * float(stats.norm.ppf(0.5 + w.level / 2)),
            mean + w.factor * std * float(stats.norm.ppf(0.5 + w.level / 2)),
        )
        for w in widened
    }
