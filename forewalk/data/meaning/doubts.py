"""Rows that no market made: closes filled in over weekends, and days that are still to come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forewalk.errors import DataError
from forewalk.sessions import interval_length, is_intraday, microseconds
from forewalk.types import FloatArray, IntArray

_DAY = 24 * 3600 * 10**6
AHEAD_DAYS = 366  # a file may be a little ahead of a clock that is wrong, and no more
FEWEST_WEEKENDS = 8  # rows on Saturdays and Sundays below which nothing is said
CROWDED = 0.02  # share of stamps that may lie in a bar with another one
FILLED = 0.95  # share of them that repeat the close before
ALIVE = 0.5  # share of repeated closes on other days from which the series does not move anyway


def refuse_filled_weekends(wall: IntArray, closes: Sequence[FloatArray], who: str) -> None:
    """Raise DataError where Saturdays and Sundays only repeat the close before them: nobody traded then.

    Taken for a market that never closes, two days of seven without a move would lower the volatility and lengthen
    the year.

    Args:
        wall: days as written, microseconds [N]. closes: of each file, N in all.
    """
    order = np.argsort(wall, kind="stable")
    weekday = (wall[order] // _DAY + 3) % 7  # Monday is 0
    price = np.concatenate(closes)[order]
    same = np.concatenate([[False], price[1:] == price[:-1]])
    weekend = weekday >= 5
    if weekend.sum() < FEWEST_WEEKENDS or same[~weekend].mean() > ALIVE:
        return
    if same[weekend].mean() >= FILLED:
        raise DataError(
            f"{who}: the Saturdays and Sundays repeat the close before them, so they were filled in and not traded; "
            f"remove these rows, or say data.calendar = '24/7' if this market is really open then"
        )


def refuse_stamps(walls: Sequence[IntArray], interval: str, who: str) -> None:
    """Raise DataError where stamps cannot be those of bars of this length: still to come, or several in one bar.

    Args:
        walls: stamps as written, microseconds, of each file.
    """
    refuse_future(walls, who)
    if not is_intraday(interval):
        return
    stamps = np.unique(np.concatenate(walls))
    bars = len(np.unique(stamps // (interval_length(interval).value // 1000)))
    if len(stamps) - bars > CROWDED * len(stamps):
        raise DataError(
            f"{who}: {len(stamps)} stamps lie in {bars} bars of {interval}, so these are ticks or shorter bars; join "
            f"them to bars first, or say their length: data.interval"
        )


def refuse_future(walls: Sequence[IntArray], who: str, now: pd.Timestamp | None = None) -> None:
    """Raise DataError where the last day is more than a year ahead: the century or the unit was read wrongly.

    Args:
        walls: stamps as written, microseconds, of each file. now: UTC; none means the clock.
    """
    moment = pd.Timestamp.now("UTC") if now is None else now
    last = max((int(wall.max()) for wall in walls if len(wall)), default=0)
    if last > microseconds(pd.DatetimeIndex([moment]))[0] + AHEAD_DAYS * _DAY:
        day = str(np.datetime64(last, "us"))[:10]
        raise DataError(
            f"{who}: the last day is read as {day}, which is still to come; mend the stamps, or say how they are "
            f"written: data.date_format"
        )
