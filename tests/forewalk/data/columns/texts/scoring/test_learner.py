"""A scorer that learns from earlier texts: nothing from later ones, and no names."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import Ridge

from forewalk.data.columns.texts.placing import extra, with_texts
from forewalk.data.columns.texts.reading import read_texts
from forewalk.data.columns.texts.rows import rows_of
from forewalk.data.columns.texts.scoring.corpus import corpus_of, masked, spelling
from forewalk.data.columns.texts.scoring.learner import PENALTY, fitted, outcomes, usual_words
from forewalk.sessions import microseconds
from forewalk.settings.news import NewsSettings
from helpers.made_texts import written
from helpers.making import make_bars

BARS = make_bars(rows=200, symbols=3)
STAMPS = microseconds(BARS.timestamps)
RISES, FALLS = "the outlook brightens a lot", "the outlook darkens a lot"


def told(tmp_path_factory, words, kind="ridge", seed=0, count=400):
    """Texts on random bars; `words` of whether the symbol beats the others at the next bar."""
    random = np.random.default_rng(seed)
    row, code = random.integers(0, len(BARS) - 1, count), random.integers(0, 3, count)
    steps = np.log(BARS.close[1:] / BARS.close[:-1])
    better = (steps - steps.mean(axis=1, keepdims=True))[row, code] > 0
    frame = pd.DataFrame(
        {
            "id": [f"t{n}" for n in range(count)],
            "first_seen": [
                pd.Timestamp(int(STAMPS[r]) - 60 * 10**6, unit="us", tz="UTC").isoformat() for r in row
            ],
            "symbols": [BARS.symbols[c] for c in code],
            "headline": [
                f"{words(bool(b), BARS.symbols[c])} {'abcdefghij'[n % 10] * 3} {'klmnopqrst'[n // 10 % 10] * 3}"
                for n, (b, c) in enumerate(zip(better, code, strict=True))
            ],
        }
    )
    path = written(frame, tmp_path_factory.mktemp("texts") / "texts.csv")
    news = NewsSettings(path=path, scorer=kind, learn_texts=50, silent_bars=60)
    rows = rows_of(read_texts(news)[0], BARS.symbols, news)
    return replace(rows, copy=np.zeros(len(rows), bool)), better[np.argsort(row, kind="stable")]


def truthful(better, symbol):
    return RISES if better else FALLS


@pytest.mark.parametrize("kind", ["ridge", "logistic"])
def test_what_texts_foretell_is_learned_and_tone_has_its_sign(tmp_path_factory, kind):
    rows, _ = told(tmp_path_factory, truthful, kind)
    bars = with_texts(BARS, rows)
    count, tone = (bars.extras[extra("news", what)] for what in ("count", "tone"))
    steps = np.diff(np.log(BARS.close), axis=0, append=np.nan)
    steps -= steps.mean(axis=1, keepdims=True)
    there = np.nan_to_num(count) > 0
    there[-1] = False
    assert there.sum() > 100
    assert (np.sign(tone[there]) == np.sign(steps[there])).all()


def test_before_it_has_learned_there_are_no_texts(tmp_path_factory):
    rows, _ = told(tmp_path_factory, truthful)
    bars = with_texts(BARS, rows)
    first = int(np.argmin(np.isnan(bars.extras[extra("news", "count")]).all(axis=1)))
    assert (rows.known <= STAMPS[first]).sum() > 50
    assert (rows.known <= STAMPS[first - 25]).sum() < 80  # and begins in the month after
    assert np.isnan(bars.extras[extra("news", "tone")][:first]).all()


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(60, 198), seed=st.integers(0, 3))
def test_no_tone_changes_when_later_bars_and_texts_do(rows_by_seed, cut, seed):
    rows = rows_by_seed[seed]
    whole = with_texts(BARS, rows)
    early = with_texts(BARS.until(BARS.timestamps[cut]), rows.keep(rows.known <= STAMPS[cut]))
    for name, values in early.extras.items():
        np.testing.assert_array_equal(values, whole.extras[name][: cut + 1])
    random = np.random.default_rng(seed)
    later = rows.known > STAMPS[cut]
    other = replace(rows, text=np.where(later, random.integers(0, len(rows.corpus), len(rows)), rows.text))
    close = BARS.close * np.where(np.arange(len(BARS)) > cut, 1.5, 1.0)[:, None]
    changed = with_texts(replace(BARS, close=close), other)
    for name, values in early.extras.items():
        np.testing.assert_array_equal(values, changed.extras[name][: cut + 1])


@pytest.fixture(scope="module")
def rows_by_seed(tmp_path_factory):
    return [told(tmp_path_factory, truthful, seed=seed)[0] for seed in range(4)]


def test_a_hole_in_one_symbol_keeps_outcomes_of_the_others_until_it_is_over():
    values = {name: getattr(BARS, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for each in values.values():
        each[100:110, 2] = np.nan
    found, known = outcomes(replace(BARS, **values), np.array([0, 0, 2]), np.array([99, 98, 199]))
    assert known.tolist() == [110, 99, 200]
    assert np.isnan(found[2])


def test_tickers_names_and_numbers_are_masked():
    said = [spelling("AAPL", {"AAPL": "Apple Inc|Apple"}), spelling("MSFT", {})]
    text = "Apple Inc. beats $TSLA: AAPL up 3.5%, msft flat; pineapples fall"
    words = "tickername. beats tickername tickername up 0 % tickername flat pineapples fall"
    assert masked(text, said).split() == words.split()


def test_a_word_that_stands_only_in_texts_about_one_symbol_is_a_name():
    texts = np.array(["iphone maker falls again", "windows maker falls again"] * 6, dtype=object)
    symbols = np.full(12, None, object)
    symbols[:] = [("AAPL",), ("MSFT",)] * 6
    corpus, which = corpus_of(texts, symbols, {}, "ridge", 20)
    one, two = (set(corpus.counts[[row]].indices.tolist()) for row in (0, 1))
    read = set(usual_words(corpus.counts[which], np.array([0, 1] * 6)).tolist())
    assert read == one & two
    assert len(usual_words(corpus.counts[which[::2]], np.zeros(6, int))) == len(one)


def test_a_learner_is_scikit_learns_tf_idf_and_ridge(tmp_path_factory):
    rows, better = told(tmp_path_factory, truthful)
    outcome = np.where(better, 1.0, -1.0) + np.random.default_rng(1).normal(0, 0.3, len(better))
    learner = fitted(rows.corpus, rows.text, rows.code, outcome)
    counts = rows.corpus.counts[rows.text][:, learner.words]
    values = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    expected = Ridge(alpha=PENALTY, solver="cholesky").fit(values.toarray(), outcome)
    score = values @ expected.coef_
    got = np.arctanh(learner.tone(rows.corpus.counts[rows.text])) * learner.scale
    np.testing.assert_allclose(got, score, atol=1e-6)


def test_texts_that_all_had_one_outcome_teach_nothing(tmp_path_factory):
    rows, _ = told(tmp_path_factory, truthful, "logistic")
    learner = fitted(rows.corpus, rows.text, rows.code, np.ones(len(rows)))
    assert not learner.tone(rows.corpus.counts).any()
