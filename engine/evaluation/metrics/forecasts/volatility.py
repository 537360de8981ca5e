"""Losses and baselines for variance forecasts, and the skill of volatility forecasts beside them.

Realised variance is proxied by the squared return of the horizon. It is noisy, but the losses here rank
forecasts the same way as the true variance would (Patton 2011, Journal of Econometrics 160).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from engine.evaluation.metrics.door import LEFT_OUT, Record, named
from engine.evaluation.metrics.statistics import DieboldMariano, diebold_mariano, skill
from forewalk.types import FloatArray

RISKMETRICS_DECAY = 0.94
EWMA_WARMUP_BARS = 20


@dataclass(frozen=True)
class GarchSkill(Record):
    """Losses of the volatility forecasts and of GARCH(1,1) on the cells where both exist; see `VarianceSkill`.

    Attributes:
        forecasts: cells counted.
        own_qlike, own_mse: of this run on these cells. qlike, mse: of GARCH.
        skill_mse: 1 - own / GARCH.
        diebold_mariano, diebold_mariano_mse: of QLIKE and of the squared errors; negative: this run is better.
        beats_garch: lower QLIKE, and the one-sided test agrees at 5 %.
    """

    forecasts: int = field(metadata=named("n"))
    own_qlike: float | None
    qlike: float | None
    own_mse: float | None
    mse: float | None
    skill_mse: float | None
    diebold_mariano: DieboldMariano
    diebold_mariano_mse: DieboldMariano
    beats_garch: bool


@dataclass(frozen=True)
class VarianceSkill(Record):
    """Losses of `std ** 2` and of RiskMetrics' EWMA variance, on the cells where both exist.

    The realised variance is the squared outcome, not its deviation from the forecast mean.

    Attributes:
        forecasts: cells counted.
        zero_outcomes: of them, those with a return of exactly zero.
        qlike: mean of `log(s2 / v) + r2 / s2`, v the EWMA variance of the cell as unit.
        ewma_qlike: EWMA's own, the mean of `r2 / v`.
        qlike_normalised, ewma_qlike_normalised: mean of `r2 / s2 - log(r2 / s2) - 1` without the zero outcomes.
        mse, ewma_mse: mean squared error of the variance, in log return to the fourth power.
        skill_mse: 1 - mse / ewma_mse.
        diebold_mariano, diebold_mariano_mse: of QLIKE and of the squared errors; negative: this run is better.
        beats_ewma: lower QLIKE, and the one-sided test agrees at 5 %.
        garch: beside GARCH(1,1); None, and absent from the file, where no GARCH forecast is.
    """

    forecasts: int = field(metadata=named("n"))
    zero_outcomes: int
    qlike: float | None
    ewma_qlike: float | None
    qlike_normalised: float | None
    ewma_qlike_normalised: float | None
    mse: float | None
    ewma_mse: float | None
    skill_mse: float | None
    diebold_mariano: DieboldMariano
    diebold_mariano_mse: DieboldMariano
    beats_ewma: bool
    garch: GarchSkill | None = field(default=None, metadata=LEFT_OUT)


def variance_skill(
    own: FloatArray, ewma: FloatArray, garch: FloatArray, realised: FloatArray, horizon_bars: int
) -> VarianceSkill | None:
    """Hold variance forecasts against EWMA and GARCH; None when no cell has a forecast, an EWMA and an outcome.

    Args:
        own, ewma, garch: variance of the return over the horizon, [T, S]; NaN where there is none.
        realised: squared outcome, [T, S].
        horizon_bars: of the label, for the tests.
    """
    used = (own > 0) & (ewma > 0) & np.isfinite(own) & np.isfinite(realised)
    if not used.any():
        return None
    own, ewma, realised = (np.where(used, values, np.nan) for values in (own, ewma, realised))
    loss, base = qlike(own, realised, ewma), qlike(ewma, realised, ewma)
    square, base_square = (realised - own) ** 2, (realised - ewma) ** 2
    test = diebold_mariano(loss, base, horizon_bars)
    return VarianceSkill(
        forecasts=int(used.sum()),
        zero_outcomes=int((realised == 0).sum()),
        qlike=float(np.nanmean(loss)),
        ewma_qlike=float(np.nanmean(base)),
        qlike_normalised=_finite_mean(qlike_normalised(own, realised)),
        ewma_qlike_normalised=_finite_mean(qlike_normalised(ewma, realised)),
        mse=float(np.nanmean(square)),
        ewma_mse=float(np.nanmean(base_square)),
        skill_mse=skill(float(np.nanmean(square)), float(np.nanmean(base_square))),
        diebold_mariano=test,
        diebold_mariano_mse=diebold_mariano(square, base_square, horizon_bars),
        beats_ewma=bool(np.nanmean(loss) < np.nanmean(base)) and test.a_is_better,
        garch=_garch_skill(own, garch, realised, ewma, horizon_bars),
    )


def _garch_skill(
    own: FloatArray, garch: FloatArray, realised: FloatArray, unit: FloatArray, horizon_bars: int
) -> GarchSkill | None:
    used = np.isfinite(own) & (garch > 0)
    if not used.any():
        return None
    own, garch, realised = (np.where(used, values, np.nan) for values in (own, garch, realised))
    loss, base = qlike(own, realised, unit), qlike(garch, realised, unit)
    square, base_square = (realised - own) ** 2, (realised - garch) ** 2
    test = diebold_mariano(loss, base, horizon_bars)
    return GarchSkill(
        forecasts=int(used.sum()),
        own_qlike=float(np.nanmean(loss)),
        qlike=float(np.nanmean(base)),
        own_mse=float(np.nanmean(square)),
        mse=float(np.nanmean(base_square)),
        skill_mse=skill(float(np.nanmean(square)), float(np.nanmean(base_square))),
        diebold_mariano=test,
        diebold_mariano_mse=diebold_mariano(square, base_square, horizon_bars),
        beats_garch=bool(np.nanmean(loss) < np.nanmean(base)) and test.a_is_better,
    )


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


def _finite_mean(values: FloatArray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan
