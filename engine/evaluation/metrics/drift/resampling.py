"""Other histories of the same kind: rows of a series in runs of random length, drawn with replacement.

Politis & Romano (1994), The Stationary Bootstrap, Journal of the American Statistical Association 89.
"""

from __future__ import annotations

import numpy as np

from forewalk.types import IntArray


def resampled_rows(
    rows: int, length: int, repetitions: int, block: float, generator: np.random.Generator
) -> IntArray:
    """Return row numbers of `repetitions` resampled histories, [repetitions, length], each in 0 .. rows - 1.

    A run goes on from row to row, from the last to the first, and ends after each row with the probability
    1 / `block`; the next one begins anywhere.
    """
    fresh = generator.integers(0, rows, (repetitions, length))
    begins = generator.random((repetitions, length)) < 1.0 / max(block, 1.0)
    begins[:, 0] = True
    place = np.arange(length)
    began = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    return np.asarray((np.take_along_axis(fresh, began, axis=1) + place - began) % rows, dtype=np.int64)
