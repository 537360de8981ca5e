"""Accuracy and macro-F1 of each scorer in three classes on three labelled corpora, and its time for a text.

The phrase bank is for measuring only. By the tone: above 0.05 positive, below -0.05 negative (VADER's own bounds).
The learners are TF-IDF of the product's masked words and pairs with logistic regression on the labels, which says how
well such a learner can be taught; the product teaches its own by returns.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from benchmarks.data import SHARED
from benchmarks.measure import Report
from forewalk.data.columns.texts.scoring.corpus import corpus_of
from forewalk.data.columns.texts.tone import tone
from forewalk.types import FloatArray, IntArray

NEWS = SHARED / "news"
BOUND = 0.05
SPLIT = "2018-04-27"  # of the headlines, which alone have dates
CORPORA = {
    "phrase bank": ("phrasebank_50agree_CC-BY-NC-SA.parquet", "sentence", "label"),
    "headlines": ("news_headlines_labelled_2012_2020.parquet", "article_headline", "label"),
    "tweets": ("social_tweets_labelled_2020.parquet", "text", "sentiment"),
}


@dataclass(frozen=True, eq=False)
class Labelled:
    """Texts with their class, -1, 0 or 1, and their dates where there are any, [N] each."""

    name: str
    texts: list[str]
    truth: IntArray
    dates: pd.DatetimeIndex | None


def add_scorers(report: Report) -> None:
    """Add a line for each corpus and scorer."""
    corpora = [_read(name, *where) for name, where in CORPORA.items()]
    counts = {corpus.name: _counts(corpus.texts) for corpus in corpora}
    for corpus in corpora:
        for scorer, truth, guess, seconds in _scored(corpus, counts[corpus.name]):
            _add(report, f"{corpus.name} ({len(truth):,}): {scorer}", truth, guess, seconds / len(truth))
    for taught, tested in permutations(corpora, 2):
        model = _learner().fit(counts[taught.name], taught.truth)
        guess = model.predict(counts[tested.name])
        _add(report, f"{tested.name}: logistic, taught by {taught.name}", tested.truth, guess, None)


def _scored(corpus: Labelled, counts: Any) -> Iterator[tuple[str, IntArray, IntArray, float]]:
    """Yield scorer, truth, guess and processor seconds."""
    truth = corpus.truth
    values, number = np.unique(truth, return_counts=True)
    yield "largest class", truth, np.full(len(truth), values[number.argmax()]), 0.0
    plain = SentimentIntensityAnalyzer()
    for name, score in (
        ("VADER", lambda texts: np.array([plain.polarity_scores(text)["compound"] for text in texts])),
        ("VADER and our words", tone),
    ):
        begun = time.process_time()
        found = score(corpus.texts)
        yield name, truth, _class_of(found), time.process_time() - begun
    begun = time.process_time()
    guess = np.zeros(len(truth), np.int64)
    for train, test in StratifiedKFold(5, shuffle=True, random_state=7).split(counts, truth):
        guess[test] = _learner().fit(counts[train], truth[train]).predict(counts[test])
    yield "TF-IDF and logistic, 5 folds", truth, guess, time.process_time() - begun
    if corpus.dates is not None:
        before = np.asarray(corpus.dates < pd.Timestamp(SPLIT))
        begun = time.process_time()
        later = _learner().fit(counts[before], truth[before]).predict(counts[~before])
        yield f"the same, taught before {SPLIT}", truth[~before], later, time.process_time() - begun


def _add(report: Report, what: str, truth: IntArray, guess: IntArray, each: float | None) -> None:
    accuracy, f1 = accuracy_score(truth, guess), f1_score(truth, guess, average="macro")
    spent = "" if not each else f", {1e6 * each:,.0f} us a text"
    report.add(what, accuracy, "accuracy", note=f"macro-F1 {f1:.3f}{spent}")


def _read(name: str, file: str, text: str, label: str) -> Labelled:
    frame = pd.read_parquet(NEWS / file).dropna(subset=[text, label])
    truth = frame[label].astype(str).str.lower().map(_class).to_numpy()
    dates = pd.DatetimeIndex(pd.to_datetime(frame["date"])) if "date" in frame else None
    return Labelled(name, frame[text].tolist(), truth, dates)


def _counts(texts: list[str]) -> Any:
    none = np.full(len(texts), None, object)
    none[:] = [()] * len(texts)
    corpus, which = corpus_of(np.array(texts, dtype=object), none, {}, "logistic", 20)
    return corpus.counts[which]


def _learner() -> Any:
    return make_pipeline(TfidfTransformer(sublinear_tf=True), LogisticRegression(C=10.0, max_iter=500))


def _class_of(found: FloatArray) -> IntArray:
    return np.where(found > BOUND, 1, np.where(found < -BOUND, -1, 0))


def _class(label: str) -> int:
    if "bull" in label or "pos" in label:
        return 1
    return -1 if "bear" in label or "neg" in label else 0
