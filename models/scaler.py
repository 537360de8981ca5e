"""Features and labels scaled with the statistics of the training rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forewalk.errors import DataError
from forewalk.features.panel import Float32Array
from forewalk.types import FloatArray

BLOCK_ROWS = 8192  # rows that a scaler reads at a time


INPUT_LIMIT = 5.0  # scaled features are cut at five standard deviations of the training rows


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each feature over the training rows of one fold; length F."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, values: Float32Array) -> Scaler:
        """Fit to values [n, S, F]; rows with NaN do not count."""
        count, total = 0, np.zeros(values.shape[-1])
        for block in _blocks(values):
            count, total = count + len(block), _added(total, block)
        if not count:
            raise DataError("no training bar has complete features; load a longer history")
        mean, square = total / count, np.zeros_like(total)
        for block in _blocks(values):
            square = _added(square, (block - mean) ** 2)
        std = np.sqrt(square / count)
        return cls(tuple(mean.tolist()), tuple(np.where(std > 1e-8, std, 1.0).tolist()))

    def transform(self, values: Float32Array) -> Float32Array:
        """Scale values [n, S, F]; NaN becomes 0, the training mean."""
        scaled = values - np.array(self.mean, np.float32)
        scaled /= np.array(self.std, np.float32)
        np.clip(scaled, -INPUT_LIMIT, INPUT_LIMIT, out=scaled)
        return np.nan_to_num(scaled, copy=False, nan=0.0)


def _blocks(values: Float32Array) -> Iterator[FloatArray]:
    """Yield the complete rows of values [n, S, F] as float64 [m, F], in pieces that stay in a cache."""
    bars = max(1, BLOCK_ROWS // values.shape[1])
    for first in range(0, len(values), bars):
        rows = values[first : first + bars].reshape(-1, values.shape[-1])
        yield rows[np.isfinite(rows).all(axis=1)].astype(np.float64)


def _added(total: FloatArray, rows: FloatArray) -> FloatArray:
    """Add rows [m, F] to a total [F], one after the other: the bits do not depend on how they are cut."""
    added: FloatArray = np.add.reduce(np.concatenate([total[None], rows]), axis=0)
    return added
