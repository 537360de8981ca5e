"""From scores that only order symbols to forecasts of a return."""

from __future__ import annotations

import numpy as np

from forewalk.errors import ConfigError, DataError
from forewalk.settings.features import FEWEST_SYMBOLS
from forewalk.types import BoolArray, FloatArray
from models.base import TrainingData

SMALLEST_SLOPE = (
    1e-3  # not zero or below: even where the size of the answer is worthless, its ranking may not be
)


def ranked_cells(data: TrainingData) -> FloatArray:
    """Return the rank labels of the training data, [N, S], where there are features to learn from, else NaN.

    Raises:
        ConfigError: there are not 20 symbols, so that no bar can be ranked.
        DataError: the labels are no ranks.
    """
    if len(data.symbols) < FEWEST_SYMBOLS:
        raise ConfigError(
            f"model.loss = 'rank_correlation' needs {FEWEST_SYMBOLS} symbols with their minimum history, "
            f"{data.model_id} has {len(data.symbols)}; load more symbols, or set model.loss = 'gaussian_nll' and "
            "label.kind = 'market_relative'"
        )
    if data.scores is None:
        raise DataError(f"{data.model_id}: the labels are no ranks; build them with label.kind = 'rank'")
    return np.where(np.isfinite(data.panel.values).all(axis=2), data.scores, np.nan)


def standardised(scores: FloatArray, usable: BoolArray) -> FloatArray:
    """Return each row of scores [n, S] minus its mean over its standard deviation, both over the usable symbols.

    NaN where a symbol is not usable, and on rows with fewer than 20 usable symbols or with equal scores.
    """
    count = usable.sum(axis=1, keepdims=True)
    known = np.where(usable, scores, 0.0)
    mean = known.sum(axis=1, keepdims=True) / np.maximum(count, 1)
    apart = np.where(usable, scores - mean, 0.0)
    spread = np.sqrt((apart**2).sum(axis=1, keepdims=True) / np.maximum(count, 1))
    enough = usable & (count >= FEWEST_SYMBOLS) & (spread > 0.0)
    return np.where(enough, apart / np.where(spread > 0.0, spread, 1.0), np.nan)


def return_per_score(scores: FloatArray, target: FloatArray) -> float:
    """Return the least-squares slope, through zero, of scaled returns on scores, both [n, S], where both are known.

    At least 0.001, so that the order stays. A slope of scores on validation rows is as small as their skill is.
    """
    known = np.isfinite(scores) & np.isfinite(target)
    square = float((scores[known] ** 2).sum())
    return max(float((scores[known] * target[known]).sum()) / square if square > 0.0 else 0.0, SMALLEST_SLOPE)
