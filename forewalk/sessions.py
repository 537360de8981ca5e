"""Exchange sessions: when each bar opened and closed, half days and daylight saving included.

Calendars come from exchange_calendars, those of currencies from `forewalk.calendars`. They are built for whole
decades around the dates asked for, so that data from 1927 works and no answer depends on today's date.
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from forewalk.calendars import FOREX, FOREX_OF_ZONE, ForexCalendar, is_forex
from forewalk.errors import ConfigError, DataError
from forewalk.types import Bars, BoolArray, IntArray

DAILY, WEEKLY, MONTHLY = "1d", "1wk", "1mo"
AROUND_THE_CLOCK = "24/7"  # calendar of a market that never closes; its day is that of UTC
_DAYS_A_YEAR = 365.25
_SPAN_MATTERS = {"XKRX"}  # the library tells the last open of a year from the first session of the next
_REFERENCE_YEARS = (2010, 2020)  # whole span over which bars_per_year counts sessions


def session_closes(calendar: str, dates: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return the UTC close of the session of each date, half days at their early close.

    Args:
        calendar: exchange_calendars name, e.g. "XNYS".
        dates: exchange-local session dates, zone-less; a time of day is ignored.

    Returns:
        Same length and order as `dates`, microseconds UTC; NaT where the date is no session (a weekend,
        a holiday, or a date outside the span the calendar knows).

    Raises:
        ConfigError: the calendar is unknown.
    """
    days = pd.DatetimeIndex(dates).normalize().as_unit("us")
    if days.tz is not None:
        raise DataError("session dates must have no zone: they are dates of the exchange")
    known = days[days.notna()]
    if not len(known):
        return pd.DatetimeIndex([pd.NaT] * len(days), dtype="datetime64[us, UTC]")
    schedule = _schedule(calendar, known.min(), known.max())
    row = schedule.dates.searchsorted(microseconds(days))
    row = np.minimum(row, len(schedule.dates) - 1)
    closes = np.where(schedule.dates[row] == microseconds(days), schedule.closes[row], np.iinfo(np.int64).min)
    return _utc(closes)


def session_opens(calendar: str, dates: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return the UTC open of the session of each zone-less date; NaT where the date is no session."""
    days = pd.DatetimeIndex(dates).normalize().as_unit("us")
    if not len(days):
        return _utc(np.zeros(0, np.int64))
    schedule = _schedule(calendar, days.min(), days.max())
    row = np.minimum(schedule.dates.searchsorted(microseconds(days)), len(schedule.dates) - 1)
    found = schedule.dates[row] == microseconds(days)
    return _utc(np.where(found, schedule.opens[row], np.iinfo(np.int64).min))


def is_intraday(interval: str) -> bool:
    """Tell whether bars of this length lie within a session."""
    return interval not in (DAILY, WEEKLY, MONTHLY)


def period_closes(calendar: str, dates: pd.DatetimeIndex, interval: str) -> pd.DatetimeIndex:
    """Return the UTC close of the last session of the day, week or month that each date lies in.

    A week is Monday to Sunday, so its bar may be stamped with any of its days: the first, the last session or
    the weekend. Shapes and units as `session_closes`; NaT where the day, week or month has no session.
    """
    if interval == DAILY:
        return session_closes(calendar, dates)
    days = pd.DatetimeIndex(dates).normalize().as_unit("us")
    known = days[days.notna()]
    if not len(known):
        return pd.DatetimeIndex([pd.NaT] * len(days), dtype="datetime64[us, UTC]")
    schedule = _schedule(calendar, known.min(), known.max())
    period = period_numbers(pd.DatetimeIndex(schedule.dates.astype("datetime64[us]")), interval)
    wanted = np.where(days.notna(), period_numbers(days, interval), np.iinfo(np.int64).max - 1)
    row = np.searchsorted(period, wanted, side="right") - 1
    found = (row >= 0) & (period[np.maximum(row, 0)] == wanted)
    return _utc(np.where(found, schedule.closes[np.maximum(row, 0)], np.iinfo(np.int64).min))


def period_numbers(dates: pd.DatetimeIndex, interval: str) -> IntArray:
    """Return which day, week (Monday to Sunday) or month each zone-less date lies in, counted from 1970."""
    if interval == MONTHLY:
        return np.asarray(dates.year * 12 + dates.month, dtype=np.int64)
    day = microseconds(dates) // (24 * 3600 * 10**6)
    return (day + 3) // 7 if interval == WEEKLY else day  # 1970-01-01 was a Thursday


def regular_closes(calendar: str, dates: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return the UTC instant at which each date would close if it were an ordinary session.

    Used for bars on days without a session that a policy keeps. Shapes and units as `session_closes`,
    but never NaT for a date.
    """
    days = pd.DatetimeIndex(dates).normalize().as_unit("us")
    schedule = _schedule(calendar, days.min(), days.max())
    zone = exchange_zone(calendar)
    local = _utc(schedule.closes).tz_convert(zone).tz_localize(None)
    after_midnight = pd.Series(microseconds(local) - schedule.dates).mode().iloc[0]
    shifted = days + pd.Timedelta(int(after_midnight), unit="us")
    standard = np.zeros(len(days), bool)
    return shifted.tz_localize(zone, ambiguous=standard, nonexistent="shift_forward").tz_convert("UTC")


def sessions_between(calendar: str, first: pd.Timestamp | str, last: pd.Timestamp | str) -> pd.DatetimeIndex:
    """Return the session dates from `first` to `last`, both included, zone-less, in order."""
    begin, end = (pd.Timestamp(moment).tz_localize(None).normalize() for moment in (first, last))
    if begin > end:
        return pd.DatetimeIndex([], dtype="datetime64[us]")
    dates = _schedule(calendar, begin, end).dates
    inside = (dates >= begin.value // 1000) & (dates <= end.value // 1000)
    return pd.DatetimeIndex(dates[inside].astype("datetime64[us]"))


def bar_open_times(bars: Bars) -> pd.DatetimeIndex:
    """Return the UTC instant at which each bar opened, length T.

    A daily bar opens with its session, a weekly or monthly one with its first. An intraday bar opens one
    interval before its close, but not
    before its session opened nor before the previous bar closed (the last bar of a session may be
    short). Where one session follows upon the other, as with currencies, a bar may reach across their border.
    A bar outside every session opens one interval (daily: one regular session) before its close.
    """
    stamps = microseconds(bars.timestamps)
    if not len(stamps):
        return bars.timestamps
    schedule = _schedule(bars.calendar, bars.timestamps[0], bars.timestamps[-1])
    row = np.minimum(np.searchsorted(schedule.closes, stamps), len(schedule.closes) - 1)
    if not is_intraday(bars.interval):
        length = int(np.median(schedule.closes - schedule.opens))
        first = _first_of_period(schedule, bars.interval)
        return _utc(np.where(schedule.closes[row] == stamps, schedule.opens[first[row]], stamps - length))
    earliest = stamps - interval_length(bars.interval).value // 1000
    inside = (schedule.opens[row] < stamps) & (stamps <= schedule.closes[row])
    begins = np.where(schedule.follows[row], earliest, schedule.opens[row])
    opens = np.where(inside, np.maximum(earliest, begins), earliest)
    previous = np.concatenate([[np.iinfo(np.int64).min], stamps[:-1]])
    return _utc(np.maximum(opens, previous))


def intraday_closes(
    calendar: str, starts: pd.DatetimeIndex, interval: str
) -> tuple[pd.DatetimeIndex, BoolArray]:
    """Return the UTC close of intraday bars from their starts, and which of them touch a session.

    The close is start plus interval, but at the session's close at the latest, unless the next session begins
    right there: then the bar goes on. A bar counts as inside when any part of it lies in a session; lunch
    breaks count as open.

    Args:
        calendar: exchange_calendars name.
        starts: zone-aware starts, any order, no NaT.
        interval: pandas offset such as "1h".
    """
    begin = microseconds(starts)
    end = begin + interval_length(interval).value // 1000
    if not len(begin):
        return _utc(end), np.zeros(0, bool)
    schedule = _schedule(calendar, starts.min(), starts.max())
    row = np.searchsorted(schedule.closes, begin, side="right")
    safe = np.minimum(row, len(schedule.closes) - 1)
    inside = (row < len(schedule.closes)) & (schedule.opens[safe] < end)
    last = np.where(schedule.followed[safe], end, schedule.closes[safe])
    return _utc(np.where(inside, np.minimum(end, last), end)), inside


def session_grid(calendar: str, session: pd.Timestamp, interval: str) -> pd.DatetimeIndex:
    """Return the UTC closes of the bars of one session: every interval from its open, and its close."""
    schedule = _schedule(calendar, session, session)
    row = int(np.searchsorted(schedule.dates, session.value // 1000))
    if not is_intraday(interval):
        return _utc(schedule.closes[row : row + 1])
    step = interval_length(interval).value // 1000
    grid = np.arange(schedule.opens[row] + step, schedule.closes[row], step)
    return _utc(np.append(grid, schedule.closes[row]))


def session_numbers(
    calendar: str, closes: pd.DatetimeIndex, interval: str = DAILY
) -> tuple[IntArray, pd.DatetimeIndex]:
    """Return the number of the session that each UTC close belongs to, and the sessions' dates.

    Numbers count the returned sessions from 0. A close after one session's end and up to the next one's
    end belongs to the next one. With weekly or monthly bars the last sessions of weeks or months are counted.
    """
    schedule = _schedule(calendar, closes.min(), closes.max())
    last = np.append(np.diff(_first_of_period(schedule, interval)) > 0, True)
    numbers = np.searchsorted(schedule.closes[last], microseconds(closes))
    return numbers.astype(np.int64), pd.DatetimeIndex(schedule.dates[last].astype("datetime64[us]"))


def _first_of_period(schedule: _Schedule, interval: str) -> IntArray:
    """Return, for each session, the row of the first session of its day, week or month."""
    rows = np.arange(len(schedule.dates))
    if interval not in (WEEKLY, MONTHLY):
        return rows
    period = period_numbers(pd.DatetimeIndex(schedule.dates.astype("datetime64[us]")), interval)
    return np.asarray(np.searchsorted(period, period))


def bars_per_year(calendar: str, interval: str) -> float:
    """Return the usual number of bars in a year: 252 for daily New York bars, 365 for "24/7".

    Sessions a year are an average over 2010..2019, rounded; where a calendar begins later, over its first five.
    An intraday session counts every begun interval.
    """
    if interval in (WEEKLY, MONTHLY):
        return _DAYS_A_YEAR / 7 if interval == WEEKLY else 12.0
    first, last = _REFERENCE_YEARS
    known_from = None if is_forex(calendar) else type(_one_year(calendar)).bound_min()
    if known_from is not None and known_from.year > first:  # a young calendar: its first five years
        first, last = known_from.year, known_from.year + 5
    schedule = _cached_schedule(calendar, first, last)
    years = schedule.dates.astype("datetime64[us]").astype("datetime64[Y]").astype(int) + 1970
    counted = (years >= first) & (years < last)
    sessions = round(float(counted.sum()) / (last - first))
    if interval == DAILY:
        return float(sessions)
    length = float(np.median((schedule.closes - schedule.opens)[counted]))
    return float(sessions * np.ceil(length / (interval_length(interval).value / 1000)))


def interval_length(interval: str) -> pd.Timedelta:
    """Return the nominal length of a bar, e.g. 30 minutes for "30min", 7 days for "1wk"."""
    days = {WEEKLY: 7.0, MONTHLY: _DAYS_A_YEAR / 12}
    return pd.Timedelta(days=days[interval]) if interval in days else pd.Timedelta(interval)


def exchange_zone(calendar: str) -> Any:
    """Return the time zone (a tzinfo) in which the exchange keeps its hours."""
    if is_forex(calendar):
        return _calendar(calendar, *_REFERENCE_YEARS).tz
    return _one_year(calendar).tz


def microseconds(moments: pd.DatetimeIndex | pd.Series) -> IntArray:
    """Return microseconds since 1970 UTC (zone-less: as it reads); NaT is the smallest int64."""
    return np.asarray(pd.DatetimeIndex(moments).as_unit("us").values).astype(np.int64)


class _Schedule:
    """Sorted session dates, opens and closes as integer microseconds since 1970 (UTC).

    `follows` is true where a session opens when the one before closes, `followed` where the next one does.
    """

    def __init__(self, dates: IntArray, opens: IntArray, closes: IntArray) -> None:
        self.dates = dates
        self.opens = opens
        self.closes = closes
        joined = self.opens[1:] == self.closes[:-1]
        self.follows: BoolArray = np.concatenate([[False], joined])
        self.followed: BoolArray = np.concatenate([joined, [False]])

    def between(self, begin: int, end: int) -> _Schedule:
        """Return the part from January of `begin` to January of `end`, as if it had been built for them."""
        first, last = (np.datetime64(f"{year}-01-01", "us").astype(np.int64) for year in (begin, end))
        inside = (self.dates >= first) & (self.dates <= last)
        return _Schedule(self.dates[inside], self.opens[inside], self.closes[inside])


def _schedule(name: str, first: pd.Timestamp, last: pd.Timestamp) -> _Schedule:
    # One decade more on either side: a neighbouring session must exist for look-ups near the ends.
    begin = (first.year - 1) // 10 * 10
    end = (last.year + 1) // 10 * 10 + 10
    return _cached_schedule(name, begin, end)


@lru_cache(maxsize=64)
def _cached_schedule(name: str, begin: int, end: int) -> _Schedule:
    """Cut it from one that was built for more years, where there is one: building takes 20 ms a year."""
    if is_forex(name) or _one_year(name).name not in _SPAN_MATTERS:
        for (other, first, last), wide in _built.items():
            if other == name and first <= begin and end <= last:
                part = wide.between(begin, end)
                if len(part.dates):
                    return part
    calendar = _calendar(name, begin, end)
    whole = _Schedule(
        microseconds(calendar.closes.index), microseconds(calendar.opens), microseconds(calendar.closes)
    )
    _built[name, begin, end] = whole
    return whole


_built: dict[tuple[str, int, int], _Schedule] = {}


@lru_cache(maxsize=64)
def _calendar(name: str, begin: int, end: int) -> Any:
    """Build the calendar from January of `begin` to January of `end`, cut to the span it knows."""
    if is_forex(name):
        return ForexCalendar(name, pd.Timestamp(begin, 1, 1), pd.Timestamp(end, 1, 1))
    kind = type(_one_year(name))
    start, stop = pd.Timestamp(begin, 1, 1), pd.Timestamp(end, 1, 1)
    lowest, highest = kind.bound_min(), kind.bound_max()
    start = start if lowest is None else max(start, lowest)
    stop = stop if highest is None else min(stop, highest)
    if start >= stop:
        raise DataError(f"calendar {name} knows sessions from {lowest} to {highest} only; choose other data")
    return kind(start=start, end=stop)


def _utc(microseconds: IntArray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(microseconds.astype("datetime64[us]"), tz="UTC")


@lru_cache(maxsize=64)
def _one_year(name: str) -> Any:
    """Return the calendar of a year that all of them know; built for more it would take ten times as long."""
    import exchange_calendars
    from exchange_calendars.errors import InvalidCalendarName

    try:
        return exchange_calendars.get_calendar(name, start="2022-01-01", end="2022-12-31")
    except InvalidCalendarName:
        names = [FOREX, *exchange_calendars.get_calendar_names()]
        near = difflib.get_close_matches(name.upper(), names, n=1, cutoff=0.4)
        hint = (
            f"did you mean {near[0]!r}?"
            if near
            else f"for example XNYS, XLON, 24/7, {FOREX} or {FOREX_OF_ZONE}UTC"
        )
        raise ConfigError(f"data.calendar = {name!r}: no such exchange calendar; {hint}") from None
