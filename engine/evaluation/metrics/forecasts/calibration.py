"""Whether a stated probability of a rise is how often it comes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from engine.evaluation.metrics.door import Record, named
from engine.evaluation.metrics.statistics import clustered_share, skill
from forewalk.types import FloatArray

RELIABILITY_BINS = 10
COIN = 0.25  # the Brier score of saying 0.5 every time


@dataclass(frozen=True)
class Brier(Record):
    """Brier (1950) score of `p_up`, without zero outcomes.

    Attributes:
        forecasts: cells counted.
        score: mean of (p_up - outcome)^2; 0 is perfect.
        coin: the score of saying 0.5 every time.
        base_rate_score: of saying the share of rises every time.
        skill: 1 - score / coin.
    """

    forecasts: int = field(metadata=named("n"))
    score: float | None
    coin: float
    base_rate_score: float | None
    skill: float | None


@dataclass(frozen=True)
class ReliabilityBin(Record):
    """Forecasts of about the same probability.

    Attributes:
        forecasts: cells in the bin.
        mean_p_up: mean stated probability.
        share_up: share of rises.
        low, high: its 95 % interval, all symbols of a bar one cluster; see `clustered_share`.
    """

    forecasts: int = field(metadata=named("n"))
    mean_p_up: float | None
    share_up: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ReliabilityCurve(Record):
    """Stated probabilities against what came.

    Attributes:
        bins: from the lowest probability.
        reliability, resolution, uncertainty: parts of the Brier score by Murphy (1973), Journal of Applied
            Meteorology 12: the score is about reliability (0 is perfect) - resolution + uncertainty.
    """

    bins: tuple[ReliabilityBin, ...]
    reliability: float | None
    resolution: float | None
    uncertainty: float | None


def brier_score(p_up: FloatArray, actual: FloatArray) -> Brier:
    """Score the stated probabilities of a rise, [T, S]; NaN and outcomes of exactly zero are left out."""
    used = np.isfinite(p_up) & np.isfinite(actual) & (actual != 0)
    if not used.any():
        return Brier(0, None, COIN, None, None)
    outcome = (actual[used] > 0).astype(np.float64)
    score, share = float(np.mean((p_up[used] - outcome) ** 2)), float(outcome.mean())
    return Brier(int(used.sum()), score, COIN, share * (1 - share), skill(score, COIN))


def reliability_curve(
    p_up: FloatArray, actual: FloatArray, horizon_bars: int = 1, bins: int = RELIABILITY_BINS
) -> ReliabilityCurve | None:
    """Compare stated probabilities of a rise with how often it came, in bins of equal size; None without a cell.

    Args:
        p_up, actual: [T, S]; cells that are not finite, and outcomes of exactly zero, are left out.
        horizon_bars: of the label, for the intervals.
        bins: at the most; equal probabilities stay in one bin.
    """
    used = np.isfinite(p_up) & np.isfinite(actual) & (actual != 0)
    if not used.any():
        return None
    edges = np.unique(np.quantile(p_up[used], np.linspace(0, 1, bins + 1)[1:-1]))
    number = np.searchsorted(edges, p_up, side="left")
    share = float((actual[used] > 0).mean())
    parts = [used & (number == bin_number) for bin_number in np.unique(number[used]).tolist()]
    weight = np.array([int(inside.sum()) for inside in parts]) / used.sum()
    stated = np.array([float(p_up[inside].mean()) for inside in parts])
    came = np.array([float((actual[inside] > 0).mean()) for inside in parts])
    intervals = [clustered_share(actual > 0, inside, horizon_bars) for inside in parts]
    return ReliabilityCurve(
        bins=tuple(
            ReliabilityBin(int(inside.sum()), mean_p_up, share_up, low, high)
            for inside, mean_p_up, share_up, (low, high) in zip(
                parts, stated.tolist(), came.tolist(), intervals, strict=True
            )
        ),
        reliability=float(weight @ (stated - came) ** 2),
        resolution=float(weight @ (came - share) ** 2),
        uncertainty=share * (1 - share),
    )
