"""Clocks that are wrong: a stamp from the future is not believed, and what was seen is known when it was."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.data.columns.texts.fetching.store import SKEW, TextStore, row_of
from forewalk.data.columns.texts.reading import read_texts
from forewalk.settings.news import NewsSettings
from helpers.text_pages import NOW

MINUTES = st.one_of(st.none(), st.integers(-10_000_000, 10_000_000), st.sampled_from([-1, 0, 4, 5, 6]))


def ahead(minutes):
    return None if minutes is None else NOW + timedelta(minutes=minutes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clocks")


@given(published=MINUTES, updated=MINUTES, seen=st.booleans())
def test_a_stamp_from_the_future_is_not_believed_and_what_was_seen_is_known_when_it_was(
    folder, published, updated, seen
):
    path = folder / "texts.jsonl"
    path.unlink(missing_ok=True)
    row = row_of("a", "Apple earns", ahead(published), ("AAPL",), "wire", updated=ahead(updated))
    TextStore(path).add([row], "rss", NOW, seen)
    texts, _ = read_texts(NewsSettings(path=path, lag_minutes=0))
    known, now = int(texts.known_at[0]), int(NOW.timestamp() * 1e6)
    assert known <= now + SKEW.total_seconds() * 1e6
    future = any(moment is not None and moment > NOW + SKEW for moment in (ahead(published), ahead(updated)))
    if seen or future or published is None:
        assert known >= now
        assert not texts.backfilled[0]
    else:
        assert known == max(int(ahead(m).timestamp() * 1e6) for m in (published, updated) if m is not None)
