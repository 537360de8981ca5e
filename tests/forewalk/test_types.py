import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.errors import DataError
from forewalk.types import Bars
from helpers.making import make_bars


@given(st.integers(0, 99))
def test_until_shows_nothing_that_closed_later(row):
    bars = make_bars(rows=100)
    known = bars.until(bars.timestamps[row])
    assert len(known) == row + 1
    assert known.timestamps[-1] == bars.timestamps[row]
    np.testing.assert_array_equal(known.close, bars.close[: row + 1])


def test_a_bar_is_known_at_its_close_and_not_a_moment_before(bars):
    close = bars.timestamps[50]
    assert len(bars.until(close)) == 51
    assert len(bars.until(close - pd.Timedelta("1us"))) == 50


def test_since_and_until_split_the_history(bars):
    middle = bars.timestamps[100]
    assert len(bars.since(middle)) + len(bars.until(middle)) == len(bars) + 1


def test_values_are_read_only(bars):
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0, 0] = 1.0


def test_the_fingerprint_changes_with_any_value(bars):
    changed = bars.close.copy()
    changed[7, 1] = np.nextafter(changed[7, 1], np.inf)
    fields = {name: getattr(bars, name) for name in ("open", "high", "low", "volume")}
    other = Bars(bars.timestamps, bars.symbols, close=changed, **fields)
    assert other.fingerprint != bars.fingerprint
    assert bars.select(bars.symbols).fingerprint == bars.fingerprint


def test_the_fingerprint_knows_symbols_and_times(bars):
    assert bars.select(["S01", "S00"]).fingerprint != bars.select(["S00", "S01"]).fingerprint
    assert bars.until(bars.timestamps[-2]).fingerprint != bars.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timestamps": pd.DatetimeIndex(["2020-01-02", "2020-01-03"])}, "no time zone"),
        ({"timestamps": pd.DatetimeIndex(["2020-01-03", "2020-01-02"], tz="UTC")}, "strictly increasing"),
        ({"timestamps": pd.DatetimeIndex(["2020-01-02", "2020-01-02"], tz="UTC")}, "strictly increasing"),
        ({"symbols": ("A", "A")}, "repeat"),
        ({"close": np.ones((3, 2))}, "shape"),
    ],
)
def test_bars_that_make_no_sense_are_refused(change, message):
    times = pd.DatetimeIndex(["2020-01-02", "2020-01-03"], tz="UTC")
    fields = {name: np.ones((2, 2)) for name in ("open", "high", "low", "close", "volume")}
    with pytest.raises(DataError, match=message):
        Bars(**{"timestamps": times, "symbols": ("A", "B"), **fields, **change})


def test_an_unknown_symbol_is_named(bars):
    with pytest.raises(DataError, match="no bars for XYZ"):
        bars.select(["S00", "XYZ"])


def test_a_frame_holds_only_existing_bars():
    bars = make_bars(rows=50, missing=[(slice(0, 20), 1)])
    assert len(bars.frame("S01")) == 30
    assert len(bars.frame("S00")) == 50
