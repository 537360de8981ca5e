"""The page of the paper book: positions in money, fills, limits, the model's age and what was told, in words."""

import re
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.journal.journal import Journal
from engine.web.screens.quant.paper import limits, model_words
from forewalk.settings.loading import settings_from
from helpers.web import client_in
from helpers.web_content import LONG_AGO, write_book


@pytest.fixture
def page(tmp_path):
    """Return the page of a book after something was done to its journal."""
    file, order = write_book(tmp_path)

    def shown(change=lambda journal, order: None):
        with closing(Journal(tmp_path / "live" / "journal.db", "paper")) as journal:
            change(journal, order)
        answer = client_in(tmp_path, paper=file).get("/paper")
        assert answer.status_code == 200, answer.text
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))

    return shown


def test_a_new_book_has_nothing_and_says_its_limits(page):
    text = page()
    assert "nothing" in text
    assert "One symbol may be at most 35% of the account, all of them together 100%." in text
    assert "Nothing out of the ordinary." in text
    assert "No model stands behind this book, or none has been trained yet." in text


def test_what_was_told_is_shown_the_newest_first_and_as_text(page):
    def told(journal, order):
        for number in range(12):
            journal.diary.note(LONG_AGO + timedelta(days=number), "missed", f"bar {number} <b>", "AAPL")
        journal.diary.note(LONG_AGO, "decided", "of no interest")

    text = page(told)
    assert re.search(r"2024-01-13 21:00 UTC: AAPL bar 11 &lt;b&gt;", text)
    assert "bar 4" in text
    assert "bar 3 " not in text
    assert "of no interest" not in text


risks = st.fixed_dictionaries(
    {
        "max_weight": st.floats(0.01, 2),
        "max_gross": st.floats(2, 4),
        "max_daily_loss": st.floats(0.01, 0.9),
        "max_drawdown": st.floats(0.01, 0.9),
        "max_order_value": st.floats(1, 1e7),
        "on_breach": st.sampled_from(["halt", "exits_only", "flatten"]),
        "allow_short": st.booleans(),
    }
)


@given(risks)
def test_every_limit_is_said_as_it_is_set(risk):
    settings = settings_from({"risk": risk})
    said = " ".join(limits(settings))
    for name in ("max_weight", "max_gross", "max_daily_loss", "max_drawdown"):
        assert f"{risk[name]:.0%}" in said
    assert f"{risk['max_order_value']:,.0f}" in said
    assert ("may sell short" in said) == risk["allow_short"]
    assert {"halt": "nothing is bought", "exits_only": "smaller", "flatten": "sold"}[
        risk["on_breach"]
    ] in said


def a_model(age, most=10):
    return SimpleNamespace(
        model_id="m1", age_bars=age, max_age_bars=most, is_too_old=age is not None and age > most
    )


@pytest.mark.parametrize(
    ("asked", "any_model", "said"),
    [
        (None, False, "No model stands behind this book, or none has been trained yet."),
        (None, True, "No model is asked at present, so nothing new is bought."),
        (a_model(None), True, "The model m1 has not been asked yet."),
        (a_model(1), True, "The model is one bar old; after 10 it is not asked any more."),
        (a_model(10), True, "The model is 10 bars old; after 10 it is not asked any more."),
        (
            a_model(11),
            True,
            "The model is too old to be asked: 11 bars, of 10 at most. It gives no forecasts.",
        ),
    ],
)
def test_the_models_age_is_said(asked, any_model, said):
    assert model_words(asked, any_model) == said
