"""A forecast after each close: waits for the close, asks again while its bars are not there, and gives each once."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest
from made_answers import make_answer

from engine.forecast.job import Given
from engine.forecast.log import Entered, ForecastLog
from engine.forecast.watching import watch
from engine.runs.closes import next_closes
from forewalk.errors import ConfigError, ConnectionFailed

FIRST = pd.Timestamp("2024-11-27 21:00", tz="UTC")


class SeenEnoughError(Exception):
    """The test has seen enough."""


class Market:
    """A source whose bars come some time after the close, on a clock that only sleeping moves."""

    def __init__(self, late_s=0.0, down=0, first=FIRST, interval="1d", log=None):
        self.time = (first + pd.Timedelta(hours=1)).to_pydatetime()
        self.first, self.interval, self.log = first, interval, log
        self.late_s, self.down = late_s, down
        self.asked = 0

    def now(self):
        return self.time

    def sleep(self, seconds):
        assert seconds > 0
        self.time += timedelta(seconds=seconds)

    def make(self):
        self.asked += 1
        if self.asked > 1 and self.down:
            self.down -= 1
            raise ConnectionFailed("the source does not answer")
        asof = self.first
        while (later := next_closes("XNYS", self.interval, asof, 1)[0]) + pd.Timedelta(
            seconds=self.late_s
        ) <= self.time:
            asof = later
        found = replace(make_answer("A", asof=asof, closes_at=later), interval=self.interval)
        entered = Entered(1, 0, 0)
        if self.log is not None:
            entered = ForecastLog(self.log, self.now).enter(found)
        return (Given(found, entered, 0),)


def watched(market, count):
    shown = []

    def show(given):
        shown.append((given[0].answer.asof, market.time))
        if len(shown) == count:
            raise SeenEnoughError

    with pytest.raises(SeenEnoughError):
        watch(market.make, show, now=market.now, sleep=market.sleep)
    return shown


def test_there_is_one_after_each_close_over_holidays_and_half_days():
    shown = watched(Market(), 4)
    days = [f"{asof:%m-%d %H:%M}" for asof, _ in shown]
    assert days == ["11-27 21:00", "11-29 18:00", "12-02 21:00", "12-03 21:00"]
    assert all(timedelta(0) <= when - asof < timedelta(minutes=3) for asof, when in shown[1:])


@pytest.mark.parametrize(
    ("first", "interval", "expected"),
    [
        ("2024-03-07 21:00", "1d", ["03-07 21:00", "03-08 21:00", "03-11 20:00", "03-12 20:00"]),
        ("2024-11-01 20:00", "1d", ["11-01 20:00", "11-04 21:00", "11-05 21:00", "11-06 21:00"]),
        ("2024-03-08 20:30", "1h", ["03-08 21:00", "03-11 14:30", "03-11 15:30", "03-11 16:30"]),
        ("2024-11-29 17:30", "1h", ["11-29 18:00", "12-02 15:30", "12-02 16:30", "12-02 17:30"]),  # half day
    ],
)
def test_there_is_one_after_each_close_over_clock_changes_and_by_the_hour(first, interval, expected):
    market = Market(first=pd.Timestamp(first, tz="UTC"), interval=interval)
    market.time -= timedelta(minutes=25)  # a bar may have closed since
    assert [f"{asof:%m-%d %H:%M}" for asof, _ in watched(market, 4)] == expected


def test_a_restart_gives_the_newest_again_and_enters_it_once(tmp_path):
    """Stopped after two closes, started anew on the same evening and once more two sessions later."""
    log = tmp_path / "log.sqlite"
    market = Market(log=log)
    watched(market, 2)
    watched(market, 2)
    market.time += timedelta(days=2)
    watched(market, 1)
    found = ForecastLog(log)
    assert [f"{asof:%m-%d}" for asof in found.table()["asof"]] == ["11-27", "11-29", "12-02", "12-04"]
    assert found.problems() == []


def test_of_several_horizons_all_must_know_the_new_bar():
    slow, fast = Market(late_s=1800.0), Market()
    slow.now = fast.now
    shown = []

    def make():
        slow.time = fast.time
        return fast.make() + slow.make()

    def show(given):
        shown.append([f"{each.answer.asof:%m-%d}" for each in given])
        if len(shown) == 3:
            raise SeenEnoughError

    with pytest.raises(SeenEnoughError):
        watch(make, show, now=fast.now, sleep=fast.sleep)
    assert shown == [["11-27"] * 2, ["11-29"] * 2, ["12-02"] * 2]


@pytest.mark.parametrize("market", [Market(late_s=1800.0), Market(down=3)])
def test_bars_that_are_late_or_a_source_that_is_down_are_waited_for(market):
    shown = watched(market, 3)
    assert [f"{asof:%m-%d}" for asof, _ in shown] == ["11-27", "11-29", "12-02"]
    assert market.asked < 30


def test_once_gives_one_and_leaves():
    market, shown = Market(), []
    watch(market.make, shown.append, once=True, now=market.now, sleep=market.sleep)
    assert len(shown) == 1


def test_a_mistake_in_the_settings_ends_it():
    def make():
        raise ConfigError("no such setting")

    with pytest.raises(ConfigError):
        watch(make, print)
