"""The surface of a sweep: what a metric is over two of the varied settings, and which two those are.

A cell is the *median* over all settings that are not drawn. The best of them would flatter every cell.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from engine.sweep.grid import Axis
from engine.sweep.result import Sweep
from forewalk.types import FloatArray

TITLES = {
    "sharpe": "Sharpe ratio a year",
    "total_return": "Total return, %",
    "max_drawdown": "Largest drawdown, %",
    "turnover_per_year": "Turnover a year (traded value / account)",
}
SCALE = {"total_return": 100.0, "max_drawdown": 100.0}


def drawn_axes(result: Sweep) -> tuple[Axis, Axis | None]:
    """Return the two axes with the most values, the longer one across; the second is None if there is one."""
    longest = sorted(result.axes, key=lambda axis: -len(axis.values))
    return longest[0], longest[1] if len(longest) > 1 else None


def own_cell(result: Sweep, across: Axis, down: Axis | None) -> tuple[int, int] | None:
    """Return the cell (across, down) of the run's own settings, None where the sweep did not try them."""
    place = []
    for side in (across, down):
        if side is not None and result.own[side.key] not in side.values:
            return None
        place.append(0 if side is None else side.values.index(result.own[side.key]))
    return place[0], place[1]


def heat_table(result: Sweep, metric: str, drawn: tuple[Axis, Axis | None] | None = None) -> FloatArray:
    """Return the median of `metric` for each cell, [values down, values across]; NaN where nothing is defined.

    Args:
        metric: one of `METRICS`; returns and drawdowns come in per cent.
        drawn: the axes across and down; None means `drawn_axes`.
    """
    across, down = drawn or drawn_axes(result)
    codes = [_codes(result.table[axis.key], axis) for axis in (down, across) if axis is not None]
    rows = codes[0] if down is not None else np.zeros(len(result.table), dtype=np.int64)
    shape = (len(down.values) if down is not None else 1, len(across.values))
    cell = pd.Series(result.table[metric].to_numpy()).groupby(rows * shape[1] + codes[-1]).median()
    values = np.full(shape[0] * shape[1], np.nan)
    values[cell.index.to_numpy()] = cell.to_numpy()
    return values.reshape(shape) * SCALE.get(metric, 1.0)


def value_text(value: Any) -> str:
    """Return a value of a setting as a reader sees it."""
    return "none" if _missing(value) else f"{value:g}" if isinstance(value, float) else str(value)


def _codes(values: pd.Series, axis: Axis) -> Any:
    place = {value: number for number, value in enumerate(axis.values)}
    return np.array([place[None if _missing(value) else value] for value in values], dtype=np.int64)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))
