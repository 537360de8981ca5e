"""Services of bars: pace, patience, cache, additions and revisions. No clock, no network."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from forewalk.data.sources.cache import read_cached, restatements
from forewalk.data.sources.download import Answer, Service, read_service
from forewalk.data.sources.pacing import Pace
from forewalk.errors import ConnectionFailed, DataError, RateLimited
from forewalk.sessions import session_grid, sessions_between
from forewalk.settings.sections import DataSettings


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def pace(clock, per_minute=math.inf, patience=100.0):
    return Pace(per_minute, patience, clock=lambda: clock.now, sleep=clock.sleep)


def busy_times(count, after_s=0.0):
    left = [None] * count

    def request():
        if left:
            left.pop()
            raise RateLimited("too many requests", after_s)
        return "answer"

    return request


def test_requests_are_spread_over_the_minute():
    clock = Clock()
    pacer = pace(clock, per_minute=60)
    for _ in range(4):
        pacer(lambda: clock.now)
    assert clock.now == pytest.approx(3.0)


def test_an_idle_service_is_asked_at_once():
    clock = Clock()
    pacer = pace(clock, per_minute=60)
    pacer(lambda: None)
    clock.now += 10
    pacer(lambda: None)
    assert clock.slept == []


def test_a_busy_service_is_asked_again_after_longer_and_longer_waits():
    clock = Clock()
    assert pace(clock)(busy_times(3)) == "answer"
    assert clock.slept == [2.0, 4.0, 8.0]


def test_a_service_that_says_how_long_is_waited_for_that_long():
    clock = Clock()
    assert pace(clock)(busy_times(1, after_s=37.0)) == "answer"
    assert clock.slept == [37.0]


def test_patience_ends_with_what_was_waited_and_that_the_cache_has_it():
    clock = Clock()
    with pytest.raises(ConnectionFailed, match=r"6 s were waited.*patience_s = 10.*in the cache"):
        pace(clock, patience=10)(busy_times(9))
    assert clock.now == 6.0


NOW = pd.Timestamp("2024-03-08 22:00", tz="UTC")
DAYS = sessions_between("XNYS", "2024-01-02", "2024-03-08")


class Vendor:
    """A service whose bars are made up; `history` can be revised, `missing` names it does not know."""

    def __init__(self, interval="1d", days=DAYS):
        if interval == "1d":
            self.index = pd.DatetimeIndex(days)
        else:
            closes = [close for day in days for close in session_grid("XNYS", day, interval)]
            self.index = pd.DatetimeIndex(closes).as_unit("us") - pd.Timedelta(interval)
        self.history = pd.Series(100.0 + np.arange(len(self.index)) % 7, self.index)
        self.asked, self.missing, self.fault = [], (), None

    def fetch(self, request):
        self.asked.append(request)
        if self.fault is not None:
            raise self.fault
        known = self.history[self.history.index >= pd.Timestamp(request.start, tz=self.index.tz)]
        frame = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), known))
        frame["volume"] = 1000.0
        frame.index = frame.index.as_unit("us").rename("time")
        there = [symbol for symbol in request.symbols if symbol not in self.missing]
        return Answer(
            dict.fromkeys(there, frame), {name: DataError(f"no {name} here") for name in self.missing}
        )

    def service(self, **options):
        return Service("Vendor", self.fetch, lambda symbol: "XNYS", folder="vendor", **options)


def settings(tmp_path, *symbols, **values):
    given = {"start": "2024-01-02", "cache": tmp_path, **values}
    return DataSettings(source="yahoo", symbols=symbols or ("AAA",), **given)


def read(vendor, wanted, now=NOW, **options):
    return read_service(vendor.service(**options), wanted, now, pace(Clock()))


def test_what_is_cached_is_not_asked_for_again(tmp_path):
    vendor = Vendor()
    first = read(vendor, settings(tmp_path))
    second = read(vendor, settings(tmp_path))
    assert len(vendor.asked) == 1
    np.testing.assert_array_equal(first.prices, second.prices)
    assert any(f.kind == "from_cache" and "2024-03-08" in f.message for f in second.findings)


def test_symbols_come_in_batches_and_each_batch_is_kept_before_the_next(tmp_path):
    vendor = Vendor()
    read(vendor, settings(tmp_path, "AAA", "BBB", "CCC"), batch=2)
    assert [request.symbols for request in vendor.asked] == [("AAA", "BBB"), ("CCC",)]


def test_a_load_that_was_cut_off_goes_on_where_it_stopped(tmp_path):
    vendor = Vendor()
    read(vendor, settings(tmp_path, "AAA", "BBB"), batch=1)
    vendor.fault = RateLimited("busy", 1000.0)
    with pytest.raises(ConnectionFailed, match="in the cache"):
        read(vendor, settings(tmp_path, "AAA", "BBB", "CCC"), batch=1)
    vendor.fault, vendor.asked = None, []
    read(vendor, settings(tmp_path, "AAA", "BBB", "CCC"), batch=1)
    assert [request.symbols for request in vendor.asked] == [("CCC",)]


def test_symbols_without_bars_are_all_named_and_the_others_kept(tmp_path):
    vendor = Vendor()
    vendor.missing = ("BAD", "WORSE")
    with pytest.raises(DataError, match=r"2 symbols \(BAD, WORSE\): no BAD here; no WORSE here"):
        read(vendor, settings(tmp_path, "BAD", "AAA", "WORSE"))
    assert read_cached(tmp_path / "vendor", "AAA", "1d") is not None


def test_daily_bars_are_loaded_whole_and_a_dividend_since_is_reported_with_its_factor(tmp_path):
    vendor = Vendor()
    read(vendor, settings(tmp_path), now=pd.Timestamp("2024-03-01 22:00", tz="UTC"))
    vendor.history[:"2024-02-20"] *= 0.98
    table = read(vendor, settings(tmp_path))
    assert vendor.asked[1].start == "2024-01-02"
    (finding,) = [f for f in table.findings if f.kind == "restated_history"]
    assert "all prices times 0.98, as after a dividend or a split" in finding.message
    (line,) = restatements(tmp_path / "vendor")
    assert (line["symbol"], line["last"], line["factor"]) == (
        "AAA",
        "2024-02-20T00:00:00",
        pytest.approx(0.98),
    )


def test_a_correction_of_single_bars_is_no_dividend(tmp_path):
    vendor = Vendor()
    read(vendor, settings(tmp_path), now=pd.Timestamp("2024-03-01 22:00", tz="UTC"))
    vendor.history["2024-02-20"] *= 1.1
    vendor.history["2024-02-21"] *= 0.9
    read(vendor, settings(tmp_path))
    (line,) = restatements(tmp_path / "vendor")
    assert (line["bars_restated"], line["factor"]) == (2, None)


def test_later_intraday_bars_are_added_to_the_cached_ones(tmp_path):
    vendor = Vendor("1h")
    wanted = settings(tmp_path, interval="1h")
    read(vendor, wanted, now=pd.Timestamp("2024-03-01 22:00", tz="UTC"))
    table = read(vendor, wanted)
    assert vendor.asked[1].start == "2024-02-29"
    np.testing.assert_array_equal(table.prices[:, 3], vendor.history.to_numpy())
    assert not restatements(tmp_path / "vendor")


def test_a_revised_intraday_history_is_loaded_whole_again(tmp_path):
    vendor = Vendor("1h")
    wanted = settings(tmp_path, interval="1h")
    read(vendor, wanted, now=pd.Timestamp("2024-03-01 22:00", tz="UTC"))
    vendor.history[:"2024-03-01"] *= 0.5
    table = read(vendor, wanted)
    assert [request.start for request in vendor.asked] == ["2024-01-02", "2024-02-29", "2024-01-02"]
    np.testing.assert_array_equal(table.prices[:, 3], vendor.history.to_numpy())


def test_bars_beyond_the_reach_of_the_service_are_not_joined_over_a_hole(tmp_path):
    vendor = Vendor("1h")
    wanted = settings(tmp_path, interval="1h", start=None)
    read(vendor, wanted, now=pd.Timestamp("2024-01-12 22:00", tz="UTC"), reach_days={"1h": 5})
    table = read(vendor, wanted, reach_days={"1h": 5})
    assert pd.Timestamp(table.instant[0], unit="us") >= pd.Timestamp("2024-03-03")


def test_refresh_asks_again_and_reports_what_changed(tmp_path):
    vendor = Vendor()
    read(vendor, settings(tmp_path))
    vendor.history *= 2.0
    table = read(vendor, settings(tmp_path, refresh=True))
    assert [f.kind for f in table.findings] == ["restated_history"]
    assert read(vendor, settings(tmp_path)).prices[0, 0] == 200.0
