"""Bars of an hour through the same command: what has not closed is not known, what is late or revised is said."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from broker.simulator.harness import Simulator
from engine.forecast.answer import answer
from engine.forecast.basis import trained
from engine.forecast.job import give
from engine.forecast.log import ForecastLog
from forewalk.errors import DataError
from forewalk.sessions import session_grid, sessions_between
from forewalk.settings.loading import load_settings
from forewalk.types import Bars
from helpers.own_code import CONFIG

DAYS = sessions_between("XNYS", "2023-11-01", "2024-03-28")  # two clock changes, half days, holidays
SETTINGS = ["data.interval=1h", "data.calendar=XNYS", "folds.train_bars=300", "folds.refit_every_bars=400"]


def hourly(days=DAYS, seed=4):
    closes = pd.DatetimeIndex([close for day in days for close in session_grid("XNYS", day, "1h")])
    random = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(random.normal(0, 0.004, (len(closes), 2)), axis=0))
    opens = close * np.exp(random.normal(0, 0.001, close.shape))
    high, low = np.maximum(opens, close) * 1.001, np.minimum(opens, close) * 0.999
    volume = random.integers(10_000, 90_000, close.shape).astype(float)
    return Bars(closes, ("AAA", "BBB"), opens, high, low, close, volume, "XNYS", "1h")


BARS = hourly()
LAST = BARS.timestamps[-1]  # 28 March, the eve of Good Friday


def rows_of(bars):
    """A file of hourly bars by the time at which each begins, New York's clock."""
    begins = np.concatenate([grid_starts(day) for day in DAYS])
    frames = [
        bars.frame(symbol).assign(symbol=symbol, datetime=begins[: len(bars)]) for symbol in bars.symbols
    ]
    return pd.concat(frames, ignore_index=True)[
        ["datetime", "symbol", "open", "high", "low", "close", "volume"]
    ]


def grid_starts(day):
    closes = session_grid("XNYS", day, "1h").tz_convert("America/New_York")
    opened = pd.Timestamp(day).tz_localize("America/New_York") + pd.Timedelta(hours=9, minutes=30)
    starts = opened + pd.to_timedelta(np.arange(len(closes)), unit="h")
    return starts.strftime("%Y-%m-%dT%H:%M:%S%z").to_numpy()


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hourly")
    path = folder / "prices.csv"
    rows_of(BARS).to_csv(path, index=False)
    config = folder / "config.toml"
    config.write_text(CONFIG.format(path=path, model="", features="", strategy="", evaluation=""))
    return load_settings(config, ["data.source=files", *SETTINGS], environment={})


@pytest.fixture
def prices(settings):
    path = settings.data.path
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def silent(*told):
    pass


def at(text):
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return lambda: moment


EVENING = at("2024-03-28 20:05")


@pytest.fixture(scope="module")
def found(settings):
    return answer(trained(settings, silent, EVENING))


def test_the_next_bar_is_that_of_the_next_session_over_a_holiday(found):
    assert found.asof == LAST
    assert found.session == "2024-04-01"
    assert {each.closes_at for each in found.symbols} == {pd.Timestamp("2024-04-01 14:30", tz="UTC")}
    assert found.interval == "1h"


def test_a_bar_that_is_still_open_is_never_used(settings, prices):
    """The last bar is fed while it is being made, with prices that will not stay: nothing of it is in the answer."""
    before_close = at("2024-03-28 19:59:59")
    without = answer(trained(settings, silent, before_close)).to_dict()
    assert without["asof"] == BARS.timestamps[-2].isoformat()
    wild = rows_of(BARS)
    wild.loc[wild["datetime"] == wild["datetime"].iloc[-1], ["open", "high", "low", "close"]] *= 1.9
    wild.to_csv(prices, index=False)
    assert answer(trained(settings, silent, before_close)).to_dict() == without


@pytest.mark.enable_socket
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_same_bars_from_alpaca_give_the_same_forecast(settings, found, tmp_path, monkeypatch):
    monkeypatch.setenv("APCA_API_KEY_ID", "SIM-key-0815")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "sim-secret-4711")
    with Simulator(BARS, start="2024-03-28T16:05:00-04:00", market_fill="open") as simulator:
        source = {"source": "alpaca", "url": simulator.url, "cache": tmp_path, "path": None}
        dates = {"start": "2023-11-01", "end": "2024-03-28", "symbols": BARS.symbols}
        data = settings.data.model_copy(update={**source, **dates})
        there = answer(trained(settings.model_copy(update={"data": data}), silent, EVENING))
    assert [(s.mean, s.std, s.p_up, s.bands) for s in there.symbols] == [
        (s.mean, s.std, s.p_up, s.bands) for s in found.symbols
    ]
    assert there.session == found.session


def test_before_anything_has_closed_there_is_nothing_to_say(settings):
    with pytest.raises(DataError, match="no bar had closed"):
        trained(settings, silent, at("2023-01-01 12:00"))


def test_a_late_bar_is_said(settings, found):
    assert not any("is not there" in note for note in found.notes)
    later = answer(trained(settings, silent, at("2024-04-01 14:31")))
    assert any("closed at 2024-04-01 14:30 is not there" in note for note in later.notes)


def test_a_close_that_was_revised_since_its_forecast_is_said(settings, prices, tmp_path):
    log = ForecastLog(tmp_path / "log.sqlite", EVENING)
    first = give(settings, log, silent, now=EVENING)
    assert first.entered.written == 2
    assert not any("adjusted for a split" in note for note in first.answer.notes)
    table = rows_of(BARS)
    mine = table["symbol"] == "AAA"
    table.loc[mine, ["open", "high", "low", "close"]] /= 2
    table.to_csv(prices, index=False)
    notes = give(settings, log, silent, now=EVENING).answer.notes
    assert [note for note in notes if "adjusted for a split" in note] == [
        f"AAA: its close of 2024-03-28 was {BARS.close[-1, 0]:g} when it was forecast from, and is "
        f"{BARS.close[-1, 0] / 2:g} now: adjusted for a split or dividend, or corrected"
    ]


def test_each_bar_is_logged_before_the_next_has_closed_and_settled_after_it(settings, tmp_path):
    log_path = tmp_path / "log.sqlite"
    for close in BARS.timestamps[-4:-1]:
        moment = at(f"{close:%Y-%m-%d %H:%M:%S}")
        given = give(settings, ForecastLog(log_path, moment), silent, now=moment)
        assert given.answer.asof == close
        assert given.entered.written == 2
    log = ForecastLog(log_path)
    assert log.problems() == []
    found = log.table()
    assert len(found) == 6
    assert found["actual"].notna().sum() == 4
    settled = found.dropna(subset=["actual"])
    for row in settled.itertuples():
        place, column = BARS.timestamps.get_loc(row.asof), BARS.symbols.index(row.symbol)
        expected = np.log(BARS.close[place + 1, column] / BARS.close[place, column])
        assert row.actual == pytest.approx(expected, abs=1e-9)
