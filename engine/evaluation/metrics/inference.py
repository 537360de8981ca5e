"""Tests of a mean that keep their size when observations overlap, cluster or are few.

The long-run variance is estimated from the lowest frequencies of the series (equal-weighted cosine transform),
and the statistic is compared with Student's t on as many degrees of freedom as there are frequencies: Lazarus,
Lewis, Stock & Watson (2018), "HAR Inference: Recommendations for Practice", Journal of Business & Economic
Statistics 36. With labels that overlap by h bars the Newey-West t rejects far too often; see docs/luck.md.

Series run in time order; values that are not finite are left out, the others are taken as neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from forewalk.types import FloatArray

NAN = math.nan
FEWEST_HORIZONS = 15  # non-overlapping horizons below which nothing is claimed


@dataclass(frozen=True)
class RobustTest:
    """A mean against zero, with a p-value that allows for overlap, clusters and short histories.

    Attributes:
        mean: of the finite values; NaN without any.
        standard_error: of the mean; NaN where it cannot be estimated.
        t: mean / standard_error; NaN where undefined, as are the p-values and the interval.
        p_greater: one-sided; small is evidence for a mean above zero.
        p_two_sided: small is evidence for a mean other than zero.
        low, high: 95 % interval of the mean.
        observations: finite values.
        degrees: frequencies in the variance, the degrees of freedom of t; 0 where undefined.
        enough: there are at least `FEWEST_HORIZONS` horizons that do not overlap.
    """

    mean: float
    standard_error: float
    t: float
    p_greater: float
    p_two_sided: float
    low: float
    high: float
    observations: int
    degrees: int
    enough: bool


def robust_mean_test(values: npt.ArrayLike, horizon_bars: int = 1) -> RobustTest:
    """Test the mean of a series [T] whose neighbours may overlap by `horizon_bars`.

    NaN where fewer than two frequencies are left (fewer than four horizons) or nothing varies.

    Raises:
        ValueError: `horizon_bars` below 1.
    """
    if horizon_bars < 1:
        raise ValueError(f"a horizon of {horizon_bars} bars is impossible")
    series = np.asarray(values, dtype=np.float64).ravel()
    series = series[np.isfinite(series)]
    n = len(series)
    mean = float(series.mean()) if n else math.nan
    degrees = cosine_degrees(n, horizon_bars)
    enough = n >= FEWEST_HORIZONS * horizon_bars
    moves = degrees >= 2 and np.ptp(series) > 1e-12 * np.abs(series).max()
    error = math.sqrt(cosine_variance(series, degrees) / n) if moves else 0.0
    if not error > 0:
        return RobustTest(mean, NAN, NAN, NAN, NAN, NAN, NAN, n, 0, enough)
    t = mean / error
    half = float(stdtrit(degrees, 0.975)) * error
    return RobustTest(
        mean=mean,
        standard_error=error,
        t=t,
        p_greater=float(stdtr(degrees, -t)),
        p_two_sided=float(2 * stdtr(degrees, -abs(t))),
        low=mean - half,
        high=mean + half,
        observations=n,
        degrees=degrees,
        enough=enough,
    )


def cosine_degrees(observations: int, horizon_bars: int = 1) -> int:
    """Return how many frequencies the variance is estimated from.

    `0.4 n^(2/3)` as Lazarus et al. recommend, and at most n / (2 h): the highest frequency is then 1 / (4 h) a
    bar, where the spectrum of a sum over h bars still has 0.81 of its value at zero.
    """
    thumb = math.floor(0.4 * math.cbrt(max(observations, 0)) ** 2 + 1e-9)
    return max(0, min(thumb, observations // (2 * horizon_bars)))


def cosine_variance(series: FloatArray, degrees: int) -> float:
    """Return the long-run variance of a series [T]; over T it is the variance of the mean.

    The mean of `degrees` squared cosine coefficients sqrt(2/T) sum x_t cos(pi j (t - 1/2) / T), j = 1, 2, ...
    """
    from scipy.fft import dct

    coefficients = dct(series - series.mean(), type=2) / 2.0  # scipy's type 2 carries a factor of 2
    return float(2.0 / len(series) * np.mean(coefficients[1 : degrees + 1] ** 2))


@dataclass(frozen=True)
class DirectionTest:
    """Whether forecast and outcome point the same way more often than if they were independent.

    Attributes:
        hit_rate: share of cells whose direction was right.
        expected_rate: that share if forecast and outcome were independent, with the same shares of "up".
        slope: how much likelier a rise is where a rise was forecast, in [-1, 1].
        t, p_greater: of the slope, one-sided; NaN where either side never varies.
        cells, bars: what entered.
    """

    hit_rate: float
    expected_rate: float
    slope: float
    t: float
    p_greater: float
    cells: int
    bars: int


def pesaran_timmermann(forecast: FloatArray, actual: FloatArray, horizon_bars: int = 1) -> DirectionTest:
    """Test direction against independence, so that "always up" in a rising market is no skill.

    Args:
        forecast, actual: [T] or [T, S]; cells where either is not finite or exactly 0 are left out.
        horizon_bars: h; bars closer than that overlap.

    The regression form of Pesaran & Timmermann (1992), Journal of Business & Economic Statistics 10, which
    allows for serial dependence (Pesaran & Timmermann 2009, Journal of the American Statistical Association
    104): the slope of "rose" on "rise forecast", with the cells of a bar as one cluster and the robust
    variance of `robust_mean_test` over bars.
    """
    f, y = (np.asarray(x, dtype=np.float64) for x in (forecast, actual))
    if f.ndim == 1:
        f, y = f[:, None], y[:, None]
    used = np.isfinite(f) & np.isfinite(y) & (f != 0) & (y != 0)
    cells, bars = int(used.sum()), int(used.any(axis=1).sum())
    if not cells:
        return DirectionTest(NAN, NAN, NAN, NAN, NAN, 0, 0)
    rise, rose = (f > 0)[used].astype(np.float64), (y > 0)[used].astype(np.float64)
    p, q = rise.mean(), rose.mean()
    hit, expected = float((rise == rose).mean()), float(p * q + (1 - p) * (1 - q))
    spread = p * (1 - p)
    if spread == 0 or q in (0.0, 1.0):
        return DirectionTest(hit, expected, math.nan, math.nan, math.nan, cells, bars)
    slope = float(((rise - p) * (rose - q)).mean() / spread)
    score = np.zeros(f.shape)
    score[used] = (rise - p) * (rose - q - slope * (rise - p)) / spread
    per_bar = score.sum(axis=1)[used.any(axis=1)] * bars / cells
    test = robust_mean_test(per_bar + slope, horizon_bars)
    return DirectionTest(hit, expected, slope, test.t, test.p_greater, cells, bars)
