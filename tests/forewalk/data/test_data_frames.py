"""Bars from DataFrames: long and wide say the same as the file of the same rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewalk.data.loading import load_bars
from forewalk.errors import ConfigError, DataError
from forewalk.settings.sections import DataSettings
from forewalk.types import BAR_FIELDS, Bars
from helpers.making import make_bars

MISSING = ((slice(0, 5), 1), (slice(7, 9), 0))


def long_frame(bars):
    parts = [bars.frame(symbol).assign(symbol=symbol) for symbol in bars.symbols]
    frame = pd.concat(parts)
    frame.index = frame.index.tz_convert("America/New_York").tz_localize(None).normalize()
    return frame.rename_axis("date")


def wide_frame(bars, symbol_first=False):
    dates = bars.timestamps.tz_convert("America/New_York").tz_localize(None).normalize()
    fields = {
        (symbol, field) if symbol_first else (field.title(), symbol): getattr(bars, field)[:, column]
        for column, symbol in enumerate(bars.symbols)
        for field in BAR_FIELDS
    }
    return pd.DataFrame(fields, index=dates)


def hourly(hours=("09:30", "10:30", "11:30"), zone="America/New_York"):
    days = [day for day in ("2024-03-07", "2024-03-08", "2024-03-11") for _ in hours]
    stamps = pd.to_datetime([f"{day} {hour}" for day, hour in zip(days, hours * 3, strict=True)])
    closes = np.linspace(100, 101, len(stamps))
    return pd.DataFrame(
        {"open": closes, "high": closes, "low": closes, "close": closes, "volume": 1.0},
        index=stamps.tz_localize(zone),
    )


@settings(max_examples=15)
@given(rows=st.integers(12, 40), symbols=st.integers(1, 3), seed=st.integers(0, 99), gaps=st.booleans())
def test_long_and_wide_frames_and_the_file_of_the_same_rows_give_the_same_bars(
    tmp_path_factory, rows, symbols, seed, gaps
):
    bars = make_bars(rows, symbols, seed, missing=MISSING[: symbols - 1] if gaps else ())
    path = tmp_path_factory.mktemp("frames") / "prices.csv"
    long_frame(bars).to_csv(path)
    from_file, _ = load_bars(DataSettings(source="csv", path=path, min_history_bars=1))
    assert from_file.fingerprint == bars.fingerprint
    for frame in (
        long_frame(bars),
        long_frame(bars).reset_index(),
        long_frame(bars).set_index("symbol", append=True),
        long_frame(bars).set_index("symbol", append=True).swaplevel(),
        long_frame(bars).reset_index().astype({"date": str}),
        wide_frame(bars),
        wide_frame(bars, symbol_first=True),
    ):
        assert Bars.from_frame(frame).fingerprint == bars.fingerprint


def test_a_frame_of_one_symbol_needs_its_name_and_no_more():
    bars = make_bars(30, 1)
    frame = long_frame(bars).drop(columns="symbol")
    assert Bars.from_frame(frame, "S00").fingerprint == bars.fingerprint
    assert Bars.from_frame(bars.frame("S00"), "S00").fingerprint == bars.fingerprint  # UTC closes
    with pytest.raises(DataError, match="symbol='AAPL'"):
        Bars.from_frame(frame)


def test_naive_dates_are_session_dates_half_days_included():
    dates = pd.to_datetime(["2024-07-02", "2024-07-03", "2024-07-05"])
    frame = pd.DataFrame({field: [1.0, 1.0, 1.0] for field in BAR_FIELDS}, index=dates)
    closes = Bars.from_frame(frame, "A").timestamps.tz_convert("America/New_York")
    assert [f"{close:%m-%d %H:%M}" for close in closes] == ["07-02 16:00", "07-03 13:00", "07-05 16:00"]


def test_the_bar_length_is_read_from_the_stamps_and_starts_become_closes():
    bars = Bars.from_frame(hourly(), "A")
    assert bars.interval == "1h"
    assert f"{bars.timestamps[0].tz_convert('America/New_York'):%H:%M}" == "10:30"


def test_what_cleaning_found_stays_with_the_bars_and_shows():
    frame = long_frame(make_bars(30, 1))
    frame.loc[frame.index[3], "high"] = 0.5 * frame["low"].iloc[3]
    bars = Bars.from_frame(frame)
    assert any("impossible_range" in note for note in bars.notes)
    assert "notes" in repr(bars.select(bars.symbols))
    assert "impossible_range" in bars._repr_html_()
    assert Bars.from_frame(long_frame(make_bars(30, 1))).notes == ()


def test_a_policy_can_be_chosen_and_a_wrong_one_is_refused():
    frame = long_frame(make_bars(40, 1))
    frame.iloc[30, :4] *= 100
    assert len(Bars.from_frame(frame)) == 39
    assert len(Bars.from_frame(frame, cleaning={"outliers": "flag"})) == 40
    with pytest.raises(ConfigError, match=r"did you mean 'data\.cleaning\.outliers'"):
        Bars.from_frame(frame, cleaning={"outlier": "flag"})


DATE = {"date": ["2024-01-02", "2024-01-03"]}
PRICES = {field: [1.0, 2.0] for field in BAR_FIELDS}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame(), "has no rows"),
        ([1, 2], "come from a pandas DataFrame, not from list"),
        (pd.DataFrame({**DATE, "AAPL": [1.0, 2.0]}), "no column open, high, low, close; .*`symbol`"),
        (pd.DataFrame(PRICES), "no column date"),
        (pd.DataFrame({**PRICES, "date": ["2024-01-02", "soon"]}), "row 2: 'soon' is no date"),
        (pd.DataFrame({**PRICES, **DATE, "close": ["1", "1,5"]}), "row 2: close = '1,5' is no number"),
        (pd.DataFrame({**PRICES, **DATE, "symbol": ["A", "../B"]}), "row 2: '../B' is no symbol"),
        (pd.DataFrame({**PRICES, **DATE, "symbol": ["A", "B"]}), "column symbol with A, B; leave symbol='S'"),
        (pd.DataFrame({("A", "x"): [1.0]}, index=pd.to_datetime(["2024-01-02"])), "neither level"),
        (hourly(zone=None), "zoneless_timestamps"),
        (hourly(("09:30", "09:37", "09:44")), "7 minutes apart"),
    ],
)
def test_a_frame_that_cannot_be_read_is_refused_with_the_remedy(frame, message):
    with pytest.raises(DataError, match=message):
        Bars.from_frame(frame, "S")
