"""Whether the stated spread is how outcomes spread: the probability integral transform, tested, and coverage as z."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from engine.evaluation.metrics.door import Record
from engine.evaluation.metrics.inference import robust_mean_test
from engine.evaluation.metrics.statistics import row_means
from forewalk.types import FloatArray

LEVELS = (0.5, 0.8, 0.95)


@dataclass(frozen=True)
class CoverageTest(Record):
    """One central interval against what it promises.

    Attributes:
        level: stated share. share: that came, the mean over bars of each bar's share.
        z: (share - level) over its error, with overlap and clusters allowed for; Student's t. p: two-sided. None
            where it cannot be tested.
    """

    level: float
    share: float | None
    z: float | None
    p: float | None


@dataclass(frozen=True)
class Calibration(Record):
    """The distributions that were stated, N(mean, std), against outcomes.

    Attributes:
        coverage: of the central 50, 80 and 95 %.
        pit_mean, pit_spread: mean of u = Phi((y - mean) / std), and 12 times the mean of (u - 1/2)^2; 0.5 and 1 where
            outcomes come from what was stated. A spread below 1: stated too wide; above 1: too narrow.
        p: that both are as they should be: each is tested by itself, and the smaller p doubled.
    """

    coverage: tuple[CoverageTest, ...]
    pit_mean: float | None
    pit_spread: float | None
    p: float | None


def calibration(mean: FloatArray, std: FloatArray, actual: FloatArray, horizon_bars: int = 1) -> Calibration:
    """Test stated normal distributions, [T, S], against outcomes; cells that are not finite are left out.

    The symbols of a bar count as one cluster, and bars nearer than the horizon overlap: p-values from
    `robust_mean_test` over the bars' means. Diebold, Gunther & Tay (1998), International Economic Review 39.
    """
    used = np.isfinite(mean) & np.isfinite(actual) & (std > 0)
    score = np.where(used, (actual - mean) / np.where(used, std, 1.0), np.nan)
    u = ndtr(score)
    levels = []
    for level in LEVELS:
        inside = np.where(used, np.abs(score) <= ndtri(0.5 + level / 2), np.nan)
        per_bar = row_means(np.asarray(inside, dtype=np.float64))
        test = robust_mean_test(per_bar - level, horizon_bars)
        levels.append(CoverageTest(level, test.mean + level, test.t, test.p_two_sided))
    middle, spread = row_means(u), row_means(12.0 * (u - 0.5) ** 2)
    tests = robust_mean_test(middle - 0.5, horizon_bars), robust_mean_test(spread - 1.0, horizon_bars)
    known = [test.p_two_sided for test in tests if math.isfinite(test.p_two_sided)]
    p = min(1.0, len(known) * min(known)) if known else math.nan
    return Calibration(tuple(levels), tests[0].mean + 0.5, tests[1].mean + 1.0, p)
