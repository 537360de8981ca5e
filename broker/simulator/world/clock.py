"""New York's sessions, with edits: a holiday nobody announced, an early close, an exchange that opens late."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache

import pandas as pd

from broker.simulator.values import NEW_YORK, as_datetime, from_datetime

CALENDAR = "XNYS"
FIRST_YEAR, LAST_YEAR = 1970, 2030  # the span that the API knows
PRE_OPEN, POST_CLOSE = time(4), time(20)  # extended hours
REGULAR_OPEN = time(9, 30)


@dataclass(frozen=True)
class Session:
    """One trading day; all instants in nanoseconds UTC."""

    day: date
    open: int
    close: int

    @property
    def pre_open(self) -> int:
        """Start of the extended hours."""
        return instant_on(self.day, PRE_OPEN)

    @property
    def post_close(self) -> int:
        """End of the extended hours."""
        return instant_on(self.day, POST_CLOSE)


def instant_on(day: date, clock: time) -> int:
    """Return the instant at which New York's wall clock shows `clock` on `day`."""
    return from_datetime(datetime.combine(day, clock, tzinfo=NEW_YORK))


def new_york_day(instant: int) -> date:
    """Return the date in New York at the instant."""
    return as_datetime(instant, NEW_YORK).date()


class TradingCalendar:
    """The exchange's sessions with the edits applied; a session contains its open, not its close.

    Args:
        edits: ISO date -> ("09:30", "13:00") for changed hours, or None for no session.
        years: the first and last year to begin with; what lies outside is looked up when it is asked for.
    """

    def __init__(
        self,
        edits: Mapping[str, tuple[str, str] | None] | None = None,
        years: tuple[int, int] = (FIRST_YEAR, LAST_YEAR - 1),
    ) -> None:
        self.edits: dict[str, tuple[str, str] | None] = dict(edits or {})
        self._load(max(years[0], FIRST_YEAR), min(years[1], LAST_YEAR - 1))

    def _load(self, first_year: int, last_year: int) -> None:
        self.years = first_year, last_year
        self._sessions = _edited(_regular_sessions(first_year, last_year), self.edits)
        self._opens = [session.open for session in self._sessions]
        self._closes = [session.close for session in self._sessions]

    def _reach(self, day: date) -> None:
        """Load all years unless the date is well inside those that are there."""
        whole = (FIRST_YEAR, LAST_YEAR - 1)
        if self.years != whole and not self.years[0] < day.year < self.years[1]:
            self._load(*whole)

    def edited(self, day: str, hours: tuple[str, str] | None) -> TradingCalendar:
        """Return a calendar with one more edit; a bad date or clock raises ValueError."""
        date.fromisoformat(day)
        if hours is not None and time.fromisoformat(hours[0]) >= time.fromisoformat(hours[1]):
            raise ValueError(f"{day}: opens at {hours[0]} but closes at {hours[1]}")
        return TradingCalendar({**self.edits, day: hours}, self.years)

    def session_at(self, instant: int) -> Session | None:
        """Return the session that is open at the instant."""
        self._reach(new_york_day(instant))
        found = bisect_right(self._opens, instant) - 1
        return self._sessions[found] if found >= 0 and instant < self._closes[found] else None

    def session_on(self, day: date) -> Session | None:
        """Return the session of the date."""
        found = self.session_from(instant_on(day, time(0)))
        return found if found.day == day else None

    def session_from(self, instant: int) -> Session:
        """Return the first session that has not closed at the instant."""
        self._reach(new_york_day(instant))
        return self._sessions[self._index(bisect_right(self._closes, instant))]

    def next_open(self, instant: int) -> int:
        """Return the first open strictly after the instant."""
        self._reach(new_york_day(instant))
        return self._opens[self._index(bisect_right(self._opens, instant))]

    def next_close(self, instant: int) -> int:
        """Return the first close strictly after the instant."""
        return self.session_from(instant).close

    def previous(self, instant: int) -> Session | None:
        """Return the last session that has closed at or before the instant."""
        self._reach(new_york_day(instant))
        found = bisect_right(self._closes, instant) - 1
        return self._sessions[found] if found >= 0 else None

    def between(self, first: date, last: date) -> list[Session]:
        """Return the sessions of the dates from `first` to `last`, both included."""
        self._reach(first)
        self._reach(last)
        begin = bisect_left(self._sessions, first, key=lambda session: session.day)
        end = bisect_right(self._sessions, last, key=lambda session: session.day)
        return self._sessions[begin:end]

    def next_boundary(self, instant: int) -> int:
        """Return the first open, close, or edge of extended hours strictly after the instant."""
        self._reach(new_york_day(instant))
        session = self._sessions[self._index(bisect_right(self._opens, instant) - 1)]
        following = self._sessions[self._index(bisect_right(self._opens, instant))]
        edges = [
            edge
            for item in (session, following)
            for edge in (item.pre_open, item.open, item.close, item.post_close)
        ]
        return min(edge for edge in edges if edge > instant)

    def _index(self, found: int) -> int:
        return min(max(found, 0), len(self._sessions) - 1)


def _edited(regular: Iterable[Session], edits: Mapping[str, tuple[str, str] | None]) -> list[Session]:
    changed = {date.fromisoformat(day): hours for day, hours in edits.items()}
    kept = [session for session in regular if session.day not in changed]
    return sorted((*kept, *_changed_sessions(changed.items())), key=lambda session: session.open)


def _changed_sessions(changed: Iterable[tuple[date, tuple[str, str] | None]]) -> list[Session]:
    return [
        Session(
            day, instant_on(day, time.fromisoformat(hours[0])), instant_on(day, time.fromisoformat(hours[1]))
        )
        for day, hours in changed
        if hours is not None
    ]


@lru_cache(maxsize=8)
def _regular_sessions(first_year: int, last_year: int) -> tuple[Session, ...]:
    from forewalk.sessions import microseconds, session_closes, sessions_between

    first, last = pd.Timestamp(first_year, 1, 1), pd.Timestamp(last_year, 12, 31)
    dates = sessions_between(CALENDAR, first, last)
    closes = microseconds(session_closes(CALENDAR, dates))
    opens = pd.DatetimeIndex(dates + pd.Timedelta(hours=9, minutes=30)).tz_localize(str(NEW_YORK))
    rows = zip(dates.date, microseconds(opens.tz_convert("UTC")), closes, strict=True)
    return tuple(Session(day, int(begin) * 1000, int(end) * 1000) for day, begin, end in rows)
