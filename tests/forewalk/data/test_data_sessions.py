"""Sessions: closes, opens and counts, wherever the data begins."""

from __future__ import annotations

import exchange_calendars
import numpy as np
import pandas as pd
import pytest

from forewalk.errors import ConfigError, DataError
from forewalk.sessions import (
    bar_open_times,
    bars_per_year,
    regular_closes,
    session_closes,
    session_grid,
    session_opens,
    sessions_between,
)
from forewalk.types import Bars


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def bars_closing(stamps, interval="1d", calendar="XNYS") -> Bars:
    ones = np.ones((len(stamps), 1))
    index = pd.DatetimeIndex([utc(stamp) for stamp in stamps], dtype="datetime64[us, UTC]")
    return Bars(index, ("A",), ones, ones, ones, ones, ones, calendar=calendar, interval=interval)


@pytest.mark.parametrize(
    ("calendar", "date", "close"),
    [
        ("XNYS", "2026-11-27", "2026-11-27 18:00"),  # the half day after Thanksgiving
        ("XNYS", "2020-03-06", "2020-03-06 21:00"),  # winter time
        ("XNYS", "2020-03-09", "2020-03-09 20:00"),  # summer time
        ("XNYS", "1927-12-30", "1927-12-30 21:00"),
        ("XLON", "2020-01-02", "2020-01-02 16:30"),
        ("24/7", "2020-01-04", "2020-01-05 00:00"),
    ],
)
def test_a_session_closes_when_the_exchange_does(calendar, date, close):
    assert session_closes(calendar, pd.DatetimeIndex([date]))[0] == utc(close)


def test_dates_without_a_session_have_no_close_and_keep_their_place():
    closes = session_closes("XNYS", pd.DatetimeIndex(["2020-01-04", "2020-01-02", "2020-01-01", None]))
    assert closes.isna().tolist() == [True, False, True, True]


def test_dates_before_a_calendar_begins_are_no_sessions():
    assert session_closes("XTKS", pd.DatetimeIndex(["1985-01-04", "2020-01-06"])).isna().tolist() == [
        True,
        False,
    ]


def test_dates_entirely_outside_a_calendar_are_an_error_naming_its_span():
    with pytest.raises(DataError, match="XTKS knows sessions from 1997"):
        session_closes("XTKS", pd.DatetimeIndex(["1955-01-04"]))


def test_a_holiday_has_a_regular_close_all_the_same():
    assert regular_closes("XNYS", pd.DatetimeIndex(["2020-07-04"]))[0] == utc("2020-07-04 20:00")


def test_an_unknown_calendar_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"data.calendar = 'XNYSE'.*did you mean 'XNYS'\?"):
        bars_per_year("XNYSE", "1d")


@pytest.mark.parametrize(
    ("calendar", "interval", "count"),
    [("XNYS", "1d", 252), ("XNYS", "1h", 252 * 7), ("XNYS", "30min", 252 * 13), ("XNYS", "1min", 252 * 390),
     ("24/7", "1d", 365), ("24/7", "1h", 8760), ("24/5", "1d", 261), ("XLON", "1d", 253)],
)  # fmt: skip
def test_bars_per_year(calendar, interval, count):
    assert bars_per_year(calendar, interval) == count


def test_sessions_between_two_dates_include_both():
    assert [f"{day:%m-%d}" for day in sessions_between("XNYS", "2020-01-02", "2020-01-06")] == [
        "01-02",
        "01-03",
        "01-06",
    ]
    assert not len(sessions_between("XNYS", "2020-01-04", "2020-01-05"))


def test_a_daily_bar_opens_with_its_session():
    opens = bar_open_times(bars_closing(["2020-03-06 21:00", "2020-03-09 20:00", "2026-11-27 18:00"]))
    assert opens.tolist() == [utc("2020-03-06 14:30"), utc("2020-03-09 13:30"), utc("2026-11-27 14:30")]


def test_an_intraday_bar_opens_one_interval_before_its_close_but_not_before_the_session():
    opens = bar_open_times(bars_closing(["2020-01-02 15:00", "2020-01-02 16:00"], "1h"))
    assert opens.tolist() == [utc("2020-01-02 14:30"), utc("2020-01-02 15:00")]


def test_the_short_last_bar_opens_where_the_bar_before_it_closed():
    opens = bar_open_times(bars_closing(["2020-01-02 20:30", "2020-01-02 21:00"], "1h"))
    assert opens[1] == utc("2020-01-02 20:30")


def test_a_bar_outside_every_session_opens_one_length_before_its_close():
    assert bar_open_times(bars_closing(["2020-01-04 21:00"]))[0] == utc("2020-01-04 14:30")
    assert bar_open_times(bars_closing(["2020-01-04 21:00"], "1h"))[0] == utc("2020-01-04 20:00")


def test_no_bars_have_no_opening_times():
    assert not len(bar_open_times(bars_closing([])))


def test_the_grid_of_a_half_day_ends_at_its_early_close():
    grid = session_grid("XNYS", pd.Timestamp("2026-11-27"), "1h")
    assert [f"{close:%H:%M}" for close in grid] == ["15:30", "16:30", "17:30", "18:00"]


@pytest.mark.parametrize("calendar", ["XNYS", "XTKS", "XKRX", "24/7"])
def test_what_was_asked_before_changes_no_answer(calendar):
    """Years are cut out of a wider span where one was built; they hold what the library says of these years alone."""
    assert len(sessions_between(calendar, "1995-01-01", "2025-01-01")) > 6500
    library = type(exchange_calendars.get_calendar(calendar))(start="2010-01-01", end="2020-01-01")
    days = sessions_between(calendar, "2012-03-01", "2018-11-30")
    assert len(days) > 1500
    assert list(session_opens(calendar, days)) == list(library.opens[days])
    assert list(session_closes(calendar, days)) == list(library.closes[days])


def test_a_young_calendar_counts_its_own_years():
    assert bars_per_year("XSAU", "1d") == 249.0
