"""How good forecasts of this kind have been so far, for one symbol and for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from forewalk.types import FloatArray


@dataclass(frozen=True)
class Skill:
    """Past forecasts out of sample against what came.

    Attributes:
        forecasts: with a known outcome. first, last: closes at which the first and last of them were made.
        right: of those with a direction, how many had the sign of the outcome. directions: how many had one.
        base: share of the commoner sign among the outcomes: what always saying the same would have got right.
        inside: share of outcomes inside the central 50, 80 and 95 %, as they were stated.
        skill: 1 - squared error / squared error of "no change"; above 0 is better than naive.
        mae, rmse: of the log return. None where nothing is known.
    """

    forecasts: int
    first: str | None
    last: str | None
    right: int
    directions: int
    base: float | None
    inside: dict[str, float] | None
    skill: float | None
    mae: float | None
    rmse: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


def skill_of(table: pd.DataFrame) -> Skill:
    """Return the skill of the rows of a `forecast_table`; rows without an outcome are left out."""
    mean, std, actual = (table[name].to_numpy(dtype=np.float64) for name in ("mean", "std", "actual"))
    return skill_from(mean, std, actual, pd.DatetimeIndex(table["asof"]))


def skill_from(mean: FloatArray, std: FloatArray, actual: FloatArray, asof: pd.DatetimeIndex) -> Skill:
    """Return the skill of forecasts [N] made at the closes `asof`; those without an outcome are left out."""
    known = np.isfinite(actual) & np.isfinite(mean)
    if not known.any():
        return Skill(0, None, None, 0, 0, None, None, None, None, None)
    mean, std, actual, asof = mean[known], std[known], actual[known], asof[known]
    signed = (mean != 0) & (actual != 0)
    up = float((actual[signed] > 0).mean()) if signed.any() else float("nan")
    error, naive = actual - mean, float(np.mean(actual**2))
    return Skill(
        forecasts=len(mean),
        first=f"{asof.min():%Y-%m-%d}",
        last=f"{asof.max():%Y-%m-%d}",
        right=int((np.sign(mean) == np.sign(actual))[signed].sum()),
        directions=int(signed.sum()),
        base=_number(max(up, 1.0 - up)),
        inside=_inside(error, std),
        skill=_number(1.0 - float(np.mean(error**2)) / naive) if naive else None,
        mae=float(np.mean(np.abs(error))),
        rmse=float(np.sqrt(np.mean(error**2))),
    )


@dataclass(frozen=True, eq=False)
class Grid:
    """Past forecasts as arrays [T, S]: bars that have one, in time order, and symbols; NaN where there is none."""

    asof: pd.DatetimeIndex
    mean: FloatArray
    std: FloatArray
    p_up: FloatArray
    actual: FloatArray

    def skill(self, column: int | None = None) -> Skill:
        """Return the skill of one symbol, or of all."""
        if column is not None:
            return skill_from(self.mean[:, column], self.std[:, column], self.actual[:, column], self.asof)
        asof = self.asof.repeat(self.mean.shape[1])
        return skill_from(self.mean.ravel(), self.std.ravel(), self.actual.ravel(), asof)


def grid_of(table: pd.DataFrame, symbols: Sequence[str]) -> Grid:
    """Return the rows of a `forecast_table` about these symbols as arrays."""
    column = pd.Index(symbols).get_indexer(pd.Index(table["symbol"].astype(str)))
    row, asof = pd.factorize(pd.DatetimeIndex(table["asof"]), sort=True)
    inside = column >= 0
    arrays = []
    for name in ("mean", "std", "p_up", "actual"):
        values = np.full((len(asof), len(symbols)), np.nan)
        values[row[inside], column[inside]] = table[name].to_numpy(dtype=np.float64)[inside]
        arrays.append(values)
    return Grid(pd.DatetimeIndex(asof), *arrays)


def _inside(error: FloatArray, std: FloatArray) -> dict[str, float] | None:
    used = std > 0
    if not used.any():
        return None
    distance = np.abs(error[used] / std[used])
    return {str(level): float(np.mean(distance <= ndtri(0.5 + level / 200))) for level in (50, 80, 95)}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
