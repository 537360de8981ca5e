"""How often forecasts have the right sign."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from engine.evaluation.metrics.door import Record, named
from engine.evaluation.metrics.statistics import clustered_share, matthews_correlation
from forewalk.types import FloatArray

CONFIDENCE = 0.95
_TABLE = ((True, True), (False, False), (False, True), (True, False))  # as matthews_correlation wants it


@dataclass(frozen=True)
class Direction(Record):
    """How often the sign was right; cells whose outcome or forecast is exactly zero are left out.

    Attributes:
        forecasts: cells counted.
        accuracy: share that was right.
        exact_low, exact_high: its 95 % interval if cells were independent (Clopper & Pearson 1934, Biometrika 26).
        clustered_low, clustered_high: with all symbols of a bar as one observation, see `clustered_share`.
        base_rate: share of the more frequent direction.
        share_up: share of rises.
        persistence_accuracy: of repeating the last bar's direction, over `persistence_forecasts` cells.
        mcc: Matthews' correlation; 0 is chance.
        zero_outcomes, zero_forecasts: cells left out.
    """

    forecasts: int = field(metadata=named("n"))
    accuracy: float | None
    exact_low: float | None
    exact_high: float | None
    clustered_low: float | None
    clustered_high: float | None
    base_rate: float | None
    share_up: float | None
    persistence_accuracy: float | None
    persistence_forecasts: int = field(metadata=named("persistence_n"))
    mcc: float | None
    zero_outcomes: int
    zero_forecasts: int


def direction_hits(mean: FloatArray, actual: FloatArray, last: FloatArray, horizon_bars: int) -> Direction:
    """Count right directions.

    Args:
        mean, actual: forecast and outcome, [T, S], NaN where there is none.
        last: one-bar return ending at the bar, whose sign is the persistence forecast, [T, S].
        horizon_bars: of the label, for the interval.
    """
    from statsmodels.stats.proportion import proportion_confint

    counted = np.isfinite(actual) & (actual != 0) & (mean != 0)
    up, called_up = actual > 0, mean > 0
    n, right = int(counted.sum()), int((counted & (up == called_up)).sum())
    ups = int((counted & up).sum())
    repeated = counted & np.isfinite(last) & (last != 0)
    repeats = int((repeated & (up == (last > 0))).sum())
    exact = proportion_confint(right, n, alpha=1 - CONFIDENCE, method="beta") if n else (None, None)
    clustered = clustered_share(up == called_up, counted, horizon_bars)
    table = [int((counted & (up == truth) & (called_up == call)).sum()) for truth, call in _TABLE]
    return Direction(
        forecasts=n,
        accuracy=right / n if n else None,
        exact_low=exact[0],
        exact_high=exact[1],
        clustered_low=clustered[0],
        clustered_high=clustered[1],
        base_rate=max(ups, n - ups) / n if n else None,
        share_up=ups / n if n else None,
        persistence_accuracy=repeats / int(repeated.sum()) if repeated.any() else None,
        persistence_forecasts=int(repeated.sum()),
        mcc=matthews_correlation(*table),
        zero_outcomes=int((actual == 0).sum()),
        zero_forecasts=int((mean == 0).sum()),
    )
