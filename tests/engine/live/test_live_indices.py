"""The daemon forecasts an index from the backtest's source and trades its fund at the broker."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.live.bars import LiveBars
from engine.live.deciding.indices import BesideBroker, feed_of, raw_bars
from engine.live.schedule import Schedule
from forewalk.errors import ConnectionFailed
from forewalk.settings.loading import settings_from
from forewalk.settings.trading import LiveSettings
from helpers.live_values import some_bars

SYMBOLS = ("^RUI", "IWB")
SETTINGS = settings_from({"data": {"source": "yahoo", "symbols": SYMBOLS, "trade_as": {"^RUI": "IWB"}}})
SCHEDULE = Schedule("XNYS", "1d", LiveSettings())


class Broker:
    """Has the fund alone, and refuses the rest as Alpaca does."""

    def __init__(self, bars):
        self.own = bars.select(["IWB"])

    def bars(self, symbols, interval, first, last, adjustment):
        assert tuple(symbols) == ("IWB",)
        return dict(raw_bars(self.own, first, last))


class Source:
    """Bars of the index up to a row; counts how often it was asked."""

    def __init__(self, bars):
        self.bars, self.rows, self.asked = bars.select(["^RUI"]), len(bars), 0
        self.problem, self.clock = None, 0.0

    def load(self, data):
        assert data.symbols == ("^RUI",)
        assert data.refresh
        self.asked += 1
        if self.problem:
            raise self.problem
        return self.bars.until(self.bars.timestamps[self.rows - 1])


@pytest.fixture
def both():
    return replace(some_bars(60, symbols=("AAA", "BBB")), symbols=SYMBOLS)


def live(both, source):
    feed = BesideBroker(Broker(both), SETTINGS.data, source.load, lambda: source.clock)
    return LiveBars(feed, SYMBOLS, SCHEDULE, None, "all")


def fetch(bars, at):
    return bars.fetch(at.to_pydatetime(), {}, max_jump=0.9)


def test_both_come_back_as_one_panel_with_the_values_of_each(both):
    source = Source(both)
    fresh = fetch(live(both, source), both.timestamps[-1])
    assert fresh.bars.symbols == SYMBOLS
    np.testing.assert_array_equal(fresh.bars.close, both.close)
    assert not fresh.problems
    assert source.asked == 1


def test_an_index_bar_that_is_late_is_asked_for_again_once_a_minute(both):
    source = Source(both)
    source.rows -= 1
    bars = live(both, source)
    assert fetch(bars, both.timestamps[-1]).missing == ("^RUI",)
    source.rows += 1
    assert fetch(bars, both.timestamps[-1]).missing == ("^RUI",)  # within the minute
    assert source.asked == 1
    source.clock = 61.0
    assert not fetch(bars, both.timestamps[-1]).missing
    assert source.asked == 2


def test_a_source_that_does_not_answer_leaves_the_others_tradable(both):
    source = Source(both)
    source.problem = ConnectionFailed("Yahoo could not be reached")
    fresh = fetch(live(both, source), both.timestamps[-1])
    assert fresh.missing == ("^RUI",)
    assert set(fresh.problems) == {"^RUI"}
    assert math.isfinite(fresh.bars.close[-1, 1])


def test_a_simulator_on_this_machine_is_asked_for_everything():
    broker = object()
    local = SETTINGS.model_copy(
        update={"live": SETTINGS.live.model_copy(update={"data_url": "http://127.0.0.1:1"})}
    )
    assert feed_of(broker, local) is broker
    assert feed_of(broker, SETTINGS) is not broker
