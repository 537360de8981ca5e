"""RSS and Atom: a stamp is believed where its zone is known, and a text is first seen when it was fetched."""

from datetime import UTC, datetime, timedelta

import pytest

from forewalk.data.columns.texts.fetching.feeds import feed_rows, fetch_feeds, moment_of
from forewalk.data.columns.texts.fetching.store import TextStore
from forewalk.data.columns.texts.fetching.web import Answer
from forewalk.data.columns.texts.reading import read_texts
from forewalk.errors import ConfigError, DataError
from forewalk.settings.news import NewsSettings
from helpers.text_pages import NOW, Pages, wanted

FEED = "https://news.example.org/all.rss"


def rss(*items):
    channel = f"<channel><title>The Wire</title>{''.join(items)}</channel>"
    return f'<?xml version="1.0"?><rss version="2.0">{channel}</rss>'.encode()


def item(number, title="Apple beats", stamp="Tue, 10 Mar 2026 09:30:00 GMT", more=""):
    dated = f"<pubDate>{stamp}</pubDate>" if stamp else ""
    return f"<item><guid>n{number}</guid><title>{title}</title>{dated}{more}</item>"


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("Tue, 10 Mar 2026 16:30:00 EST", datetime(2026, 3, 10, 21, 30, tzinfo=UTC)),
        ("Tue, 10 Mar 2026 16:30:00 -0400", datetime(2026, 3, 10, 20, 30, tzinfo=UTC)),
        ("2026-03-10T16:30:00Z", datetime(2026, 3, 10, 16, 30, tzinfo=UTC)),
        ("Tue, 10 Mar 2026 16:30:00 ABC", None),
        ("Tue, 10 Mar 2026 16:30:00 -0000", None),
        ("Tue, 10 Mar 2026 16:30:00", None),
        ("2026-03-10T16:30:00", None),
        ("2026-03-10", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_stamp_is_believed_where_its_zone_is_known(stamp, moment):
    assert moment_of(stamp) == moment


def test_a_text_of_a_feed_counts_from_when_it_was_fetched(tmp_path):
    stamps = ["Tue, 10 Mar 2026 09:30:00 GMT", "Tue, 10 Mar 2026 09:30:00 ABC", ""]
    web = Pages(pages={FEED: rss(*(item(n, f"$AAPL case {n} of them", s) for n, s in enumerate(stamps)))})
    store = TextStore(tmp_path / "texts.jsonl")
    assert fetch_feeds(store, wanted(web, feeds=(FEED,))) == 3
    texts, report = read_texts(NewsSettings(path=store.path))
    assert (report.dropped, texts.backfilled.any()) == (0, False)
    assert set(texts.known_at.tolist()) == {int(NOW.timestamp() * 1e6)}


def test_a_feed_that_has_not_changed_is_not_sent_again_and_no_text_comes_twice(tmp_path):
    page = Answer(
        200, {"etag": '"7"', "last-modified": "then"}, rss(item(1, "$AAPL up"), item(2, "$MSFT up"))
    )
    web, path = Pages(pages={FEED: page}), tmp_path / "texts.jsonl"
    assert fetch_feeds(TextStore(path), wanted(web, feeds=(FEED,))) == 2
    later = NOW + timedelta(hours=1)
    assert fetch_feeds(TextStore(path), wanted(web, feeds=(FEED,), now=later)) == 0
    assert web.asked[1][2] == {"If-None-Match": '"7"', "If-Modified-Since": "then"}
    web.pages[FEED] = Answer(304, {}, b"")
    assert fetch_feeds(TextStore(path), wanted(web, feeds=(FEED,), now=later)) == 0


def test_a_feed_for_each_symbol_is_about_it_and_one_that_is_gone_takes_no_other_along(tmp_path):
    web = Pages(pages={"https://news.example.org/MSFT": rss(item(1, "A quiet day"))})
    store = TextStore(tmp_path / "texts.jsonl")
    with pytest.raises(DataError, match="404"):
        fetch_feeds(store, wanted(web, feeds=("https://news.example.org/{symbol}",)))
    texts, _ = read_texts(NewsSettings(path=store.path))
    assert texts.symbols.tolist() == [("MSFT",)]


def test_symbols_are_found_by_tag_cashtag_exchange_and_name_but_not_by_a_bare_word():
    page = rss(
        item(1, "Up today", more="<category>aapl</category>"),
        item(2, "Apple Inc. and $msft rise"),
        item(3, "Maker (NASDAQ: AAPL) rises"),
        item(4, "AAPL and ALL the others, and pineapple"),
    )
    rows = feed_rows(page, FEED, (), wanted(Pages(), names={"AAPL": "Apple Inc|Apple"}))
    assert [row["symbols"] for row in rows] == [["AAPL"], ["AAPL", "MSFT"], ["AAPL"], []]


def test_markup_scripts_and_giants_become_plain_text(tmp_path):
    titles = [
        "&lt;b&gt;$AAPL&lt;/b&gt; &lt;script&gt;alert(1)&lt;/script&gt; &amp;amp; more",
        "$AAPL " + "x" * 1_000_000,
        "$AAPL \u202egnp.exe\u202c \U0001f680\U0001f680",
    ]
    web = Pages(pages={FEED: rss(*(item(n, title) for n, title in enumerate(titles)))})
    store = TextStore(tmp_path / "texts.jsonl")
    assert fetch_feeds(store, wanted(web, feeds=(FEED,))) == 3
    texts, _ = read_texts(NewsSettings(path=store.path))
    for headline in texts.headline:
        assert headline.startswith("$AAPL")
        assert len(headline) <= 10_000
        assert not set(headline) & set("<>\u202e\u202c\x00")


def test_a_page_that_names_a_file_or_an_address_opens_neither(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(rss(item(1, "$AAPL secret")))
    for content in (str(secret).encode(), b"https://news.example.org/other", b"<html>no feed</html>"):
        with pytest.raises(DataError, match="neither RSS nor Atom"):
            feed_rows(content, FEED, (), wanted(Pages()))


def test_entities_of_a_feed_lead_to_no_file(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    page = f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY x SYSTEM "file://{secret}">]>'.encode() + rss(
        item(1, "$AAPL &x;")
    ).replace(b'<?xml version="1.0"?>', b"")
    assert b"the secret" not in str(feed_rows(page, FEED, (), wanted(Pages()))).encode()


def test_no_feed_is_said():
    with pytest.raises(ConfigError, match=r"news\.feeds"):
        fetch_feeds(None, wanted(Pages()))


def test_what_is_left_of_a_file_that_was_deleted_keeps_nothing_from_being_fetched_again(tmp_path):
    page = Answer(200, {"etag": '"7"'}, rss(item(1, "$AAPL up")))
    web, path = Pages(pages={FEED: page}), tmp_path / "texts.jsonl"
    fetch_feeds(TextStore(path), wanted(web, feeds=(FEED,)))
    path.unlink()
    assert fetch_feeds(TextStore(path), wanted(web, feeds=(FEED,))) == 1
    assert [headers for _, _, headers in web.asked] == [{}, {}]
