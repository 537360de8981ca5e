"""Clocks by name, and the currency calendar that is made of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.errors import ConfigError
from forewalk.sessions import (
    bar_open_times,
    bars_per_year,
    intraday_closes,
    microseconds,
    session_closes,
    sessions_between,
)
from forewalk.types import Bars
from forewalk.zones import check_zone, to_utc, to_wall

CHANGED = "Europe/Berlin until 2014-11-23, Europe/Helsinki"
ZONES = ("UTC", "America/New_York", "Etc/GMT+5", "NY+7", "MetaTrader", CHANGED)


def wall(*texts) -> np.ndarray:
    return microseconds(pd.DatetimeIndex(texts))


def shown(instants) -> list[str]:
    return [f"{moment:%Y-%m-%d %H:%M}" for moment in pd.DatetimeIndex(instants.astype("datetime64[us]"))]


@given(
    st.sampled_from(ZONES),
    st.lists(st.datetimes(pd.Timestamp("2000-01-01"), pd.Timestamp("2030-01-01")), min_size=1, max_size=5),
)
def test_a_wall_clock_read_as_utc_shows_itself_again(zone, moments):
    walls = microseconds(pd.DatetimeIndex(moments))
    instants = to_utc(walls, zone)
    known = instants != np.iinfo(np.int64).min  # else in an hour that daylight saving repeats or skips
    np.testing.assert_array_equal(to_wall(instants, zone)[known], walls[known])


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("NY+7", "2020-01-06 00:00", "2020-01-05 22:00"),
        ("NY+7", "2020-03-16 00:00", "2020-03-15 21:00"),  # summer time in New York, not yet in Europe
        ("MetaTrader", "2020-03-16 00:00", "2020-03-15 21:00"),
        ("Europe/Helsinki", "2020-03-16 00:00", "2020-03-15 22:00"),
        (CHANGED, "2014-11-21 00:00", "2014-11-20 23:00"),
        (CHANGED, "2014-11-24 00:00", "2014-11-23 22:00"),
        (CHANGED, "2013-07-01 00:00", "2013-06-30 22:00"),
        ("Etc/GMT+5", "2007-07-02 00:00", "2007-07-02 05:00"),
    ],
)
def test_a_brokers_clock_is_read_with_its_own_daylight_saving(zone, text, utc):
    assert shown(to_utc(wall(text), zone)) == [utc]


def test_no_time_stays_no_time():
    nothing = np.array([np.iinfo(np.int64).min])
    assert to_utc(nothing, "NY+7")[0] == nothing[0]
    assert to_wall(nothing, CHANGED)[0] == nothing[0]


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("Europe/Berln", "did you mean 'Europe/Berlin'"),
        ("metatrader", "did you mean 'MetaTrader'"),
        ("UTC until 2014-11-23", "ZONE until YYYY-MM-DD, ZONE"),
        ("UTC, NY+7", "ZONE until YYYY-MM-DD, ZONE"),
        ("UTC until soon, NY+7", "'soon' is no date"),
        ("UTC until 2015-01-01, NY+7 until 2014-01-01, UTC", "one after the other"),
    ],
)
def test_a_zone_that_is_none_is_refused_with_the_remedy(zone, words):
    with pytest.raises(ConfigError, match=words):
        check_zone(zone)


@pytest.mark.parametrize(
    ("calendar", "date", "close"),
    [
        ("FX", "2020-01-06", "2020-01-06 22:00"),
        ("FX", "2020-07-06", "2020-07-06 21:00"),
        ("FX@NY+7", "2020-07-06", "2020-07-06 21:00"),
        ("FX@UTC", "2020-01-06", "2020-01-07 00:00"),
        ("FX@Europe/London", "2020-07-06", "2020-07-06 23:00"),
        (f"FX@{CHANGED}", "2014-11-20", "2014-11-20 23:00"),
        (f"FX@{CHANGED}", "2014-11-24", "2014-11-24 22:00"),
        ("FX", "1985-01-07", "1985-01-07 22:00"),
    ],
)
def test_a_currency_day_ends_where_its_vendor_ends_it(calendar, date, close):
    assert shown(microseconds(session_closes(calendar, pd.DatetimeIndex([date])))) == [close]


def test_the_currency_week_is_five_days_long_and_begins_on_sunday_evening():
    days = sessions_between("FX", "2020-01-03", "2020-01-10")
    assert [day.dayofweek for day in days] == [4, 0, 1, 2, 3, 4]
    assert bars_per_year("FX", "1d") == 261.0
    ones = np.ones((len(days), 1))
    opens = bar_open_times(Bars(session_closes("FX", days), ("EURUSD",), *[ones] * 5, calendar="FX"))
    assert shown(microseconds(opens))[:3] == ["2020-01-02 22:00", "2020-01-05 22:00", "2020-01-06 22:00"]


def test_a_bar_across_the_border_of_two_currency_days_closes_when_it_ends():
    starts = pd.DatetimeIndex(["2020-01-06 20:00", "2020-01-10 20:00"], tz="UTC")  # Monday and Friday
    closes, inside = intraday_closes("FX", starts, "4h")
    assert shown(microseconds(closes)) == ["2020-01-07 00:00", "2020-01-10 22:00"]
    assert inside.all()


def test_a_bar_across_the_border_opened_when_it_began():
    stamps = pd.DatetimeIndex(["2020-01-06 20:00", "2020-01-07 00:00"], tz="UTC")
    ones = np.ones((2, 1))
    bars = Bars(stamps, ("EURUSD",), *[ones] * 5, calendar="FX", interval="4h")
    assert shown(microseconds(bar_open_times(bars))) == ["2020-01-06 16:00", "2020-01-06 20:00"]


def test_the_weekend_between_friday_and_sunday_evening_is_outside():
    starts = pd.DatetimeIndex(
        ["2020-01-10 21:00", "2020-01-10 22:00", "2020-01-12 21:00", "2020-01-12 22:00"]
    )
    _, inside = intraday_closes("FX", starts.tz_localize("UTC"), "1h")
    assert inside.tolist() == [True, False, False, True]
