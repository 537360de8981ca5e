"""The `alpaca` source of bars, on the simulator's data API and against scripted answers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from broker.alpaca.source import frame_of, read_alpaca
from broker.simulator.harness import Simulator
from forewalk.data.cleaning.rules import clean
from forewalk.data.loading import load_bars
from forewalk.data.sources.pacing import Pace
from forewalk.errors import ConfigError, ConnectionFailed, DataError
from forewalk.sessions import session_grid, sessions_between
from forewalk.settings.sections import DataSettings
from forewalk.types import BAR_FIELDS, Bars
from helpers.scripted_server import Answer, ScriptedServer
from helpers.simulator_bars import plain_bars

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
NOW = pd.Timestamp("2026-03-31 21:00", tz="UTC")


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("APCA_API_KEY_ID", "SIM-key-0815")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "sim-secret-4711")


@pytest.fixture
def server(socket_enabled):
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


def wanted(folder, url, *symbols, **values):
    given = {"start": "2026-03-02", "cache": folder, "url": url, "min_history_bars": 1, "calendar": "XNYS"}
    return DataSettings(source="alpaca", symbols=symbols or ("AAPL",), **{**given, **values})


def patient():
    waits = []
    return Pace(math.inf, 100.0, clock=lambda: 0.0, sleep=waits.append), waits


def intraday(interval="30min"):
    days = sessions_between("XNYS", "2026-03-02", "2026-03-06")
    closes = pd.DatetimeIndex([close for day in days for close in session_grid("XNYS", day, interval)])
    level = 100.0 + np.arange(len(closes))[:, None] + np.zeros(2)
    prices = (level, level + 2, level - 2, level + 1, np.full(level.shape, 5e4))
    return Bars(closes, ("AAPL", "MSFT"), *prices, interval=interval)


@pytest.fixture(scope="module")
def daily_bars():
    return plain_bars()


@pytest.fixture(scope="module")
def daily(daily_bars):
    with Simulator(daily_bars, start="2026-03-31T16:30:00-04:00", market_fill="open") as handle:
        yield handle


@pytest.mark.enable_socket
def test_daily_bars_of_the_simulator_are_the_bars_it_was_given(daily, daily_bars, tmp_path):
    bars, report = load_bars(wanted(tmp_path, daily.url, "MSFT", "AAPL", end="2026-03-31"))
    expected = daily_bars.select(("MSFT", "AAPL"))
    assert bars.fingerprint == expected.fingerprint
    assert report.adjusted == ("AAPL", "MSFT")


@pytest.mark.enable_socket
def test_intraday_bars_come_page_by_page_and_close_when_their_interval_ends(tmp_path):
    given = intraday()
    with Simulator(given, start="2026-03-06T17:00:00-05:00", market_fill="open") as simulator:
        settings = wanted(tmp_path, simulator.url, "AAPL", "MSFT", interval="30min", end="2026-03-06")
        bars, _ = clean(read_alpaca(settings, NOW), settings)
    assert bars.fingerprint == given.fingerprint


@pytest.mark.enable_socket
def test_what_was_loaded_once_needs_neither_keys_nor_network(daily, tmp_path, monkeypatch):
    settings = wanted(tmp_path, daily.url, end="2026-03-31")
    first = read_alpaca(settings, NOW)
    monkeypatch.delenv("APCA_API_KEY_ID")
    again = read_alpaca(settings.model_copy(update={"offline": True}), NOW)
    np.testing.assert_array_equal(first.prices, again.prices)


@pytest.mark.enable_socket
def test_raw_and_adjusted_bars_are_cached_apart(daily, tmp_path):
    read_alpaca(wanted(tmp_path, daily.url, end="2026-03-31"), NOW)
    raw = read_alpaca(wanted(tmp_path, daily.url, end="2026-03-31", adjustment="raw"), NOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alpaca-iex-all", "alpaca-iex-raw"]
    assert not [finding for finding in raw.findings if finding.kind == "adjusted"]


@pytest.mark.enable_socket
def test_a_split_is_in_the_adjusted_bars_and_a_fall_in_the_raw_ones(tmp_path):
    with Simulator(plain_bars(), start="2026-03-02T10:00:00-05:00", market_fill="open") as simulator:
        simulator.control.split(symbol="AAPL", new=2, day="2026-03-16")
        simulator.control.advance(to="2026-03-31T16:30:00-04:00")
        raw, split = (
            read_alpaca(wanted(tmp_path, simulator.url, end="2026-03-31", adjustment=kind), NOW).prices[:, 3]
            for kind in ("raw", "split")
        )
    day = 10  # 2026-03-16; closes rise by 1 a day from 102
    assert (raw[day - 1], raw[day]) == (111.0, 56.0)
    assert (split[day - 1], split[day]) == (55.5, 56.0)


@pytest.mark.enable_socket
def test_a_symbol_without_bars_is_named(daily, tmp_path):
    with pytest.raises(DataError, match=r"no bars for NOPE from 2026-03-02.*check the name"):
        read_alpaca(wanted(tmp_path, daily.url, "NOPE"), NOW)


def bar(stamp, price=10.0, **changed):
    return {"t": stamp, "o": price, "h": price, "l": price, "c": price, "v": 100, **changed}


def page(token=None, **bars):
    return Answer({"bars": bars, "next_page_token": token})


BUSY = Answer({"message": "too many requests."}, 429, {"Retry-After": "7"})


def test_a_page_that_is_refused_for_now_is_asked_for_again_and_the_others_are_not(server, tmp_path):
    server.say(
        page("two", AAPL=[bar("2026-03-02T05:00:00Z")]), BUSY, page(AAPL=[bar("2026-03-03T05:00:00Z")])
    )
    pace, waits = patient()
    table = read_alpaca(wanted(tmp_path, server.url, end="2026-03-03"), NOW, pace)
    assert (len(table), len(server.asked("GET")), waits) == (2, 3, [7.0])


def test_patience_with_a_busy_alpaca_ends(server, tmp_path):
    server.say(*[BUSY] * 30)
    with pytest.raises(ConnectionFailed, match="patience_s = 100"):
        read_alpaca(wanted(tmp_path, server.url), NOW, patient()[0])


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer({"message": "unauthorized."}, 401), ConfigError, "refuses the keys"),
        (
            Answer({"message": "subscription does not permit querying recent SIP data"}, 403),
            ConfigError,
            "data.feed = 'iex'",
        ),
        (Answer({"message": "boom"}, 500), ConnectionFailed, "--offline"),
        (Answer({"bars": {"AAPL": [{"t": "2026-03-02T05:00:00Z", "o": 1}]}}), DataError, "cannot be read"),
        (Answer({"bars": None, "next_page_token": None}), DataError, "no bars for AAPL"),
    ],
)
def test_each_fault_of_alpaca_has_its_own_remedy(server, tmp_path, answer, error, words):
    server.say(answer)
    with pytest.raises(error, match=words) as caught:
        read_alpaca(wanted(tmp_path, server.url), NOW, patient()[0])
    assert "sim-secret-4711" not in str(caught.value)


def test_a_host_other_than_alpacas_or_this_machine_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no live mode"):
        read_alpaca(wanted(tmp_path, "https://example.com"), NOW)


def test_a_daily_bar_is_dated_in_new_york_in_summer_and_in_winter():
    frame = frame_of([bar("2026-03-06T05:00:00Z"), bar("2026-03-09T04:00:00Z")], "1d")
    assert [f"{day:%Y-%m-%d}" for day in frame.index] == ["2026-03-06", "2026-03-09"]
    assert list(frame.columns) == list(BAR_FIELDS)


def test_hours_outside_of_the_session_are_left_out_and_half_hours_kept():
    starts = ("2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z", "2026-03-02T20:00:00Z", "2026-03-02T21:00:00Z")
    frame = frame_of([bar(start) for start in starts], "1h")
    assert [f"{start:%H:%M}" for start in frame.index] == ["14:00", "20:00"]


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("interval", "opens", "closes"),
    [("1wk", [100, 105, 110, 115], [106, 111, 116, 121]), ("1mo", [100], [123])],
)
def test_weeks_and_months_are_made_of_days_and_those_not_over_left_out(
    daily, tmp_path, interval, opens, closes
):
    settings = wanted(tmp_path, daily.url, interval=interval, end="2026-03-31")
    bars, _ = clean(read_alpaca(settings, NOW), settings)
    assert (bars.open[:, 0].tolist(), bars.close[:, 0].tolist()) == (opens, closes)
    assert bars.volume[0, 0] == 1e6 * (5 if interval == "1wk" else 22)


@pytest.mark.enable_socket
def test_coins_come_by_the_days_of_utc(tmp_path):
    closes = (pd.date_range("2026-03-02", periods=12, tz="UTC") + pd.Timedelta(days=1)).as_unit("us")
    level = 100.0 + np.arange(12)[:, None] + np.zeros(2)
    prices = (level, level + 2, level - 2, level + 1, np.full(level.shape, 5e4))
    given = Bars(closes, ("BTC/USD", "ETH/USD"), *prices, "24/7", "1d")
    with Simulator(given, start="2026-03-13T12:00:00Z", market_fill="open") as simulator:
        bars, report = load_bars(
            wanted(tmp_path, simulator.url, "BTC/USD", "ETH/USD", end="2026-03-10", calendar="24/7")
        )
    expected = given.until(pd.Timestamp("2026-03-11", tz="UTC"))
    assert (bars.timestamps == expected.timestamps).all()
    for name in BAR_FIELDS:
        np.testing.assert_array_equal(getattr(bars, name), getattr(expected, name))
    assert (bars.calendar, report.adjusted) == ("24/7", ())


def test_a_day_of_coins_from_another_midnight_is_refused():
    bar = {"t": "2026-03-07T06:00:00Z", "o": 1.0, "h": 2.0, "l": 0.5, "c": 1.5, "v": 3.0}
    with pytest.raises(ValueError, match="does not begin at midnight UTC"):
        frame_of([bar], "1d", "24/7")
