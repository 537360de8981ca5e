"""For which close a forecast is: weekends, holidays, half days, clock changes, hours, weeks, months."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.closes import next_closes, session_of
from forewalk.sessions import session_closes, sessions_between

CASES = [
    ("XNYS", "1d", "2013-03-01 21:00", 1, "2013-03-04 21:00"),  # over a weekend
    ("XNYS", "1d", "2024-03-08 21:00", 1, "2024-03-11 20:00"),  # the clock goes forward
    ("XNYS", "1d", "2024-11-27 21:00", 1, "2024-11-29 18:00"),  # Thanksgiving, then a half day
    ("XNYS", "1d", "2024-12-31 21:00", 5, "2025-01-08 21:00"),
    ("XTKS", "1d", "2024-12-30 06:30", 1, "2025-01-06 06:30"),  # the Japanese new year
    ("24/7", "1d", "2024-03-01 00:00", 1, "2024-03-02 00:00"),
    ("XNYS", "1h", "2024-03-08 20:30", 1, "2024-03-08 21:00"),  # the short last bar of a session
    ("XNYS", "1h", "2024-03-08 21:00", 1, "2024-03-11 14:30"),
    ("XNYS", "1wk", "2024-03-22 20:00", 1, "2024-03-28 20:00"),  # Good Friday
    ("XNYS", "1mo", "2024-01-31 21:00", 1, "2024-02-29 21:00"),
]


@pytest.mark.parametrize(("calendar", "interval", "asof", "count", "closes"), CASES)
def test_the_next_close(calendar, interval, asof, count, closes):
    found = next_closes(calendar, interval, pd.Timestamp(asof, tz="UTC"), count)
    assert len(found) == count
    assert found[-1] == pd.Timestamp(closes, tz="UTC")


@given(
    day=st.dates(pd.Timestamp("2005-01-03").date(), pd.Timestamp("2024-12-01").date()),
    count=st.integers(1, 5),
)
def test_daily_closes_are_those_of_the_next_sessions(day, count):
    sessions = sessions_between("XNYS", day.isoformat(), pd.Timestamp(day) + pd.Timedelta(days=30))
    closes = session_closes("XNYS", sessions)
    found = next_closes("XNYS", "1d", closes[0], count)
    assert list(found) == list(closes[1 : count + 1])


def test_a_close_belongs_to_the_exchanges_own_date():
    assert session_of("XNYS", pd.Timestamp("2024-03-08 21:00", tz="UTC")) == "2024-03-08"
    assert session_of("XTKS", pd.Timestamp("2024-03-08 06:00", tz="UTC")) == "2024-03-08"
