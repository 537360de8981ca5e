"""Results that are too good to be believed: what they usually mean is a leak, and where it usually sits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.evaluation.metrics.door import Record
from forewalk.types import FloatArray

MAX_RANK_IC = 0.15
MAX_DIRECTION = 0.60
MAX_SHARPE_ANNUAL = 4.0
MAX_MONTHLY_GROWTH = 1.0  # the account doubled
MONTH = pd.Timedelta(days=31)
CLEAR_OF_LUCK = 4.5  # standard errors from chance: a short history gives odd numbers without any leak

WHERE_LEAKS_SIT = (
    "Before anything else look for a leak: a column dated by the day it describes and not by when it was known, a "
    "feature or label that reads a later bar, prices adjusted or repaired with hindsight, symbols chosen because "
    "they did well, a bar that was not finished. `python -m engine.audit` on the run finds those inside the "
    "pipeline; a file that already holds the future looks honest to it."
)


@dataclass(frozen=True)
class Alarm(Record):
    """One number beyond what honest data have been seen to give.

    Attributes:
        what: the number, in words. value: of this run. limit: beyond which nobody should believe it.
    """

    what: str
    value: float
    limit: float


def plausibility_alarms(
    rank_ic: float | None,
    rank_t: float | None,
    direction: float | None,
    bars: int,
    sharpe_annual: float | None,
    years: float,
    equity: FloatArray,
    times: pd.DatetimeIndex,
) -> tuple[Alarm, ...]:
    """Return what is too good to be believed, in the order in which to say it.

    Args:
        rank_ic: mean per bar, and its t; None where there are too few symbols.
        direction: share of right directions over `bars`; the symbols of a bar count as one.
        sharpe_annual: of the account, over `years`.
        equity: account value per bar, [T], at `times`.
    """
    found = []
    if rank_ic is not None and abs(rank_ic) > MAX_RANK_IC and abs(rank_t or 0.0) > CLEAR_OF_LUCK:
        found.append(Alarm("mean rank IC a bar", rank_ic, MAX_RANK_IC))
    if direction is not None and direction > MAX_DIRECTION and _clear(direction, bars):
        found.append(Alarm("share of right directions", direction, MAX_DIRECTION))
    sharpe = sharpe_annual or 0.0
    if sharpe > MAX_SHARPE_ANNUAL and sharpe * math.sqrt(years) > CLEAR_OF_LUCK:
        found.append(Alarm("Sharpe ratio a year", sharpe, MAX_SHARPE_ANNUAL))
    growth = fastest_month(equity, times)
    if growth > MAX_MONTHLY_GROWTH:
        found.append(Alarm("growth of the account within a month", growth, MAX_MONTHLY_GROWTH))
    return tuple(found)


def feature_alarms(
    names: tuple[str, ...], values: npt.NDArray[np.floating[Any]], actual: FloatArray
) -> tuple[Alarm, ...]:
    """Return the single features whose sign alone foretells the direction too well.

    Args:
        names: F of them. values: [T, S, F], what the model saw at each bar. actual: outcome, [T, S].

    A feature that is centred nowhere near 0 is judged by its place above or below its median.
    """
    rose = actual > 0
    found = []
    for column, name in enumerate(names):
        feature = values[:, :, column]
        used = np.isfinite(feature) & np.isfinite(actual) & (actual != 0)
        if not used.any():
            continue
        high = feature > np.median(feature[used])
        share = float((high == rose)[used].mean())
        best = max(share, 1.0 - share)
        if best > MAX_DIRECTION and _clear(best, int(used.any(axis=1).sum())):
            found.append(Alarm(f"share of right directions by the feature {name} alone", best, MAX_DIRECTION))
    return tuple(found)


def _clear(share: float, bars: int) -> bool:
    """Whether a share over so many bars is further from one half than luck takes it."""
    return abs(share - 0.5) > CLEAR_OF_LUCK * math.sqrt(0.25 / max(bars, 1))


def fastest_month(equity: FloatArray, times: pd.DatetimeIndex) -> float:
    """Return the largest growth of account values [T] over at most 31 days, as a fraction; 0 where it never grows."""
    if len(equity) < 2:
        return 0.0
    lowest = pd.Series(np.where(equity > 0, equity, np.nan), index=times).rolling(MONTH).min()
    growth = equity / lowest.to_numpy(dtype=np.float64) - 1.0
    return float(np.nanmax(growth, initial=0.0))


def alarm_sentence(alarms: tuple[Alarm, ...]) -> str:
    """Return what to say before anything else; empty without an alarm."""
    if not alarms:
        return ""
    said = "; ".join(f"{alarm.what}: {alarm.value:.2f} (limit {alarm.limit:.2f})" for alarm in alarms)
    return f"This is too good to be believed. {said}. {WHERE_LEAKS_SIT}"
