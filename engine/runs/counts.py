"""How many tries there were, really: on which data, how many that differ, and how far their ratios spread.

One count and one spread serve the verdict, the pages, the sweep and `forewalk trials` alike. Tries count together
where their data overlap, whatever else was changed: a bar more of training, one symbol fewer, a new download.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.runs.trial import Trial
from forewalk.returns import hedged_returns, sharpe_sample
from forewalk.types import FloatArray

SHARED_SYMBOLS = 0.5  # of the smaller set, from which two tries are on the same data
SHARED_BARS = 0.5  # of the shorter span
SAME_ACCOUNT = 0.95  # correlation from which two accounts are one try
FEWEST_SHARED_BARS = 3


@dataclass(frozen=True)
class Tried:
    """Earlier tries that a run is judged by: those in the ledger, and how many are known to be missing from it."""

    trials: tuple[Trial, ...] = ()
    lost: int = 0


@dataclass(frozen=True)
class TryCount:
    """How many tries on overlapping data there were.

    Attributes:
        distinct: tries with other settings or other data, each once.
        lost: tries that are known to be gone from the ledger.
        counted: what the discount reckons with: distinct tries without those whose accounts are the same
            (correlation of 0.95 and more), plus the lost ones; at least 1.
        variance: of the Sharpe ratios per bar of the counted tries. Tries that resemble each other have ratios
            close together: correlation enters here, and only here. It is never below what estimation alone gives
            ratios of that correlation, so that near copies of one try cannot press it down. 0 for one try.
    """

    distinct: int
    lost: int
    counted: float
    variance: float


def distinct_trials(trials: Sequence[Trial]) -> list[Trial]:
    """Return the last trial of each settings hash on each set of data: repeating a try adds no luck."""
    return list({(trial.settings_hash, trial.data_fingerprint): trial for trial in trials}.values())


def related_trials(trials: Sequence[Trial], own: Trial) -> list[Trial]:
    """Return those of `trials` whose data overlap with those of `own`.

    The same bar length, at least half of the smaller set of symbols, and at least half of the shorter span. A
    trial of an older ledger that kept neither counts where its data's fingerprint is the same.
    """
    return [trial for trial in trials if _related(trial, own)]


def _related(one: Trial, other: Trial) -> bool:
    if one.data_fingerprint == other.data_fingerprint:
        return True
    if not len(one.times) or not len(other.times) or one.interval != other.interval:
        return False
    symbols = len({*one.symbols} & {*other.symbols})
    if symbols < SHARED_SYMBOLS * min(len(one.symbols), len(other.symbols)):
        return False
    first, last = max(one.times[0], other.times[0]), min(one.times[-1], other.times[-1])
    shared = int(((one.times >= first) & (one.times <= last)).sum())
    return shared >= max(SHARED_BARS * min(len(one.times), len(other.times)), 1)


def aligned_returns(trials: Sequence[Trial]) -> pd.DataFrame:
    """Return the accounts' returns on all their bars together, float64 [T, K]; NaN where one had no bar.

    The index is the time in seconds, or the row where a trial of an older ledger kept no times.
    """
    if all(len(trial.times) for trial in trials):
        columns = {i: pd.Series(trial.returns, index=trial.times) for i, trial in enumerate(trials)}
    else:
        columns = {
            i: pd.Series(trial.returns, index=np.arange(trial.first_row, trial.first_row + trial.bars))
            for i, trial in enumerate(trials)
        }
    return pd.DataFrame(columns, dtype=np.float64)


def count_tries(trials: Sequence[Trial], lost: int = 0, benchmark: pd.Series | None = None) -> TryCount:
    """Count tries on overlapping data, see `TryCount`; `trials` are those of `related_trials`, the own one too.

    Bailey & Lopez de Prado (2014), "The Deflated Sharpe Ratio", ask for the number of independent tries and the
    variance of their ratios. Taking both from correlated tries would count the correlation twice. With a
    `benchmark` (simple returns by time in seconds) all is measured on what is left of the accounts without it.
    """
    distinct = distinct_trials(trials)
    returns = _beyond(aligned_returns(distinct), benchmark) if distinct else np.zeros((0, 0))
    scores = _standardised(returns)
    kept = _leaders(scores)
    counted = float(max(len(kept) + lost, 1))
    if counted == 1:
        return TryCount(len(distinct), lost, counted, 0.0)
    ratios = np.array([sharpe_sample(column[np.isfinite(column)]).sharpe for column in returns[:, kept].T])
    ratios = ratios[np.isfinite(ratios)]
    seen = float(ratios.var(ddof=1)) if len(ratios) > 1 else 0.0
    bars = float(np.median(np.isfinite(returns).sum(axis=0))) if kept else 0.0
    by_estimation = (1.0 - _mean_correlation(scores[:, kept])) / max(bars - 1.0, 1.0)
    return TryCount(len(distinct), lost, counted, max(seen, by_estimation))


def ratios_beyond(trials: Sequence[Trial], benchmark: pd.Series | None) -> FloatArray:
    """Return the Sharpe ratio per bar of what is left of each trial without the benchmark, [K]; NaN where none."""
    returns = _beyond(aligned_returns(trials), benchmark)
    return np.array([sharpe_sample(column[np.isfinite(column)]).sharpe for column in returns.T])


def _beyond(returns: pd.DataFrame, benchmark: pd.Series | None) -> FloatArray:
    """Columns without the benchmark; as they are where it knows none of their bars."""
    values = returns.to_numpy(dtype=np.float64)
    if benchmark is None:
        return values
    known = benchmark.reindex(returns.index).to_numpy(dtype=np.float64)
    return np.column_stack(
        [
            hedged_returns(column, known)
            if np.isfinite(column + known).sum() >= FEWEST_SHARED_BARS
            else column
            for column in values.T
        ]
    )


def _standardised(returns: FloatArray) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Columns with mean 0 and mean square 1 over their own rows; 0 where there is no bar or nothing moves."""
    known = np.isfinite(returns)
    count = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, returns, 0.0)
    centred = np.where(known, filled - filled.sum(axis=0) / count, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    moving = spread > 1e-12
    return np.asarray(np.where(moving, centred / np.where(moving, spread, 1.0), 0.0), dtype=np.float32)


def _leaders(scores: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> list[int]:
    """Columns of `scores` [T, K] such that every other is nearly equal to one of them; idle ones count as one.

    Two accounts are compared over all bars of either: one that covers a part of the other's bars is another try.
    """
    norms = np.sqrt((scores.astype(np.float64) ** 2).sum(axis=0))
    leaders: list[int] = []
    chosen = np.zeros((scores.shape[0], scores.shape[1]), dtype=np.float32)
    idle = False
    for column in range(scores.shape[1]):
        if norms[column] == 0:
            if not idle:
                leaders.append(column)
                idle = True
            continue
        unit = scores[:, column] / np.float32(norms[column])
        moving = len(leaders) - idle
        if moving and float((unit @ chosen[:, :moving]).max()) >= SAME_ACCOUNT:
            continue
        chosen[:, moving] = unit
        leaders.append(column)
    return leaders


def _mean_correlation(scores: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> float:
    """Mean correlation of all pairs over the bars that they share, in [0, 1]; 0 where none share enough."""
    here = scores != 0
    per_bar = here.sum(axis=1).astype(np.float64)
    pairs = float((per_bar * (per_bar - 1)).sum())
    if pairs < FEWEST_SHARED_BARS * 2:
        return 0.0
    wide = scores.astype(np.float64)
    total = float((wide.sum(axis=1) ** 2 - (wide**2).sum(axis=1)).sum())
    return min(max(total / pairs, 0.0), 1.0)
