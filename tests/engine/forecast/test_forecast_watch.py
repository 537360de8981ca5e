"""A forecast after each close: waits for the close, asks again while its bars are not there, and gives each once."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from made_answers import make_answer

from engine.forecast.job import Given
from engine.forecast.log import Entered
from engine.forecast.watching import watch
from engine.runs.closes import next_closes
from forewalk.errors import ConfigError, ConnectionFailed

FIRST = pd.Timestamp("2024-11-27 21:00", tz="UTC")


class SeenEnoughError(Exception):
    """The test has seen enough."""


class Market:
    """A source whose bars come some time after the close, on a clock that only sleeping moves."""

    def __init__(self, late_s=0.0, down=0):
        self.time = datetime(2024, 11, 27, 22, tzinfo=UTC)
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
        asof = FIRST
        while (later := next_closes("XNYS", "1d", asof, 1)[0]) + pd.Timedelta(
            seconds=self.late_s
        ) <= self.time:
            asof = later
        return Given(make_answer("A", asof=asof, closes_at=later), Entered(1, 0, 0), 0)


def watched(market, count):
    shown = []

    def show(given):
        shown.append((given.answer.asof, market.time))
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
