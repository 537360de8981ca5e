"""A base for forecasters of one's own whose knowledge can be written as arrays: two methods are enough.

    class Mine(ArrayForecaster):
        def fit(self, data): ...                          # -> what was learned, arrays by name
        def predict(self, arrays, panel, first, stop): ...  # -> mean [rows, symbols], or (mean, std)

Arrays are kept as safetensors: nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from forewalk.errors import DataError
from forewalk.features.panel import FeaturePanel
from forewalk.settings.sections import ModelSettings
from forewalk.types import FloatArray, IntArray, TrainingCurve
from models.base import ModelInfo, ScaledForecast, TrainingData
from models.checkpoint import pack, unpack

Arrays = Mapping[str, npt.NDArray[Any]]
MEMBER = "own"


def learning_cells(data: TrainingData, rows: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return features [n, F] and scaled labels [n] of every symbol-bar in `rows` that has both.

    Cells come bar by bar, symbols in panel order; symbols without their minimum history are left out.
    """
    columns = [data.panel.symbols.index(symbol) for symbol in data.symbols]
    values, target = data.panel.values[rows][:, columns], data.target[rows][:, columns]
    there = np.isfinite(target) & np.isfinite(values).all(axis=2)
    return values[there].astype(np.float64), target[there]


class ArrayForecaster:
    """Implement `fit` and `predict`; files, dates and the width of the forecast follow.

    Attributes:
        settings: section `model` of the settings; your own parameters are in `settings.params`.
        seed: of all randomness; equal seeds must give equal arrays.
    """

    def __init__(self, settings: ModelSettings, seed: int) -> None:
        self.settings = settings
        self.seed = seed

    def fit(self, data: TrainingData) -> Arrays:
        """Learn from the training rows and return what was learned.

        `learning_cells(data, data.train)` are features and labels of these rows, `data.valid` those that may decide
        when to stop. Labels are returns in multiples of the trailing volatility (`panel.scale`).
        """
        raise NotImplementedError("write fit(self, data): it returns arrays by name")

    def predict(
        self, arrays: Arrays, panel: FeaturePanel, first: int, stop: int
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Return the mean of the scaled label for rows `first` to `stop - 1`, [rows, symbols]; or (mean, std).

        A row's answer must depend on rows up to it alone. Without a std it is the root mean square error on the
        validation rows. NaN where there is no forecast; so it is anyway where a feature is missing.
        """
        raise NotImplementedError("write predict(self, arrays, panel, first, stop): it returns the mean")

    def members(self, symbols: Sequence[str]) -> tuple[str, ...]:
        """One part, whatever the symbols."""
        return (MEMBER,)

    def fit_member(self, data: TrainingData, member: str) -> tuple[bytes, TrainingCurve]:
        """Fit, and measure the error on the validation rows; DataError where none has a label."""
        arrays = {name: np.ascontiguousarray(values) for name, values in self.fit(data).items()}
        error = self._validation_error(arrays, data)
        tensors = {name: torch.from_numpy(np.array(values)) for name, values in arrays.items()}
        curve = TrainingCurve(data.model_id, member, (), (error,), 0)
        return pack(tensors, {"residual_std": float(np.sqrt(error))}), curve

    def assemble(self, info: ModelInfo, parts: Sequence[bytes]) -> ArrayModel:
        """Return the model of the one part."""
        tensors, header = unpack(parts[0])
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        return ArrayModel(self, arrays, float(header["residual_std"]))

    def _validation_error(self, arrays: Arrays, data: TrainingData) -> float:
        first, stop = int(data.valid[0]), int(data.valid[-1]) + 1
        answer = self.predict(arrays, data.panel, first, stop)
        mean = np.asarray(answer[0] if isinstance(answer, tuple) else answer, dtype=np.float64)
        error = (mean[data.valid - first] - data.target[data.valid]) ** 2
        usable = np.isfinite(error) & np.isfinite(data.panel.values[data.valid]).all(axis=2)
        usable &= data.panel.eligible[-1]
        if not usable.any():
            raise DataError(f"{data.model_id}: no validation bar has a label; load a longer history")
        return float(np.mean(error[usable]))


class ArrayModel:
    """What an `ArrayForecaster` has learned."""

    def __init__(self, forecaster: ArrayForecaster, arrays: Arrays, residual_std: float) -> None:
        self.forecaster = forecaster
        self.arrays = arrays
        self.residual_std = residual_std

    def predict_scaled(self, panel: FeaturePanel, first: int, stop: int) -> ScaledForecast:
        """Forecast rows `first` to `stop - 1` in multiples of the panel's scale."""
        answer = self.forecaster.predict(self.arrays, panel, first, stop)
        if isinstance(answer, tuple):
            return ScaledForecast(*answer)
        mean = np.asarray(answer, dtype=np.float64)
        return ScaledForecast(mean, np.where(np.isfinite(mean), self.residual_std, np.nan))
