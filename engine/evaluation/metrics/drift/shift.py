"""Feature shift: the population stability index of a window, against what quiet windows of the same features give.

The rule of thumb "above 0.2" is for independent samples. Features of prices are slow: a quarter of quiet bars of a
volatility or an RSI is always far from its five years. So an index is read only against its own distribution over
windows that were resampled, in long blocks, from the reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.evaluation.metrics.drift.cusum import Chart
from engine.evaluation.metrics.drift.resampling import resampled_rows
from forewalk.types import FloatArray, IntArray

BINS = 10
WINDOW = 63  # sessions: a quarter
BLOCK = 126.0  # mean length of the blocks: twice the window, so most windows are whole
STEP = 5  # sessions between two windows of a resampled history
HISTORIES = 200
YEARS = 5.0
FEWEST = 4 * WINDOW  # sessions of a reference, below which nothing is calibrated
SMOOTHED = 0.5  # observations added to each bin, so that an empty one has no infinite index
MARGIN = 1.25  # on the limit: a finite past has not shown all that quiet years hold; see benchmarks/drift.py


@dataclass(frozen=True, eq=False)
class Shift:
    """What a window of features is held against.

    Attributes:
        names: of the F features.
        edges: inner bounds of the bins, [F, BINS - 1]. expected: share of the reference in each, [F, BINS].
        centre, scale: of the logarithm of the index over quiet windows, [F].
        limit: of the largest (log index - centre) / scale over the features.
    """

    names: tuple[str, ...]
    edges: FloatArray
    expected: FloatArray
    centre: FloatArray
    scale: FloatArray
    limit: float

    def chart(self) -> Chart:
        """Return the chart of the largest score: it does not add up, since windows overlap."""
        return Chart(0.0, 1.0, -math.inf, math.inf, 0.0, self.limit, adds_up=False)

    def scores(self, counts: FloatArray) -> FloatArray:
        """Return (log index - centre) / scale by feature; NaN where a feature has too few values.

        Args:
            counts: of a window's values in each bin, [..., F, BINS].
        """
        index = stability(counts, self.expected)
        return np.asarray((np.log(index) - self.centre) / self.scale)


def highest(scores: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the largest score over the features of [W, F] and whose it is, [W]; NaN and 0 where none is known."""
    known = np.where(np.isfinite(scores), scores, -np.inf)
    worst = known.argmax(axis=-1)
    value = known.max(axis=-1)
    return np.where(np.isfinite(value), value, np.nan), worst


def stability(counts: FloatArray, expected: FloatArray) -> FloatArray:
    """Return the population stability index of counts [..., F, BINS] against shares [F, BINS], [..., F]."""
    total = counts.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (counts + SMOOTHED) / (total + SMOOTHED * counts.shape[-1])
        index = ((share - expected) * np.log(share / expected)).sum(axis=-1)
    return np.where(total[..., 0] > 0, np.maximum(index, 1e-9), np.nan)


def binned(values: FloatArray, edges: FloatArray) -> FloatArray:
    """Return how many values of each session lie in each bin, [T, F, BINS]; NaN counts nowhere.

    Args:
        values: [T, N, F]: N values a session, of all symbols and bars.
        edges: [F, BINS - 1].
    """
    counts = np.zeros((len(values), len(edges), BINS))
    for feature, bounds in enumerate(edges):
        column = values[:, :, feature]
        place = np.searchsorted(bounds, column)
        for number in range(BINS):
            counts[:, feature, number] = ((place == number) & np.isfinite(column)).sum(axis=1)
    return counts


def edges_of(values: FloatArray) -> FloatArray:
    """Return the inner deciles of each feature of [T, N, F], [F, BINS - 1]; NaN left out."""
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    return np.nanquantile(values.reshape(-1, values.shape[-1]), inner, axis=0).T


def windows(counts: FloatArray, step: int = 1, length: int = WINDOW) -> FloatArray:
    """Return the counts of every window of `length` sessions, [W, F, BINS], one every `step` sessions."""
    sums = np.concatenate([np.zeros((1, *counts.shape[1:])), np.cumsum(counts, axis=0)])
    return np.asarray((sums[length:] - sums[:-length])[::step])


def calibrated_shift(
    names: tuple[str, ...],
    values: FloatArray,
    alarms_per_year: float,
    sessions_per_year: float,
    seed: int,
) -> Shift | None:
    """Return what windows are held against, so that more of the same alarms `alarms_per_year` times a year.

    Args:
        values: of the reference, [T, N, F], in order; see `binned`.

    None where the reference has fewer than `FEWEST` sessions.
    """
    if len(values) < FEWEST:
        return None
    edges = edges_of(values)
    counts = binned(values, edges)
    expected = _shares(counts.sum(axis=0))
    generator = np.random.default_rng(seed)
    length = math.ceil(YEARS * sessions_per_year)
    seen = []
    for _ in range(HISTORIES):
        (again,) = resampled_rows(len(counts), len(counts), 1, BLOCK, generator)
        (later,) = resampled_rows(len(counts), length, 1, BLOCK, generator)
        index = stability(windows(counts[later], STEP), _shares(counts[again].sum(axis=0)))
        seen.append(np.log(index))
    logs = np.array(seen)  # [HISTORIES, W, F]
    centre = np.nanmean(logs, axis=(0, 1))
    scale = np.nanstd(logs, axis=(0, 1))
    scale = np.where(scale > 0, scale, 1.0)
    worst = np.nanmax((logs - centre) / scale, axis=(1, 2))
    limit = float(np.quantile(worst, math.exp(-alarms_per_year * YEARS)))
    return Shift(names, edges, expected, centre, scale, limit * MARGIN)


def _shares(counts: FloatArray) -> FloatArray:
    total = counts.sum(axis=-1, keepdims=True)
    return np.asarray((counts + SMOOTHED) / (total + SMOOTHED * BINS))
