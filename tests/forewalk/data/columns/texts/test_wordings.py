"""Each symbol knows a text once, in the wording that was first known to name it; later ones change nothing."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.data.columns.texts.behind import texts_behind
from forewalk.data.columns.texts.reading import read_texts, read_wordings
from forewalk.data.columns.texts.texts import body_hash
from forewalk.data.columns.texts.wordings import first_wordings, numbered
from forewalk.settings.news import NewsSettings
from helpers.made_texts import written
from helpers.making import make_bars

START = pd.Timestamp("2020-01-02T12:00Z")
ROWS = st.lists(
    st.tuples(
        st.sampled_from("xyz"),  # id
        st.integers(0, 6),  # hours
        st.sampled_from(["first words", "other words"]),
        st.sampled_from(["", "body", "another body"]),
        st.sets(st.sampled_from(["AAPL", "MSFT", "IBM"])),
    ),
    min_size=1,
    max_size=12,
)


def frame(rows):
    seen = [(START + pd.Timedelta(hours=hours)).isoformat() for _, hours, *_ in rows]
    names = ("id", "headline", "body", "symbols")
    cells = [(name, words, body, ",".join(sorted(named))) for name, _, words, body, named in rows]
    return pd.DataFrame(cells, columns=names).assign(published=START.isoformat(), first_seen=seen)


def read(rows, folder):
    return read_wordings(NewsSettings(path=written(frame(rows), folder / "texts.csv")))[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("wordings")


@given(rows=ROWS)
def test_each_symbol_knows_a_text_once_from_the_first_moment_that_names_it(folder, rows):
    texts, amended = first_wordings(read(rows, folder))
    found = {}
    for name, known, words, named in zip(
        texts.id, texts.known_at, texts.headline, texts.symbols, strict=True
    ):
        for symbol in named:
            assert (name, symbol) not in found
            found[name, symbol] = (known, words)
    for name, hours, _, _, named in rows:
        for symbol in named:
            assert found[name, symbol][0] <= (START + pd.Timedelta(hours=hours)).value // 1000
    for (name, symbol), (known, words) in found.items():
        told = [row for row in rows if row[0] == name and symbol in row[4]]
        first = min(row[1] for row in told)
        assert known == (START + pd.Timedelta(hours=first)).value // 1000
        assert words in {row[2] for row in told if row[1] == first}
    assert 0 <= amended <= len(rows) - len({row[0] for row in rows})


@given(rows=ROWS, hours=st.integers(0, 6))
def test_what_is_known_later_changes_nothing_of_before(folder, rows, hours):
    texts, at = read(rows, folder), START + pd.Timedelta(hours=hours)
    whole, cut = first_wordings(texts)[0].until(at), first_wordings(texts.until(at))[0]
    for name in ("id", "version", "symbols", "weight", "known_at", "headline", "body_hash"):
        assert getattr(whole, name).tolist() == getattr(cut, name).tolist()


@given(rows=ROWS)
def test_every_wording_is_there_once_and_numbered(folder, rows):
    texts = read(rows, folder)
    told = list(zip(texts.id, texts.headline, texts.body_hash, texts.known_at, strict=True))
    assert len(set(told)) == len(told)
    for name in set(texts.id.tolist()):
        assert texts.version[texts.id == name].tolist() == list(range((texts.id == name).sum()))
    assert numbered(texts).version.tolist() == texts.version.tolist()


def test_a_body_alone_that_changes_is_another_version(tmp_path):
    rows = [("x", 0, "the words", "the body", {"AAPL"}), ("x", 2, "the words", "mended", {"AAPL"})]
    path = written(frame(rows), tmp_path / "texts.csv")
    texts, report = read_texts(NewsSettings(path=path))
    assert (len(texts), report.amended) == (1, 1)
    assert texts.body_hash[0] == body_hash("the  body\n")
    assert body_hash("the body") != body_hash("mended")
    assert body_hash(" \n") == ""


def test_a_body_that_is_scored_itself_is_no_second_one(tmp_path):
    path = written(pd.DataFrame([{"body": "words", "published": START.isoformat()}]), tmp_path / "texts.csv")
    texts, _ = read_texts(NewsSettings(path=path))
    assert (texts.headline[0], texts.body_hash[0]) == ("words", "")


def test_a_corrected_text_is_shown_as_it_was_known_with_the_later_words_beside_it(tmp_path):
    bars = make_bars(rows=10, symbols=2)
    close, symbol = bars.timestamps[5], bars.symbols[0]
    rows = [
        {"id": "a", "headline": words, "symbols": symbol, "published": close.isoformat(), "first_seen": seen}
        for words, seen in (
            ("earns a fortune", close.isoformat()),
            ("loses a fortune", (close + pd.Timedelta(hours=1)).isoformat()),
        )
    ]
    news = NewsSettings(path=written(pd.DataFrame(rows), tmp_path / "texts.jsonl"))
    (text,) = texts_behind(news, bars, symbol, close)
    assert text.headline == "earns a fortune"
    assert text.later == ((close + pd.Timedelta(hours=1), "loses a fortune"),)
    assert texts_behind(news, bars, symbol, bars.timestamps[6]) == []
