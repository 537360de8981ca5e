"""Companies that have gone are part of what `benchmarks.point_in_time` measures."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.point_in_time import BARS, events_of, flattery, spans_of, without_leaps
from benchmarks.skill import Judged


def bars_of(**days):
    rows = [
        {"symbol": symbol, "date": day}
        for symbol, (first, last) in days.items()
        for day in pd.bdate_range(first, last).strftime("%Y-%m-%d")
    ]
    return pd.DataFrame(rows)


def test_a_symbol_that_stops_early_leaves_and_the_others_stay_to_the_end():
    bars = bars_of(A=("2016-01-04", "2016-03-01"), B=("2016-01-18", "2016-02-01"))
    spans = spans_of(bars).set_index("symbol")
    assert spans.loc["A"].tolist() == ["2016-01-04", ""]
    assert spans.loc["B"].tolist() == ["2016-01-18", "2016-02-01"]
    assert spans_of(bars, still_there=True)["symbol"].tolist() == ["A"]


def test_a_name_leaves_before_a_leap_that_nothing_explains_and_stays_through_a_fall_or_a_split():
    day = pd.bdate_range("2016-01-04", periods=4).strftime("%Y-%m-%d").tolist()
    close = {"A": [1.0, 1.0, 75.0, 75.0], "B": [3.0, 1.0, 1.0, 1.0], "C": [1.0, 1.0, 3.0, 3.0]}
    bars = pd.DataFrame(
        [
            {"symbol": name, "date": d, "close": c}
            for name, of in close.items()
            for d, c in zip(day, of, strict=True)
        ]
    )
    actions = pd.DataFrame({"symbol": ["C"], "ex_date": pd.to_datetime([day[2]])})
    left = without_leaps(bars, actions).groupby("symbol").size()
    assert left.to_dict() == {"A": 2, "B": 4, "C": 4}


def test_splits_are_new_shares_and_dividends_are_money():
    actions = pd.DataFrame(
        {
            "symbol": ["A", "B", "C"],
            "ex_date": pd.to_datetime(["2016-01-05", "2016-01-06", "2016-01-07"]),
            "prev_close_raw": [100.0, 10.0, 50.0],
            "ratio": [0.5, 3.0, 0.99],
            "kind": ["split_like", "reverse_or_other", "dividend_like"],
        }
    )
    told = events_of(actions)
    np.testing.assert_allclose(told["split"], [2.0, 1.0 / 3.0, np.nan])
    np.testing.assert_allclose(told["dividend"], [np.nan, np.nan, 0.5])


def test_what_survivors_flatter_is_the_difference_of_two_years():
    times = pd.bdate_range("2016-01-04", periods=252)

    def judged(yearly):
        return Judged(times, {}, {}, {"equal_weight": np.full(252, (1.0 + yearly) ** (1 / 252) - 1.0)})

    assert "10.0% a year of all that were there, 14.0% of those that still are" in flattery(
        judged(0.10), judged(0.14)
    )
    assert flattery(judged(0.10), judged(0.14)).endswith("adds +4.0% a year.")


@pytest.mark.skipif(not BARS.exists(), reason="the shared point-in-time bars are not here")
def test_the_shared_bars_have_companies_that_have_gone():
    bars = pd.read_parquet(BARS, columns=["symbol", "date"]).astype({"date": str})
    assert len(spans_of(bars)) - len(spans_of(bars, still_there=True)) > 100
