"""The start of intraday bars in UTC: in which zone stamps without one are, and whether they mark start or end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forewalk.calendars import is_forex
from forewalk.data.formats.lengths import MINUTES
from forewalk.data.formats.readings import Reading
from forewalk.data.formats.stamps import localise
from forewalk.data.meaning.markets import ALWAYS
from forewalk.data.table import NO_TIME
from forewalk.errors import DataError
from forewalk.sessions import exchange_zone, microseconds, session_closes, session_opens
from forewalk.types import FloatArray, IntArray

FEW_DAYS = 5
SURE_DAYS = 20
_MINUTE = 60 * 10**6
_HALF_HOUR = 30 * _MINUTE
_DAY = 24 * 60 * _MINUTE


@dataclass(frozen=True, eq=False)
class Started:
    """UTC starts in microseconds [N], NO_TIME where the zone is not known; what a stamp meant, in which zone."""

    starts: IntArray
    stamp: str
    zone: str
    note: str = ""


def start_bars(
    reading: Reading, calendar: str, interval: str, zone: str | None, stamp: str | None, refuse: bool
) -> Started:
    """Return the UTC start of each intraday bar of one symbol.

    Args:
        reading: stamps as written, and the volume, which rises when a session opens.
        calendar: of the symbol.
        interval: bar length.
        zone: `data.zone`, or what format and file say; None: nothing is said.
        stamp: `data.stamp`, or what the format says.
        refuse: raise where the zone is not known and the hours do not tell it; else leave it to cleaning.

    Raises:
        DataError: zone, or start and end, cannot be told; both readings are named.
    """
    stamps, length = reading.stamps, MINUTES[interval] * _MINUTE
    who = f"{reading.where} {reading.word} {reading.lines[0]}"
    note, said = "", zone or ""
    instant = stamps.instant
    naive = instant == NO_TIME
    if naive.any() and zone:
        instant = np.where(naive, localise(stamps.wall, zone), instant)
    elif naive.any():
        told = _tell_zone(stamps.wall[naive], calendar, length)
        if told is None:
            if refuse:
                raise DataError(
                    f"{who}: the stamp has no time zone, and its hours do not tell it; write it with one, such as "
                    f"2025-01-02 09:30:00-05:00, or say it: data.zone = 'America/New_York', 'UTC', or 'NY+7' for "
                    f"a broker's server "
                    f"(data.cleaning.zoneless_timestamps = 'repair' reads it as local time of {calendar})"
                )
            return Started(instant, stamp or "start", str(exchange_zone(calendar)))
        instant = np.where(naive, localise(stamps.wall, told), instant)
        said, note = told, f"stamps without a zone fit the hours of {calendar} in {told}"
    known = instant != NO_TIME
    kind, why = (
        (stamp, "")
        if stamp in ("start", "end")
        else _start_or_end(instant[known], _volume(reading)[known], calendar, length, who)
    )
    starts = np.where(known, instant - (length if kind == "end" else 0), NO_TIME)
    return Started(starts, f"bar {kind}", said or "UTC", note or why)


def _local_clock(instant: IntArray, zone: str) -> tuple[IntArray, IntArray]:
    """Return local day numbers and times of day."""
    moments = pd.DatetimeIndex(instant.astype("datetime64[us]"), tz="UTC").tz_convert(zone).tz_localize(None)
    wall = microseconds(moments)
    return wall // _DAY, wall % _DAY


def _edges(days: IntArray, clock: IntArray) -> tuple[int, int]:
    """Return the earliest and latest time of day that at least one day in twenty has."""
    times, counts = np.unique(clock, return_counts=True)
    usual = times[counts >= max(1.0, 0.05 * len(np.unique(days)))]
    usual = usual if len(usual) else times
    return int(usual[0]), int(usual[-1])


def _hours(calendar: str, instant: IntArray) -> tuple[int, int]:
    """Return the usual open and close of the exchange as local times of day."""
    zone = exchange_zone(calendar)
    middle = pd.Timestamp(int(np.median(instant)), unit="us")
    dates = pd.date_range(middle.normalize() - pd.Timedelta(days=10), periods=21)
    sessions = dates[session_closes(calendar, dates).notna()]
    opens, closes = session_opens(calendar, sessions), session_closes(calendar, sessions)
    local = [microseconds(m.tz_convert(zone).tz_localize(None)) % _DAY for m in (opens, closes)]
    return int(np.median(local[0])), int(np.median(local[1]))


def _fits(first: int, last: int, begin: int, end: int, length: int) -> tuple[bool, bool]:
    """Tell whether stamps from `first` to `last` are starts, and whether they are ends, of bars from begin to end."""
    starts = first <= begin < first + length and last < end <= last + length
    ends = begin < first <= begin + length and last - length < end <= last
    return starts, ends


def _tell_zone(wall: IntArray, calendar: str, length: int) -> str | None:
    """Return the one zone, the exchange's or UTC, in which the stamps fill its hours; None where none or both do."""
    if (calendar == ALWAYS or is_forex(calendar)) or len(np.unique(wall // _DAY)) < SURE_DAYS:
        return None
    fitting = []
    for zone in dict.fromkeys((str(exchange_zone(calendar)), "UTC")):
        instant = localise(wall, zone)
        instant = instant[instant != NO_TIME]
        days, clock = _local_clock(instant, str(exchange_zone(calendar)))
        begin, end = _hours(calendar, instant)
        if any(_fits(*_edges(days, clock), begin, end, length)):
            fitting.append(zone)
    return fitting[0] if len(fitting) == 1 else None


def _volume(reading: Reading) -> FloatArray:
    return np.zeros(len(reading)) if reading.volume is None else np.nan_to_num(reading.volume)


def _by_volume(clock: IntArray, volume: FloatArray, begin: int, length: int) -> str:
    """Tell start from end by the bar in which the volume rises when the session opens; "" where it does not."""
    means = [
        float(volume[clock == t].mean()) if (clock == t).any() else 0.0
        for t in (begin - length, begin, begin + length)
    ]
    before, at, after = means
    if before > 0 and at > 3 * before and at > 0.5 * after:
        return "start"
    return "end" if at > 0 and after > 3 * at else ""


def _start_or_end(
    instant: IntArray, volume: FloatArray, calendar: str, length: int, who: str
) -> tuple[str, str]:
    """Tell whether stamps mark the start or the end of their bars, by where they begin and stop on a day."""
    if not len(instant):
        return "start", ""
    if calendar == ALWAYS:
        return (
            "start",
            "a market that never closes: stamps are taken for starts, the later of the two readings",
        )
    days, clock = _local_clock(instant, str(exchange_zone(calendar)))
    if is_forex(calendar):
        return _by_week(instant, length), ""
    first, last = _edges(days, clock)
    starts, ends = _fits(first, last, *_hours(calendar, instant), length)
    if (
        starts == ends and length < _HALF_HOUR
    ):  # longer hours than the exchange's: they begin and stop at half hours
        starts = first % _HALF_HOUR == 0 and (last + length) % _HALF_HOUR == 0
        ends = (first - length) % _HALF_HOUR == 0 and last % _HALF_HOUR == 0
    if (
        starts == ends and length >= _HALF_HOUR
    ):  # whole hours before and after the session, as from 4:00 to 20:00
        starts, ends = _fits(first, last, 4 * 60 * _MINUTE, 20 * 60 * _MINUTE, length)
    if starts == ends and (told := _by_volume(clock, volume, _hours(calendar, instant)[0], length)):
        return told, "the volume tells where the session opens"
    if starts != ends:
        return ("start" if starts else "end"), ""
    if len(np.unique(days)) < FEW_DAYS:
        return "start", "too few days to tell: stamps are taken for starts, the later of the two readings"
    begin, end = (f"{t // (60 * _MINUTE):02d}:{t // _MINUTE % 60:02d}" for t in (first, last))
    raise DataError(
        f"{who}: stamps from {begin} to {end} local time can be starts or ends of their bars; say which: "
        f"data.stamp = 'start' "
        f"or 'end'"
    )


def _by_week(instant: IntArray, length: int) -> str:
    """Tell start from end by the edges of the currency week, Sunday 17:00 to Friday 17:00 New York."""
    days, clock = _local_clock(instant, "America/New_York")
    friday = clock[(days + 3) % 7 == 4]
    closing = 17 * 60 * _MINUTE
    if len(friday) and (friday > closing - length).any():
        return "end" if (friday == closing).sum() > 0 and (friday > closing).sum() == 0 else "start"
    return "start"
