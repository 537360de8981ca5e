"""What a sweep shows of an account, by the conventions of `engine.evaluation.metrics.accounts.account`."""

from __future__ import annotations

import numpy as np

from engine.simulation.compiled.types import compiled
from forewalk.types import FloatArray


def summary_of(equity: FloatArray, summary: FloatArray) -> None:
    """Fill SUMMARY from account values, [T]."""
    bars = len(equity)
    total, peak, depth, mean = 0.0, equity[0], 0.0, equity[0]
    for t in range(1, bars):
        value, before = equity[t], equity[t - 1]
        mean += value
        total += value / before - 1.0 if before > 0 else 0.0
        peak = max(peak, value)
        depth = min(depth, value / peak - 1.0)
    average = total / bars
    squares = average * average  # the first return is 0
    for t in range(1, bars):
        value, before = equity[t], equity[t - 1]
        apart = (value / before - 1.0 if before > 0 else 0.0) - average
        squares += apart * apart
    spread = np.sqrt(squares / (bars - 1)) if bars > 1 else 0.0
    summary[0] = equity[-1] / equity[0] - 1.0
    summary[1] = average / spread if spread > 0 else np.nan
    summary[2] = depth
    summary[3] = mean / bars


summarise = compiled(summary_of)
