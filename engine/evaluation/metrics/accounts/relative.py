"""What an account earned beyond its benchmark: alpha and beta, with errors that respect serial correlation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.evaluation.metrics.door import Record
from engine.evaluation.metrics.statistics import hac_lag
from forewalk.types import FloatArray


@dataclass(frozen=True)
class FactorLoading(Record):
    """How much of one factor the account carries: the coefficient and its t statistic; None where undefined."""

    beta: float | None
    t: float | None


@dataclass(frozen=True)
class Alpha(Record):
    """Return that the benchmark (or factors) does not explain.

    Attributes:
        alpha_per_year: intercept times bars a year, as a fraction; None where the regression is impossible, as is
            everything else but the count.
        t: of the intercept, Newey-West. p_greater: one-sided; small is evidence for an alpha above zero.
        low_per_year, high_per_year: 95 % interval.
        loadings: by factor, in the order given.
        r_squared: share of the account's variance that the factors explain.
        observations: bars with all series known.
    """

    alpha_per_year: float | None
    t: float | None
    p_greater: float | None
    low_per_year: float | None
    high_per_year: float | None
    r_squared: float | None
    observations: int
    loadings: Mapping[str, FactorLoading] = field(default_factory=dict)


def alpha_against(
    returns: FloatArray, factors: Mapping[str, FloatArray], bars_per_year: float, horizon_bars: int = 1
) -> Alpha:
    """Regress an account's returns [T] on its benchmark's, or on several factors'; each [T], simple, per bar.

    Jensen (1968), Journal of Finance 23; errors of Newey & West (1987) at `hac_lag`, with Student's t. Bars where
    any series is not finite are left out. None throughout with fewer than ten bars more than factors, or where a
    factor never moves or is a combination of others.
    """
    import statsmodels.api as sm
    from scipy import stats

    nan, names = math.nan, list(factors)
    columns = np.column_stack([np.asarray(factors[name], dtype=np.float64) for name in names])
    known = np.isfinite(returns) & np.isfinite(columns).all(axis=1)
    y, x = np.asarray(returns, dtype=np.float64)[known], columns[known]
    n = len(y)
    design = np.column_stack([np.ones(n), x])
    scaled = design / np.maximum(np.abs(design).max(axis=0, initial=0.0), 1e-300)
    if n < len(names) + 11 or np.linalg.matrix_rank(scaled, tol=1e-9 * math.sqrt(n)) < design.shape[1]:
        unknown = {name: FactorLoading(nan, nan) for name in names}
        return Alpha(nan, nan, nan, nan, nan, nan, n, unknown)
    fit = sm.OLS(y, design).fit(
        cov_type="HAC", cov_kwds={"maxlags": hac_lag(n, horizon_bars), "use_correction": True}, use_t=True
    )
    errors = np.asarray(fit.bse)
    t = np.where(errors > 0, np.asarray(fit.params) / np.where(errors > 0, errors, 1.0), np.nan)
    degrees = n - design.shape[1]
    half = float(stats.t.ppf(0.975, degrees)) * float(errors[0]) * bars_per_year
    alpha = float(fit.params[0]) * bars_per_year
    loadings = {
        name: FactorLoading(float(fit.params[i + 1]), float(t[i + 1])) for i, name in enumerate(names)
    }
    return Alpha(
        alpha_per_year=alpha,
        t=float(t[0]),
        p_greater=float(stats.t.sf(t[0], degrees)),
        low_per_year=alpha - half,
        high_per_year=alpha + half,
        r_squared=float(fit.rsquared) if np.ptp(y) > 0 else math.nan,
        observations=n,
        loadings=loadings,
    )
