"""One-sided CUSUM charts whose limits come from the series' own past, to a stated rate of false alarms.

Page (1954), Continuous Inspection Schemes, Biometrika 41. The limit is that of no table of independent normal
values: forecast errors have fat tails and come in clusters, so it is found by resampling the reference in blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.evaluation.metrics.drift.resampling import resampled_rows
from forewalk.types import FloatArray

ALLOWANCE = 0.25  # standard deviations a session that are let pass: half of the shift that is looked for
TRIMMED = (
    0.005  # a single wild session is no drift: values beyond these quantiles of the reference count as them
)
RATIO = 1.5  # of the odds: the change of a share that is looked for
YEARS = 5.0  # length of the histories on which a limit is set
REPETITIONS = 1000
MARGIN = 2.0  # on the limit: a finite past has not shown all that quiet years hold; see benchmarks/drift.py
HIGHEST = (
    2.0  # limits: a sum goes no higher, so that what has passed is over in a time that can be waited for
)
FEWEST = 60  # values of a reference, below which nothing is calibrated


@dataclass(frozen=True, eq=False)
class Course:
    """How a sum went.

    Attributes:
        sums: after each value, [T]. alarms: rows at which one began. since: row of the one that is not over.
    """

    sums: FloatArray
    alarms: tuple[int, ...]
    since: int | None


@dataclass(frozen=True)
class Chart:
    """A chart that is ready to be fed: `score = (value within [low, high] - centre) / scale - allowance`.

    Attributes:
        centre, scale: of the reference. low, high: bounds of what one value can count.
        allowance: what is let pass each time, in units of scale.
        limit: the sum of scores, never below 0, beyond which there is an alarm.
        adds_up: False where each score is looked at alone, because it is about many sessions already.
    """

    centre: float
    scale: float
    low: float
    high: float
    allowance: float
    limit: float
    adds_up: bool = True

    def scores(self, values: FloatArray) -> FloatArray:
        """Return what each value adds to the sum, in the shape of `values`; NaN stays NaN."""
        return np.asarray((np.clip(values, self.low, self.high) - self.centre) / self.scale - self.allowance)

    def course(self, values: FloatArray) -> Course:
        """Return the course of the sum over values [T]; a NaN leaves everything as it is.

        An alarm begins where the sum passes the limit and is over where it is back at 0, so what goes on is one
        alarm however long it goes on.
        """
        total, since = 0.0, None
        sums, alarms = np.zeros(len(values)), []
        for row, score in enumerate(self.scores(values)):
            if math.isfinite(score):
                before = total if self.adds_up else 0.0
                total = min(max(0.0, before + float(score)), HIGHEST * self.limit)
            if since is None and total > self.limit:
                since = row
                alarms.append(row)
            elif total == 0.0:
                since = None
            sums[row] = total
        return Course(sums, tuple(alarms), since)


Fit = Callable[
    [FloatArray], tuple[FloatArray, FloatArray, FloatArray]
]  # [B, T] -> centre, scale, allowance [B]


def by_mean(samples: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fit a chart for a rising mean to each row of [B, T]: shifts of half a standard deviation are looked for."""
    scale = samples.std(axis=1)
    return samples.mean(axis=1), np.where(scale > 0, scale, 1.0), np.full(len(samples), ALLOWANCE)


def by_share(samples: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fit a chart for a rising share (values in 0 .. 1) to each row of [B, T]; the binomial CUSUM.

    Scores are those of the likelihood ratio of a share with `RATIO` times the odds against the reference's own.
    A reference without a single one has no share to compare with: half of one is taken.
    """
    few = 0.5 / samples.shape[1]
    before = np.clip(samples.mean(axis=1), few, 1.0 - few)
    odds = RATIO * before / (1.0 - before)
    after = odds / (1.0 + odds)
    between = np.log((1.0 - before) / (1.0 - after)) / np.log(RATIO)
    scale = np.sqrt(before * (1.0 - before))
    return before, scale, (between - before) / scale


def calibrated(
    reference: FloatArray,
    alarms_per_year: float,
    sessions_per_year: float,
    block: float,
    seed: int,
    fit: Fit = by_mean,
) -> Chart | None:
    """Return the chart that cries wolf `alarms_per_year` times a year on more of the same; None from too few values.

    Each of `REPETITIONS` times the reference is resampled twice, in blocks: once to fit centre and scale, which a
    finite reference gives with an error, and once for the `YEARS` that follow. The limit is `MARGIN` times the one
    that a share of exp(-rate * YEARS) of those histories stays below.

    Args:
        reference: [T], one value a session, in order; NaN left out.
        block: mean length of the runs that are kept together.
        fit: `by_mean`, or `by_share` for values that are shares.
    """
    known = reference[np.isfinite(reference)]
    if len(known) < FEWEST:
        return None
    low, high = np.quantile(known, [TRIMMED, 1.0 - TRIMMED]) if fit is by_mean else (0.0, 1.0)
    kept = np.clip(known, low, high)
    generator = np.random.default_rng(seed)
    length = math.ceil(YEARS * sessions_per_year)
    centre, scale, allowance = fit(kept[resampled_rows(len(kept), len(kept), REPETITIONS, block, generator)])
    later = kept[resampled_rows(len(kept), length, REPETITIONS, block, generator)]
    scores = (later - centre[:, None]) / scale[:, None] - allowance[:, None]
    limit = float(np.quantile(highest_sums(scores), math.exp(-alarms_per_year * YEARS)))
    own = [float(value[0]) for value in fit(kept[None, :])]
    return Chart(own[0], own[1], float(low), float(high), own[2], MARGIN * max(limit, own[2]))


def highest_sums(scores: FloatArray) -> FloatArray:
    """Return the highest sum that each row of [B, T] reaches, [B]."""
    total = np.zeros(len(scores))
    highest = np.zeros(len(scores))
    for column in scores.T:
        total = np.maximum(0.0, total + column)
        np.maximum(highest, total, out=highest)
    return highest
