"""Live bars: every row is checked, nothing is filled in, a changed history is fetched anew."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import Unreachable
from engine.live.bars import LiveBars, parse_bars
from engine.live.schedule import Schedule
from forewalk.errors import DataError
from forewalk.settings.trading import LiveSettings
from helpers.live_values import some_bars

SCHEDULE = Schedule("XNYS", "1d", LiveSettings())
GOOD = {"t": "2026-03-04T05:00:00Z", "o": 10.0, "h": 11.0, "l": 9.0, "c": 10.5, "v": 100}


class Feed:
    """Serves bars as Alpaca does, and counts how many it was asked for."""

    def __init__(self, bars):
        self.bars_now = bars
        self.served = []

    def bars(self, symbols, interval, first, last, adjustment):
        found = {}
        for symbol in symbols:
            frame = self.bars_now.frame(symbol)
            dates = frame.index.tz_convert("America/New_York").normalize()
            stamps = dates.tz_convert("UTC")
            rows = zip(stamps, frame.itertuples(index=False), frame.index, strict=True)
            found[symbol] = [
                {
                    "t": stamp.isoformat(),
                    "o": r.open,
                    "h": r.high,
                    "l": r.low,
                    "c": r.close,
                    "v": int(r.volume),
                }
                for stamp, r, close in rows
                if first <= stamp and close <= last
            ]
        self.served.append(sum(map(len, found.values())))
        return found


def live_bars(feed):
    return LiveBars(feed, ("AAPL", "MSFT"), SCHEDULE, None, "all")


def fetch(bars, at, known=()):
    return bars.fetch(at.to_pydatetime(), dict(known), max_jump=0.35)


def test_bars_are_those_of_the_backtest_bit_for_bit():
    whole = some_bars(60, symbols=("AAPL", "MSFT"))
    fresh = fetch(live_bars(Feed(whole)), whole.timestamps[-1])
    assert fresh.bars.fingerprint == whole.fingerprint
    assert (fresh.problems, fresh.missing) == ({}, ())


def test_a_day_later_only_the_overlap_is_asked_for_again():
    whole = some_bars(60, symbols=("AAPL", "MSFT"))
    feed = Feed(whole)
    bars = live_bars(feed)
    for row in (50, 51, 52):
        assert (
            fetch(bars, whole.timestamps[row]).bars.fingerprint
            == whole.until(whole.timestamps[row]).fingerprint
        )
    assert feed.served == [102, 22, 22]


def test_a_history_that_was_revised_is_fetched_whole():
    whole = some_bars(60, symbols=("AAPL", "MSFT"))
    feed = Feed(whole)
    bars = live_bars(feed)
    fetch(bars, whole.timestamps[50])
    scaled = {name: getattr(whole, name) * 0.99 for name in ("open", "high", "low", "close")}
    revised = type(whole)(whole.timestamps, whole.symbols, **scaled, volume=whole.volume)
    feed.bars_now = revised
    fresh = fetch(bars, whole.timestamps[51], {"AAPL": (whole.timestamps[50], whole.close[50, 0])})
    assert fresh.bars.fingerprint == revised.until(whole.timestamps[51]).fingerprint
    assert fresh.problems == {}


@pytest.mark.row(37)
def test_a_history_that_was_rescaled_refuses_the_symbol():
    whole = some_bars(60, symbols=("AAPL", "MSFT"))
    known = {"AAPL": (whole.timestamps[50].to_pydatetime(), whole.close[50, 0] * 10)}
    assert "rescaled by -90%" in fetch(live_bars(Feed(whole)), whole.timestamps[51], known).problems["AAPL"]


def test_a_symbol_that_stopped_trading_is_stale():
    whole = some_bars(60, symbols=("AAPL", "MSFT"))
    gone = {name: np.array(getattr(whole, name)) for name in ("open", "high", "low", "close", "volume")}
    for values in gone.values():
        values[55:, 0] = np.nan
    fresh = fetch(live_bars(Feed(type(whole)(whole.timestamps, whole.symbols, **gone))), whole.timestamps[-1])
    assert fresh.missing == ("AAPL",)
    assert "stale" in fresh.problems["AAPL"]
    assert math.isnan(fresh.bars.close[-1, 0])


def test_without_any_bar_there_is_an_error():
    class Empty:
        def bars(self, *_):
            return {}

    with pytest.raises(DataError, match="no usable bar"):
        fetch(live_bars(Empty()), pd.Timestamp("2026-03-04T21:00Z"))


@pytest.mark.row(36)
def test_a_feed_that_breaks_off_is_no_history():
    class Broken:
        def bars(self, *_):
            raise Unreachable("page 2 of 3 failed")

    with pytest.raises(Unreachable):
        fetch(live_bars(Broken()), pd.Timestamp("2026-03-04T21:00Z"))


@pytest.mark.row(34, 35)
@pytest.mark.parametrize(
    "change",
    [
        {"c": None},
        {"c": "10.5"},
        {"c": math.nan},
        {"o": math.inf},
        {"l": 0.0},
        {"l": -1.0},
        {"h": 10.2},
        {"l": 10.4},
        {"v": -1},
        {"v": math.nan},
        {"o": True},
        {"t": "2026-03-04T00:00:00"},
        {"t": "2026-03-04"},
        {"t": "soon"},
        {"t": None},
        {"t": "2026-03-07T05:00:00Z"},  # a Saturday
        {"t": "2026-03-02T05:00:00Z"},  # goes back
        {"t": "2026-03-03T05:00:00Z"},  # repeats
    ],
    ids=str,
)
def test_a_bad_row_is_rejected_and_named(change):
    before = GOOD | {"t": "2026-03-03T05:00:00Z"}
    rows, problems = parse_bars({"AAPL": [before, GOOD | change]}, ["AAPL"], SCHEDULE)
    assert len(rows["AAPL"]) == 1
    assert "bar 2 is rejected" in problems["AAPL"] or "outside of every session" in problems["AAPL"]


@pytest.mark.row(41)
@pytest.mark.parametrize("stamp", ["2026-03-06T05:00:00Z", "2026-03-09T04:00:00Z", "2026-11-02T05:00:00Z"])
def test_midnight_in_new_york_is_the_date_of_the_session_summer_and_winter(stamp):
    rows, problems = parse_bars({"AAPL": [GOOD | {"t": stamp}]}, ["AAPL"], SCHEDULE)
    close = rows["AAPL"][0].close_at.astimezone(__import__("zoneinfo").ZoneInfo("America/New_York"))
    assert (str(close.date()), close.hour, problems) == (stamp[:10], 16, {})


junk = (
    st.none()
    | st.text(max_size=3)
    | st.floats()
    | st.integers()
    | st.booleans()
    | st.lists(st.none(), max_size=1)
)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(GOOD, junk)) | junk | st.just(GOOD), max_size=5))
def test_no_feed_at_all_brings_a_price_that_is_not_positive_and_finite(bodies):
    rows, _ = parse_bars({"AAPL": bodies}, ["AAPL"], SCHEDULE)
    for row in rows["AAPL"]:
        assert all(math.isfinite(value) and value > 0 for value in row.values[:4])
        assert row.close_at - row.stamp < timedelta(days=1)


@pytest.mark.parametrize(("hour", "taken"), [("00:00", True), ("05:00", False), ("06:00", False)])
def test_a_day_of_coins_is_that_of_utc_and_no_other(hour, taken):
    schedule = Schedule("24/7", "1d", LiveSettings())
    rows, problems = parse_bars({"BTC/USD": [GOOD | {"t": f"2026-03-07T{hour}:00Z"}]}, ["BTC/USD"], schedule)
    if taken:
        assert rows["BTC/USD"][0].close_at == datetime(2026, 3, 8, tzinfo=UTC)
        assert problems == {}
    else:
        assert rows["BTC/USD"] == []
        assert "outside of every session" in problems["BTC/USD"]
