"""Which forecasters cannot be told from the best: the model confidence set."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.evaluation.metrics.accounts.bootstrap import optimal_block
from engine.evaluation.metrics.inference import FEWEST_HORIZONS
from forewalk.types import FloatArray

SIZE = 0.10  # the best is left out at most this often


def confidence_set(
    losses: Mapping[str, FloatArray], horizon_bars: int = 1, seed: int = 0, repetitions: int = 1000
) -> dict[str, float]:
    """Return for each forecaster the p-value with which it is left out; it is in the set above `SIZE`.

    Hansen, Lunde & Nason (2011), "The Model Confidence Set", Econometrica 79, as `arch` computes it: forecasters are
    left out one by one as long as equal loss of all is rejected, by a stationary bootstrap that keeps runs of bars
    together. The set holds the best of them with probability 1 - `SIZE`; one forecaster alone in it is told from all
    others.

    Args:
        losses: by forecaster, loss per bar [T]; NaN where a bar has none. Bars that all have count.
        horizon_bars: labels overlap by so much; blocks are never shorter than twice that.
        seed, repetitions: of the bootstrap; equal inputs and seed give equal numbers.

    Empty with fewer than two forecasters that differ, or fewer than fifteen horizons that do not overlap.
    """
    from arch.bootstrap import MCS

    names = list(losses)
    table = np.column_stack([losses[name] for name in names]) if names else np.zeros((0, 0))
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < FEWEST_HORIZONS * horizon_bars:
        return {}
    kept = _distinct(table)
    if len(kept) < 2:
        return {}
    scaled = table[:, kept] / table[:, kept].mean()  # squared returns are so small that variances underflow
    apart = scaled - scaled.mean(axis=1, keepdims=True)
    longest = max(optimal_block(column) for column in apart.T)
    block = min(max(longest, 2 * horizon_bars), max(len(table) // 4, 1))
    found = MCS(scaled, SIZE, reps=repetitions, block_size=block, bootstrap="stationary", seed=seed)
    found.compute()
    values = found.pvalues["Pvalue"]
    p = {names[kept[column]]: float(values.loc[column]) for column in range(len(kept))}
    return {name: p[names[_twin(table, i, kept)]] for i, name in enumerate(names)}


def _distinct(table: FloatArray) -> list[int]:
    """Return the columns without those that repeat an earlier one: two equals have no variance to be tested with."""
    kept: list[int] = []
    for i in range(table.shape[1]):
        if not any(_same(table[:, i], table[:, j]) for j in kept):
            kept.append(i)
    return kept


def _twin(table: FloatArray, column: int, kept: list[int]) -> int:
    return next(j for j in kept if j == column or _same(table[:, column], table[:, j]))


def _same(one: FloatArray, other: FloatArray) -> bool:
    return float(np.ptp(one - other)) <= 1e-9 * float(np.abs(one).mean())
