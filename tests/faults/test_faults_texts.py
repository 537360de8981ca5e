"""A daemon that trades on texts: what was seen before a close counts at it; a dead source is an alert."""

import json

import pytest
from in_process import Desk

from broker.simulator.harness import Simulator
from engine.live.deciding.texts import KNOWN, text_parity
from forewalk.data.columns.texts.reading import read_texts
from helpers.live_values import live_settings, random_forecasts, some_bars
from helpers.waiting import until

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
def bars():
    return some_bars(12, seed=3)


@pytest.fixture
def desk(tmp_path, bars, monkeypatch):
    monkeypatch.setenv("APCA_API_KEY_ID", "SIM-key-4711")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "sim-secret-0815")
    news = {"path": str(tmp_path / "texts.jsonl"), "poll": ["alpaca"], "silent_bars": 20}
    with Simulator(bars, cash=100_000) as simulator:
        desk = Desk(live_settings(news=news), simulator, tmp_path, random_forecasts(bars, seed=3))
        yield desk
        desk.daemon.journal.close()


def polled(desk):
    """Let a fetch that is due begin, and end."""
    desk.daemon.step()
    until(lambda: not desk.daemon.work_aside(desk.daemon.status.broker_time))


def told(desk, headline, symbol="AAPL"):
    desk.simulator.control.news(articles=[{"headline": headline, "symbols": [symbol]}])


def session(desk):
    """A fetch two minutes before the close, a text a minute before it, the decision, and a fetch after it."""
    desk.simulator.control.advance(to="close", offset_seconds=-120)
    polled(desk)
    desk.simulator.control.advance(seconds=60)
    told(desk, "Seen after the close")
    desk.simulator.control.advance(seconds=125)
    desk.settle()
    desk.simulator.control.advance(seconds=600)
    polled(desk)


def known(desk):
    lines = (desk.path.parent / KNOWN).read_text().splitlines()
    return [json.loads(line)["known"] for line in lines]


def test_a_text_that_was_seen_after_the_close_counts_at_the_next_one_live_and_in_a_backtest(desk, bars):
    told(desk, "Known from the start, and about nothing else")
    for _ in range(3):
        session(desk)
    counts = [each["text_news_all"] for each in known(desk)]
    assert counts == [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    seen = read_texts(desk.settings.news)[0]
    assert len(seen) == 4
    parity = text_parity(bars, desk.path.parent, desk.settings.news)
    assert (parity.compared, parity.equal) == (3, 3)


@pytest.mark.parametrize("fault", [{"action": "status", "status": 500}, {"action": "html"}])
def test_a_source_that_dies_is_an_alert_its_texts_are_missing_and_trading_goes_on(desk, fault):
    told(desk, "Known from the start")
    session(desk)
    assert [kind for kind, _, _ in desk.heard if kind == "texts"] == []
    desk.simulator.control.http_fault(route="GET /v1beta1/news", count=None, **fault)
    session(desk)
    first, second = (each["text_news_all"] for each in known(desk))
    assert (first, second) == ([1.0, 0.0, 0.0], [None, None, None])
    heard = " ".join(text for kind, _, text in desk.heard if kind == "texts")
    assert "alpaca gives no texts since" in heard
    assert "their features are missing" in heard
    desk.simulator.control.clear_faults()
    session(desk)
    assert known(desk)[-1]["text_news_all"] != [None, None, None]
