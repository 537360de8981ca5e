"""Filings at the SEC: by acceptance, read so that none is known too early; page after page; each once."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from forewalk.data.columns.texts.fetching.filings import COMPANIES, FILINGS, accepted_at, fetch_filings
from forewalk.data.columns.texts.fetching.store import TextStore
from forewalk.data.columns.texts.fetching.web import Answer
from forewalk.data.columns.texts.reading import read_texts
from forewalk.errors import ConfigError, DataError
from forewalk.settings.news import NewsSettings
from helpers.text_pages import NOW, Pages, wanted


def columns(*filings):
    names = ("accessionNumber", "acceptanceDateTime", "form", "primaryDocDescription", "items")
    return {name: [filing[place] for filing in filings] for place, name in enumerate(names)}


def company(recent, files=()):
    return json.dumps({"filings": {"recent": recent, "files": list(files)}}).encode()


def pages(**more):
    found = {
        COMPANIES: json.dumps(
            {"0": {"cik_str": 320193, "ticker": "AAPL"}, "1": {"cik_str": 789, "ticker": "BRK-B"}}
        ).encode(),
        FILINGS + "CIK0000320193.json": company(
            columns(
                ("1-26-1", "2026-03-05T16:31:07.000Z", "8-K", "8-K", "2.02,9.01"),
                ("1-26-0", "2026-02-05T16:31:07.000Z", "10-Q", "10-Q", ""),
            ),
            [{"name": "CIK0000320193-submissions-001.json", "filingTo": "2025-12-31"}],
        ),
        FILINGS + "CIK0000320193-submissions-001.json": json.dumps(
            columns(("1-25-9", "2025-11-03T18:00:00.000Z", "8-K", "8-K", "5.02"))
        ).encode(),
    }
    return Pages(pages={**found, **more})


def texts_of(store):
    return read_texts(NewsSettings(path=store.path))[0]


def test_the_later_of_two_readings_counts_unless_it_lies_in_the_future():
    now = datetime(2026, 3, 10, 22, tzinfo=UTC)
    assert accepted_at("2026-03-05T16:31:07.000Z", now) == datetime(2026, 3, 5, 21, 31, 7, tzinfo=UTC)
    assert accepted_at("2026-07-01T16:31:07", datetime(2027, 1, 1, tzinfo=UTC)).hour == 20
    assert accepted_at("2026-03-10T21:30:00.000Z", now) == datetime(2026, 3, 10, 21, 30, tzinfo=UTC)
    assert accepted_at("soon", now) is None


def test_a_filing_is_known_after_its_acceptance_in_new_york(tmp_path):
    store = TextStore(tmp_path / "texts.jsonl")
    assert fetch_filings(store, wanted(pages(), ("AAPL",))) == 1
    (row,) = (json.loads(line) for line in store.path.read_text().splitlines())
    assert row["published"] == "2026-03-05T21:31:07+00:00"
    assert row["headline"] == "AAPL files 8-K: results of operations; financial statements and exhibits"
    assert texts_of(store).backfilled.tolist() == [True]


def test_older_pages_are_asked_for_where_they_reach_into_the_span(tmp_path):
    web, store = pages(), TextStore(tmp_path / "texts.jsonl")
    assert fetch_filings(store, wanted(web, ("AAPL",), first=datetime(2025, 1, 1, tzinfo=UTC))) == 3
    assert web.addresses[-1].endswith("submissions-001.json")


def test_what_is_new_at_a_second_fetch_is_first_seen_then(tmp_path):
    store = TextStore(tmp_path / "texts.jsonl")
    fetch_filings(store, wanted(pages(), ("AAPL",)))
    later = NOW + timedelta(days=1)
    new = columns(("1-26-2", "2026-03-11T11:59:00.000Z", "8-K", "8-K", "8.01"))
    web = pages(**{FILINGS + "CIK0000320193.json": company(new)})
    again = TextStore(store.path)
    assert fetch_filings(again, wanted(web, ("AAPL",), now=later)) == 1
    texts = texts_of(again)
    assert texts.backfilled.tolist() == [True, False]
    assert texts.known_at[-1] == int(later.timestamp() * 1e6)


def test_who_does_not_say_who_asks_is_told_to(tmp_path):
    asked = wanted(pages(), ("AAPL",))
    with pytest.raises(ConfigError, match=r"news\.contact"):
        fetch_filings(
            TextStore(tmp_path / "x.jsonl"),
            type(asked)(asked.symbols, asked.first, asked.last, asked.now, NewsSettings(), asked.web),
        )


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "no JSON"),
        (b'{"filings": 3}', "cannot be read"),
        (b'{"filings": {"recent": {"form": ["8-K"]}}}', "have no accession"),
        (company(columns(), [{"name": "../../etc/passwd", "filingTo": "2030-01-01"}]), "is called"),
    ],
)
def test_an_answer_of_another_shape_is_an_error_and_leaves_the_file_as_it_was(tmp_path, page, words):
    store = TextStore(tmp_path / "texts.jsonl")
    with pytest.raises(DataError, match=words):
        fetch_filings(store, wanted(pages(**{FILINGS + "CIK0000320193.json": page}), ("AAPL",)))
    assert not store.path.exists()


def test_an_unknown_company_is_named(tmp_path):
    with pytest.raises(DataError, match="ZZZZ"):
        fetch_filings(TextStore(tmp_path / "x.jsonl"), wanted(pages(), ("AAPL", "ZZZZ", "BRK.B")))


def test_what_has_not_changed_is_not_sent_again_and_the_list_of_companies_is_asked_for_once(tmp_path):
    web, store = pages(), TextStore(tmp_path / "texts.jsonl")
    recent = FILINGS + "CIK0000320193.json"
    web.pages[recent] = Answer(200, {"etag": "v1"}, web.pages[recent])
    for hours in range(3):
        fetch_filings(store, wanted(web, ("AAPL",), now=NOW + timedelta(hours=hours)))
    asked = [headers for _, url, headers in web.asked if url == recent]
    assert asked == [{}, {}, {"If-None-Match": "v1"}]
    assert web.addresses.count(COMPANIES) == 1
    web.pages[recent] = Answer(304, {}, b"")
    assert fetch_filings(TextStore(store.path), wanted(web, ("AAPL",), now=NOW + timedelta(hours=4))) == 0
    web.asked.clear()
    web.pages[recent] = pages().pages[recent]
    assert fetch_filings(store, wanted(web, ("AAPL",), first=datetime(2025, 1, 1, tzinfo=UTC))) == 2
    assert web.asked[0][2] == {}  # an earlier beginning asks for all of it again
