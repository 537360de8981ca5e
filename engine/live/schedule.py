"""When the daemon may do what: which bar has closed, from when to when a decision on it may be acted on.

All times are UTC and come from the broker's clock; this module only knows the exchange calendar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from broker.values import CalendarDay, MarketClock
from forewalk.sessions import (
    AROUND_THE_CLOCK,
    DAILY,
    bar_open_times,
    exchange_zone,
    session_closes,
    session_grid,
    sessions_between,
)
from forewalk.settings.trading import LiveSettings
from forewalk.types import Bars

EVENING = timedelta(hours=14, minutes=25)  # before the open: 19:05, when the broker takes orders for it again
BEFORE_SESSION = timedelta(hours=5, minutes=30)  # 04:00
BEFORE_OPEN = timedelta(minutes=2, seconds=30)  # it takes them until two minutes before
BEFORE_CLOSE = timedelta(minutes=10, seconds=30)  # and ten before the close
SPAN_DAYS = 20  # around a moment; no exchange is closed for longer


@dataclass(frozen=True)
class Session:
    """One trading session of the exchange."""

    day: date
    open: datetime
    close: datetime


@dataclass(frozen=True)
class Window:
    """When orders decided on a bar are executed: from its `fill_at` on, and no later than `valid_until`.

    `close_at` is the close of the session in which they are.
    """

    asof: datetime
    session: date
    sequence: int
    fill_at: datetime
    valid_until: datetime
    close_at: datetime

    def hours(self, time_in_force: str, extended: bool = False) -> tuple[datetime, datetime] | None:
        """Return from when to when an order may be sent that is not one for the session; None for those.

        The broker takes orders for the opening auction from the evening before on, those for the closing one from
        the open on; see ALPACA's rules in `broker/simulator/world/rules.py`.
        """
        if time_in_force == "opg":
            return self.fill_at - EVENING, self.fill_at - BEFORE_OPEN
        if time_in_force == "cls":
            return self.fill_at, self.close_at - BEFORE_CLOSE
        if extended:
            return self.fill_at - BEFORE_SESSION, self.valid_until
        return None


def sessions_around(calendar: str, moment: datetime) -> tuple[Session, ...]:
    """Return the sessions of the weeks around a moment, in order."""
    return _sessions(calendar, moment.astimezone(UTC).date())


@lru_cache(maxsize=8)  # a daemon asks about yesterday, today and the next session
def _sessions(calendar: str, day: date) -> tuple[Session, ...]:
    first, last = (pd.Timestamp(day) + pd.Timedelta(days=shift) for shift in (-SPAN_DAYS, SPAN_DAYS))
    dates = sessions_between(calendar, first, last)
    closes = session_closes(calendar, dates)
    empty = np.empty((len(dates), 0))
    opens = bar_open_times(Bars(closes, (), empty, empty, empty, empty, empty, calendar, DAILY))
    rows = zip(dates, opens, closes, strict=True)
    return tuple(Session(d.date(), o.to_pydatetime(), c.to_pydatetime()) for d, o, c in rows)


class Schedule:
    """The times of one calendar and bar length."""

    def __init__(self, calendar: str, interval: str, settings: LiveSettings) -> None:
        self.calendar = calendar
        self.interval = interval
        self._delay = timedelta(seconds=settings.close_delay_s)
        self._valid = timedelta(minutes=settings.valid_minutes)

    def last_closed(self, now: datetime) -> Window | None:
        """Return the window of the last bar that closed at least `close_delay_s` ago."""
        past = [s for s in sessions_around(self.calendar, now) if s.open + self._delay <= now]
        for session in reversed(past):
            closes = [close for close in self._closes(session) if close + self._delay <= now]
            if closes:
                return self.window(closes[-1])
        return None

    def window(self, asof: datetime) -> Window:
        """Return when orders decided on the bar that closes at `asof` are executed."""
        sessions = sessions_around(self.calendar, asof)
        own = next(s for s in sessions if s.open < asof <= s.close)
        fill_at = asof if asof < own.close else next(s.open for s in sessions if s.open >= asof)
        sequence = self._closes(own).index(asof)
        close_at = next(s.close for s in sessions if s.open <= fill_at < s.close)
        return Window(asof, own.day, sequence, fill_at, fill_at + self._valid, close_at)

    def session_at(self, now: datetime) -> Session | None:
        """Return the session that is open now."""
        return next((s for s in sessions_around(self.calendar, now) if s.open <= now < s.close), None)

    def session_day(self, now: datetime) -> Session:
        """Return the session that is open, or else the next one: the one that orders sent now belong to."""
        return next(s for s in sessions_around(self.calendar, now) if s.close > now)

    def previous_close(self, now: datetime) -> datetime:
        """Return the close of the last session that is over."""
        return [s.close for s in sessions_around(self.calendar, now) if s.close <= now][-1]

    def bar_of(self, day: date, number: int) -> datetime | None:
        """Return when the bar of that number within a session closed; None where there is no such bar."""
        middle = datetime.combine(day, time(12), tzinfo=UTC)
        own = next((s for s in sessions_around(self.calendar, middle) if s.day == day), None)
        closes = [] if own is None else self._closes(own)
        return closes[number] if number < len(closes) else None

    def recent_closes(self, asof: datetime, count: int) -> list[datetime]:
        """Return the closes of the last `count` bars up to `asof`."""
        closes = [
            close
            for session in sessions_around(self.calendar, asof)
            for close in self._closes(session)
            if close <= asof
        ]
        return closes[-count:]

    def next_event_s(self, now: datetime) -> float:
        """Return the seconds until the next bar is to be decided on or the market opens."""
        events = []
        for session in sessions_around(self.calendar, now):
            if session.close + self._delay > now:
                events += [session.open, *(close + self._delay for close in self._closes(session))]
        later = [event for event in events if event > now]
        return (min(later) - now).total_seconds() if later else 3600.0

    def _closes(self, session: Session) -> list[datetime]:
        return list(_grid(self.calendar, session.day, self.interval))


@lru_cache(maxsize=64)  # the sessions around two moments
def _grid(calendar: str, day: date, interval: str) -> tuple[datetime, ...]:
    return tuple(t.to_pydatetime() for t in session_grid(calendar, pd.Timestamp(day), interval))


def clock_problem(calendar: str, clock: MarketClock) -> str | None:
    """Return how the broker's clock contradicts the exchange calendar, or None when they agree.

    Within a second around an open or close either answer is taken. A calendar that is open around the clock has no
    clock to agree with.
    """
    if calendar == AROUND_THE_CLOCK:
        return None
    margin = timedelta(seconds=1)
    sessions = sessions_around(calendar, clock.now)
    surely_open = any(s.open + margin <= clock.now < s.close - margin for s in sessions)
    surely_closed = not any(s.open - margin <= clock.now < s.close + margin for s in sessions)
    if clock.is_open and surely_closed:
        return f"the broker says open at {clock.now:%Y-%m-%d %H:%M} UTC, the {calendar} calendar says closed"
    if not clock.is_open and surely_open:
        return f"the broker says closed at {clock.now:%Y-%m-%d %H:%M} UTC, the {calendar} calendar says open"
    return None


def calendar_problem(calendar: str, now: datetime, days: list[CalendarDay]) -> str | None:
    """Return how the broker's calendar of the next days contradicts ours, or None when they agree.

    The broker's times are wall times of the exchange, without zone. It has none of what is open around the clock.
    """
    if calendar == AROUND_THE_CLOCK:
        return None
    zone = exchange_zone(calendar)
    today = now.astimezone(zone).date()
    span = (today, today + timedelta(days=7))
    ours = {s.day: (s.open, s.close) for s in sessions_around(calendar, now) if span[0] <= s.day <= span[1]}
    theirs = {d.day: _instants(d, zone) for d in days if span[0] <= d.day <= span[1]}
    for day in sorted(ours.keys() | theirs.keys()):
        if ours.get(day) != theirs.get(day):
            said = f"broker {_hours(theirs.get(day))}, {calendar} {_hours(ours.get(day))}"
            return f"the calendars disagree about {day}: {said}"
    return None


def _instants(day: CalendarDay, zone: ZoneInfo) -> tuple[datetime, datetime]:
    moments = (datetime.combine(day.day, wall, tzinfo=zone).astimezone(UTC) for wall in (day.open, day.close))
    first, last = moments
    return first, last


def _hours(session: tuple[datetime, datetime] | None) -> str:
    return "none" if session is None else f"{session[0]:%H:%M}-{session[1]:%H:%M} UTC"


def skew_problem(skew_s: float, settings: LiveSettings) -> tuple[str, bool] | None:
    """Return (text, whether to halt) where this machine's clock is off the broker's; None where it is right."""
    if abs(skew_s) <= settings.warn_skew_s:
        return None
    text = f"this machine's clock is {skew_s:+.1f} s off the broker's; set it (ntp)"
    return text, abs(skew_s) > settings.halt_skew_s
