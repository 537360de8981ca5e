"""Losses and a baseline for variance forecasts.

Realised variance is proxied by the squared return of the horizon. It is noisy, but the losses here rank
forecasts the same way as the true variance would (Patton 2011, Journal of Econometrics 160).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from forewalk.types import FloatArray

RISKMETRICS_DECAY = 0.94
EWMA_WARMUP_BARS = 20


def ewma_variance(
    returns: FloatArray, decay: float = RISKMETRICS_DECAY, warmup_bars: int = EWMA_WARMUP_BARS
) -> FloatArray:
    """Return the RiskMetrics variance known at the close of each bar, float64 of the shape of `returns`.

    Row t is the weighted mean of the squared returns up to and including row t, weights
    `decay ** age` normalised to one, so there is no initial value to choose and nothing after row t is
    used. Bars without a return neither age nor move it. NaN until `warmup_bars` returns have been seen,
    and where the bar itself has none. Mean zero (J.P. Morgan/Reuters 1996, RiskMetrics, 4th ed., ch. 5).

    Args:
        returns: one-bar log returns ending at each bar, [T] or [T, S], NaN where there is none.
    """
    squared = pd.DataFrame(np.asarray(returns, dtype=np.float64) ** 2)
    smooth = squared.ewm(alpha=1 - decay, adjust=True, ignore_na=True, min_periods=warmup_bars).mean()
    known = np.where(squared.notna(), smooth.to_numpy(), np.nan)
    return known.reshape(np.shape(returns))


def qlike(variance: FloatArray, realised: FloatArray, unit: FloatArray | float = 1.0) -> FloatArray:
    """Return the Gaussian quasi-likelihood loss `log(variance / unit) + realised / variance`, elementwise.

    `unit` (another variance) only makes the number free of units; differences between two forecasts on
    the same cells do not depend on it. Zero realised variance is allowed. Bollerslev, Engle & Nelson
    (1994), Handbook of Econometrics 4. All inputs are variances; NaN passes through.
    """
    return np.asarray(np.log(variance / unit) + realised / variance, dtype=np.float64)


def qlike_normalised(variance: FloatArray, realised: FloatArray) -> FloatArray:
    """Return `realised / variance - log(realised / variance) - 1`, elementwise; 0 is a perfect forecast.

    The form of Patton (2011). It differs from `qlike` by a term that does not depend on the forecast, but
    is infinite where the realised variance is zero: those cells come back as NaN and drop out of means.
    """
    ratio = np.where(realised > 0, realised / variance, np.nan)
    return np.asarray(ratio - np.log(ratio) - 1.0, dtype=np.float64)
