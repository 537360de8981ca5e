"""Bars of every length: what pandas makes of the loaded ones, and the prices at which orders fill."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from exchange_world import outcome, send
from hypothesis import given
from hypothesis import strategies as st

from broker.simulator.calls import Call
from broker.simulator.loading import synthetic_bars
from broker.simulator.routes import prices
from broker.simulator.values import Refusal, parse_instant
from broker.simulator.world.state import SimulatorSettings, World
from forewalk.sessions import session_grid, sessions_between
from forewalk.types import BAR_FIELDS, Bars

NEW_YORK = "America/New_York"
DAYS = sessions_between("XNYS", "2026-03-02", "2026-04-10")


def minute_bars(interval, days=DAYS, seed=0):
    """Random walks in cents over whole sessions."""
    random = np.random.default_rng(seed)
    stamps = pd.DatetimeIndex(np.concatenate([session_grid("XNYS", day, interval) for day in days]), tz="UTC")
    close = np.round(100 + np.cumsum(random.normal(0, 0.05, (len(stamps), 1)), axis=0), 2)
    opens = np.round(np.vstack([close[:1], close[:-1]]) + random.normal(0, 0.02, close.shape), 2)
    high = np.maximum(opens, close) + np.round(np.abs(random.normal(0, 0.03, close.shape)), 2)
    low = np.minimum(opens, close) - np.round(np.abs(random.normal(0, 0.03, close.shape)), 2)
    volume = random.integers(100, 10_000, close.shape).astype(float)
    return Bars(stamps, ("AAPL",), opens, high, low, close, volume, "XNYS", interval)


MINUTES = minute_bars("15min")
DAILY = synthetic_bars(("AAPL",), "2026-03-02", 30, seed=4)


def shown(world, timeframe, start="2026-03-01", **query):
    asked = {"symbols": "AAPL", "timeframe": timeframe, "start": start, "limit": "10000", **query}
    return prices.paged("bars", prices.bars_of)(world, Call(query=asked)).body["bars"].get("AAPL", [])


def table(bars):
    """The four prices and the volume that the API shows, by New York's time of their names."""
    found = pd.DataFrame(bars)
    found.index = pd.DatetimeIndex(pd.to_datetime(found["t"], utc=True)).tz_convert(NEW_YORK)
    return found[["o", "h", "l", "c", "v"]]


@pytest.mark.parametrize(
    ("timeframe", "rule"),
    [("30Min", "30min"), ("45Min", "45min"), ("1Hour", "1h"), ("4Hour", "4h"), ("1Day", "1D"), ("1Week", "W-MON"),
     ("1Month", "MS")],
)  # fmt: skip
def test_longer_bars_are_those_that_pandas_makes(timeframe, rule):
    world = World(MINUTES, parse_instant("2026-04-13T08:00:00-04:00"))
    begins = MINUTES.timestamps.tz_convert(NEW_YORK) - pd.Timedelta(minutes=15)
    names = ("open", "high", "low", "close", "volume")
    frame = pd.DataFrame({name: getattr(MINUTES, name)[:, 0] for name in names}, begins.tz_localize(None))
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    wanted = frame.resample(rule, label="left", closed="left", origin="start_day").agg(how).dropna()
    found = table(shown(world, timeframe))
    if timeframe == "1Month":
        found, wanted = found.iloc[1:], wanted.iloc[1:]  # March began before the bars: named by its first
    assert list(found.index.tz_localize(None)) == list(wanted.index)
    np.testing.assert_allclose(found.to_numpy(dtype=float), wanted.to_numpy())


@pytest.mark.parametrize("timeframe", ["1Min", "7Min", "1Hour", "5Hour"])
def test_shorter_bars_join_to_the_loaded_day_without_a_gap(timeframe):
    world = World(DAILY, parse_instant("2026-03-03T08:00:00-05:00"))
    found = table(shown(world, timeframe))
    day = shown(world, "1Day")[0]
    joined = (found["o"].iloc[0], found["h"].max(), found["l"].min(), found["c"].iloc[-1])
    assert joined == (day["o"], day["h"], day["l"], day["c"])
    np.testing.assert_array_equal(found["o"].to_numpy()[1:], found["c"].to_numpy()[:-1])
    assert found["v"].sum() == pytest.approx(day["v"], rel=1e-3)
    np.testing.assert_allclose(found[["o", "h", "l", "c"]], found[["o", "h", "l", "c"]].round(2))


@given(minute=st.integers(0, 388), second=st.integers(0, 59))
def test_an_order_fills_within_the_bar_of_its_minute(minute, second):
    moment = pd.Timestamp("2026-03-02T09:30:00-05:00") + pd.Timedelta(minutes=minute, seconds=second)
    world = World(DAILY, parse_instant(moment.isoformat()))
    _, price = outcome(world, send(world))
    world.now = parse_instant("2026-03-02T17:00:00-05:00")
    bar = table(shown(world, "1Min")).loc[moment.floor("min")]
    assert bar["l"] <= float(price) <= bar["h"]


@pytest.mark.parametrize("timeframe", ["1Min", "1Hour", "1Day", "1Week", "1Month"])
def test_no_bar_tells_the_future(timeframe):
    now = parse_instant("2026-03-11T13:10:30-04:00")
    future = np.arange(len(DAILY))[:, None] > 7  # the sessions after the one that runs
    values = {name: np.where(future, 3 * getattr(DAILY, name), getattr(DAILY, name)) for name in BAR_FIELDS}
    other = World(replace(DAILY, **values), now)
    assert shown(World(DAILY, now), timeframe) == shown(other, timeframe)


def test_a_running_bar_is_served_only_where_it_is_asked_for():
    now = parse_instant("2026-03-11T13:10:30-04:00")
    closed, running = (World(DAILY, now, SimulatorSettings(running_bar=on)) for on in (False, True))
    for timeframe, newest in (("1Hour", "2026-03-11T17"), ("1Week", "2026-03-09T04")):
        assert newest not in {bar["t"][: len(newest)] for bar in shown(closed, timeframe)}
        assert shown(running, timeframe)[-1]["t"].startswith(newest)


def test_newest_first_is_the_same_backwards():
    world = World(DAILY, parse_instant("2026-04-13T08:00:00-04:00"))
    assert shown(world, "1Week", sort="desc") == shown(world, "1Week")[::-1]


@pytest.mark.parametrize(
    ("interval", "own"), [("15min", "15Min"), ("1h", "1Hour"), ("2h", "2Hour"), ("4h", "4Hour")]
)
def test_bars_of_the_loaded_length_are_served_as_they_are(interval, own):
    bars = minute_bars(interval, DAYS[:3])
    found = shown(World(bars, parse_instant("2026-03-05T08:00:00-05:00")), own)
    assert [bar["c"] for bar in found] == bars.close[:, 0].tolist()


@pytest.mark.parametrize(
    "timeframe", ["60Min", "24Hour", "2Day", "2Week", "5Month", "0Min", "soon", "", "1Hours"]
)
def test_what_alpaca_has_no_bars_of_is_refused(timeframe):
    with pytest.raises(Refusal, match="invalid timeframe"):
        shown(World(DAILY, parse_instant("2026-03-11T13:10:30-04:00")), timeframe)
