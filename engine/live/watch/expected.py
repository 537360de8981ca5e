"""The band that a run's account leads to expect of the book: resampled histories of its own returns."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.evaluation.metrics.drift.resampling import resampled_rows
from forewalk.errors import DataError
from forewalk.returns import simple_returns
from forewalk.types import FloatArray

HISTORIES = 2000
BLOCK = 20.0  # bars that are kept together, on average
LEVELS = (0.025, 0.10, 0.25, 0.50, 0.75, 0.90, 0.975)


def expected_growth(run: Path, bars: int, seed: int) -> FloatArray:
    """Return the quantiles `LEVELS` of the growth of one dollar after 0 to `bars` - 1 bars, [7, bars].

    Returns of the run's out-of-sample account, drawn in blocks with replacement.

    Raises:
        DataError: it is no run folder, or its account is too short.
    """
    from engine.runs.folder import read_run

    returns = simple_returns(read_run(run).equity["equity"].to_numpy(dtype=np.float64))[1:]
    if len(returns) < 2 * BLOCK:
        raise DataError(f"{run}: an account of {len(returns)} bars is too short to lead to expect anything")
    rows = resampled_rows(len(returns), max(bars - 1, 0), HISTORIES, BLOCK, np.random.default_rng(seed))
    paths = np.cumprod(np.concatenate([np.ones((HISTORIES, 1)), 1.0 + returns[rows]], axis=1), axis=1)
    return np.asarray(np.quantile(paths, LEVELS, axis=0))
