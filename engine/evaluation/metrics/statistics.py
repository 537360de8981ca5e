"""Statistical building blocks: tests and intervals that respect serial and cross-sectional correlation.

Every function is pure and independent of the rest of the engine. Series run in time order; values that
are not finite are left out, and the remaining ones are treated as neighbours. Functions that return arrays or
plain numbers give NaN where nothing can be computed, records give None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtr

from engine.evaluation.metrics.door import Record, named
from engine.evaluation.metrics.inference import robust_mean_test
from forewalk.types import BoolArray, FloatArray

MIN_SYMBOLS_FOR_IC = 5
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class DieboldMariano(Record):
    """Outcome of a Diebold-Mariano test of forecast a against forecast b.

    Attributes:
        statistic: negative when a has the lower loss; None, as are the p-values, when the test is impossible.
        p_less: one-sided p-value; small is evidence that a is better.
        p_two_sided: small is evidence that they differ.
        mean_difference: mean loss of a minus mean loss of b, in units of the loss.
        observations: periods that entered.
        lag_bars: autocovariances in the variance.
    """

    statistic: float | None
    p_less: float | None
    p_two_sided: float | None
    mean_difference: float | None
    observations: int
    lag_bars: int = field(metadata=named("lag"))

    @property
    def a_is_better(self) -> bool:
        """Whether the one-sided test says so at 5 %."""
        return self.p_less is not None and self.p_less < SIGNIFICANCE


@dataclass(frozen=True)
class MeanTest(Record):
    """Mean of a time series and its t statistic against zero with a HAC standard error.

    Attributes:
        mean, std: of the finite values; std has one degree of freedom taken off.
        ratio: mean / std (the ICIR when the values are information coefficients).
        t: mean over its Newey-West standard error.
        observations: finite values.
        lag_bars: autocovariances in the variance.
    """

    mean: float | None
    std: float | None
    ratio: float | None
    t: float | None
    observations: int
    lag_bars: int = field(metadata=named("lag"))


def hac_lag(observations: int, horizon_bars: int = 1) -> int:
    """Return the Newey-West lag used throughout: the larger of `floor(4 (n/100)^(2/9))` and `2 (h - 1)`.

    The first term is the rule of thumb of Newey & West (1994), Review of Economic Studies 61. The second
    covers labels that overlap by h - 1 bars; it is twice the overlap because Bartlett weights at a lag of
    h - 1 would give only two thirds of the long-run variance. Never more than n - 1.
    """
    thumb = math.floor(4 * math.pow(observations / 100, 2 / 9))
    return max(0, min(max(thumb, 2 * (horizon_bars - 1)), observations - 1))


def newey_west_variance(values: npt.ArrayLike, lag: int) -> float:
    """Return the long-run variance of a series; divide by its length for the variance of its mean.

    `g0 + 2 * sum_{j=1..lag} (1 - j / (lag + 1)) gj` with autocovariances gj over n (Newey & West 1987,
    Econometrica 55), hence never negative. NaN without values.
    """
    series = _finite(values)
    if not len(series):
        return math.nan
    centred = series - series.mean()
    total = float(centred @ centred)
    for j in range(1, min(lag, len(series) - 1) + 1):
        total += 2.0 * (1.0 - j / (lag + 1)) * float(centred[j:] @ centred[:-j])
    return max(total, 0.0) / len(series)


def mean_test(values: npt.ArrayLike, horizon_bars: int = 1) -> MeanTest:
    """Test the mean of a time series against zero with Newey-West errors at `hac_lag`.

    Statistics that need more values than there are, or a spread, are None.
    """
    series = _finite(values)
    n = len(series)
    lag = hac_lag(n, horizon_bars)
    mean = float(series.mean()) if n else math.nan
    if n < 3 or _no_spread(series):
        return MeanTest(mean, math.nan, math.nan, math.nan, n, lag)
    std = float(series.std(ddof=1))
    error = math.sqrt(newey_west_variance(series, lag) / n)
    return MeanTest(mean, std, mean / std, mean / error if error > 0 else math.nan, n, lag)


def diebold_mariano(
    loss_a: npt.ArrayLike, loss_b: npt.ArrayLike, horizon_bars: int = 1, lag: int | None = None
) -> DieboldMariano:
    """Test whether forecast a has a lower expected loss than forecast b.

    Losses are [T], or [T, S]: then the differential is averaged over the symbols of each bar first, so
    that symbols moving together count as one observation and not as S. The variance is Newey-West at
    `lag` (default `hac_lag`); the statistic carries the small-sample factor
    `sqrt((n + 1 - 2h + h (h - 1) / n) / n)` and Student's t with n - 1 degrees of freedom of Harvey,
    Leybourne & Newbold (1997), International Journal of Forecasting 13. Test: Diebold & Mariano (1995),
    Journal of Business & Economic Statistics 13. With h = 1 and lag 0 it is the one-sample t test.

    Statistic and p-values are None with fewer than three periods, without any spread in the differential,
    or with so few periods for h that the factor is not positive.
    """
    difference = np.asarray(loss_a, dtype=np.float64) - np.asarray(loss_b, dtype=np.float64)
    series = _finite(row_means(difference) if difference.ndim == 2 else difference)
    n, h = len(series), horizon_bars
    used = hac_lag(n, h) if lag is None else min(lag, max(n - 1, 0))
    mean = float(series.mean()) if n else math.nan
    factor = (n + 1 - 2 * h + h * (h - 1) / n) / n if n else 0.0
    variance = newey_west_variance(series, used)
    if n < 3 or factor <= 0 or _no_spread(series) or variance <= 0:
        return DieboldMariano(math.nan, math.nan, math.nan, mean, n, used)
    statistic = mean / math.sqrt(variance / n) * math.sqrt(factor)
    less = float(stdtr(n - 1, statistic))
    return DieboldMariano(statistic, less, float(2 * stdtr(n - 1, -abs(statistic))), mean, n, used)


def clark_west(actual: npt.ArrayLike, forecast: npt.ArrayLike, horizon_bars: int = 1) -> MeanTest:
    """Test a forecast against zero, allowing for the noise that learning adds where there is nothing to learn.

    A model that nests the forecast zero has the higher expected squared error when it has no skill, by the
    mean square of its own forecasts. Adding that back leaves `2 * forecast * actual`, whose mean is tested
    with Newey-West errors; t above 1.645 is evidence at 5 %, one-sided. Clark & West (2007), Journal of
    Econometrics 138. Inputs are [T], or [T, S]: then the symbols of each bar are averaged first.
    """
    product = 2.0 * np.asarray(actual, dtype=np.float64) * np.asarray(forecast, dtype=np.float64)
    return mean_test(row_means(product) if product.ndim == 2 else product, horizon_bars)


def skill(loss: float, naive_loss: float) -> float | None:
    """Return `1 - loss / naive_loss`: positive is better than naive, None where naive makes no error."""
    return 1.0 - loss / naive_loss if naive_loss > 0 else None


def clustered_share(hits: BoolArray, counted: BoolArray, horizon_bars: int = 1) -> tuple[float, float]:
    """Return the 95 % interval of a share in which all symbols of a bar form one cluster.

    Args:
        hits, counted: bool [T, S]; the share is hits among counted cells.
        horizon_bars: h; bars closer than the overlap are correlated.

    The linearised ratio estimator (Cochran 1977, Sampling Techniques, ch. 6) with the errors of `robust_mean_test`
    over bars, which keep their size where labels overlap far or bars are few; clipped to [0, 1]. (NaN, NaN) where
    these cannot be told: below four horizons, or where all bars have the same share.
    """
    per_bar = counted.sum(axis=1)
    rows = per_bar > 0
    if not rows.any():
        return math.nan, math.nan
    sizes = per_bar[rows].astype(np.float64)
    right = (hits & counted).sum(axis=1)[rows].astype(np.float64)
    share = right.sum() / sizes.sum()
    n = len(sizes)
    test = robust_mean_test((right - share * sizes) * n / sizes.sum() + share, horizon_bars)
    if math.isnan(test.low):
        return math.nan, math.nan
    return max(0.0, test.low), min(1.0, test.high)


def matthews_correlation(true_up: int, true_down: int, false_up: int, false_down: int) -> float:
    """Return Matthews' correlation of a 2 x 2 table, NaN when a row or column of it is empty.

    Matthews (1975), Biochimica et Biophysica Acta 405; 0 is chance, 1 is perfect.
    """
    sides = [true_up + false_up, true_up + false_down, true_down + false_up, true_down + false_down]
    if 0 in sides:
        return math.nan
    product = math.prod(math.sqrt(side) for side in sides)
    return (true_up * true_down - false_up * false_down) / product


def information_coefficient(forecast: FloatArray, actual: FloatArray) -> FloatArray:
    """Return the Pearson correlation across symbols on each bar, float64 [T].

    Inputs are [T, S]; cells where either is not finite are left out. NaN on bars with fewer than
    5 symbols or without a spread in forecast or outcome (Grinold & Kahn 2000, ch. 6).
    """
    both = np.isfinite(forecast) & np.isfinite(actual)
    x, y = np.where(both, forecast, np.nan), np.where(both, actual, np.nan)
    dx, dy = x - row_means(x)[:, None], y - row_means(y)[:, None]
    xx, yy, xy = (np.nansum(product, axis=1) for product in (dx * dx, dy * dy, dx * dy))
    usable = (both.sum(axis=1) >= MIN_SYMBOLS_FOR_IC) & _row_spread(x) & _row_spread(y)
    scale = np.sqrt(xx) * np.sqrt(yy)
    usable &= scale > 0
    return np.where(usable, xy / np.where(usable, scale, 1.0), np.nan)


def rank_ic(forecast: FloatArray, actual: FloatArray) -> FloatArray:
    """Return Spearman's rank correlation across symbols on each bar, float64 [T]; ties share their mean rank.

    Same inputs and NaN rule as `information_coefficient`.
    """
    both = np.isfinite(forecast) & np.isfinite(actual)
    return information_coefficient(_row_ranks(forecast, both), _row_ranks(actual, both))


def row_means(values: FloatArray) -> FloatArray:
    """Return the mean of the finite values in each row of [T, S]; NaN for a row without any."""
    finite = np.isfinite(values)
    count = finite.sum(axis=1)
    total = np.where(finite, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _finite(values: npt.ArrayLike) -> FloatArray:
    series = np.asarray(values, dtype=np.float64).ravel()
    return series[np.isfinite(series)]


def _no_spread(series: FloatArray) -> bool:
    return bool(np.ptp(series) <= 1e-12 * np.abs(series).max())


def _row_spread(values: FloatArray) -> BoolArray:
    high = np.where(np.isnan(values), -np.inf, values).max(axis=1, initial=-np.inf)
    low = np.where(np.isnan(values), np.inf, values).min(axis=1, initial=np.inf)
    return np.asarray(high > low)


def _row_ranks(values: FloatArray, where: BoolArray) -> FloatArray:
    frame = pd.DataFrame(np.where(where, values, np.nan))
    return frame.rank(axis=1, method="average").to_numpy(dtype=np.float64, copy=True)
