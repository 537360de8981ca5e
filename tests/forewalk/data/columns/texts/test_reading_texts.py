"""Files of texts: each is known when it was known, the first version counts, nothing unbelievable is believed."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.data.columns.rows import NO_TIME
from forewalk.data.columns.texts.reading import read_texts
from forewalk.data.columns.texts.rows import text_rows
from forewalk.data.columns.texts.texts import known_moments, weights
from forewalk.errors import ConfigError, DataError
from forewalk.settings.news import NewsSettings
from helpers.made_texts import many, written

MOMENTS = st.integers(10**15, 2 * 10**15)


def read(tmp_path, rows, name="texts.csv", **settings):
    path = written(pd.DataFrame(rows), tmp_path / name)
    return read_texts(NewsSettings(path=path, **settings))


def moment(text):
    return pd.Timestamp(text).value // 1000


def row(headline="one", published="2020-01-02T16:30:00-05:00", **more):
    return {"headline": headline, "published": published, "symbols": "AAPL", **more}


@given(
    published=st.one_of(st.just(NO_TIME), MOMENTS),
    seen=st.one_of(st.just(NO_TIME), MOMENTS),
    updated=st.one_of(st.just(NO_TIME), MOMENTS),
    lag=st.integers(0, 10**10),
)
def test_no_text_is_known_before_any_moment_that_is_told_of_it(published, seen, updated, lag):
    known, guess = (
        each[0] for each in known_moments(*(np.array([m]) for m in (published, seen, updated)), lag)
    )
    if known == NO_TIME:
        assert (published, seen, updated) == (NO_TIME,) * 3
        return
    assert known >= published
    assert known >= seen
    assert guess == (seen == NO_TIME)
    if guess:  # what is handed out today is the changed text
        assert known == max(published, updated) + lag


@pytest.mark.parametrize("name", ["texts.csv", "texts.parquet", "texts.jsonl", "texts.json"])
def test_every_form_says_the_same(tmp_path, name):
    frame = many(["AAPL", "MSFT"], "2020-01-02", "2020-02-03", 40)
    here = read_texts(NewsSettings(path=written(frame, tmp_path / name)))[0]
    plain = read_texts(NewsSettings(path=written(frame, tmp_path / "plain.csv")))[0]
    assert here.fingerprint == plain.fingerprint
    assert len(here) == 40
    assert (np.diff(here.known_at) >= 0).all()


@pytest.mark.parametrize(
    ("stamp", "settings", "known"),
    [
        ("2020-01-02T16:30:00-05:00", {}, "2020-01-02T21:45Z"),
        ("Thu, 02 Jan 2020 21:30:00 GMT", {}, "2020-01-02T21:45Z"),
        ("1578000600", {}, "2020-01-02T21:45Z"),
        ("1578000600000", {}, "2020-01-02T21:45Z"),
        ("2020-01-02 16:30:00", {"zone": "America/New_York"}, "2020-01-02T21:45Z"),
        ("2020-07-02 16:30:00", {"zone": "America/New_York", "lag_minutes": 0}, "2020-07-02T20:30Z"),
        (
            "2020-11-01 01:30:00",
            {"zone": "America/New_York", "lag_minutes": 0},
            "2020-11-01T06:30Z",
        ),  # the later one
        (
            "2020-01-02",
            {"zone": "America/New_York", "date_only": "end_of_day", "lag_minutes": 0},
            "2020-01-03T05:00Z",
        ),
    ],
)
def test_a_stamp_says_when_it_was(tmp_path, stamp, settings, known):
    texts, report = read(tmp_path, [row(published=stamp)], **settings)
    assert texts.known_at.tolist() == [moment(known)]
    assert report.zone == settings.get("zone", "")


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        ([row(published="2020-01-02 16:30:00")], {}, r"has no time zone.*news\.zone"),
        ([row(published="Thu, 02 Jan 2020 16:30:00 ABC")], {"zone": "UTC"}, "is no moment"),
        ([row(published="2020-01-02")], {}, r"is only a date.*news\.date_only"),
        ([row(published="2020-01-02")], {"date_only": "end_of_day"}, r"is only a date.*news\.zone"),
        ([row(published="")], {}, r"nothing says when this text was known.*news\.undated"),
        ([row(published="soon")], {"zone": "UTC"}, "'soon' is no moment"),
        ([{"headline": "x", "symbols": "A"}], {}, "no column for the published or first_seen"),
        ([{"published": "2020-01-02T00:00Z", "symbols": "A"}], {}, "no column for the headline"),
        ([row()], {"columns": {"headline": "words"}}, "has no column 'words'"),
    ],
)
def test_what_cannot_be_believed_is_refused_with_the_remedy(tmp_path, rows, settings, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, rows, **settings)


def test_settings_that_name_nothing_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        read_texts(NewsSettings(path=tmp_path / "gone.csv"))
    with pytest.raises(ConfigError, match="there are headline"):
        read(tmp_path, [row()], columns={"words": "headline"})
    with pytest.raises(ConfigError, match=r"news\.zone"):
        read(tmp_path, [row(published="2020-01-02 16:30:00")], zone="Mars/Olympus")


def test_the_first_version_of_a_text_counts_whatever_was_corrected_later(tmp_path):
    rows = [
        row("loses a fortune", "2020-01-03T12:00Z", id="a"),
        row("earns a fortune", "2020-01-02T12:00Z", id="a"),
        row("another", "2020-01-02T13:00Z", id="b"),
    ]
    texts, report = read(tmp_path, rows)
    assert texts.headline.tolist() == ["earns a fortune", "another"]
    assert report.amended == 1
    assert texts.until(pd.Timestamp("2020-01-02T12:20Z")).headline.tolist() == ["earns a fortune"]


def test_a_text_that_was_changed_after_its_publication_is_known_as_of_its_change(tmp_path):
    texts, _ = read(tmp_path, [row(published="2020-01-02T12:00Z", updated_at="2020-01-05T12:00Z")])
    assert texts.known_at[0] == moment("2020-01-05T12:15Z")


def test_one_text_in_a_row_for_each_symbol_is_one_text_about_all_of_them(tmp_path):
    rows = [{**row(id="a"), "symbols": symbol} for symbol in ("AAPL", "MSFT", "$aapl", "F")]
    texts, report = read(tmp_path, rows)
    assert (len(texts), report.amended) == (1, 0)
    assert texts.symbols[0] == ("AAPL", "MSFT", "F")
    assert texts.weight[0] == 1.0


@given(count=st.integers(0, 10_000))
def test_a_text_that_names_many_is_shared_out(count):
    (weight,) = weights(np.array([count]))
    assert weight == (1.0 if count <= 5 else 1.0 / count)


@pytest.mark.parametrize(
    "cell", ["AAPL, MSFT", "AAPL MSFT", '["AAPL", "MSFT"]', "$AAPL|$MSFT", "aapl;msft", ["AAPL", "MSFT"]]
)
def test_symbols_are_written_in_many_ways(tmp_path, cell):
    name = "texts.csv" if isinstance(cell, str) else "texts.json"
    assert read(tmp_path, [{**row(), "symbols": cell}], name)[0].symbols[0] == ("AAPL", "MSFT")


HOSTILE = [
    "<script>alert(1)</script>",
    "x" * 1_000_000,
    "\u202eevil\u202c \x00\x07 text",
    "\ud83d\ude80" * 50,
    '"; DROP TABLE texts; --',
    "",
]


def test_hostile_texts_are_texts(tmp_path):
    rows = [
        row(text.encode("utf-16", "surrogatepass").decode("utf-16"), id=str(n))
        for n, text in enumerate(HOSTILE)
    ]
    rows[0]["symbols"] = ["S" + str(number) for number in range(10_000)]
    path = tmp_path / "texts.json"
    path.write_text(json.dumps(rows))
    found, findings = text_rows(NewsSettings(path=path), ("AAPL", "S7"))
    assert np.isfinite(found.tone).all()
    assert found.weight.min() == 1 / 10_000
    assert "6 texts" in findings[0].message
    kept = read_texts(NewsSettings(path=path))[0].headline
    assert max(map(len, kept)) <= 100_000
    assert not any(mark in text for text in kept for mark in "\u202e\x00\x07")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"{", b"", b'{"news": 3}', b"[1, 2]"])
def test_a_file_that_is_no_texts_is_refused(tmp_path, content):
    path = tmp_path / "texts.json"
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_texts(NewsSettings(path=path))
