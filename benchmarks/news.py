"""What texts are worth: the accuracy of the scorer, and what tone and number foretell, the leak trap beside them.

`python -m benchmarks.news` needs the shared text files and prices and says so where they are absent. The phrase bank
is for measuring only. Three classes by the tone: above 0.05 positive, below -0.05 negative (VADER's own bounds).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score

from benchmarks.data import KDD17, SHARED
from engine.evaluation.metrics.statistics import mean_test, rank_ic
from forewalk.data.columns.texts.copies import is_copy
from forewalk.data.columns.texts.tone import tone
from forewalk.sessions import microseconds, session_closes
from forewalk.types import FloatArray

NEWS = SHARED / "news"
BOUND = 0.05
LAG, DAY = 15 * 60 * 10**6, 24 * 3600 * 10**6
CORPORA = {
    "phrase bank": ("phrasebank_50agree_CC-BY-NC-SA.parquet", "sentence", "label"),
    "headlines": ("news_headlines_labelled_2012_2020.parquet", "article_headline", "label"),
    "tweets": ("social_tweets_labelled_2020.parquet", "text", "sentiment"),
}
VOLATILITY_BARS = 21


def main() -> None:
    """Print both tables."""
    if not NEWS.exists():
        print(f"{NEWS} is not here: nothing was measured")
        return
    for name, (file, text, label) in CORPORA.items():
        print(scorer_line(name, pd.read_parquet(NEWS / file)[[text, label]].dropna(), text, label))
    for line in forecast_lines():
        print(line)


def scorer_line(name: str, frame: pd.DataFrame, text: str, label: str) -> str:
    """Return accuracy, macro-F1 and time of the scorer on one labelled corpus, beside its largest class."""
    truth = frame[label].astype(str).str.lower().map(_class).to_numpy()
    begun = time.process_time()
    found = tone(frame[text].tolist())
    each = 1e6 * (time.process_time() - begun) / len(frame)
    guessed = np.where(found > BOUND, 1, np.where(found < -BOUND, -1, 0))
    most = float(pd.Series(truth).value_counts(normalize=True).max())
    accuracy, f1 = accuracy_score(truth, guessed), f1_score(truth, guessed, average="macro")
    corpus = f"{len(frame):,} texts (largest class {most:.3f})"
    return f"{name}: {accuracy:.3f} / {f1:.3f} on {corpus}, {each:.0f} us a text"


def _class(label: str) -> int:
    if "bull" in label or "pos" in label:
        return 1
    return -1 if "bear" in label or "neg" in label else 0


@dataclass(frozen=True, eq=False)
class Day:
    """Texts and returns by day and symbol, [T, S]: mean tone and number by the close, and what followed."""

    tone: FloatArray
    count: FloatArray
    ahead: FloatArray
    volatility: FloatArray


def forecast_lines() -> list[str]:
    """Return what the tweets of 2014 to 2016 foretell of the next close, and what the trap would show."""
    tweets = pd.read_parquet(NEWS / "social_stocknet_tweets_2014_2016.parquet").sort_values("created_at")
    prices = pd.read_parquet(KDD17)
    close = prices.pivot(index="date", columns="symbol", values="close")
    symbols = sorted(set(close.columns) & set(tweets["symbol"]))
    close = close.loc["2013-10-01":"2016-03-31", symbols]
    tweets = tweets[tweets["symbol"].isin(symbols)]
    known = microseconds(pd.DatetimeIndex(tweets["created_at"]))
    names = np.full(len(tweets), None, object)
    names[:] = [(symbol,) for symbol in tweets["symbol"]]
    fresh = ~is_copy(known, names, tweets["text"].to_numpy(dtype=object))
    tweets, known = tweets[fresh], known[fresh]
    scored = tone(tweets["text"].tolist())
    stamps = microseconds(session_closes("XNYS", pd.DatetimeIndex(close.index).tz_localize(None)))
    column = tweets["symbol"].map({symbol: place for place, symbol in enumerate(symbols)}).to_numpy()
    lines = [f"{len(tweets):,} tweets about {len(symbols)} symbols, repeats left out; rank IC a day (t)"]
    views = {"known before the close": known + LAG, "trap: the label's own day": known + LAG - DAY}
    for what, moments in views.items():
        day = _laid(moments, scored, column, stamps, close)
        lines.append(f"tone, {what}: {_ic(day.tone, day.ahead)}")
        if what.startswith("known"):
            usual = pd.DataFrame(np.log1p(day.count)).rolling(63, min_periods=20)
            unusual = np.log1p(day.count) - usual.mean().shift(1).to_numpy()
            size = np.abs(day.ahead)
            lines.append(f"unusual number, size of the next move: {_ic(unusual, size)}")
            lines.append(
                f"the same beyond {VOLATILITY_BARS}-day volatility: {_ic(unusual, size / day.volatility)}"
            )
    return lines


def _laid(
    known: np.ndarray, scored: FloatArray, column: np.ndarray, stamps: np.ndarray, close: pd.DataFrame
) -> Day:
    place = np.searchsorted(stamps, known)
    inside = place < len(stamps)
    shape = close.shape
    count, total = np.zeros(shape), np.zeros(shape)
    np.add.at(count, (place[inside], column[inside]), 1.0)
    np.add.at(total, (place[inside], column[inside]), scored[inside])
    steps = np.log(close.to_numpy(dtype=np.float64))
    steps = np.diff(steps, axis=0, prepend=np.nan)
    ahead = np.vstack([steps[1:], np.full((1, shape[1]), np.nan)])
    volatility = pd.DataFrame(steps).rolling(VOLATILITY_BARS).std().to_numpy()
    count[: np.searchsorted(stamps, known.min())] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        return Day(np.where(count > 0, total / count, np.nan), count, ahead, volatility)


def _ic(signal: FloatArray, outcome: FloatArray) -> str:
    both = np.isfinite(signal) & np.isfinite(outcome)
    test = mean_test(rank_ic(np.where(both, signal, np.nan), np.where(both, outcome, np.nan)))
    return f"{test.mean:+.3f} (t = {test.t:+.1f})"


if __name__ == "__main__":
    main()
