"""Turnover as a budget: what was earned pays for so much of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.costs import BreakEven
from engine.report.reality import budget_rows, reality_table
from helpers.judged_runs import REALITY


def reality(even, beyond=None, fee=1.0, slippage=4.0):
    delay = replace(REALITY.delay, fee_bps=fee, slippage_bps=slippage)
    excess = None if beyond is None else BreakEven(beyond, beyond, 3)
    return replace(REALITY, delay=delay, break_even=BreakEven(even, even, 3), break_even_excess=excess)


@pytest.mark.parametrize(
    ("even", "said"),
    [
        (50.0, "30.0, of which 10% is used"),
        (5.0, "3.0, of which 100% is used"),
        (2.5, "1.5, of which 200% is used"),
        (None, "none"),
    ],
)
def test_the_budget_is_what_the_cost_at_which_nothing_is_left_pays_for(even, said):
    rows = dict(budget_rows(reality(even), 3.0))
    assert rows["Turnover a year that what it earns would pay for, at 5 bp a fill"] == said


def test_what_it_earns_beyond_holding_has_a_budget_of_its_own():
    rows = dict(budget_rows(reality(50.0, beyond=None), 3.0))
    assert len(rows) == 2
    rows = dict(budget_rows(reality(50.0, beyond=10.0), 3.0))
    name = "Turnover a year that what it earns beyond buying and holding would pay for, at 5 bp a fill"
    assert rows[name] == "6.0, of which 50% is used"


@pytest.mark.parametrize(("turnover", "fee"), [(None, 5.0), (0.0, 5.0), (3.0, 0.0)])
def test_an_account_that_trades_for_free_or_not_at_all_has_no_budget(turnover, fee):
    assert budget_rows(reality(50.0, fee=fee, slippage=0.0), turnover) == []


@given(st.floats(0.1, 100.0), st.floats(0.1, 1000.0))
def test_the_budget_does_not_depend_on_the_cost_but_for_its_share(turnover, even):
    one = budget_rows(reality(even), turnover)[1][1]
    twice = budget_rows(reality(2 * even, fee=2.0, slippage=8.0), turnover)[1][1]
    assert one == twice


def test_it_stands_in_the_table_of_what_reality_would_charge():
    told = [row[0] for row in reality_table(reality(50.0), 3.0).rows]
    assert sum(name.startswith("Turnover a year") for name in told) == 2
