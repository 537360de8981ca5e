"""Texts under the certificate: honest ones pass, and each way of knowing them too early is caught."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.audit.job import audit
from engine.audit.pipeline import Pipeline
from forewalk.data.columns.texts.reading import read_texts
from forewalk.data.columns.texts.rows import rows_of
from forewalk.data.columns.texts.scoring.learner import fitted, outcomes
from forewalk.data.columns.texts.scoring.transformer import LocalModel
from forewalk.sessions import microseconds
from forewalk.settings.news import NewsSettings
from helpers.audit_tables import pipeline_on, small_settings, small_table
from helpers.made_texts import many, written

OWN = Pipeline()
DAY = 24 * 3600 * 10**6
HOUR = DAY // 24


@pytest.fixture
def told(tmp_path):
    """Small settings with texts, and the rows of two symbols with them."""

    def made(seen=True):
        table = small_table()
        first, last = (pd.Timestamp(int(table.wall[row]), unit="us") for row in (0, -1))
        frame = many(table.symbols, first, last, 150, seen=seen)
        news = NewsSettings(path=written(frame, tmp_path / "texts.csv"), count_bars=21, silent_bars=60)
        table = replace(table, texts=rows_of(read_texts(news)[0], table.symbols, news))
        settings = small_settings()
        return settings.model_copy(update={"news": news}), table

    return made


def cleaned(change):
    def clean(table, settings):
        return OWN.clean(replace(table, texts=change(table.texts)), settings)

    return clean


def sorted_rows(rows):
    return rows.keep(np.argsort(rows.known, kind="stable"))


def by_utc_date(rows):
    """A text belongs to the bar of its date, whatever the hour."""
    return sorted_rows(replace(rows, known=rows.known // DAY * DAY))


def by_label_day(rows):
    """The texts of tomorrow beside the return of tomorrow: the usual tutorial."""
    return sorted_rows(replace(rows, known=rows.known - DAY))


def as_published(rows):
    """Without the time that it took to be seen."""
    return sorted_rows(replace(rows, known=rows.known - 3 * HOUR))


def scored_by_all(rows):
    """A scorer that was fitted to every text there is."""
    return replace(rows, tone=np.clip((rows.tone - rows.tone.mean()) / (4 * rows.tone.std()), -1, 1))


def amended(rows):
    """The wording of today, which the correction of a later day has changed."""
    tone = rows.tone.copy()
    for code in np.unique(rows.code):
        own = np.flatnonzero(rows.code == code)
        tone[own[:-1]] = tone[own[1:]]
    return replace(rows, tone=tone)


def copies_told_by_the_last(rows):
    """Of two equal texts the earlier one is the copy."""
    return replace(rows, copy=np.roll(rows.tone, -1) == rows.tone)


LEAKS = {
    "joined by UTC date": (by_utc_date, True),
    "joined by label day": (by_label_day, True),
    "by publication, without the time until it was seen": (as_published, True),
    "scorer fitted to all texts": (scored_by_all, False),
    "amended wordings": (amended, False),
    "copies told by what comes later": (copies_told_by_the_last, False),
}


def test_texts_that_were_seen_at_the_time_are_clean(told):
    settings, table = told()
    certificate = audit(settings, pipeline_on(table))
    assert certificate.clean, certificate.headline()
    (check,) = (check for check in certificate.checks if check.name == "texts")
    assert check.verdict == "clean"
    assert "150 texts" in check.detail


def test_texts_that_were_collected_afterwards_are_said_to_be_a_guess(told):
    settings, table = told(seen=False)
    certificate = audit(settings, pipeline_on(table))
    assert certificate.clean
    (check,) = (check for check in certificate.checks if check.name == "texts")
    assert (check.verdict, "collected afterwards" in check.detail) == ("note", True)


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_of_texts_is_caught(told, name):
    change, counted = LEAKS[name]
    settings, table = told()
    certificate = audit(settings, pipeline_on(table, clean=cleaned(change)))
    caught = {check.name for check in certificate.leaks}
    assert ("texts" in caught) is counted
    assert counted or any(check.startswith("future replaced") for check in caught)


@pytest.fixture
def learned(tmp_path):
    """Small settings with texts whose tone is learned, and the rows of two symbols with them."""
    table = small_table()
    first, last = (pd.Timestamp(int(table.wall[row]), unit="us") for row in (0, -1))
    path = written(many(table.symbols, first, last, 400), tmp_path / "texts.csv")
    news = NewsSettings(path=path, count_bars=21, silent_bars=60, scorer="ridge", learn_texts=40)
    table = replace(table, texts=rows_of(read_texts(news)[0], table.symbols, news))
    return small_settings().model_copy(update={"news": news}), table


def fitted_to_everything(table, settings):
    """Each text is scored by a learner that has seen what followed it, and all that came later."""
    rows = table.texts
    bars, _ = OWN.clean(replace(table, texts=None), settings)
    place = np.searchsorted(microseconds(bars.timestamps), rows.known)
    outcome, _ = outcomes(bars, rows.code, np.minimum(place, len(bars)))
    taught = np.isfinite(outcome)
    learner = fitted(rows.corpus, rows.text[taught], rows.code[taught], outcome[taught])
    tone = learner.tone(rows.corpus.counts[rows.text])
    return OWN.clean(replace(table, texts=replace(rows, tone=tone, corpus=None)), settings)


def test_a_tone_that_is_learned_walk_forward_is_clean(learned):
    settings, table = learned
    certificate = audit(settings, pipeline_on(table))
    assert certificate.clean, certificate.headline()
    tones = OWN.clean(table, settings)[0].extras["text_news_tone"]
    assert len(np.unique(tones[np.isfinite(tones)])) > 50


def test_a_tone_that_was_learned_from_everything_is_caught(learned):
    settings, table = learned
    certificate = audit(settings, pipeline_on(table, clean=fitted_to_everything))
    assert any(check.name.startswith("future replaced") for check in certificate.leaks)


@pytest.mark.parametrize(("years", "verdict"), [(30, "leak"), (-30, "clean")])
def test_a_model_that_was_published_after_a_forecast_is_look_ahead(told, tmp_path, years, verdict):
    settings, table = told()
    published = int(table.texts.known[0]) + years * 365 * DAY
    model = LocalModel(tmp_path, "0" * 64, published, {"positive": 1.0, "negative": -1.0})
    table = replace(table, texts=replace(table.texts, model=model))
    certificate = audit(settings, pipeline_on(table))
    (check,) = (check for check in certificate.checks if check.name == "texts")
    assert check.verdict == verdict
    assert verdict == "clean" or "150 of 150 texts were scored by a model of" in check.detail
