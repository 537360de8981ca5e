"""The line that a network stands on: with `model.residual = "ridge"` it learns what a ridge leaves.

He, Zhang, Ren & Sun (2016), CVPR, on learning what a simpler path leaves; the path here is fixed. It is the ridge of
`models.baselines.simple` on the network's own rows: slopes from the training rows, the penalty from the validation
rows, which decide when the network stops, too. Both are before the model's first forecast.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from forewalk.errors import DataError
from forewalk.features.panel import Float32Array
from forewalk.types import FloatArray, IntArray
from models.baselines.simple import best_ridge
from models.recurrent.training import TARGET_LIMIT


def ridge_line(x: Float32Array, label: FloatArray, train: IntArray, valid: IntArray) -> Tensor:
    """Return slopes and, last, the intercept, float32 [F + 1], from scaled features x [N, S, F] and labels [N, S].

    A label that is NaN does not count.

    Raises:
        DataError: the training or the validation rows have no label.
    """
    cells = []
    for name, rows in (("training", train), ("validation", valid)):
        known = np.isfinite(label[rows])
        if not known.any():
            raise DataError(
                f"no {name} bar has a label and all features for model.residual = 'ridge'; load a longer history"
            )
        cells += [x[rows][known].astype(np.float64), np.clip(label[rows][known], -TARGET_LIMIT, TARGET_LIMIT)]
    slopes, intercept, _ = best_ridge(*cells)
    return torch.tensor([*slopes.tolist(), intercept], dtype=torch.float32)
