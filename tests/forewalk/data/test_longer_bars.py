"""Bars of 2h, 4h, 1wk and 1mo from services that are asked for hours and days."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from forewalk.data.cleaning.rules import clean
from forewalk.data.sources.download import Answer, Service, read_service
from forewalk.data.sources.pacing import Pace
from forewalk.sessions import session_grid, sessions_between
from forewalk.settings.sections import DataSettings
from forewalk.types import BAR_FIELDS

PANDAS = {"1wk": "W-SUN", "1mo": "ME"}


def prices(index, seed=0):
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, len(index))))
    opens = close * np.exp(random.normal(0, 0.003, len(index)))
    high, low = np.maximum(opens, close) * 1.002, np.minimum(opens, close) * 0.998
    values = (opens, high, low, close, random.integers(1, 1000, len(index)).astype(float))
    return pd.DataFrame(dict(zip(BAR_FIELDS, values, strict=True)), index=index.rename("time"))


def days(first="2023-01-02", last="2023-12-29", calendar="XNYS", seed=0):
    return prices(sessions_between(calendar, first, last), seed)


def hours(calendar, first, last, on_the_clock=False):
    """Hourly bars by their starts; `on_the_clock` as Alpaca stamps them, from the full hour before the open."""
    starts = []
    for day in sessions_between(calendar, first, last):
        ends = session_grid(calendar, day, "1h")
        opening = ends[0] - pd.Timedelta("1h")
        begin = opening.floor("h") if on_the_clock else opening
        starts.append(pd.date_range(begin, ends[-1], freq="1h", inclusive="left"))
    return prices(
        pd.DatetimeIndex(np.concatenate([part.to_numpy() for part in starts]), tz="UTC").as_unit("us")
    )


def load(frame, folder, interval, calendar="XNYS", now="2024-06-03 12:00", **asked):
    settings = DataSettings(
        source="yahoo",
        symbols=("AAPL",),
        cache=folder,
        interval=interval,
        calendar=calendar,
        min_history_bars=1,
        **asked,
    )
    requests = []

    def fetch(request):
        requests.append(request)
        zone = frame.index.tz
        first, end = (pd.Timestamp(day, tz=zone) for day in (request.start, request.end or "2100-01-01"))
        return Answer({"AAPL": frame[(frame.index >= first) & (frame.index < end + pd.Timedelta(days=1))]})

    service = Service("Test", fetch, lambda symbol: calendar)
    table = read_service(service, settings, pd.Timestamp(now, tz="UTC"), Pace(math.inf, 0.0))
    return clean(table, settings)[0], table, requests


@pytest.mark.parametrize("interval", PANDAS)
@hypothesis_settings(max_examples=8)
@given(seed=st.integers(0, 999), missing=st.floats(0.0, 0.5))
def test_weeks_and_months_are_what_pandas_makes_of_the_days(tmp_path_factory, interval, seed, missing):
    frame = days(seed=seed)
    frame = frame[np.random.default_rng(seed).random(len(frame)) >= missing]
    bars, _, requests = load(frame, tmp_path_factory.mktemp("cache"), interval, start="2023-01-02")
    rules = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    expected = frame.resample(PANDAS[interval]).agg(rules).dropna()
    for name in BAR_FIELDS:
        np.testing.assert_allclose(getattr(bars, name)[:, 0], expected[name], rtol=1e-12)
    assert {request.interval for request in requests} == {"1d"}


def test_a_week_with_a_holiday_closes_with_its_last_session(tmp_path):
    bars, _, _ = load(days("2023-04-03", "2023-04-14"), tmp_path, "1wk", start="2023-04-03")
    assert [f"{close:%a %H:%M}" for close in bars.timestamps] == ["Thu 20:00", "Fri 20:00"]  # Good Friday


def test_a_week_that_is_not_over_is_no_bar(tmp_path):
    bars, table, _ = load(days(), tmp_path, "1wk", now="2023-06-15 15:00", start="2023-05-01")
    assert bars.timestamps[-1] == pd.Timestamp("2023-06-09 20:00", tz="UTC")
    assert "its 1wk had not closed at 2023-06-15 15:00 UTC" in [f.message for f in table.findings]


def test_the_first_week_is_whole_wherever_data_start_falls_into_it(tmp_path):
    frame = days()
    bars, _, requests = load(frame, tmp_path, "1wk", start="2023-03-08")  # a Wednesday
    assert requests[0].start == "2023-03-06"
    assert bars.open[0, 0] == frame["open"][pd.Timestamp("2023-03-06")]


@pytest.mark.parametrize("interval", ["2h", "4h"])
@pytest.mark.parametrize("calendar", ["XNYS", "24/7", "XTKS"])
def test_hours_are_joined_from_the_open_of_their_session(tmp_path, interval, calendar):
    frame = hours(calendar, "2023-03-06", "2023-03-17")  # over the change of New York's clocks
    bars, _, requests = load(frame, tmp_path, interval, calendar, start="2023-03-06", end="2023-03-17")
    sessions = sessions_between(calendar, "2023-03-06", "2023-03-17")
    assert bars.timestamps.equals(
        pd.DatetimeIndex([close for day in sessions for close in session_grid(calendar, day, interval)])
    )
    assert bars.volume.sum() == frame["volume"].sum()
    assert (bars.open[0, 0], bars.close[-1, 0]) == (frame["open"].iloc[0], frame["close"].iloc[-1])
    assert {request.interval for request in requests} == {"1h"}


def test_hours_by_the_clock_are_joined_from_the_full_hour_before_the_open(tmp_path):
    frame = hours("XNYS", "2023-03-06", "2023-03-06", on_the_clock=True)  # 9:00 to 15:00
    bars, _, _ = load(frame, tmp_path, "4h", start="2023-03-06", end="2023-03-06")
    assert [f"{close.tz_convert('America/New_York'):%H:%M}" for close in bars.timestamps] == [
        "13:00",
        "16:00",
    ]
    assert bars.close[0, 0] == frame["close"].iloc[3]


def test_four_hours_that_are_not_over_are_no_bar(tmp_path):
    frame = hours("XNYS", "2023-03-06", "2023-03-06")
    bars, _, _ = load(frame, tmp_path, "4h", now="2023-03-06 19:45", start="2023-03-06")
    assert len(bars) == 1  # 9:30 to 13:30; at 14:45 the second is under way


def test_one_cache_serves_days_and_weeks(tmp_path):
    load(days(), tmp_path, "1d", start="2023-01-02", end="2023-12-29")
    _, _, requests = load(days(), tmp_path, "1wk", start="2023-01-02", end="2023-12-29")
    assert not requests
