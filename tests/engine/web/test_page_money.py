"""What would have happened, in money: falls, years, and what holding is."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.web.screens.money import START, what_if, worst_fall

VALUES = st.lists(st.floats(1.0, 1e6), min_size=1, max_size=40).map(np.array)


@given(VALUES)
def test_the_worst_fall_is_the_deepest_of_all_pairs_of_days(values):
    fall = worst_fall(values)
    deepest = min(values[b] / values[a] for a in range(len(values)) for b in range(a, len(values)))
    assert values[fall.lowest] / values[fall.peak] == pytest.approx(deepest)
    assert fall.amount == pytest.approx(values[fall.peak] - values[fall.lowest])


@given(VALUES)
def test_a_fall_is_made_up_on_the_first_day_that_is_as_high_as_its_peak(values):
    fall = worst_fall(values)
    later = [k for k in range(fall.lowest + 1, len(values)) if values[k] >= values[fall.peak]]
    assert fall.recovered == (later[0] if later and fall.lowest > fall.peak else None)


def account(folder, first, last, **columns):
    """Write what the screen reads of a run: the account, the costs and the trades."""
    times = pd.bdate_range(first, last, tz="UTC")
    grown = {name: np.linspace(1.0, end, len(times)) * 50_000 for name, end in columns.items()}
    pd.DataFrame({"time": times, **grown}).to_parquet(folder / "equity.parquet")
    metrics = {
        "costs": {"total": 500.0},
        "orders": {"filled": 6, "partial": 1},
        "universe": {"survivorship_bias": False},
    }
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return what_if(folder)


def test_money_is_that_of_ten_thousand(tmp_path):
    found = account(tmp_path, "2019-01-01", "2020-12-31", equity=1.2, benchmark=1.5)
    assert found.sentence.startswith(
        "10,000 would have become 12,000. Just holding the same companies: 15,000."
    )
    costs = {what: (own, held) for what, own, held in found.facts}["fees and slippage, already taken off"]
    assert costs == (f"{500 * START / 50_000:,.0f}", "taken off too, not counted apart")


def test_holding_is_of_the_same_companies_where_the_benchmark_is_another(tmp_path):
    found = account(tmp_path, "2019-01-01", "2020-12-31", equity=1.2, same_symbols=1.5, benchmark=9.0)
    assert "Just holding the same companies: 15,000." in found.sentence


@pytest.mark.parametrize(
    ("first", "last", "named"),
    [
        ("2019-01-02", "2020-12-30", ["2019", "2020"]),
        ("2019-02-22", "2020-12-31", ["2019, from 22 February", "2020"]),
        ("2019-01-02", "2020-03-02", ["2019", "2020, up to 2 March"]),
        ("2020-03-02", "2020-04-01", ["2020, from 2 March up to 1 April"]),
    ],
)
def test_a_year_that_is_not_whole_says_so(tmp_path, first, last, named):
    found = account(tmp_path, first, last, equity=1.2, benchmark=1.5)
    assert [year for year, _, _ in found.years] == named
