"""Alpaca's news in a file: every article once, first seen when it was, resumed wherever it was cut off."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from broker.alpaca.client import AlpacaPaper
from broker.alpaca.texts import fetch_into
from broker.errors import Unreachable
from broker.keys import Keys
from broker.simulator.harness import Simulator
from forewalk.data.columns.texts.fetching.store import TextStore
from forewalk.data.columns.texts.reading import read_texts
from forewalk.errors import ConnectionFailed, DataError
from forewalk.settings.loading import settings_from
from forewalk.settings.news import NewsSettings
from helpers.scripted_server import Answer, ScriptedServer
from helpers.simulator_bars import plain_bars
from helpers.waiting import PATIENCE_S

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SETTINGS = settings_from({}).data


def articles(count, day=2, **more):
    return [
        {
            "id": 1000 * day + number,
            "headline": f"Headline {number} of day {day}",
            "created_at": f"2026-03-{day:02}T10:{number % 60:02}:00Z",
            "updated_at": f"2026-03-{day:02}T10:{number % 60:02}:00Z",
            "symbols": ["AAPL"],
            "source": "benzinga",
            **more,
        }
        for number in range(count)
    ]


def asked(*pages, fails_after=None):
    calls = []

    def ask(symbols, first, last):
        calls.append((first, last))
        for number, page in enumerate(pages):
            if number == fails_after:
                raise ConnectionFailed("gone")
            yield page

    return ask, calls


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def fetched(path, ask, now=NOW):
    return fetch_into(TextStore(path), ["AAPL"], FIRST, NOW + timedelta(days=30), SETTINGS, now, ask)


def test_a_second_fetch_goes_on_and_what_appeared_in_between_is_first_seen_then(tmp_path):
    out = tmp_path / "news.jsonl"
    assert fetched(out, asked(articles(3), articles(2, day=5))[0]) == 5
    assert not any("first_seen" in row for row in rows_of(out))
    later = NOW + timedelta(days=2)
    ask, calls = asked([*articles(2, day=5), *articles(4, day=11)])
    assert fetched(out, ask, later) == 4
    assert calls == [(datetime(2026, 3, 5, 9, 46, tzinfo=UTC), later)]
    seen = {row["id"]: row.get("first_seen") for row in rows_of(out)}
    assert [seen[str(11_000 + number)] for number in range(4)] == [later.isoformat()] * 4
    texts, report = read_texts(NewsSettings(path=out))
    assert (len(texts), report.amended) == (9, 0)
    assert texts.backfilled.tolist() == [True] * 5 + [False] * 4


def test_a_history_fetched_in_parts_is_not_taken_for_seen(tmp_path):
    out = tmp_path / "news.jsonl"
    for end, page in ((4, articles(3)), (8, articles(3, day=5))):
        fetch_into(
            TextStore(out), ["AAPL"], FIRST, datetime(2026, 3, end, tzinfo=UTC), SETTINGS, NOW, asked(page)[0]
        )
    assert not any("first_seen" in row for row in rows_of(out))


def test_what_came_before_a_failure_stays_and_is_not_asked_for_again(tmp_path):
    out = tmp_path / "news.jsonl"
    with pytest.raises(ConnectionFailed):
        fetched(out, asked(articles(3), articles(2, day=5), fails_after=1)[0])
    assert len(rows_of(out)) == 3
    ask, calls = asked(articles(3), articles(2, day=5))
    assert fetched(out, ask) == 2
    assert calls[0][0] > FIRST
    assert not any("first_seen" in row for row in rows_of(out))  # the first fetch never ended


def test_a_line_that_was_cut_off_by_a_kill_is_written_again(tmp_path):
    out = tmp_path / "news.jsonl"
    fetched(out, asked(articles(3))[0])
    out.write_bytes(out.read_bytes()[:-10])
    assert fetched(out, asked(articles(3))[0]) == 1
    assert [row["id"] for row in rows_of(out)] == ["2000", "2001", "2002"]


@pytest.mark.parametrize(
    "article",
    [
        {},
        {"id": 1},
        {"id": 1, "headline": "x", "created_at": "soon"},
        {"id": 1, "created_at": "2026-03-02T10:00"},
    ],
)
def test_an_article_that_says_nothing_or_not_when_is_left_out(tmp_path, article):
    out = tmp_path / "news.jsonl"
    assert fetched(out, asked([article, *articles(1)])[0]) == 1


def test_a_file_of_something_else_is_left_alone(tmp_path):
    out = tmp_path / "notes.txt"
    out.write_text("my notes\n")
    with pytest.raises(DataError, match="choose another --out"):
        fetched(out, asked(articles(1))[0])
    assert out.read_text() == "my notes\n"


def test_a_symbol_that_joins_later_gets_its_history_which_nobody_saw(tmp_path):
    out = tmp_path / "news.jsonl"
    fetched(out, asked(articles(3), articles(2, day=5))[0])
    later, calls = NOW + timedelta(days=2), []

    def ask(symbols, first, last):
        calls.append((tuple(symbols), first, last))
        yield articles(2, day=4, symbols=["IBM"]) if symbols == ["IBM"] else articles(1, day=11)

    for _ in range(2):
        fetch_into(TextStore(out), ["AAPL", "IBM"], FIRST, later, SETTINGS, later, ask)
    resumed = [datetime(2026, 3, 5, 9, 46, tzinfo=UTC), datetime(2026, 3, 11, 9, 45, tzinfo=UTC)]
    assert calls == [
        (("IBM",), FIRST, resumed[0]),
        (("AAPL", "IBM"), resumed[0], later),
        (("AAPL", "IBM"), resumed[1], later),
    ]
    seen = [row.get("first_seen") for row in rows_of(out)]
    assert seen == [None] * 7 + [later.isoformat()]


def test_an_article_that_was_corrected_stands_there_in_both_wordings_and_the_first_one_counts(tmp_path):
    out = tmp_path / "news.jsonl"
    fetched(out, asked(articles(1, content="the whole story"))[0])
    later = NOW + timedelta(days=2)
    corrected = articles(1, headline="Headline that was corrected", updated_at="2026-03-02T10:01:00Z")
    assert fetched(out, asked(corrected)[0], later) == 1
    texts, report = read_texts(NewsSettings(path=out))
    assert (texts.headline.tolist(), report.amended) == (["Headline 0 of day 2"], 1)
    assert rows_of(out)[1]["first_seen"] == later.isoformat()


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("pages", "error"),
    [
        ([{"news": articles(2), "next_page_token": "a"}] * 3, DataError),
        ([{"news": articles(2), "next_page_token": "a"}, {"news": None}], Unreachable),
        ([{"news": articles(2), "next_page_token": "a"}, ["no object"]], Unreachable),
    ],
)
def test_pages_that_repeat_or_are_none_keep_what_came_before(tmp_path, pages, error):
    server = ScriptedServer()
    try:
        server.say(*[Answer(page) for page in pages])
        alpaca = AlpacaPaper(Keys("SIM-key", "secret"), server.url, server.url, timeout_s=PATIENCE_S)
        with pytest.raises(error):
            fetched(tmp_path / "news.jsonl", alpaca.news)
    finally:
        server.close()
    assert len(rows_of(tmp_path / "news.jsonl")) == 2


@pytest.mark.enable_socket
def test_the_simulators_news_come_page_by_page(tmp_path, monkeypatch):
    monkeypatch.setenv("APCA_API_KEY_ID", "key")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "secret")
    out = tmp_path / "news.jsonl"
    with Simulator(plain_bars(), start="2026-03-04T10:00:00-05:00") as simulator:
        simulator.control.news(articles=[{"headline": f"Story {n}", "symbols": ["AAPL"]} for n in range(120)])
        simulator.control.news(articles=[{"headline": "Another", "symbols": ["MSFT"]}])
        settings = settings_from({"data": {"url": simulator.url}}).data
        assert fetch_into(TextStore(out), ["AAPL"], FIRST, NOW, settings, NOW) == 120
        assert fetch_into(TextStore(out), ["AAPL"], FIRST, NOW, settings, NOW) == 0
    assert len(read_texts(NewsSettings(path=out))[0]) == 120
