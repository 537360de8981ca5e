"""Which features a fitted model leans on: permutation importance on the validation rows of its fold.

Breiman (2001), Machine Learning 45; Fisher, Rudin & Dominici (2019), JMLR 20. One feature is put out of step, and
what the model loses by that is the feature's importance. Only `predict_scaled` is asked, so any model can be looked
at.

A network reads paths, so values are not shuffled one by one: of each symbol the known values of the feature are moved
round in time by a random number of bars. Their order stays, their moment is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from engine.evaluation.metrics.statistics import rank_ic
from engine.training.walkforward import arrays_of, panel_and_labels
from forewalk.compute.workers import Workers
from forewalk.features.panel import FeaturePanel, Float32Array, Labels
from forewalk.settings.features import FEWEST_SYMBOLS
from forewalk.types import Arrays, FloatArray, IntArray
from models.base import FittedForecaster, StoredForecaster, WarmedBefore

NEAREST = 10  # a rotation goes at least a tenth of the rows away


@dataclass(frozen=True)
class Losses:
    """How well a model does on some rows.

    Attributes:
        likelihood: mean Gaussian negative log likelihood of scaled returns, without the constant.
        rank_ic: mean rank correlation over the symbols of a bar; None where no bar has 20 symbols.
    """

    likelihood: float
    rank_ic: float | None


@dataclass(frozen=True)
class Importance:
    """What a model loses when one feature is out of step, a value for each repetition.

    Attributes:
        model_id, feature: whose, and which.
        likelihood: rise of the loss. rank_ic: fall of the rank IC; None where there is none.
    """

    model_id: str
    feature: str
    likelihood: tuple[float, ...]
    rank_ic: tuple[float, ...] | None


@dataclass(frozen=True)
class _Task:
    """One model and one feature to be put out of step."""

    forecaster: StoredForecaster
    file: Path
    feature: str
    valid: tuple[int, int]
    seed: int
    repeats: int
    timestamps: pd.DatetimeIndex
    symbols: tuple[str, ...]
    names: tuple[str, ...]


def importances(
    panel: FeaturePanel,
    labels: Labels,
    forecaster: StoredForecaster,
    models: Sequence[tuple[Path, tuple[int, int]]],
    seed: int,
    repeats: int,
    workers: Workers,
) -> list[Importance]:
    """Return the importance of every feature for every model; equal bits for any `workers`.

    Args:
        panel, labels: of the run.
        forecaster: that reads the files.
        models: file of each model, and the first and last of its validation rows.
        seed, repeats: of the rotations; each model, feature and repetition draws its own.
    """
    about = (panel.timestamps, panel.symbols, panel.names)
    tasks = [
        _Task(forecaster, file, feature, valid, seed, repeats, *about)
        for file, valid in models
        for feature in panel.names
    ]
    return workers.run(_measure, tasks, arrays_of(panel, labels))


def _measure(task: _Task, arrays: Arrays) -> Importance:
    panel, labels = panel_and_labels(arrays, task.timestamps, task.symbols, task.names)
    model = task.forecaster.load(task.file)
    return importance_of(model, panel, labels.scaled, task.valid, task.feature, task.seed, task.repeats)


def importance_of(
    model: FittedForecaster,
    panel: FeaturePanel,
    scaled: FloatArray,
    valid: tuple[int, int],
    feature: str,
    seed: int,
    repeats: int,
) -> Importance:
    """Return what one model loses by one feature on rows `valid[0]` to `valid[1]`; `scaled` are labels [T, S]."""
    before = losses_on(model, panel, scaled, valid)
    after = []
    for number in range(repeats):
        generator = np.random.default_rng(_seed(seed, model.model_id, feature, number))
        values = rotated(panel.values, panel.names.index(feature), valid, generator)
        after.append(losses_on(model, replace(panel, values=values), scaled, valid))
    falls = None
    if before.rank_ic is not None:
        falls = tuple(before.rank_ic - each.rank_ic for each in after if each.rank_ic is not None)
    rises = tuple(each.likelihood - before.likelihood for each in after)
    return Importance(model.model_id, feature, rises, falls)


def losses_on(
    model: FittedForecaster, panel: FeaturePanel, scaled: FloatArray, valid: tuple[int, int]
) -> Losses:
    """Return how well the model does on rows `valid[0]` to `valid[1]`, its state warmed before them."""
    first, stop = valid[0], valid[1] + 1
    if isinstance(model, WarmedBefore):
        model = model.warmed_before(panel.timestamps[first])
    found = model.predict_scaled(panel, first, stop)
    target = np.where(panel.eligible[first:stop], scaled[first:stop], np.nan)
    known = np.isfinite(target) & np.isfinite(found.mean) & np.isfinite(panel.values[first:stop, :, 0])
    error = np.where(known, (target - found.mean) / found.std, 0.0)
    loss = np.where(known, np.log(np.where(known, found.std, 1.0)) + 0.5 * error**2, 0.0)
    enough = known.sum(axis=1) >= FEWEST_SYMBOLS
    ranks = None
    if enough.any():
        both = [np.where(known, part, np.nan)[enough] for part in (found.mean, target)]
        ranks = float(np.nanmean(rank_ic(both[0], both[1])))
    return Losses(float(loss.sum() / max(int(known.sum()), 1)), ranks)


def rotated(
    values: Float32Array, feature: int, valid: tuple[int, int], generator: np.random.Generator
) -> Float32Array:
    """Return values [T, S, F] with one feature's known values moved round in time on the rows, symbol by symbol."""
    result = values.copy()
    for column in range(values.shape[1]):
        path = values[valid[0] : valid[1] + 1, column, feature]
        known = np.flatnonzero(np.isfinite(path))
        least = max(1, len(known) // NEAREST)
        if len(known) <= 2 * least:
            continue
        moved = int(generator.integers(least, len(known) - least + 1))
        result[valid[0] + known, column, feature] = np.roll(path[known], moved)
    return result


def stability(table: FloatArray) -> float | None:
    """Return the mean rank correlation of importances between any two models, [models, F]; None for a single one."""
    from scipy.stats import spearmanr

    if len(table) < 2 or table.shape[1] < 3:
        return None
    pairs = [spearmanr(table[a], table[b]).statistic for a, b in combinations(range(len(table)), 2)]
    known = np.array(pairs)[np.isfinite(pairs)]
    return float(known.mean()) if len(known) else None


def first_and_last(rows: IntArray | Sequence[int]) -> tuple[int, int]:
    """Return the ends of sorted rows."""
    return int(rows[0]), int(rows[-1])


def _seed(seed: int, model_id: str, feature: str, number: int) -> int:
    digest = hashlib.sha256(f"{seed}/{model_id}/{feature}/{number}".encode()).digest()
    return int.from_bytes(digest[:8], "little")
