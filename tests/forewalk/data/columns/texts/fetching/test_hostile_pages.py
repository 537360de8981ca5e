"""Whatever a page holds, it becomes rows that can be read again, or one error that says so."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forewalk.data.columns.texts.fetching.feeds import feed_rows
from forewalk.data.columns.texts.fetching.filings import COMPANIES, FILINGS, fetch_filings
from forewalk.data.columns.texts.fetching.reddit import TOKEN, fetch_reddit
from forewalk.data.columns.texts.fetching.store import TextStore, row_of
from forewalk.data.columns.texts.reading import read_texts
from forewalk.errors import ForewalkError
from forewalk.settings.news import NewsSettings
from helpers.text_pages import NOW, Pages, wanted

COLUMNS = ("accessionNumber", "acceptanceDateTime", "form")
URL = "https://news.example.org/all.rss"
ITEM = (
    b'<?xml version="1.0"?><rss version="2.0"><channel><item><guid>n1</guid><title>$AAPL beats</title>'
    b"<pubDate>Tue, 10 Mar 2026 09:30:00 GMT</pubDate></item></channel></rss>"
)
ATOM = (
    b'<feed xmlns="http://www.w3.org/2005/Atom"><title>x</title><entry><id>a</id>'
    b'<title type="html">$MSFT &lt;b&gt;</title>'
    b"<updated>2026-03-10T09:30:00Z</updated></entry></feed>"
)
PAGES = st.one_of(
    st.binary(max_size=200),
    st.tuples(
        st.sampled_from([ITEM, ATOM]), st.integers(0, 200), st.integers(0, 40), st.binary(max_size=30)
    ).map(lambda cut: cut[0][: cut[1]] + cut[3] + cut[0][cut[1] + cut[2] :]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_again(store):
    if store.path.exists() and store.path.stat().st_size:
        texts, _ = read_texts(NewsSettings(path=store.path))
        assert TextStore(store.path).newest("any") is None or len(texts)


@often
@given(content=PAGES)
def test_a_feed_of_any_bytes_is_read_or_refused(content, tmp_path_factory):
    store = TextStore(tmp_path_factory.mktemp("x") / "texts.jsonl")
    try:
        rows = feed_rows(content, URL, (), wanted(Pages()))
    except ForewalkError:
        return
    store.add(rows, "rss", NOW, seen=True)
    read_again(store)


@often
@given(
    headline=st.text(max_size=300),
    name=st.text(max_size=50),
    symbols=st.lists(st.text(max_size=12), max_size=4),
)
def test_any_text_is_written_and_read_again(headline, name, symbols, tmp_path_factory):
    store = TextStore(tmp_path_factory.mktemp("x") / "texts.jsonl")
    added = store.add([row_of(name, headline, NOW, symbols, "wire")], "any", NOW, seen=True)
    assert (
        TextStore(store.path).add([row_of(name, headline, NOW, symbols, "wire")], "any", NOW, seen=True) == 0
    )
    if added:
        assert len(read_texts(NewsSettings(path=store.path))[0]) == 1


@often
@given(body=JSON)
@pytest.mark.parametrize("place", ["whole", "filings", "recent", "columns", "files"])
def test_filings_of_any_shape_are_read_or_refused(place, body, tmp_path_factory):
    shapes = {
        "whole": body,
        "filings": {"filings": body},
        "recent": {"filings": {"recent": body, "files": body}},
        "files": {"filings": {"recent": {name: [] for name in COLUMNS}, "files": [body, {"name": body}]}},
        "columns": {"filings": {"recent": {name: [body] for name in COLUMNS}}},
    }
    pages = {
        COMPANIES: b'{"0": {"cik_str": 320193, "ticker": "AAPL"}}',
        FILINGS + "CIK0000320193.json": json.dumps(shapes[place]).encode(),
    }
    store = TextStore(tmp_path_factory.mktemp("x") / "texts.jsonl")
    try:
        fetch_filings(store, wanted(Pages(pages=pages), ("AAPL",)))
    except ForewalkError:
        return
    read_again(store)


@often
@given(body=JSON)
@pytest.mark.parametrize("place", ["whole", "data", "children", "post"])
def test_posts_of_any_shape_are_read_or_refused(place, body, tmp_path_factory):
    post = {"name": body, "title": body, "selftext": "$AAPL", "created_utc": body}
    shapes = {
        "whole": body,
        "data": {"data": body},
        "children": {"data": {"children": body, "after": body}},
        "post": {"data": {"children": [{"data": post}, body]}},
    }
    forum = "https://oauth.reddit.com/r/stocks/new?limit=100&raw_json=1"
    pages = {TOKEN: b'{"access_token": "abcdefgh1234"}', forum: json.dumps(shapes[place]).encode()}
    store = TextStore(tmp_path_factory.mktemp("x") / "texts.jsonl")
    keys = {"REDDIT_CLIENT_ID": "id", "REDDIT_CLIENT_SECRET": "secret"}
    try:
        fetch_reddit(store, wanted(Pages(pages=pages), subreddits=("stocks",)), keys)
    except ForewalkError:
        return
    read_again(store)
