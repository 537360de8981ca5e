"""Currency bars that a vendor dates on a Sunday: the first hours of Monday's session, joined to its bar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forewalk.calendars import is_forex
from forewalk.data.cleaning.closing import calendars_of
from forewalk.data.quality import Finding
from forewalk.data.table import HIGH, LOW, OPEN, Table
from forewalk.sessions import is_intraday
from forewalk.settings.sections import DataSettings
from forewalk.types import BoolArray, IntArray

_DAY = 24 * 3600 * 10**6
SUNDAY = 6


def with_sundays_joined(table: Table, settings: DataSettings) -> Table:
    """Return daily rows with each Sunday of a currency joined to the Monday after it; one without a Monday stays.

    The joined bar has Sunday's open and spread, the higher high, the lower low, Monday's close and both volumes. It
    closes when Monday's does, so nothing is known earlier than it was.
    """
    if is_intraday(settings.bar_length):
        return table
    forex = np.array([is_forex(calendar) for calendar in calendars_of(table, settings)])
    if not forex.any():
        return table
    sundays, mondays = _matched(table, forex)
    if not len(sundays):
        return table
    prices, volume = table.prices.copy(), table.volume.copy()
    first, second = table.prices[sundays], table.prices[mondays]
    usable = np.isfinite(first).all(axis=1) & (first > 0).all(
        axis=1
    )  # damage of a Sunday does not spoil Monday
    sundays_used, mondays_used, first, second = (
        sundays[usable],
        mondays[usable],
        first[usable],
        second[usable],
    )
    prices[mondays_used, OPEN] = first[:, OPEN]
    prices[mondays_used, HIGH] = np.maximum(first[:, HIGH], second[:, HIGH])
    prices[mondays_used, LOW] = np.minimum(first[:, LOW], second[:, LOW])
    volume[mondays_used] = table.volume[sundays_used] + table.volume[mondays_used]
    extras = {name: values.copy() for name, values in table.extras.items()}
    if "spread" in extras:
        extras["spread"][mondays_used] = table.extras["spread"][sundays_used]
    keep: BoolArray = np.ones(len(table), bool)
    keep[sundays] = False
    joined = replace(table, prices=prices, volume=volume, extras=extras).keep(keep)
    counts = np.bincount(table.code[sundays], minlength=len(table.symbols))
    notes = tuple(
        Finding(symbol, "sundays", "", "noted", int(count), None, None, "Sunday bars joined to Monday's")
        for symbol, count in zip(table.symbols, counts, strict=True)
        if count
    )
    return replace(joined, findings=(*joined.findings, *notes))


def _matched(table: Table, forex: BoolArray) -> tuple[IntArray, IntArray]:
    """Return the rows of Sundays, and for each the row of the Monday after it; only where each is there once."""
    day = table.wall // _DAY
    weekday = (day + 3) % 7
    key = table.code * 10**7 + day  # days since 1970 stay far below
    able = forex[table.code] & (weekday == SUNDAY)
    unique, first, counts = np.unique(key, return_index=True, return_counts=True)
    sundays = np.flatnonzero(able & (counts[np.searchsorted(unique, key)] == 1))
    place = np.minimum(np.searchsorted(unique, key[sundays] + 1), len(unique) - 1)
    there = (unique[place] == key[sundays] + 1) & (counts[place] == 1)
    return sundays[there], first[place[there]]
