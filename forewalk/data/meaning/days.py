"""The session date of daily, weekly and monthly bars, however they are stamped.

A stamp may be the session's date, midnight in the exchange's zone or in UTC, the open or the close of the session, or
the end of the day. Each reading gives dates; the right one gives dates on which the exchange was open. Where two
readings fit and differ, the user is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forewalk.calendars import FOREX, FOREX_OF_ZONE, day_zone, is_forex
from forewalk.data.formats.stamps import Stamps, localise
from forewalk.data.meaning.markets import ALWAYS, on_sessions
from forewalk.data.table import NO_TIME
from forewalk.errors import DataError
from forewalk.sessions import DAILY, MONTHLY, WEEKLY, exchange_zone, microseconds
from forewalk.types import IntArray
from forewalk.zones import to_wall

FITS = 0.98
FEWEST = 20
_HOUR = 3600 * 10**6
_DAY = 24 * _HOUR


@dataclass(frozen=True, eq=False)
class Dated:
    """Session dates in microseconds [N], what the stamps were taken for, in which zone, and how well they fit."""

    dates: IntArray
    stamp: str
    zone: str
    fit: float


def date_bars(
    stamps: Stamps,
    calendar: str,
    interval: str,
    zone: str | None,
    stamp: str | None,
    who: str,
    start_of_week: bool = False,
) -> Dated:
    """Return the dates of daily or longer bars of one symbol.

    Args:
        stamps: as written.
        calendar: of the symbol.
        interval: "1d", "1wk" or "1mo".
        zone: `data.zone`, or what the file says; None: nothing is said.
        stamp: `data.stamp`: "date", "start", "end" or None.
        who: the symbol and its file, for messages.
        start_of_week: the maker stamps weekly bars with the first day of the week, Sunday included.

    Raises:
        DataError: two readings fit and differ.
    """
    if zone and (stamps.instant == NO_TIME).all() and (stamps.wall % _DAY != 0).any():
        stamps = Stamps(stamps.wall, localise(stamps.wall, zone))
    if interval in (WEEKLY, MONTHLY):
        found = _first(_readings(stamps, calendar))
        return _of_period(found, interval, stamp, start_of_week, who)
    readings = _readings(stamps, calendar)
    if stamp is not None:
        return _asked(readings, stamp)
    if calendar == ALWAYS:
        return _first(readings)
    fitting = [reading for reading in readings if reading.fit >= FITS]
    if readings[0].stamp in _NATURAL and len(stamps) < FEWEST:
        return readings[0]  # a few dates off session prove nothing about all
    if not fitting:
        return max(readings, key=lambda reading: reading.fit)
    chosen = fitting[0]
    if chosen.stamp not in _NATURAL:
        for other in fitting[1:]:
            if not np.array_equal(other.dates, chosen.dates):
                raise DataError(
                    f"{who}: a stamp can be {_say(chosen)} or {_say(other)}, and the days fit both; say which: "
                    f"data.stamp = "
                    f"'start' or 'end', or data.zone"
                )
    return chosen


_NATURAL = ("session date", "UTC midnight", "midnight of its own zone")


def _say(reading: Dated) -> str:
    day = str(np.datetime64(int(reading.dates[0]), "us"))[:10]
    return f"{reading.stamp} (the first bar is of {day})"


def _first(readings: list[Dated]) -> Dated:
    return readings[0]


def _asked(readings: list[Dated], stamp: str) -> Dated:
    """Take the best reading of the kind that the user names."""
    kinds = {
        "date": ("date", "midnight"),
        "start": ("start", "open", "midnight", "date"),
        "end": ("end", "close"),
    }[stamp]
    able = [reading for reading in readings if any(kind in reading.stamp for kind in kinds)] or readings
    return max(able, key=lambda reading: (reading.fit >= FITS, -readings.index(reading)))


def _readings(stamps: Stamps, calendar: str) -> list[Dated]:
    """Return the readings of daily stamps, the most natural first."""
    own_clock, known = stamps.wall % _DAY, bool((stamps.instant != NO_TIME).all())
    found: list[Dated] = []

    def add(dates: IntArray, stamp: str, zone: str) -> None:
        days = dates // _DAY
        found.append(
            Dated(days * _DAY, stamp, zone, float(on_sessions(calendar, days).mean()) if len(days) else 0.0)
        )

    exchange = str(exchange_zone(calendar))
    if _constant(own_clock):
        clock = int(np.median(own_clock))
        if clock == 0:
            utc = known and bool((stamps.instant == stamps.wall).all())
            name = "session date" if not known else ("UTC midnight" if utc else "midnight of its own zone")
            add(stamps.wall, name, exchange if not known else ("UTC" if utc else "own"))
            add(stamps.wall - _DAY, "end of the day before", "own")
            if not known:
                return found
        elif not known:
            add(stamps.wall, _by_clock(clock), exchange)
            if clock >= 17 * _HOUR:
                add(stamps.wall + _DAY, "start of the next session", exchange)
            return found
    elif not known:  # a clock that moves by an hour: midnight of one zone written in another
        evening = (own_clock >= 17 * _HOUR).mean() > 0.9
        add(
            stamps.wall + (_DAY if evening else 0),
            "midnight of another zone" if evening else "session date",
            exchange,
        )
        add(
            stamps.wall + (0 if evening else _DAY),
            "session date" if evening else "start of the next session",
            exchange,
        )
        return found
    if is_forex(calendar):
        vendors = _days_of(stamps.instant, day_zone(calendar))
        if vendors is not None:
            add(vendors, "midnight of its own zone", "own")
            return found
    local = _in_zone(stamps.instant, exchange)
    clock_there = local % _DAY
    if _constant(clock_there):
        clock = int(np.median(clock_there))
        add(local, "midnight of the exchange in UTC" if clock == 0 else _by_clock(clock), exchange)
        if clock >= 15 * _HOUR:
            add(local + _DAY, "start of the next session", exchange)
        if clock == 0:
            add(local - _DAY, "end of the day before", exchange)
    if _constant(stamps.instant % _DAY):
        if int(np.median(stamps.instant % _DAY)) == 0:
            add(stamps.instant, "UTC midnight", "UTC")
        else:
            add(stamps.instant, "a fixed UTC clock on the session date", "UTC")
    if _constant(own_clock):
        add(stamps.wall, _by_clock(int(np.median(own_clock))), "own")
    if not found:
        add(local, "session date", exchange)
        add(stamps.wall, "session date", "own")
    return found


def _days_of(instant: IntArray, zone: str) -> IntArray | None:
    """Return the dates whose midnights in a zone the instants are; None where too many are none."""
    local = to_wall(instant, zone)
    return local // _DAY * _DAY if (local % _DAY == 0).mean() >= FITS else None


def forex_calendar(parts: Sequence[Stamps]) -> str:
    """Return the calendar whose days begin at the instants that daily currency bars are stamped with.

    A vendor's day may begin at 17:00 in New York, at midnight of a zone, or at a fixed hour of UTC. Stamps without a
    zone do not tell; then it is New York's.
    """
    instant = np.concatenate([stamps.instant for stamps in parts])
    if not len(instant) or (instant == NO_TIME).any():
        return FOREX
    if (_in_zone(instant, "America/New_York") % _DAY == 17 * _HOUR).mean() >= FITS:
        return FOREX
    clock = instant % _DAY
    if _constant(clock) and (hour := int(np.median(clock))) % _HOUR == 0:
        west = hour // _HOUR  # the day begins so many hours after UTC's
        ahead = f"Etc/GMT-{24 - west}" if west > 12 else f"Etc/GMT+{west}"
        return f"{FOREX_OF_ZONE}{ahead if west else 'UTC'}"
    for zone in ("Europe/London", "Europe/Berlin", "Europe/Helsinki", "America/New_York"):
        if (_in_zone(instant, zone) % _DAY == 0).mean() >= FITS:
            return f"{FOREX_OF_ZONE}{zone}"
    return FOREX


def _by_clock(clock: int) -> str:
    if clock >= 23 * _HOUR + _HOUR // 2:
        return "end of the day"
    return "open of the session" if clock < 12 * _HOUR else "close of the session"


def _constant(clock: IntArray) -> bool:
    """Tell whether nearly all stamps show the same time of day."""
    if not len(clock):
        return False
    _, counts = np.unique(clock, return_counts=True)
    return bool(counts.max() >= FITS * len(clock)) or (
        len(clock) < 50 and bool(counts.max() >= len(clock) - 1 > 0)
    )


def _in_zone(instant: IntArray, zone: str) -> IntArray:
    moments = pd.DatetimeIndex(instant.astype("datetime64[us]"), tz="UTC")
    return microseconds(moments.tz_convert(zone).tz_localize(None))


def _of_period(found: Dated, interval: str, stamp: str | None, start_of_week: bool, who: str) -> Dated:
    """Move the date of a weekly or monthly bar into its week or month."""
    dates = found.dates
    if interval == MONTHLY:
        first = dates.astype("datetime64[us]").astype("datetime64[D]").astype(str)
        if stamp == "end" and all(day.endswith("-01") for day in first):
            dates = dates - _DAY
        return Dated(dates, f"{found.stamp} in its month", found.zone, 1.0)
    weekday = (dates // _DAY + 3) % 7  # Monday is 0
    usual = int(np.bincount(weekday.astype(np.int64), minlength=7).argmax())
    if usual in (1, 2, 3) and stamp is None:
        name = ("Tuesday", "Wednesday", "Thursday")[usual - 1]
        raise DataError(
            f"{who}: weekly bars stamped on {name}s can begin or end there; say which: data.stamp = 'start' or 'end'"
        )
    if usual == 6:
        begins = stamp == "start" or (stamp is None and start_of_week)
        if not begins and stamp is None:
            day = str(np.datetime64(int(dates[0]), "us"))[:10]
            raise DataError(
                f"{who}: weekly bars stamped on Sundays: {day} can be the week that begins there or the one that "
                f"ends there; "
                f"say which: data.stamp = 'start' or 'end'"
            )
        dates = dates + _DAY if begins else dates
        return Dated(dates, "Sunday before the week" if begins else "Sunday after the week", found.zone, 1.0)
    if stamp == "end" and usual == 0:
        dates = dates - _DAY
    if stamp == "start" and usual in (1, 2, 3, 4):
        return Dated(dates, "start of the week", found.zone, 1.0)
    return Dated(
        dates, "start of the week" if usual == 0 and stamp != "end" else "end of the week", found.zone, 1.0
    )


def date_word(interval: str) -> str:
    """Return what one bar is called."""
    return {DAILY: "day", WEEKLY: "week", MONTHLY: "month"}.get(interval, "bar")
