"""What time it is: bars close, decisions run out, and two clocks and calendars agree, on odd days too."""

from datetime import UTC, date, datetime, time, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.values import CalendarDay, MarketClock
from engine.live.schedule import Schedule, calendar_problem, clock_problem, sessions_around, skew_problem
from forewalk.sessions import session_closes, sessions_between
from forewalk.settings.trading import LiveSettings

DAILY = Schedule("XNYS", "1d", LiveSettings())
HOURLY = Schedule("XNYS", "1h", LiveSettings())
SETTINGS = LiveSettings()


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.row(41, 42)
@pytest.mark.parametrize(
    ("now", "asof", "fill_at"),
    [
        (
            "2026-03-06T22:00",
            "2026-03-06T21:00",
            "2026-03-09T13:30",
        ),  # daylight saving begins over the week-end
        ("2026-03-09T20:02", "2026-03-09T20:00", "2026-03-10T13:30"),
        ("2026-10-30T21:00", "2026-10-30T20:00", "2026-11-02T14:30"),  # and ends
        ("2026-11-02T21:02", "2026-11-02T21:00", "2026-11-03T14:30"),
        ("2026-11-27T18:02", "2026-11-27T18:00", "2026-11-30T14:30"),  # a half-day
        ("2026-11-27T17:59", "2026-11-25T21:00", "2026-11-27T14:30"),  # after Thanksgiving
        ("2026-11-20T21:00:30", "2026-11-19T21:00", "2026-11-20T14:30"),  # closed, but the delay is not over
    ],
)
def test_the_last_closed_bar_and_its_open_are_those_of_the_exchange(now, asof, fill_at):
    window = DAILY.last_closed(utc(now))
    assert (window.asof, window.fill_at) == (utc(asof), utc(fill_at))
    assert window.valid_until == utc(fill_at) + timedelta(minutes=10)


@given(st.datetimes(datetime(2015, 1, 1), datetime(2028, 1, 1)), st.sampled_from([DAILY, HOURLY]))
def test_a_decision_is_never_made_before_its_bar_has_closed_nor_filled_before_it_is_made(moment, schedule):
    now = moment.replace(tzinfo=UTC)
    window = schedule.last_closed(now)
    assert window.asof + timedelta(seconds=60) <= now
    assert window.asof <= window.fill_at < window.valid_until
    assert schedule.last_closed(now + timedelta(days=7)).asof > window.asof


@pytest.mark.row(42)
@pytest.mark.parametrize("day", ["2026-11-27", "2026-12-24", "2026-11-24"])
def test_the_hours_of_a_session_are_hourly_bars_up_to_its_own_close(day):
    close = session_closes("XNYS", pd.DatetimeIndex([day]))[0].to_pydatetime()
    window = HOURLY.last_closed(close + timedelta(minutes=2))
    assert window.asof == close
    assert window.fill_at > close + timedelta(hours=12)


def test_an_hourly_bar_is_filled_at_its_own_close_within_a_session():
    window = HOURLY.last_closed(utc("2026-11-20T16:32"))
    assert window.asof == window.fill_at == utc("2026-11-20T16:30")
    assert window.sequence == 1


@given(st.dates(date(2016, 1, 4), date(2027, 12, 30)))
def test_decisions_of_a_session_have_names_of_their_own(day):
    moment = datetime.combine(day, time(22), tzinfo=UTC)
    session = max((s for s in sessions_around("XNYS", moment) if s.close < moment), key=lambda s: s.day)
    closes = [close for close in HOURLY.recent_closes(session.close, 24) if close > session.open]
    assert len(closes) >= 3
    assert [HOURLY.window(close).sequence for close in closes] == list(range(len(closes)))


def clock(now, is_open):
    return MarketClock(utc(now), is_open, utc(now), utc(now))


@pytest.mark.row(43)
@pytest.mark.parametrize(
    ("now", "is_open", "agree"),
    [
        ("2026-11-20T15:00", True, True),
        ("2026-11-20T15:00", False, False),
        ("2026-11-20T03:00", True, False),
        ("2026-11-20T03:00", False, True),
        ("2026-11-26T15:00", True, False),  # Thanksgiving
        ("2026-11-27T18:30", True, False),  # after the half-day's close
        ("2026-11-20T14:30", False, True),  # either answer at the very moment
        ("2026-11-20T14:30", True, True),
    ],
)
def test_the_brokers_word_on_whether_the_market_is_open_is_checked(now, is_open, agree):
    assert (clock_problem("XNYS", clock(now, is_open)) is None) == agree


def brokers_days(first, last):
    return [
        CalendarDay(d.date(), time(9, 30), c.tz_convert("America/New_York").time())
        for d in sessions_between("XNYS", first, last)
        for c in session_closes("XNYS", pd.DatetimeIndex([d]))
    ]


@pytest.mark.row(41, 42, 43)
@pytest.mark.parametrize("day", ["2026-03-06", "2026-10-30", "2026-11-23", "2026-12-22"])
def test_the_brokers_calendar_agrees_over_daylight_saving_half_days_and_holidays(day):
    days = brokers_days(day, pd.Timestamp(day) + pd.Timedelta(days=8))
    assert calendar_problem("XNYS", utc(f"{day}T15:00"), days) is None


@pytest.mark.row(43)
@pytest.mark.parametrize("lie", ["missing", "extra", "early", "empty"])
def test_a_calendar_that_differs_is_named_with_the_day(lie):
    days = brokers_days("2026-11-20", "2026-11-30")
    if lie == "missing":
        del days[1]
    if lie == "extra":
        days.append(CalendarDay(date(2026, 11, 26), time(9, 30), time(16)))
    if lie == "early":
        days[1] = CalendarDay(days[1].day, time(9, 30), time(13))
    problem = calendar_problem("XNYS", utc("2026-11-20T15:00"), [] if lie == "empty" else days)
    assert "2026-11-2" in problem


@pytest.mark.row(40)
@pytest.mark.parametrize(
    ("skew_s", "said", "halts"),
    [
        (0, False, False),
        (1.9, False, False),
        (-2.5, True, False),
        (31, True, True),
        (-300, True, True),
        (86400, True, True),
    ],
)
def test_a_clock_that_is_off_warns_and_beyond_half_a_minute_halts(skew_s, said, halts):
    problem = skew_problem(skew_s, SETTINGS)
    assert (problem is not None) == said
    assert (problem is not None and problem[1]) == halts


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["1d", "1h"]),
)
def test_around_the_clock_every_bar_is_followed_by_the_next_without_a_pause(moment, interval):
    schedule = Schedule("24/7", interval, LiveSettings())
    window = schedule.last_closed(moment)
    length = timedelta(days=1) if interval == "1d" else timedelta(hours=1)
    assert window.asof == window.fill_at <= moment < window.asof + length + timedelta(minutes=10)
    assert window.asof.minute == 0
    assert schedule.session_at(moment).day == moment.date()
    assert schedule.window(window.asof + length).asof == window.asof + length
    assert 0 < schedule.next_event_s(moment) <= length.total_seconds() + 600
    always = MarketClock(moment, True, moment, moment)
    assert clock_problem("24/7", always) is calendar_problem("24/7", moment, []) is None
