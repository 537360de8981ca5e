"""When each raw row's bar closed, symbol by symbol on its own exchange."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from forewalk.data.columns.rows import ColumnRows
from forewalk.data.columns.rows import row_closes as columns_closes
from forewalk.data.table import NO_TIME, Table
from forewalk.sessions import (
    exchange_zone,
    intraday_closes,
    is_intraday,
    microseconds,
    period_closes,
    regular_closes,
)
from forewalk.settings.sections import DataSettings
from forewalk.types import BoolArray, IntArray

_DAY = 24 * 3600 * 10**6


def settings_for(table: Table, settings: DataSettings) -> DataSettings:
    """Return the settings with the bar length and the commonest calendar of the table, which are never None."""
    calendar = settings.calendar or table.understood.calendar or settings.exchange
    if len(set(table.calendars)) == 1:
        calendar = table.calendars[0]
    interval = table.interval or settings.bar_length
    if (settings.calendar, settings.interval) == (calendar, interval):
        return settings
    return settings.model_copy(update={"calendar": calendar, "interval": interval})


def calendars_of(table: Table, settings: DataSettings) -> tuple[str, ...]:
    """Return the calendar of each symbol."""
    return table.calendars or (settings.exchange,) * len(table.symbols)


def markets(calendars: tuple[str, ...]) -> Iterator[tuple[str, IntArray]]:
    """Yield each calendar with the numbers of its symbols."""
    names = np.array(calendars, dtype=object)
    for calendar in dict.fromkeys(calendars):
        yield calendar, np.flatnonzero(names == calendar)


def closes_of(table: Table, starts: IntArray, settings: DataSettings) -> tuple[IntArray, BoolArray]:
    """Return the UTC close of each row in microseconds, and whether its exchange was open; both [N].

    Args:
        table: raw rows.
        starts: UTC start of each row, for intraday bars; NO_TIME gives NO_TIME.
        settings: as from `settings_for`.
    """
    closes, inside = np.full(len(table), NO_TIME), np.zeros(len(table), bool)
    for calendar, members in markets(calendars_of(table, settings)):
        whole = len(members) == len(table.symbols)
        rows = np.arange(len(table)) if whole else np.flatnonzero(np.isin(table.code, members))
        if not len(rows):
            continue
        if is_intraday(settings.bar_length):
            rows = rows[starts[rows] != NO_TIME]
            moments = pd.DatetimeIndex(starts[rows].astype("datetime64[us]"), tz="UTC")
            found, inside[rows] = intraday_closes(calendar, moments, settings.bar_length)
            closes[rows] = microseconds(found)
        else:
            closes[rows], inside[rows] = _of_dates(table.wall[rows], calendar, settings.bar_length)
    return closes, inside


def _of_dates(wall: IntArray, calendar: str, interval: str) -> tuple[IntArray, BoolArray]:
    days, position = np.unique(wall // _DAY, return_inverse=True)
    dates = pd.DatetimeIndex((days * _DAY).astype("datetime64[us]"))
    closes = microseconds(period_closes(calendar, dates, interval))
    inside = closes != NO_TIME
    if not inside.all():
        closes = np.where(inside, closes, microseconds(regular_closes(calendar, dates)))
    return closes[position], inside[position]


def row_closes(rows: Table | ColumnRows, settings: DataSettings) -> IntArray:
    """Return the UTC close, in microseconds, of the bar each raw row stands for, [N]; NO_TIME where unknown."""
    if not isinstance(rows, Table):
        return columns_closes(rows, settings)
    settings = settings_for(rows, settings)
    return closes_of(rows, local_starts(rows, settings), settings)[0]


def local_starts(table: Table, settings: DataSettings) -> IntArray:
    """Return the UTC starts of rows, those without a zone read in their exchange's own; else NO_TIME."""
    starts = table.instant.copy()
    for calendar, members in markets(calendars_of(table, settings)):
        rows = np.flatnonzero((starts == NO_TIME) & np.isin(table.code, members))
        if len(rows):
            local = pd.DatetimeIndex(table.wall[rows].astype("datetime64[us]"))
            zone = exchange_zone(calendar)
            placed = local.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").tz_convert("UTC")
            starts[rows] = microseconds(placed)
    return starts
