"""The tone of a text told from what followed earlier texts: TF-IDF and ridge or logistic regression.

A learner is fitted anew at the first bar of each month, to texts whose outcome was known before that bar, and scores
the texts of that month. So no text is scored by a learner that has seen its outcome, or any later one: not in the
forecaster's test window, and not in its training window either, where scores fitted to those very outcomes would look
like skill. Outcome: log return from the text's bar to the symbol's next, less the mean of the symbols, in multiples
of trailing volatility.

Words that stand nearly only in texts about one symbol are its names, and are masked: they would be learned as what
that company did.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from forewalk.compute.threads import one_thread
from forewalk.data.columns.texts.scoring.corpus import Corpus
from forewalk.sessions import microseconds
from forewalk.types import Bars, BoolArray, FloatArray, IntArray

MOST_TEXTS = 20_000  # the newest ones, that a learner is fitted to
VOLATILITY_BARS, LEAST_BARS = 63, 20
LARGEST = 3.0  # outcome, in multiples of volatility
NAME_SHARE = 0.9  # of the texts with a word that are about one symbol, from which it is a name
NAME_TEXTS = 5  # with a word, below which nobody can tell
RARE = 3  # texts with a word, below which it is left out
PENALTY = 10.0  # of squared weights, of ridge regression
INVERSE_PENALTY = 0.1  # C of logistic regression
KEPT = 64  # fitted learners in memory
_fitted: OrderedDict[bytes, Learner] = OrderedDict()


@dataclass(frozen=True, eq=False)
class Learner:
    """A fitted learner.

    Attributes:
        words: buckets that it reads [W]. importance: inverse document frequency of each [W].
        weights: of each [W]; a text's score is their product with its TF-IDF of length one, plus `shift`.
        scale: by which a score is divided before tanh makes it a tone.
    """

    words: IntArray
    importance: FloatArray
    weights: FloatArray
    shift: float
    scale: float

    def tone(self, counts: csr_array) -> FloatArray:
        """Return the tone of texts in (-1, 1), [N]."""
        score = _tf_idf(counts, self.words, self.importance) @ self.weights + self.shift
        return np.asarray(np.round(np.tanh(score / self.scale), 9))


def learned_tone(
    bars: Bars, corpus: Corpus, text: IntArray, code: IntArray, place: IntArray, copy: BoolArray
) -> FloatArray:
    """Return the tone of each text, [M]; NaN where too few earlier ones have an outcome, or it lies on no bar.

    Args:
        bars: with T rows. text: which of the corpus [M]. code: column of its symbol in `bars`, -1 for none [M].
        place: row of its bar, T for none [M]. copy: repeats, which teach nothing [M].
    """
    tone = np.full(len(text), np.nan)
    outcome, known = outcomes(bars, code, place)
    months = microseconds(bars.timestamps).astype("M8[us]").astype("M8[M]")
    starts = np.flatnonzero(np.r_[True, months[1:] != months[:-1]])
    teaches = np.isfinite(outcome) & ~copy
    for start, stop in zip(starts, np.r_[starts[1:], len(bars)], strict=True):
        mine = np.flatnonzero((place >= start) & (place < stop) & (code >= 0))
        taught = np.flatnonzero(teaches & (known < start))
        if not len(mine) or len(taught) < corpus.least:
            continue
        taught = taught[np.lexsort((taught, place[taught]))][-MOST_TEXTS:]
        learner = fitted(corpus, text[taught], code[taught], outcome[taught])
        tone[mine] = learner.tone(corpus.counts[text[mine]])
    return tone


def outcomes(bars: Bars, code: IntArray, place: IntArray) -> tuple[FloatArray, IntArray]:
    """Return what followed each text, NaN while unknown, and the row that knew it, T for none, [M].

    In multiples of volatility. The mean of the symbols is part of it, so it is known when the last of them is, and
    never where one of them has ended.
    """
    ahead = np.full(bars.close.shape, np.nan)
    row = np.full(bars.close.shape, -1)
    volatility = np.full(bars.close.shape, np.nan)
    for column in range(len(bars.symbols)):
        own = np.flatnonzero(bars.present[:, column])
        steps = np.diff(np.log(bars.close[own, column]), prepend=np.nan)
        spread = pd.Series(steps).rolling(VOLATILITY_BARS, min_periods=LEAST_BARS).std().to_numpy()
        volatility[own, column] = np.where(spread > 0, spread, np.nan)
        ahead[own[:-1], column], row[own, column] = steps[1:], np.r_[own[1:], len(bars)]
    there = np.isfinite(ahead)
    number = there.sum(axis=1)
    mean = np.where(number > 1, np.where(there, ahead, 0.0).sum(axis=1) / np.maximum(number, 1), 0.0)
    multiples = np.clip((ahead - mean[:, None]) / volatility, -LARGEST, LARGEST)
    inside = (code >= 0) & (place < len(bars))
    found, known = np.full(len(code), np.nan), np.full(len(code), len(bars))
    found[inside] = multiples[place[inside], code[inside]]
    known[inside] = row.max(axis=1)[place[inside]]
    return found, known


def fitted(corpus: Corpus, text: IntArray, code: IntArray, outcome: FloatArray) -> Learner:
    """Return a learner of some texts and their outcomes, [N] each; the same bits for the same ones."""
    key = hashlib.sha256(corpus.digest + text.tobytes() + code.tobytes() + outcome.tobytes()).digest()
    if key not in _fitted:
        with one_thread():
            _fitted[key] = _fit(corpus, text, code, outcome)
        if len(_fitted) > KEPT:
            _fitted.popitem(last=False)
    _fitted.move_to_end(key)
    return _fitted[key]


def _fit(corpus: Corpus, text: IntArray, code: IntArray, outcome: FloatArray) -> Learner:
    from sklearn.linear_model import LogisticRegression, Ridge

    counts = corpus.counts[text]
    words = usual_words(counts, code)
    frequency = np.asarray((counts[:, words] > 0).sum(axis=0)).ravel()
    importance = np.log((1.0 + len(text)) / (1.0 + frequency)) + 1.0
    values = _tf_idf(counts, words, importance)
    rises = outcome > 0
    if not len(words) or rises.all() or not rises.any():
        return Learner(words, importance, np.zeros(len(words)), 0.0, 1.0)
    if corpus.kind == "ridge":
        model = Ridge(alpha=PENALTY, solver="sparse_cg", tol=1e-10).fit(values, outcome)
        weights, shift = np.ravel(model.coef_), 0.0
    else:
        model = LogisticRegression(C=INVERSE_PENALTY, max_iter=200).fit(values, rises)
        weights, shift = np.ravel(model.coef_), float(model.intercept_[0])
    score = values @ weights + shift
    return Learner(words, importance, weights, shift, max(2.0 * float(np.std(score)), 1e-12))


def usual_words(counts: csr_array, code: IntArray) -> IntArray:
    """Return the buckets that are read: not rare, and no name of one symbol among several, [W]."""
    there = csr_array((np.ones(len(counts.data)), counts.indices, counts.indptr), shape=counts.shape)
    symbols, which = np.unique(code, return_inverse=True)
    about = csr_array((np.ones(len(code)), (which, np.arange(len(code)))), shape=(len(symbols), len(code)))
    each = (about @ there).tocsc()
    total: FloatArray = np.asarray(each.sum(axis=0)).ravel()
    most = np.asarray(each.max(axis=0).todense()).ravel()
    name = (
        (most >= NAME_SHARE * total) & (total >= NAME_TEXTS)
        if len(symbols) > 1
        else np.zeros(len(total), bool)
    )
    return np.flatnonzero((total >= RARE) & ~name)


def _tf_idf(counts: csr_array, words: IntArray, importance: FloatArray) -> csr_array:
    """Return (1 + log count) times importance, each text of length one, [N, W]."""
    from sklearn.preprocessing import normalize

    chosen = counts[:, words].astype(np.float64)
    chosen.data = (1.0 + np.log(chosen.data)) * importance[chosen.indices]
    return csr_array(normalize(chosen, copy=False))
