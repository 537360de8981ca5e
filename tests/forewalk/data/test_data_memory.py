"""Bars in memory as a source: their rows clean to the same bars, and so does the file a run keeps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewalk.data.cleaning.rules import clean
from forewalk.data.loading import load_bars
from forewalk.data.sources.memory import bars_table, write_table
from forewalk.errors import DataError
from forewalk.sessions import session_grid, sessions_between
from forewalk.settings.sections import DataSettings
from forewalk.types import Bars
from helpers.making import make_bars


def data(bars, **more):
    return DataSettings(calendar=bars.calendar, interval=bars.interval, min_history_bars=1, **more)


def intraday(calendar, interval, days=3):
    dates = sessions_between(calendar, "2024-07-01", "2024-07-20")[:days]
    closes = [close for date in dates for close in session_grid(calendar, date, interval)]
    values = np.linspace(100.0, 101.0, len(closes))[:, None]
    return Bars(pd.DatetimeIndex(closes), ("A",), *[values] * 5, calendar=calendar, interval=interval)


@settings(max_examples=15)
@given(rows=st.integers(10, 40), symbols=st.integers(1, 3), seed=st.integers(0, 99), gaps=st.booleans())
def test_the_rows_of_bars_clean_to_the_same_bars_from_memory_and_from_the_stored_file(
    tmp_path_factory, rows, symbols, seed, gaps
):
    missing = ((slice(0, 5), 1), (slice(7, 9), 0))[: symbols - 1] if gaps else ()
    assert_kept(make_bars(rows, symbols, seed, missing), tmp_path_factory.mktemp("bars"))


@pytest.mark.parametrize(
    ("calendar", "interval"),
    [("XNYS", "1h"), ("XNYS", "5min"), ("24/7", "1d"), ("24/7", "1h"), ("24/5", "1d")],
)
def test_intraday_bars_and_other_calendars_are_kept_too(calendar, interval, tmp_path):
    assert_kept(intraday(calendar, interval), tmp_path)


def assert_kept(bars, folder):
    table = bars_table(bars)
    again, quality = clean(table, data(bars))
    assert again.fingerprint == bars.fingerprint
    assert quality.source == "the bars given"
    write_table(table, folder / "bars.parquet")
    stored = data(bars, source="parquet", path=folder / "bars.parquet", symbols=bars.symbols)
    assert load_bars(stored)[0].fingerprint == bars.fingerprint


def test_a_symbol_without_a_bar_is_left_out_and_named():
    bars = make_bars(20, 2, missing=[(slice(None), 1)])
    again, quality = clean(bars_table(bars), data(bars))
    assert again.symbols == ("S00",)
    assert [finding.symbol for finding in quality.of_kind("no_bars")] == ["S01"]


def test_what_was_found_when_the_bars_were_read_stands_in_the_report_of_their_run():
    frame = make_bars(20, 1).frame("S00")
    frame.iloc[4, 3] = np.nan
    bars = Bars.from_frame(frame, "S00")
    _, quality = clean(bars_table(bars), data(bars))
    assert bars.notes
    assert quality.summary_lines()[1:] == list(bars.notes)


def test_daily_bars_at_times_when_no_session_closes_are_refused_with_the_remedy():
    times = pd.date_range("2024-07-01", periods=5, tz="UTC") + pd.Timedelta(minutes=7)
    values = np.ones((5, 1))
    with pytest.raises(DataError, match=r"2024-07-01 00:07 UTC.*from_frame"):
        bars_table(Bars(times, ("A",), *[values] * 5))


def test_bars_without_any_price_are_refused():
    values = np.full((5, 1), np.nan)
    with pytest.raises(DataError, match="no bar of any symbol"):
        bars_table(Bars(make_bars(5, 1).timestamps, ("A",), *[values] * 5))
