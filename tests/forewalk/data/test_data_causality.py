"""What cleaning does to a bar depends on that bar and earlier ones only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewalk.data.cleaning.rules import clean
from forewalk.data.table import Table, concatenate
from forewalk.errors import DataError
from forewalk.sessions import intraday_closes, microseconds
from forewalk.types import BAR_FIELDS, Bars
from helpers.data_tables import daily, make_table

BAR_POLICIES = ("refuse", "drop", "repair", "flag")
FILE_KINDS = ("duplicate_timestamps", "unordered_timestamps")  # refuse is an error for the whole file there
BAR_KINDS = (
    "off_session", "non_finite", "impossible_range", "non_positive_price", "negative_volume",
    "missing_sessions", "zero_volume_runs", "split_like_jumps", "outliers",
)  # fmt: skip
LEVELS = (1.02, 0.97, 2.0, 0.5, 3.0, 10.0, 0.1, 100.0, 0.01, 1.7)
BAD_PRICES = (np.nan, np.inf, -np.inf, 0.0, -5.0)

policies = st.fixed_dictionaries(
    {kind: st.sampled_from(BAR_POLICIES) for kind in BAR_KINDS}
    | {kind: st.sampled_from(BAR_POLICIES[1:]) for kind in FILE_KINDS}
)


@st.composite
def damaged_series(draw, symbol: str) -> Table:
    """A daily series with gaps, weekends, repeats, rows out of order and every kind of bad value."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 60))
    days = random.integers(0, 70, count)
    days = days if draw(st.booleans()) else np.sort(days)
    steps = np.where(
        random.random(count) < draw(st.sampled_from((0.0, 0.1, 0.5))), random.choice(LEVELS, count), 1
    )
    level = np.empty(count)
    level[np.argsort(days, kind="stable")] = 50 * np.cumprod(steps)
    spikes = np.where(
        random.random(count) < draw(st.sampled_from((0.0, 0.15))), random.choice(LEVELS, count), 1.0
    )
    close = level * spikes * np.exp(random.normal(0, 0.01, count))
    prices = close[:, None] * np.exp(random.normal(0, 0.01, (count, 4)))
    prices = np.where(
        random.random(prices.shape) < draw(st.sampled_from((0.0, 0.01, 0.05))),
        random.choice(BAD_PRICES, prices.shape),
        prices,
    )
    volume = random.choice([1000.0, 10.0, 0.0, 0.0, -1.0, np.nan], count)
    dates = pd.Timestamp("2020-02-03") + pd.to_timedelta(days, unit="D")
    table = make_table(prices[:, 3], symbol, dates, volume=volume)
    return replace(table, prices=prices)


@st.composite
def damaged_tables(draw) -> Table:
    return concatenate([draw(damaged_series(symbol)) for symbol in ("AAA", "BBB")[: draw(st.integers(1, 2))]])


def cleaned(
    table: Table, chosen: dict[str, str], interval: str = "1d"
) -> dict[tuple[int, str], tuple[bytes, ...]]:
    """Return every cleaned bar as bytes; nothing when no bar is left."""
    try:
        bars, _ = clean(table, daily(**chosen).model_copy(update={"interval": interval}))
    except DataError:
        return {}
    return _bars_as_bytes(bars)


def _bars_as_bytes(bars: Bars) -> dict[tuple[int, str], tuple[bytes, ...]]:
    stamps = microseconds(bars.timestamps)
    return {
        (int(stamps[row]), bars.symbols[column]): tuple(
            getattr(bars, f)[row, column].tobytes() for f in BAR_FIELDS
        )
        for row, column in np.argwhere(~np.isnan(bars.volume) | bars.present)
    }


def _until(bars: dict, day: int) -> dict:
    # The close of a New York session falls on the same UTC day as its date, winter and summer.
    return {key: value for key, value in bars.items() if key[0] // (86_400 * 10**6) <= day}


@settings(max_examples=300, deadline=None)
@given(damaged_tables(), policies, st.data())
def test_cutting_off_later_rows_leaves_earlier_bars_bit_for_bit(table, chosen, data):
    days = table.wall // (86_400 * 10**6)
    day = data.draw(st.sampled_from(sorted(set(days.tolist()))))
    whole = _until(cleaned(table, chosen), day)
    assert cleaned(table.keep(days <= day), chosen) == whole


@settings(max_examples=300, deadline=None)
@given(damaged_tables(), policies, st.data())
def test_altering_later_rows_leaves_earlier_bars_bit_for_bit(table, chosen, data):
    days = table.wall // (86_400 * 10**6)
    day = data.draw(st.sampled_from(sorted(set(days.tolist()))))
    later = days > day
    factor = data.draw(st.sampled_from((0.01, 0.5, 3.0, 10.0, np.nan, -1.0)))
    altered = replace(
        table,
        prices=np.where(later[:, None], table.prices * factor, table.prices),
        volume=np.where(later, 0.0, table.volume),
    )
    assert _until(cleaned(altered, chosen), day) == _until(cleaned(table, chosen), day)


@settings(max_examples=100, deadline=None)
@given(damaged_tables(), policies)
def test_cleaning_twice_gives_the_same_bars_and_report(table, chosen):
    assert cleaned(table, chosen) == cleaned(table, chosen)


def series_with_everything() -> Table:
    """40 bars with a spike, a lasting tenfold level, a split, a NaN, a silent run, a gap and a weekend row."""
    close = np.full(40, 50.0)
    close[5] = 500.0
    close[10:] *= 10
    close[22:] /= 2
    close[30] = np.nan
    volume = np.where((np.arange(40) >= 24) & (np.arange(40) < 31), 0.0, 1000.0)
    dates = pd.bdate_range("2020-02-03", periods=42).delete([33, 34])
    return make_table(
        close, dates=dates.where(np.arange(40) != 36, dates + pd.Timedelta(days=2)), volume=volume
    )


@pytest.mark.parametrize("policy", BAR_POLICIES)
def test_every_cut_of_a_series_with_everything_agrees_with_the_whole(policy):
    table = series_with_everything()
    chosen = dict.fromkeys(BAR_KINDS, policy)
    whole = cleaned(table, chosen)
    days = table.wall // (86_400 * 10**6)
    for day in np.unique(days).tolist():
        assert cleaned(table.keep(days <= day), chosen) == _until(whole, day)


@st.composite
def damaged_hours(draw) -> Table:
    """Hourly bars, some of them outside the session, on some of twelve days."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 50))
    hours = random.integers(0, 24 * 12, count)
    hours = np.where(random.random(count) < 0.8, hours // 24 * 24 + random.integers(14, 21, count), hours)
    starts = pd.Timestamp("2020-03-02 00:30", tz="UTC") + pd.to_timedelta(np.sort(hours), unit="h")
    close = 50 * np.cumprod(np.where(random.random(count) < 0.1, random.choice(LEVELS, count), 1.0))
    close = np.where(random.random(count) < 0.05, random.choice(BAD_PRICES, count), close)
    volume = random.choice([1000.0, 0.0], count)
    table = make_table(close, dates=starts.tz_localize(None), volume=volume)
    return replace(table, instant=microseconds(starts))


@settings(max_examples=150, deadline=None)
@given(damaged_hours(), policies, st.data())
def test_cutting_off_later_hours_leaves_earlier_bars_bit_for_bit(table, chosen, data):
    starts = pd.DatetimeIndex(table.instant.astype("datetime64[us]"), tz="UTC")
    ends = microseconds(intraday_closes("XNYS", starts, "1h")[0])
    end = data.draw(st.sampled_from(sorted(set(ends.tolist()))))
    whole = {key: value for key, value in cleaned(table, chosen, "1h").items() if key[0] <= end}
    assert cleaned(table.keep(ends <= end), chosen, "1h") == whole
