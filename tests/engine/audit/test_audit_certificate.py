import json
from html.parser import HTMLParser

import pytest

from engine.audit.certificate import Certificate, Check, Offender, read_certificate

OFFENDER = Offender(
    "features", "rsi <A>", "2020-01-02T21:00:00+00:00", "2020-01-03T21:00:00+00:00", "1.0", "2.0", 1.0
)
CLEAN = Check("calendar", "Dates are right.", "clean", 10, "XNYS")
LEAK = Check("future replaced by noise", "Nothing moves.", "leak", 5, "", OFFENDER, (("features", 5),))
NOTE = Check("warm-up", "How long.", "note", 0, "60 bars")


def certificate(*checks):
    return Certificate(
        "run", "2026-01-01T00:00:00+00:00", "f" * 64, "c" * 64, ("2020-01-03 edge",), 7, 1.5, checks
    )


def test_one_leak_makes_the_verdict():
    assert certificate(CLEAN, NOTE).clean
    assert not certificate(CLEAN, LEAK, NOTE).clean
    assert certificate(CLEAN, LEAK).first_offender == OFFENDER
    assert certificate(CLEAN, LEAK).leaks == (LEAK,)


def test_the_headline_counts_and_names_the_first_offender():
    assert certificate(CLEAN, NOTE).headline() == (
        "No look-ahead found: 10 values compared at 1 cut dates, 7 models fitted."
    )
    words = certificate(CLEAN, LEAK).headline()
    assert "rsi <A> at 2020-01-02T21:00:00+00:00" in words
    assert "bars after 2020-01-03T21:00:00+00:00 (1.0 became 2.0) by 1" in words


def test_a_stored_certificate_reads_back_equal(tmp_path):
    original = certificate(CLEAN, LEAK, NOTE)
    path = original.write(tmp_path)
    assert json.loads(path.read_text(encoding="utf-8"))["clean"] is False
    assert read_certificate(tmp_path) == original
    assert [entry.name for entry in tmp_path.iterdir()] == ["certificate.json"]


@pytest.mark.parametrize("text", [None, "not json", '{"format": 99}'])
def test_what_is_no_certificate_is_none(tmp_path, text):
    if text is not None:
        (tmp_path / "certificate.json").write_text(text, encoding="utf-8")
    assert read_certificate(tmp_path) is None


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_fragment_is_well_formed_and_escaped():
    text = certificate(CLEAN, LEAK).to_html()
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.seen[0] == ("section", {"class": "certificate leak"})
    assert "rsi &lt;A&gt;" in text
    assert "a" not in {tag for tag, _ in reader.seen}
