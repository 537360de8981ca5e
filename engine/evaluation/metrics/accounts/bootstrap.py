"""Intervals for an account by the stationary bootstrap, which keeps runs of bars together.

Politis & Romano (1994), Journal of the American Statistical Association 89; block length by Politis & White
(2004) with the correction of Patton, Politis & White (2009), both from `arch`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.evaluation.metrics.door import Record
from forewalk.returns import drawdown_series
from forewalk.types import FloatArray, IntArray

FAN_POINTS = 200
FAN_LEVELS = (0.025, 0.25, 0.5, 0.75, 0.975)
FEWEST_BARS = 30


@dataclass(frozen=True)
class Interval(Record):
    """A number with the bounds that hold it with the stated confidence, 95 % in `LuckMetrics`."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class AccountBootstrap:
    """What the account might as well have done.

    Attributes:
        sharpe: annual. cagr: growth per year. max_drawdown: negative fraction. Percentile intervals; that of
            the drawdown says which drawdowns the same returns in another order would have had.
        block_bars: mean length of the blocks; 0 where nothing was resampled.
        fan_rows: bars at which the fan is known, [P].
        fan: account value over its start at `FAN_LEVELS`, [levels, P]; empty where nothing moved.
    """

    sharpe: Interval
    cagr: Interval
    max_drawdown: Interval
    block_bars: int
    fan_rows: IntArray
    fan: FloatArray


def bootstrap_account(
    returns: FloatArray,
    bars_per_year: float,
    seed: int,
    repetitions: int = 1000,
    confidence: float = 0.95,
    block_bars: int | None = None,
) -> AccountBootstrap:
    """Resample returns [T] `repetitions` times and measure each account.

    Equal inputs and seed give equal numbers. With fewer than 30 returns, or none that moves, every bound is
    None. `block_bars` None means the longer of the optimal lengths for the returns and for their squares,
    since volatility has the longer memory.
    """
    from arch.bootstrap import StationaryBootstrap

    value = _measure(returns, bars_per_year)
    if len(returns) < FEWEST_BARS or not returns.std() > 1e-12:
        sharpe, cagr, drawdown = (Interval(v, math.nan, math.nan) for v in value)
        empty = np.zeros((len(FAN_LEVELS), 0))
        return AccountBootstrap(sharpe, cagr, drawdown, 0, np.zeros(0, np.int64), empty)
    block = optimal_block(returns) if block_bars is None else block_bars
    rows = np.unique(np.linspace(0, len(returns) - 1, FAN_POINTS).astype(np.int64))
    draws = np.empty((repetitions, 3))
    paths = np.empty((repetitions, len(rows)))
    resampled = StationaryBootstrap(block, returns, seed=seed).bootstrap(repetitions)
    for number, (positional, _) in enumerate(resampled):
        sample = np.asarray(positional[0])
        draws[number] = _measure(sample, bars_per_year)
        paths[number] = np.cumprod(1.0 + sample)[rows]
    tail = (1.0 - confidence) / 2.0
    low, high = np.nanquantile(draws, [tail, 1.0 - tail], axis=0)
    sharpe, cagr, drawdown = (
        Interval(v, float(below), float(above)) for v, below, above in zip(value, low, high, strict=True)
    )
    return AccountBootstrap(sharpe, cagr, drawdown, block, rows, np.quantile(paths, FAN_LEVELS, axis=0))


def optimal_block(returns: FloatArray) -> int:
    """Return the mean block length for returns [T], between 1 and a quarter of them."""
    from arch.bootstrap import optimal_block_length

    lengths = [
        float(optimal_block_length(series)["stationary"].iloc[0])
        for series in (returns, (returns - returns.mean()) ** 2)
    ]
    known = [max(length, 1.0) for length in lengths if math.isfinite(length)]
    return max(1, round(min(max(known, default=1.0), len(returns) / 4)))


def _measure(returns: FloatArray, bars_per_year: float) -> tuple[float, float, float]:
    """Annual Sharpe ratio, growth per year, largest drawdown; a lost account grows by -1."""
    spread = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    sharpe = float(returns.mean()) / spread * math.sqrt(bars_per_year) if spread > 1e-12 else math.nan
    values = np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    end = float(values[-1])
    cagr = math.pow(end, bars_per_year / len(returns)) - 1.0 if end > 0 and len(returns) else -1.0
    return sharpe, cagr, float(drawdown_series(values).min())
