"""A text that its source corrects is kept in both wordings: the first counts, the later one has its own moment."""

import json
from datetime import timedelta

import pytest

from forewalk.data.columns.texts.fetching.feeds import fetch_feeds
from forewalk.data.columns.texts.fetching.held import MOST_VERSIONS
from forewalk.data.columns.texts.fetching.store import TextStore, row_of
from forewalk.data.columns.texts.reading import read_texts, read_wordings
from forewalk.settings.news import NewsSettings
from helpers.text_pages import NOW, Pages, wanted

PUBLISHED = NOW - timedelta(days=1)
LATER = NOW + timedelta(hours=3)


def told(headline="Apple earns", symbols=("AAPL",), body="", name="a"):
    return row_of(name, headline, PUBLISHED, symbols, "wire", body=body)


def known(moment):
    return int(moment.timestamp() * 1e6)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "texts.jsonl"


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize(
    "change", [{"headline": "Apple loses"}, {"body": "mended"}, {"symbols": ("AAPL", "MSFT")}]
)
def test_another_wording_is_first_seen_when_it_was_whatever_the_source_says(path, seen, change):
    assert TextStore(path).add([told(body="body")], "rss", NOW, seen=True) == 1
    assert TextStore(path).add([told(**{"body": "body", **change})], "rss", LATER, seen) == 1
    wordings, _ = read_wordings(NewsSettings(path=path))
    assert wordings.version.tolist() == [0, 1]
    assert wordings.known_at.tolist() == [known(NOW), known(LATER)]
    assert not wordings.backfilled.any()


def test_the_first_wording_counts_and_a_symbol_that_is_added_knows_it_from_then(path):
    TextStore(path).add([told()], "rss", NOW, seen=True)
    TextStore(path).add([told("Apple loses", ("AAPL", "MSFT"))], "rss", LATER, seen=True)
    texts, report = read_texts(NewsSettings(path=path))
    assert list(zip(texts.headline, texts.symbols, texts.known_at, strict=True)) == [
        ("Apple earns", ("AAPL",), known(NOW)),
        ("Apple loses", ("MSFT",), known(LATER)),
    ]
    assert report.amended == 1


def test_a_text_that_says_the_same_again_is_no_row_nor_one_that_goes_back_to_its_first_words(path):
    one, two = told(), told("Apple loses")
    added = [TextStore(path).add([row], "rss", LATER, seen=True) for row in (one, one, two, two, one, two)]
    assert added == [1, 0, 1, 0, 0, 0]


def test_a_file_of_before_bodies_were_hashed_takes_no_text_for_a_new_one(path):
    old = {key: value for key, value in told().items() if key != "body_hash"}
    path.write_text(json.dumps({**old, "via": "rss"}) + "\n")
    assert TextStore(path).add([told(body="body")], "rss", LATER, seen=True) == 0
    assert TextStore(path).add([told("Apple loses", body="body")], "rss", LATER, seen=True) == 1
    assert TextStore(path).add([told("Apple loses")], "rss", LATER, seen=True) == 0  # now without one


def test_a_source_that_rewrites_its_texts_for_ever_fills_no_disk(path):
    store = TextStore(path)
    rows = [told(f"Apple earns, read {count} times") for count in range(100)]
    assert store.add(rows, "rss", NOW, seen=True) == MOST_VERSIONS
    assert TextStore(path).add(rows, "rss", NOW, seen=True) == 0


def test_an_article_in_the_feeds_of_two_symbols_is_about_both(path):
    page = (
        b'<?xml version="1.0"?><rss version="2.0"><channel><title>The Wire</title><item><guid>7</guid>'
        b"<title>Merger</title></item></channel></rss>"
    )
    web = Pages(pages={f"https://news.example.org/{symbol}": page for symbol in ("AAPL", "MSFT")})
    assert fetch_feeds(TextStore(path), wanted(web, feeds=("https://news.example.org/{symbol}",))) == 2
    texts, report = read_texts(NewsSettings(path=path))
    assert ({symbol for names in texts.symbols for symbol in names}, report.amended) == (
        {"AAPL", "MSFT"},
        0,
    )


def test_the_body_itself_is_not_kept(path):
    TextStore(path).add([told(body="whole article")], "alpaca", NOW, seen=True)
    assert "whole article" not in path.read_text()
    assert len(json.loads(path.read_text())["body_hash"]) == 64
