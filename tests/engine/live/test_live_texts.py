"""Texts in live trading: first seen when they were, missing where a source is dead, the same in a later backtest."""

import json
import threading
from datetime import timedelta

import numpy as np
import pytest

from engine.live.bars import FreshBars
from engine.live.deciding.texts import (
    KNOWN,
    TextPoller,
    keep_known,
    text_extras,
    text_parity,
    with_live_texts,
)
from engine.live.rehearsal import local_settings
from engine.live.tradable import refuse_still_texts, refuse_untradable
from forewalk.data.columns.texts.fetching.store import TextStore, row_of
from forewalk.data.columns.texts.placing import with_texts
from forewalk.data.columns.texts.rows import text_rows
from forewalk.errors import ConfigError, ConnectionFailed, DataError
from forewalk.settings.news import NewsSettings
from helpers.live_values import live_settings, some_bars
from helpers.waiting import until

BARS = some_bars(60)
CLOSES = [close.to_pydatetime() for close in BARS.timestamps]
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
COUNT = "text_news_count"


@pytest.fixture
def book(tmp_path):
    """Settings that poll one source into a file, and what was said."""
    (tmp_path / "state").mkdir()
    news = {"path": str(tmp_path / "texts.jsonl"), "poll": ["rss"], "silent_bars": 60}
    settings = live_settings(news=news, live={"state": str(tmp_path / "state")})
    return settings, []


def polled(settings, moments, texts=()):
    """Polls at some moments; each text is there from its moment on."""
    store = TextStore(settings.news.path)
    for now in moments:
        rows = [row_of(name, f"AAPL {name}", at, ("AAPL",), "wire") for name, at in texts if at <= now]
        store.add(rows, "rss", now, seen=True)
        store.mark("rss", now)


def fresh(bars=BARS):
    return FreshBars(bars, {}, ())


def saying(said):
    return lambda kind, text: said.append((kind, text))


def test_a_text_seen_after_the_close_belongs_to_the_next_bar_though_the_decision_has_it(book):
    settings, said = book
    texts = [("early", CLOSES[-2] - HOUR), ("late", CLOSES[-2] - MINUTE)]
    polled(settings, [CLOSES[-2] - 10 * MINUTE, CLOSES[-2] + MINUTE, CLOSES[-1] - MINUTE], texts)
    until = with_live_texts(fresh(BARS.until(BARS.timestamps[-2])), settings, saying(said)).bars
    whole = with_live_texts(fresh(), settings, saying(said)).bars
    assert whole.extras[COUNT][-2:, 0].tolist() == [1.0, 1.0]
    np.testing.assert_array_equal(until.extras[COUNT], whole.extras[COUNT][:-1])
    assert not said


def test_a_source_that_died_leaves_no_texts_and_an_alert_and_a_backtest_knows_it(book):
    settings, said = book
    polled(settings, [CLOSES[-3] - MINUTE, CLOSES[-1] - 2 * HOUR], [("one", CLOSES[-3] - HOUR)])
    live = with_live_texts(fresh(), settings, saying(said)).bars
    assert np.isfinite(live.extras[COUNT][-3]).all()
    assert np.isnan(live.extras[COUNT][-2:]).all()
    assert [kind for kind, _ in said] == ["texts"]
    again = with_texts(BARS, text_rows(settings.news, BARS.symbols)[0])
    for name, values in text_extras(live):
        np.testing.assert_array_equal(values, again.extras[name])


def test_texts_that_come_later_change_no_bar_of_before(book):
    settings, said = book
    polled(settings, [close - MINUTE for close in CLOSES[-10:-4]], [("one", CLOSES[-12])])
    before = with_live_texts(fresh(BARS.until(BARS.timestamps[-5])), settings, saying(said)).bars
    polled(settings, [close - MINUTE for close in CLOSES[-4:]], [("two", CLOSES[-9]), ("three", CLOSES[-2])])
    after = with_live_texts(fresh(), settings, saying(said)).bars
    for name, values in text_extras(before):
        np.testing.assert_array_equal(values, after.extras[name][: len(before)])


def test_nothing_fetched_yet_is_no_decision(book):
    with pytest.raises(DataError, match="nothing has been fetched yet"):
        with_live_texts(fresh(), book[0], saying(book[1]))


def test_a_book_without_texts_is_left_as_it_is():
    assert with_live_texts(given := fresh(), live_settings(), saying([])) is given


# the poller


def stepped(poller, now):
    poller.step(now)
    until(lambda: not poller.busy)


def test_a_poll_writes_what_is_new_and_when_it_was_seen(book):
    settings, said = book
    times = []

    def fetch(name, store, wanted, data):
        times.append((name, wanted.now))
        row = row_of(f"t{len(times)}", "AAPL rises", wanted.now - HOUR, ("AAPL",), "wire")
        store.mark(name, wanted.now)
        return store.add([row], name, wanted.now, store.reached(name))

    poller = TextPoller(settings, saying(said), fetch)
    for minutes in (0, 1, 5):  # every five minutes
        stepped(poller, CLOSES[-1] + minutes * MINUTE)
    assert times == [("rss", CLOSES[-1]), ("rss", CLOSES[-1] + 5 * MINUTE)]
    rows = [json.loads(line) for line in settings.news.path.read_text().splitlines()]
    assert rows[1]["first_seen"] == (CLOSES[-1] + 5 * MINUTE).isoformat()
    assert not said


@pytest.mark.parametrize("problem", [ConnectionFailed("gone"), OSError("disk full"), ValueError("strange")])
def test_a_source_that_fails_is_an_alert_and_takes_no_other_along(book, problem):
    settings, said = book
    settings = settings.model_copy(
        update={"news": settings.news.model_copy(update={"poll": ("rss", "sec"), "poll_minutes": 1.0})}
    )
    asked = []

    def fetch(name, store, wanted, data):
        asked.append(name)
        if name == "rss":
            raise problem
        return 0

    poller = TextPoller(settings, saying(said), fetch)
    stepped(poller, CLOSES[-1])
    stepped(poller, CLOSES[-1] + MINUTE)
    assert asked == ["rss", "sec"] * 2
    assert len(said) == 1
    assert "rss gives no texts" in said[0][1]
    assert str(problem) in said[0][1]


def test_trading_does_not_wait_for_a_source_that_hangs(book):
    settings, said = book
    release = threading.Event()
    begun = []

    def fetch(name, store, wanted, data):
        begun.append(name)
        release.wait()
        return 0

    poller = TextPoller(settings, saying(said), fetch)
    for minutes in (0, 10, 20):
        poller.step(CLOSES[-1] + minutes * MINUTE)
    assert poller.busy
    until(lambda: begun)
    assert begun == ["rss"]
    release.set()
    until(lambda: not poller.busy)


def test_a_file_of_something_else_is_an_alert(book):
    settings, said = book
    settings.news.path.write_text("my notes\n")
    poller = TextPoller(settings, saying(said))
    stepped(poller, CLOSES[-1])
    stepped(poller, CLOSES[-1] + HOUR)
    assert "no file of `forewalk news fetch`" in said[0][1]
    assert settings.news.path.read_text() == "my notes\n"


# parity


def test_a_backtest_on_the_same_file_knows_what_each_decision_knew_and_a_rewritten_one_does_not(book):
    settings, said = book
    state = settings.live.state
    polled(
        settings,
        [close - MINUTE for close in CLOSES[-6:]],
        [(f"t{n}", close - HOUR) for n, close in enumerate(CLOSES)],
    )
    for row in range(-5, 0):
        bars = BARS.until(BARS.timestamps[row])
        keep_known(with_live_texts(fresh(bars), settings, saying(said)).bars, settings)
    found = text_parity(BARS, state, settings.news)
    assert (found.compared, found.equal, found.differences) == (5, 5, ())
    lines = settings.news.path.read_text().splitlines()
    settings.news.path.write_text("\n".join(lines[:-1]) + "\n")
    found = text_parity(BARS, state, settings.news)
    assert (found.compared, found.equal) == (5, 4)
    assert "AAPL" in found.differences[0]
    assert "4 of 5 decisions" in found.lines()[0]


def test_what_was_known_is_kept_private_and_a_line_that_was_cut_off_is_passed_over(book):
    settings, said = book
    polled(settings, [CLOSES[-1] - MINUTE], [("one", CLOSES[-2])])
    keep_known(with_live_texts(fresh(), settings, saying(said)).bars, settings)
    path = settings.live.state / KNOWN
    assert path.stat().st_mode & 0o077 == 0
    with path.open("a") as file:
        file.write('{"asof": "20')
    assert text_parity(BARS, settings.live.state, settings.news).compared == 1


def test_bars_without_texts_leave_no_line(book):
    keep_known(BARS, book[0])
    assert not (book[0].live.state / KNOWN).exists()
    assert text_parity(BARS, book[0].live.state, replace_path(book[0])).lines() == []


def replace_path(settings):
    return settings.news.model_copy(update={"path": None})


@pytest.mark.parametrize(
    ("news", "words"),
    [
        ({"path": "texts.jsonl"}, "yesterday's news"),
        ({"path": "texts.csv", "poll": ["alpaca"]}, "JSON lines"),
        ({"path": "texts.jsonl", "poll": ["twitter"]}, "texts come from"),
        ({"poll": ["rss"]}, "without news.path"),
    ],
)
def test_texts_that_nobody_keeps_up_to_date_are_refused(news, words):
    with pytest.raises(ConfigError, match=words):
        refuse_still_texts(NewsSettings(**news))


def test_texts_that_are_polled_can_be_traded_on():
    polled = NewsSettings(path="texts.jsonl", poll=["alpaca", "rss"])
    assert refuse_still_texts(polled) is None
    assert refuse_still_texts(NewsSettings()) is None


def test_the_time_of_a_simulator_has_no_news_of_today(book):
    settings, said = book
    news = settings.news.model_copy(update={"poll": ("alpaca", "rss", "sec")})
    live = settings.live.model_copy(update={"url": "http://127.0.0.1:9999"})
    asked = []
    poller = TextPoller(
        settings.model_copy(update={"news": news, "live": live}),
        saying(said),
        lambda name, *rest: asked.append(name),
    )
    stepped(poller, CLOSES[-1])
    assert asked == ["alpaca"]
    assert [text for _, text in said if "rss, sec: not fetched" in text]


def test_a_rehearsal_reads_texts_and_fetches_none(book):
    there = local_settings(book[0], BARS, "http://127.0.0.1:9999", book[0].live.state)
    assert (there.news.poll, there.news.path) == ((), book[0].news.path)
    refuse_untradable(there)
    asked = []
    poller = TextPoller(there, saying(asked), lambda *rest: asked.append(rest))
    stepped(poller, CLOSES[-1])
    assert asked == []
