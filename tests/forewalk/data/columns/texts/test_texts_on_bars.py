"""Texts on bars: each on the first bar that knew it, copies told apart, a silent source not taken for "no news"."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewalk.data.columns.texts.copies import is_copy, normalised
from forewalk.data.columns.texts.placing import extra, with_texts
from forewalk.data.columns.texts.rows import TextRows
from forewalk.data.columns.texts.tone import tone
from forewalk.features.news import news_features
from forewalk.sessions import microseconds, session_closes, sessions_between
from helpers.making import make_bars

BARS = make_bars(rows=90, symbols=3)
FIRST, LAST = (int(microseconds(BARS.timestamps)[row]) for row in (0, -1))
DAY = 24 * 3600 * 10**6


def rows_of(known, code, tones=0.5, weight=1.0, copy=False, social=False, silent_bars=200):
    known = np.asarray(known, dtype=np.int64)
    order = np.argsort(known, kind="stable")
    full = {"tone": tones, "weight": weight, "copy": copy, "social": social, "code": code}
    arrays = {name: np.broadcast_to(value, known.shape)[order].copy() for name, value in full.items()}
    return TextRows(BARS.symbols, ("news",), silent_bars, known=known[order], fingerprint="", **arrays)


ROWS = st.lists(
    st.tuples(
        st.integers(FIRST - 5 * DAY, LAST + 5 * DAY), st.integers(0, 2), st.floats(-1, 1), st.booleans()
    ),
    min_size=1,
    max_size=60,
)


def made(cells):
    known, code, tones, copies = (np.array(column) for column in zip(*cells, strict=True))
    return rows_of(known, code, tones, copy=copies)


@given(cells=ROWS)
def test_each_text_counts_once_on_the_first_bar_that_knew_it(cells):
    rows = made(cells)
    bars = with_texts(BARS, rows)
    stamps = microseconds(BARS.timestamps)
    wanted = np.zeros(BARS.close.shape)
    for known, code, copy in zip(rows.known, rows.code, rows.copy, strict=True):
        later = np.flatnonzero(stamps >= known)
        if len(later) and not copy:
            wanted[later[0], code] += 1
    began = stamps >= rows.known.min()
    got = bars.extras[extra("news", "count")]
    np.testing.assert_array_equal(np.isnan(got).all(axis=1), ~began)
    np.testing.assert_array_equal(got[began], wanted[began])


@settings(max_examples=40)
@given(cells=ROWS, cut=st.integers(5, 80), seed=st.integers(0, 99))
def test_texts_of_the_future_change_no_feature(cells, cut, seed):
    rows, random = made(cells), np.random.default_rng(seed)
    moment = microseconds(BARS.timestamps)[cut]
    later = rows.known > moment
    other = replace(
        rows,
        tone=np.where(later, random.uniform(-1, 1, len(rows)), rows.tone),
        code=np.where(later, random.integers(0, 3, len(rows)), rows.code),
        weight=np.where(later, 7.0, rows.weight),
        copy=np.where(later, ~rows.copy, rows.copy),
    )
    for changed in (other, rows.keep(~later)):
        one, two = (news_features(with_texts(BARS, each), 21) for each in (rows, changed))
        for name in one:
            np.testing.assert_array_equal(one[name][: cut + 1], two[name][: cut + 1], err_msg=name)


@pytest.mark.parametrize(("seconds", "row"), [(0, 10), (1, 11), (-1, 10)])
def test_a_text_a_second_after_the_close_belongs_to_the_next_bar(seconds, row):
    close = int(microseconds(BARS.timestamps)[10])
    count = with_texts(BARS, rows_of([close + seconds * 10**6], 1)).extras[extra("news", "count")]
    assert np.argwhere(np.nan_to_num(count)).tolist() == [[row, 1]]


def test_a_text_while_a_symbol_does_not_trade_waits_for_its_next_bar():
    hole = BARS.close.copy()
    hole[11:13, 1] = np.nan
    bars = replace(
        BARS,
        **{
            name: np.where(np.isnan(hole), np.nan, getattr(BARS, name))
            for name in ("open", "high", "low", "close", "volume")
        },
    )
    count = with_texts(bars, rows_of([int(microseconds(BARS.timestamps)[10]) + 1], 1)).extras[
        extra("news", "count")
    ]
    assert np.argwhere(np.nan_to_num(count)).tolist() == [[13, 1]]


def test_a_silent_source_is_missing_and_not_no_news():
    stamps = microseconds(BARS.timestamps)
    rows = rows_of([stamps[5], stamps[30]], 0, silent_bars=5)
    features = news_features(with_texts(BARS, rows), 21)
    spoken = ~np.isnan(features["news_none"][:, 1])
    assert np.flatnonzero(spoken).tolist() == [*range(5, 10), *range(30, 35)]
    assert features["news_none"][6, 1] == 1.0
    assert np.isnan(features["news_tone"][~spoken]).all()


def test_features_say_what_they_say():
    stamps = microseconds(BARS.timestamps)
    known = [stamps[40], stamps[40], stamps[40], stamps[42]]
    rows = rows_of(
        known, 0, tones=np.array([0.5, -0.1, 0.5, 0.8]), copy=np.array([False, False, True, False])
    )
    early = rows_of([stamps[1]], 2)
    names = ("code", "known", "weight", "tone", "copy", "social")
    both = {name: np.concatenate([getattr(early, name), getattr(rows, name)]) for name in names}
    joined = TextRows(BARS.symbols, ("news",), 200, fingerprint="", **both)
    found = news_features(with_texts(BARS, joined), 21)
    assert found["news_tone"][40, 0] == pytest.approx(0.2)
    assert found["news_dispersion"][40, 0] == pytest.approx(0.3)
    assert found["news_novelty"][40, 0] == pytest.approx(2 / 3)
    assert found["news_tone_change"][40, 0] == 0.0  # nothing before it
    assert found["news_tone_change"][42, 0] == pytest.approx(0.6)
    assert found["news_age"][[40, 41, 42], 0].tolist() == pytest.approx([0.0, np.log(2), 0.0])
    assert found["news_none"][[40, 41], 0].tolist() == [0.0, 1.0]
    assert found["news_market_tone"][40].tolist() == pytest.approx([0.2] * 3)
    assert found["news_count_z"][40, 0] == pytest.approx(np.log1p(2) / 0.25)
    assert found["news_count_z"][39, 0] == 0.0


def copies_of(*texts, hours=1.0, symbols=("AAPL",)):
    known = (np.arange(len(texts)) * hours * 3600 * 10**6).astype(np.int64)
    names = np.full(len(texts), None, object)
    names[:] = [symbols] * len(texts)
    return is_copy(known, names, np.array(texts, dtype=object)).tolist()


LONG = "Apple recalls its newest telephone after reports of overheating in three states"


def test_a_later_repeat_is_a_copy_and_the_first_one_is_not():
    assert copies_of(LONG, LONG, f"RT @somebody: {LONG} https://t.co/x", "Quite another matter altogether today") == [
        False, True, True, False,
    ]  # fmt: skip
    assert copies_of(
        LONG, "after reports of overheating in three states Apple recalls its newest telephone"
    ) == [False, True]
    assert copies_of("up", "up", "down") == [False, True, False]


def test_a_repeat_after_days_or_about_another_symbol_is_a_text_of_its_own():
    assert copies_of(LONG, LONG, hours=73) == [False, False]
    names = np.full(2, None, object)
    names[:] = [("AAPL",), ("MSFT",)]
    assert not is_copy(np.array([0, 1]), names, np.array([LONG, LONG], dtype=object)).any()


@given(text=st.text(max_size=200))
def test_normalising_twice_is_normalising_once_and_tone_is_within_its_range(text):
    assert normalised(normalised(text)) == normalised(text)
    assert -1.0 <= tone([text])[0] <= 1.0


def test_tone_knows_finance():
    good, bad, plain = tone(
        ["Acme beats estimates and raises guidance", "Acme misses and plunges", "Acme and its shares"]
    )
    assert good > 0.3
    assert bad < -0.3
    assert plain == 0.0
    assert pd.Series(tone(["Acme beats", "Acme beats"])).nunique() == 1


def test_a_panel_shorter_than_the_silence_is_told_by_its_texts_alone():
    bars = BARS.until(BARS.timestamps[30])
    count = with_texts(bars, rows_of([FIRST + DAY], 1, silent_bars=50)).extras[extra("news", "count")]
    assert np.isfinite(count[2:]).all()


WORDS = st.sampled_from(
    [
        "apple beats estimates by far",
        "apple beats all estimates by far",
        "quiet",
        "RT @x: quiet",
        "nothing new today",
    ]
)


@given(
    cells=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), WORDS), max_size=25),
    cut=st.integers(0, 25),
)
def test_copies_are_told_the_same_whether_texts_come_at_once_or_one_after_the_other(cells, cut):
    cells = sorted(cells, key=lambda cell: cell[0])
    known = np.array([day * DAY for day, _, _ in cells], np.int64)
    symbols, texts = np.full(len(cells), None, object), np.array([text for _, _, text in cells], object)
    symbols[:] = [(f"S{code}",) for _, code, _ in cells]
    is_copy(
        np.array([1]), np.array([("other",)], object), np.array(["something else"], object)
    )  # forgets the last
    whole = is_copy(known, symbols, texts)
    is_copy(known[:cut], symbols[:cut], texts[:cut])
    np.testing.assert_array_equal(is_copy(known, symbols, texts), whole)
    changed = np.array([f"{text} indeed" for text in texts], object)
    expected = [is_copy(known[:stop], symbols[:stop], changed[:stop]) for stop in range(len(cells) + 1)][-1]
    np.testing.assert_array_equal(is_copy(known, symbols, changed), expected)


@pytest.mark.parametrize(
    ("moment", "session"),
    [
        ("2012-11-23 12:59:59", "2012-11-23"),  # the day after Thanksgiving closes at 13:00
        ("2012-11-23 13:00:01", "2012-11-26"),
        ("2012-11-22 10:00:00", "2012-11-23"),  # a holiday
        ("2012-11-24 10:00:00", "2012-11-26"),  # a weekend
        ("2012-11-02 15:59:59", "2012-11-02"),  # summer time, and after it ended two days later
        ("2012-11-02 16:00:01", "2012-11-05"),
        ("2012-11-05 15:59:59", "2012-11-05"),
        ("2012-10-29 12:00:00", "2012-10-31"),  # closed for a storm
    ],
)
def test_a_text_belongs_to_the_session_at_whose_close_it_was_known(moment, session):
    sessions = sessions_between("XNYS", "2012-10-15", "2012-12-14")
    bars = replace(make_bars(rows=len(sessions), symbols=3), timestamps=session_closes("XNYS", sessions))
    known = int(pd.Timestamp(moment, tz="America/New_York").value // 1000)
    begin = int(microseconds(bars.timestamps)[0])
    count = with_texts(bars, rows_of([begin, known], [2, 1])).extras[extra("news", "count")]
    (row,) = np.flatnonzero(count[:, 1] > 0)
    assert str(sessions[row].date()) == session
