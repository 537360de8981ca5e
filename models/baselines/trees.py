"""Gradient-boosted trees on the network's features, kept as plain arrays.

scikit-learn's histogram boosting grows them (Ke et al. 2017, LightGBM, is the same idea). A fixed number of
them: the squared error of returns is so noisy that early stopping kept between 1 and 70 trees from fold to
fold. The validation rows decide how far the trees' answer is shrunk instead, which leaves its ranking alone.
What is stored and asked afterwards are the nodes themselves, so that nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forewalk.errors import DataError
from forewalk.features.panel import FeaturePanel
from forewalk.types import FloatArray, IntArray
from models.base import TrainingData
from models.baselines.rule import NumberArray, learning_rows, trained_columns
from models.scaler import Scaler

LEARNING_RATE = 0.05
TREES = 100
MOST_DEPTH = 4
SMALLEST_LEAF = 100
PENALTY = 10.0
SMALLEST_SHRINKAGE = 0.01  # not zero: even where the size of the answer is worthless, its ranking may not be


@dataclass(frozen=True, eq=False)
class TreesRule:
    """Boosted regression trees over the scaled features, the same for every symbol.

    Attributes:
        scaler: of the features.
        base: the forecast before the first tree.
        shrinkage: factor on the sum of the trees, in [0.01, 1].
        feature, threshold, left, right, value: of each node of all trees in a row; a row of features goes
            left where its feature is at or below the threshold. A leaf is its own left and right.
        root: number of each tree's first node.
    """

    scaler: Scaler
    base: float
    shrinkage: float
    feature: IntArray
    threshold: FloatArray
    left: IntArray
    right: IntArray
    value: FloatArray
    root: IntArray

    @classmethod
    def fit(cls, data: TrainingData, seed: int) -> TreesRule:
        """Grow trees on the training rows and shrink them to what fits the validation rows best."""
        from sklearn.ensemble import HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits

        scaler = Scaler.fit(data.panel.values[data.train][:, trained_columns(data)])
        x, y = learning_rows(data, data.train, scaler)
        x_valid, y_valid = learning_rows(data, data.valid, scaler)
        if len(y) < 2 or not len(y_valid):
            raise DataError(f"{data.model_id} trees: no training bar has a label; load a longer history")
        model = HistGradientBoostingRegressor(
            learning_rate=LEARNING_RATE,
            max_iter=TREES,
            max_depth=MOST_DEPTH,
            max_leaf_nodes=None,
            min_samples_leaf=min(SMALLEST_LEAF, max(len(y) // 20, 1)),
            l2_regularization=PENALTY,
            early_stopping=False,
            random_state=seed,
        )
        with threadpool_limits(limits=1, user_api="openmp"):
            model.fit(x, y)
        base = float(model._baseline_prediction.ravel()[0])
        nodes = _flatten([stage[0].nodes for stage in model._predictors])
        sum_of_trees = cls(scaler, 0.0, 1.0, *nodes).predict(x_valid)
        return cls(scaler, base, _shrinkage(sum_of_trees, y_valid - base), *nodes)

    @classmethod
    def read(cls, arrays: Mapping[str, NumberArray], header: Mapping[str, Any]) -> TreesRule:
        """Rebuild it from its arrays."""
        scaler = Scaler(tuple(header["mean"]), tuple(header["std"]))
        return cls(scaler, float(header["base"]), float(header["shrinkage"]), **arrays)

    def scaled_mean(self, panel: FeaturePanel, start: int, first: int, stop: int) -> FloatArray:
        """Base plus the shrunk sum of the leaves that the trees lead to."""
        scaled = self.scaler.transform(panel.values[first:stop])
        rows, symbols, _ = scaled.shape
        return self.predict(scaled.reshape(rows * symbols, -1).astype(np.float64)).reshape(rows, symbols)

    def predict(self, x: FloatArray) -> FloatArray:
        """Return the forecast of each row of scaled features [n, F]."""
        total = np.zeros(len(x))
        every = np.arange(len(x))
        for root in self.root.tolist():
            node = np.full(len(x), root, dtype=np.int64)
            for _ in range(MOST_DEPTH):
                goes_left = x[every, self.feature[node]] <= self.threshold[node]
                node = np.where(goes_left, self.left[node], self.right[node])
            total += self.value[node]
        return self.base + self.shrinkage * total

    def times(self, factor: float) -> TreesRule:
        """Return the rule whose answers are `factor` times as large."""
        return replace(self, base=factor * self.base, shrinkage=factor * self.shrinkage)

    def arrays(self) -> dict[str, NumberArray]:
        """The nodes."""
        names = ("feature", "threshold", "left", "right", "value", "root")
        return {name: getattr(self, name) for name in names}

    def header(self) -> dict[str, Any]:
        """The scaler, the base and the shrinkage."""
        return {
            "mean": self.scaler.mean,
            "std": self.scaler.std,
            "base": self.base,
            "shrinkage": self.shrinkage,
        }


def _shrinkage(forecast: FloatArray, truth: FloatArray) -> float:
    """Return the factor on `forecast` with the lowest squared error, within [0.01, 1]."""
    square = float(forecast @ forecast)
    best = float(forecast @ truth) / square if square > 0 else 0.0
    return min(max(best, SMALLEST_SHRINKAGE), 1.0)


def _flatten(
    trees: list[NumberArray],
) -> tuple[IntArray, FloatArray, IntArray, IntArray, FloatArray, IntArray]:
    """Put the nodes of all trees into one row, with children as numbers in that row."""
    sizes = [len(tree) for tree in trees]
    root = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)[: len(trees)]
    nodes = np.concatenate(trees)
    own = np.arange(len(nodes))
    offset = np.repeat(root, sizes)
    leaf = nodes["is_leaf"].astype(bool)
    return (
        np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64),
        np.where(leaf, 0.0, nodes["num_threshold"]),
        np.where(leaf, own, nodes["left"].astype(np.int64) + offset),
        np.where(leaf, own, nodes["right"].astype(np.int64) + offset),
        np.where(leaf, nodes["value"], 0.0),
        root,
    )
