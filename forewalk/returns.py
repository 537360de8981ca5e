"""The arithmetic of an account's returns, once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forewalk.types import FloatArray

DAYS_A_YEAR = 365.25
SAME_SYMBOLS = "same_symbols"  # column of the equity, where the benchmark is another


def simple_returns(values: FloatArray) -> FloatArray:
    """Return bar-over-bar returns of account values, [T]; the first is 0, as is any after a total loss."""
    returns = np.zeros(len(values))
    alive = values[:-1] > 0
    returns[1:][alive] = values[1:][alive] / values[:-1][alive] - 1.0
    return returns


def same_symbols(equity: pd.DataFrame) -> FloatArray:
    """Return the value of the run's own symbols in equal parts, [T], whatever the benchmark is."""
    name = SAME_SYMBOLS if SAME_SYMBOLS in equity else "benchmark"
    return equity[name].to_numpy(dtype=np.float64)


def drawdown_series(values: FloatArray) -> FloatArray:
    """Return the fall from the highest value so far as a fraction <= 0, [T]."""
    return np.asarray(values / np.maximum.accumulate(values) - 1.0, dtype=np.float64)


@dataclass(frozen=True)
class SharpeSample:
    """A Sharpe ratio and what its uncertainty depends on.

    Attributes:
        sharpe: mean over standard deviation (ddof 1) per bar; NaN where nothing moved, as are the next two.
        skew, kurtosis: third and fourth standardised moment (population; normal: 0 and 3).
        observations: returns behind it.
    """

    sharpe: float
    skew: float
    kurtosis: float
    observations: int


def sharpe_sample(returns: FloatArray) -> SharpeSample:
    """Summarise returns [T] for the functions below."""
    spread = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    if not spread > 1e-12:
        return SharpeSample(math.nan, math.nan, math.nan, len(returns))
    centred = returns - returns.mean()
    variance = float((centred**2).mean())
    skew, kurtosis = float((centred**3).mean()) / variance**1.5, float((centred**4).mean()) / variance**2
    return SharpeSample(float(returns.mean()) / spread, skew, kurtosis, len(returns))


def hedged_returns(returns: FloatArray, benchmark: FloatArray | None) -> FloatArray:
    """Return what is left of returns [T] when the benchmark's, [T], are taken out at the account's own beta.

    `r - beta b` with beta by least squares over the bars that both know: drift of the market is not left in, and an
    account that is half in cash is not blamed for that. NaN where either is; `returns` as they are without a
    benchmark or where it never moves.
    """
    if benchmark is None:
        return returns
    known = np.isfinite(returns) & np.isfinite(benchmark)
    centred = benchmark[known] - benchmark[known].mean() if known.any() else np.zeros(0)
    square = float(centred @ centred)
    if not square > 1e-18 * max(int(known.sum()), 1):
        return returns
    return np.asarray(returns - float(centred @ returns[known]) / square * benchmark, dtype=np.float64)


def bars_per_year_covered(times: pd.DatetimeIndex, usual: float) -> float:
    """Return how many bars a year there really were: rows over the calendar time from the first to the last.

    A series with holes has fewer bars a year than its calendar says. Counted by the calendar, the same growth over
    the same time would look faster, and the same risk smaller.

    Args:
        times: UTC close of each row, ascending, [T].
        usual: what the calendar says; the answer where two rows or less cover no time.
    """
    if len(times) < 3:
        return usual
    years = (times[-1] - times[0]) / pd.Timedelta(days=DAYS_A_YEAR)
    return len(times) / years if years > 0 else usual
