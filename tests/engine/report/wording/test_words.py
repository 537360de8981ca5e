"""The first sentences, case by case: one table for the run's pages and the web pages."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.report.wording import words
from engine.report.wording.words import Luck, LuckTest, luck, luck_case

NEVER = (
    "confiden",
    "certain",
    "bullish",
    "outperform",
    "guarantee",
    "not yet proven",
    "AI ",
    "edge",
    "experiment",
)


def case_of(
    probability=0.5,
    first_p=0.4,
    passes=False,
    tries=1,
    against="buy_and_hold",
    alarms=False,
    leak=False,
    skill=True,
    needless=False,
):
    return LuckTest(probability, first_p, passes, tries, against, alarms, leak, skill, needless)


CASES = [
    (case_of(), Luck.NO, "No. Beyond what simply holding them would have given, nothing is left"),
    (case_of(against="cash"), Luck.NO, "No. Beyond what a savings account would have given"),
    (case_of(0.9, 0.04, tries=7), Luck.PERHAPS, "Perhaps: something is left"),
    (case_of(0.9, 0.04, tries=7), Luck.PERHAPS, "with 7 tries behind it chance explains that, too."),
    (case_of(0.97, 0.01, passes=True, tries=3), Luck.YES, "Yes, as far as this test can see"),
    (case_of(0.97, 0.01, passes=True), Luck.YES, "the only try counted."),
    (case_of(None, None), Luck.TOO_SHORT, "Nothing can be said: there are too few days."),
    (case_of(0.99, 0.0, passes=True, alarms=True), Luck.TOO_GOOD, "Do not believe this yet"),
    (case_of(0.99, 0.0, passes=True, alarms=True, leak=True), Luck.LEAK, "Nothing here counts"),
    (
        case_of(0.97, 0.01, passes=True, skill=False),
        Luck.NOT_BY_FORECASTS,
        "no skill was found in the forecasts",
    ),
    (case_of(0.97, 0.01, passes=True, needless=True), Luck.NOT_BY_MODEL, "as much without any forecast"),
    (case_of(0.97, 0.01, passes=True, skill=False, needless=True), Luck.NOT_BY_MODEL, "Perhaps: something"),
    (case_of(needless=True), Luck.NO, "No. Beyond what simply holding them"),
]


@pytest.mark.parametrize(("given_", "case", "said"), CASES)
def test_luck_is_said_by_its_case_the_gravest_first(given_, case, said):
    assert luck_case(given_) == case
    assert said in luck(given_)


SHARES = st.one_of(st.none(), st.floats(0, 1))
ANY = st.builds(
    LuckTest,
    probability=SHARES,
    first_p=SHARES,
    passes=st.booleans(),
    tries=st.integers(0, 500),
    against=st.sampled_from(["buy_and_hold", "cash"]),
    alarms=st.booleans(),
    leak=st.booleans(),
    skill=st.booleans(),
    needless=st.booleans(),
)


@given(ANY)
def test_yes_is_said_only_of_what_passes_and_is_neither_a_leak_nor_too_good(one):
    believed = not one.alarms and not one.leak and one.probability is not None
    fit = believed and one.passes and one.skill and not one.needless
    assert luck(one).startswith("Yes") == fit


@pytest.mark.parametrize(
    ("p_up", "said"),
    [
        (0.51, "Up or down? Nearly a coin: 51 of 100."),
        (0.47, "Up or down? Nearly a coin: 47 of 100."),
        (0.56, "Up or down? Up in 56 of 100 such days."),
        (0.40, "Up or down? Down in 60 of 100 such days."),
    ],
)
def test_the_direction(p_up, said):
    assert words.direction(p_up) == said


def test_tomorrow_and_the_record_and_money():
    day = words.long_day(date(2024, 3, 4))
    assert words.tomorrow("AAPL", day, 421.0, 439.0, 0.817) == (
        "On Monday 4 March 2024, AAPL will most likely end between 421.00 and 439.00. "
        "In 82 of 100 such cases so far it ended inside a range like this."
    )
    assert words.tomorrow("AAPL", day, 421.0, 439.0, None).endswith(
        "How often such ranges hold is not known yet."
    )
    assert "no range" in words.tomorrow("AAPL", day, None, None, 0.8)
    assert words.record(250, 203, 126, 250) == (
        "Of the last 250 forecasts, 203 ended inside the range we gave for 80 of 100. "
        "The direction was right 126 times; a coin would give 125."
    )
    assert words.record(0, 0, 0, 0) == "Nothing can be said yet: no forecast has met its day."
    assert words.what_if(10_000, 24_355, 41_174, 12_100) == (
        "10,000 would have become 24,355. Just holding the same companies: 41,174. A savings account: 12,100."
    )
    assert words.stopped("the day's loss", False).endswith("Nothing is sold until you say so.")


def test_no_sentence_uses_a_word_that_promises_or_hides():
    said = [luck(case) for case, _, _ in CASES] + [
        words.RISK,
        words.PAPER,
        words.SURVIVORS,
        words.direction(0.6),
    ]
    for sentence in said:
        assert not [word for word in NEVER if re.search(rf"\b{word}", sentence, re.IGNORECASE)], sentence
