"""What is watched, as one number a session: losses beside naive ones, and misses of the stated band.

Every symbol and bar of a session counts the same within it, and a session counts once: symbols of one day move
together, and so do the bars of one day.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from engine.evaluation.metrics.drift import COVERAGE, LOSS, QLIKE, WIDTH
from engine.evaluation.metrics.forecasts.volatility import ewma_variance, qlike
from forewalk.types import FloatArray

BAND = 0.80  # of outcomes inside, were the stated spread right and normal; the reference says how many really are
BLOCK_SESSIONS = 60.0  # a quarter: what volatility remembers for the most part


def naive_variance(actual: FloatArray, horizon_bars: int) -> FloatArray:
    """Return RiskMetrics' variance of the outcome that was known when each forecast was made, [T, S].

    Outcomes of the horizon are only known `horizon_bars` later, so the last one used lies so many rows back.

    Args:
        actual: log return over the horizon after each bar, [T, S], NaN where unknown.
    """
    late = np.full(actual.shape, np.nan)
    filled = pd.DataFrame(ewma_variance(actual)).ffill().to_numpy()
    late[horizon_bars:] = filled[:-horizon_bars] if horizon_bars else filled
    return np.where(late > 0, late, np.nan)


def forecast_values(
    mean: FloatArray, std: FloatArray, actual: FloatArray, naive: FloatArray
) -> dict[str, FloatArray]:
    """Return what each forecast adds to the charts, [T, S] by the name of the watch; NaN where one is missing.

    `loss`: squared error in units of the variance that was stated, less the same of "no change" with the naive
    variance: what the model's errors exceed its promise by, where the naive ones do not exceed theirs.
    `qlike`: QLIKE of the variance less that of the naive one. `coverage`: 1 where the outcome lies outside of the
    `BAND` of the stated spread. `width`: 1 where it lies inside.
    """
    variance = np.where(std > 0, std, np.nan) ** 2
    known = np.isfinite(mean) & np.isfinite(variance) & np.isfinite(actual) & np.isfinite(naive)
    outside = np.abs(actual - mean) > norm.ppf(0.5 + BAND / 2) * np.sqrt(variance)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {
            LOSS: (actual - mean) ** 2 / variance - actual**2 / naive,
            QLIKE: qlike(variance, actual**2, naive) - qlike(naive, actual**2, naive),
            COVERAGE: outside.astype(np.float64),
            WIDTH: 1.0 - outside,
        }
    return {name: np.where(known, values, np.nan) for name, values in found.items()}


def by_session(values: FloatArray, days: pd.DatetimeIndex) -> pd.Series:
    """Return the mean over bars and symbols of [T, S] by day, without the days of which nothing is known."""
    table = pd.DataFrame({"sum": np.nansum(values, axis=1), "n": np.isfinite(values).sum(axis=1)})
    totals = table.groupby(np.asarray(days)).sum()
    totals = totals[totals["n"] > 0]
    return pd.Series(totals["sum"] / totals["n"])
