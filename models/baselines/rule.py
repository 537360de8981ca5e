"""What the baseline forecasters share: the rows they learn from, their dates, and one file format.

A baseline is a `Rule` that answers with a scaled mean, dated like every model. Its standard deviation is the
root mean square of its own errors on the validation rows, in multiples of the panel's trailing volatility, so
that baselines differ from each other in the mean alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from forewalk.errors import DataError
from forewalk.features.panel import FeaturePanel
from forewalk.types import FloatArray, IntArray
from models.base import ScaledForecast, TrainingData
from models.checkpoint import pack
from models.recurrent.training import TARGET_LIMIT
from models.scaler import Scaler

FORMAT = 1
NumberArray = npt.NDArray[Any]


class Rule(Protocol):
    """A way to answer for any bar, made of arrays and JSON-able values only."""

    def scaled_mean(self, panel: FeaturePanel, start: int, first: int, stop: int) -> FloatArray:
        """Forecast rows `first` to `stop - 1`, [n, S], in multiples of the panel's scale.

        `start` is the row from which the model is valid; a row's answer depends on rows up to it alone.
        """
        ...

    def arrays(self) -> dict[str, NumberArray]:
        """Return the numbers that make up the rule."""
        ...

    def header(self) -> dict[str, Any]:
        """Return the rest of it, JSON-able."""
        ...


@dataclass(frozen=True, eq=False)
class FittedBaseline:
    """A rule with the dates that bound its use; satisfies `FittedForecaster`.

    Attributes:
        kind: which baseline, e.g. "ridge".
        rule: what it learned.
        residual_std: root mean square error on the validation rows, in multiples of the panel's scale.
        model_id, trained_until, valid_from, data_fingerprint: as in `TrainingData`.
        feature_names: of the panel it was trained on; another panel is refused.
    """

    kind: str
    rule: Rule
    residual_std: float
    model_id: str
    trained_until: pd.Timestamp
    valid_from: pd.Timestamp
    feature_names: tuple[str, ...]
    data_fingerprint: str

    def predict_scaled(self, panel: FeaturePanel, first: int, stop: int) -> ScaledForecast:
        """Forecast rows `first` to `stop - 1` of the panel in multiples of its scale; see `predict_rows`."""
        if panel.names != self.feature_names:
            raise DataError(
                f"{self.kind} {self.model_id} was trained on {self.feature_names}, the panel has {panel.names}"
            )
        start = min(int(panel.timestamps.searchsorted(self.valid_from)), first)
        mean = self.rule.scaled_mean(panel, start, first, stop)
        return ScaledForecast(mean, np.full(mean.shape, self.residual_std))

    def save(self, path: Path) -> None:
        """Write one safetensors file whose JSON header describes the rule, its features and its dates."""
        header = {
            "format": FORMAT,
            "kind": self.kind,
            "model_id": self.model_id,
            "trained_until": self.trained_until.isoformat(),
            "valid_from": self.valid_from.isoformat(),
            "feature_names": self.feature_names,
            "data_fingerprint": self.data_fingerprint,
            "rule": {**self.rule.header(), "residual_std": self.residual_std},
        }
        path.write_bytes(pack_arrays(self.rule.arrays(), header))


def pack_arrays(arrays: Mapping[str, NumberArray], header: dict[str, Any]) -> bytes:
    """Serialise arrays and a header as safetensors."""
    return pack({name: torch.from_numpy(np.array(values)) for name, values in arrays.items()}, header)


def learning_rows(data: TrainingData, rows: IntArray, scaler: Scaler) -> tuple[FloatArray, FloatArray]:
    """Return scaled features [n, F] and targets [n] of every cell in `rows` that has both.

    Cells come bar by bar, symbols in panel order. Targets are cut at 8 like a network's.
    """
    columns = trained_columns(data)
    values, target = data.panel.values[rows][:, columns], data.target[rows][:, columns]
    there = np.isfinite(target) & np.isfinite(values).all(axis=2)
    x = scaler.transform(values[there]).astype(np.float64)
    return x, np.clip(target[there], -TARGET_LIMIT, TARGET_LIMIT)


def trained_columns(data: TrainingData) -> list[int]:
    """Return the columns of the symbols that have their minimum history at the end of training."""
    return [data.panel.symbols.index(symbol) for symbol in data.symbols]


def mean_square_error(data: TrainingData, rule: Rule, rows: IntArray) -> float:
    """Return the mean squared error of a rule over `rows` of the training data, scaled units.

    Raises:
        DataError: no cell of `rows` has both a forecast and a label.
    """
    first, stop = int(rows[0]), int(rows[-1]) + 1
    mean = rule.scaled_mean(data.panel, first, first, stop)[rows - first]
    columns = trained_columns(data)
    error = mean[:, columns] - np.clip(data.target[rows][:, columns], -TARGET_LIMIT, TARGET_LIMIT)
    usable = np.isfinite(error) & np.isfinite(data.panel.values[rows][:, columns]).all(axis=2)
    if not usable.any():
        raise DataError(f"{data.model_id}: no training bar has a label; load a longer history")
    return float(np.mean(error[usable] ** 2))
