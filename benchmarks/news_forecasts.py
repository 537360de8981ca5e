"""What the tweets of 2014 to 2016 foretell of the stocks of kdd17, by the product's own reading, scorers and bars.

Beside it the trap: the same tweets joined by the day of the label, as the usual tutorial does it; and whether the
certificate's check of texts catches that.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.data import KDD17
from benchmarks.measure import Report, timed
from benchmarks.news_scorers import NEWS
from engine.audit.pipeline import Pipeline, prepare
from engine.audit.texts import check_texts
from engine.evaluation.metrics.statistics import mean_test, rank_ic
from forewalk.data.cleaning.rules import clean
from forewalk.data.columns.texts.rows import TextRows
from forewalk.data.loading import read_table
from forewalk.data.table import Table
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import Settings
from forewalk.types import Bars, FloatArray

TWEETS = NEWS / "social_stocknet_tweets_2014_2016.parquet"
SPAN = ("2013-10-01", "2016-03-31")
DAY = 24 * 3600 * 10**6
VOLATILITY_BARS, USUAL_BARS = 21, 63
Z95 = 1.96


def add_forecasts(report: Report) -> None:
    """Add what tone and number foretell, for each scorer, and what the traps would show."""
    symbols = sorted(
        set(pd.read_parquet(TWEETS, columns=["symbol"])["symbol"])
        & set(pd.read_parquet(KDD17, columns=["symbol"])["symbol"])
    )
    with tempfile.TemporaryDirectory() as folder:
        for scorer in ("lexicon", "ridge", "logistic"):
            settings = _settings(symbols, scorer, Path(folder))
            (table, bars), seconds = timed(lambda settings=settings: _read(settings))  # type: ignore[misc]
            texts = _texts(table)
            each = f"{1e6 * seconds / len(texts):,.0f} us a text for all of it"
            who = f"{len(texts):,} tweets, {len(symbols)} symbols"
            what = f"tone ({scorer}), known before the close, next return"
            _add(report, what, _tone(bars), _ahead(bars), f"{who}, {each}")
            if scorer == "lexicon":
                _add_traps(report, table, bars, settings)
                _add_sizes(report, bars)


def _add_traps(report: Report, table: Table, bars: Bars, settings: Settings) -> None:
    traps = {
        "trap: tweets of the label's own day": lambda known: known - DAY,
        "trap: tweets by their UTC date": lambda known: known // DAY * DAY,
    }
    for name, moved in traps.items():
        early = _moved(_texts(table), moved(_texts(table).known))

        def leaky(given: Table, settings: Settings, early: TextRows = early):  # type: ignore[no-untyped-def]
            return clean(replace(given, texts=early), settings.data)

        prepared = prepare(table, settings, Pipeline(clean=leaky), with_folds=False)
        verdict = check_texts(table, prepared).verdict
        _add(report, name, _tone(prepared.bars), _ahead(bars), f"the certificate says: {verdict}")
    verdict = check_texts(table, prepare(table, settings, Pipeline(), with_folds=False)).verdict
    report.details["certificate of the honest join"] = verdict


def _add_sizes(report: Report, bars: Bars) -> None:
    count = bars.extras["text_social_count"]
    usual = pd.DataFrame(np.log1p(count)).rolling(USUAL_BARS, min_periods=20).mean().shift(1).to_numpy()
    unusual = np.log1p(count) - usual
    size, volatility = np.abs(_ahead(bars)), _volatility(bars)
    _add(report, "unusual number, size of the next return", unusual, size)
    _add(report, f"the same beyond {VOLATILITY_BARS}-day volatility", unusual, size / volatility)
    _add(report, f"{VOLATILITY_BARS}-day volatility alone, size of the next return", volatility, size)


def _settings(symbols: list[str], scorer: str, folder: Path) -> Settings:
    frame = pd.read_parquet(KDD17)
    path = folder / "bars.csv"
    if not path.exists():
        frame[frame["symbol"].isin(symbols) & frame["date"].between(*SPAN)].to_csv(path, index=False)
    data = {
        "source": "files",
        "path": str(path),
        "symbols": symbols,
        "interval": "1d",
        "min_history_bars": 20,
    }
    news = {"path": str(TWEETS), "kind": "social", "scorer": scorer, "columns": {"headline": "text"}}
    return settings_from({"data": data, "news": news})


def _read(settings: Settings) -> tuple[Table, Bars]:
    table = read_table(settings.data, news=settings.news)
    return table, clean(table, settings.data)[0]


def _texts(table: Table) -> TextRows:
    assert table.texts is not None
    return table.texts


def _moved(rows: TextRows, known: np.ndarray) -> TextRows:
    return replace(rows, known=known).keep(np.argsort(known, kind="stable"))


def _tone(bars: Bars) -> FloatArray:
    count, total = bars.extras["text_social_count"], bars.extras["text_social_tone"]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.nan_to_num(count) > 0, total / count, np.nan)


def _steps(bars: Bars) -> FloatArray:
    return np.diff(np.log(bars.close), axis=0, prepend=np.nan)


def _ahead(bars: Bars) -> FloatArray:
    return np.vstack([_steps(bars)[1:], np.full((1, len(bars.symbols)), np.nan)])


def _volatility(bars: Bars) -> FloatArray:
    return pd.DataFrame(_steps(bars)).rolling(VOLATILITY_BARS).std().to_numpy()


def _add(report: Report, what: str, signal: FloatArray, outcome: FloatArray, note: str = "") -> None:
    """Add the mean rank IC of a day with its 95 % interval (Newey-West)."""
    both = np.isfinite(signal) & np.isfinite(outcome)
    test = mean_test(rank_ic(np.where(both, signal, np.nan), np.where(both, outcome, np.nan)))
    half = math.nan if not test.t else Z95 * abs(test.mean / test.t)
    low, high = test.mean - half, test.mean + half
    interval = f"t = {test.t:+.1f}, 95 %: {low:+.3f} to {high:+.3f}, {test.observations} days"
    report.add(what, test.mean, "rank IC", note="; ".join(filter(None, (interval, note))))
