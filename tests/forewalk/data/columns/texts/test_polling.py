"""Bars that closed too long after a source was last asked know nothing of its texts; earlier ones never change."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.data.columns.texts.fetching.store import TextStore, row_of
from forewalk.data.columns.texts.placing import unasked, with_texts
from forewalk.data.columns.texts.polling import in_touch, spans_of, state_path, with_poll
from forewalk.data.columns.texts.rows import text_rows
from forewalk.errors import DataError
from forewalk.settings.news import NewsSettings
from helpers.making import make_bars

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = 60 * 10**6
MINUTES = st.lists(st.integers(0, 5000), min_size=1, max_size=40).map(sorted)


def spans(minutes):
    found = []
    for minute in minutes:
        found = with_poll(found, NOW + timedelta(minutes=minute))
    return np.array(
        [[(datetime.fromisoformat(at) - NOW).total_seconds() * 1e6 for at in span] for span in found],
        np.int64,
    )


@given(asked=MINUTES, bars=MINUTES, patience=st.integers(1, 300))
def test_a_bar_is_in_touch_before_the_first_fetch_and_soon_after_any_other(asked, bars, patience):
    got = in_touch(np.array(bars) * MINUTE, [spans(asked)], patience * MINUTE)
    for bar, told in zip(bars, got, strict=True):
        late = [bar - minute for minute in asked if minute <= bar]
        gap = min(late, default=0)
        assert told or gap > patience
        assert not told or gap <= patience or gap <= 15  # between fetches of one span


@given(asked=MINUTES, cut=st.integers(0, 5000), patience=st.integers(15, 300))
def test_later_fetches_change_nothing_about_earlier_bars(asked, cut, patience):
    bars = np.arange(0, cut, 7) * MINUTE
    early = [minute for minute in asked if minute <= cut]
    got = [in_touch(bars, [spans(each)] if each else [], patience * MINUTE) for each in (asked, early)]
    np.testing.assert_array_equal(*got)


def test_a_fetched_file_says_when_it_was_asked_and_bars_long_after_have_no_texts(tmp_path):
    bars = make_bars(rows=60, symbols=2)
    store = TextStore(tmp_path / "texts.jsonl")
    closes = [close.to_pydatetime() for close in bars.timestamps]
    for number in (20, 21, 30):
        now = closes[number] - timedelta(minutes=5)
        store.add([row_of(f"t{number}", f"case {number}", now, bars.symbols, "wire")], "rss", now, seen=True)
        store.mark("rss", now)
    news = NewsSettings(path=store.path, silent_bars=50, patience_minutes=60)
    rows = text_rows(news, bars.symbols)[0]
    count = with_texts(bars, rows).extras["text_news_count"]
    assert np.flatnonzero(np.isfinite(count[:, 0])).tolist() == [20, 21, 30]
    (finding,) = unasked(bars, rows)
    assert (finding.count, "news.patience_minutes" in finding.message) == (37, True)
    daily = text_rows(news.model_copy(update={"patience_minutes": 20_000.0}), bars.symbols)[0]
    assert np.isfinite(with_texts(bars, daily).extras["text_news_count"][20:40]).all()


def test_a_file_of_ones_own_is_always_in_touch(tmp_path):
    assert spans_of(tmp_path / "texts.csv") == ()
    assert in_touch(np.arange(5), (), 1).all()


@pytest.mark.parametrize("content", ['{"polls": 3}', '{"polls": {"rss": [["soon"]]}}', "{"])
def test_what_is_damaged_is_said_with_the_remedy(tmp_path, content):
    state_path(tmp_path / "texts.jsonl").write_text(content)
    with pytest.raises(DataError, match="delete it"):
        spans_of(tmp_path / "texts.jsonl")


def test_a_clock_that_goes_back_takes_nothing_away():
    found = with_poll(with_poll([], NOW), NOW - timedelta(hours=1))
    assert found == [[NOW.isoformat(), NOW.isoformat()]]
