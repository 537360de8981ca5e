"""What the split rule finds among real unadjusted bars whose splits are known."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from forewalk.data.cleaning.levels import find_jumps, find_outliers
from forewalk.data.table import Rows

BARS = "market/equity_pit_unadjusted_daily_2015_2017.parquet"
EVENTS = "market/equity_pit_corporate_actions_2015_2017.parquet"


@pytest.fixture(scope="module")
def bars(shared_folder):
    bars = pd.read_parquet(shared_folder / BARS)
    bars["date"] = pd.to_datetime(bars["date"])
    return bars.sort_values(["symbol", "date"], ignore_index=True)


@pytest.fixture(scope="module")
def rows(bars):
    symbols, code = np.unique(bars["symbol"].astype(str), return_inverse=True)
    time = bars["date"].astype("datetime64[us]").astype("int64").to_numpy()
    return Rows(
        symbols=tuple(symbols),
        code=code,
        time=time,
        prices=bars[["open", "high", "low", "close"]].to_numpy(np.float64),
        volume=bars["volume"].to_numpy(np.float64),
        last_time=int(time.max()),
    )


@pytest.fixture(scope="module")
def split(shared_folder):
    """Symbol and ex-date -> new price / old price of each known event that is no dividend."""
    events = pd.read_parquet(shared_folder / EVENTS)
    events = events[events["kind"] != "dividend_like"]
    return events.set_index(["symbol", "ex_date"])["ratio"]


def found_among(bars, rows):
    jumps = find_jumps(rows, np.zeros(len(rows), bool))
    places = np.flatnonzero(jumps.split)
    index = pd.MultiIndex.from_frame(bars.loc[places, ["symbol", "date"]])
    return pd.Series(jumps.ratio[places], index=index)


def test_the_counts_that_the_decision_tells(bars, rows, split):
    found = found_among(bars, rows)
    assert (
        len(split),
        len(found.index.intersection(split.index)),
        len(found.index.difference(split.index)),
    ) == (
        43,
        32,
        8,
    )


def test_a_found_split_has_about_the_ratio_that_the_event_has(bars, rows, split):
    found = found_among(bars, rows)
    both = found.index.intersection(split.index)
    distance = np.abs(np.log(found[both].to_numpy()) - np.log(split[both].to_numpy(np.float64)))
    assert distance.max() < np.log(2.0 / 1.75) + 0.001
    assert np.median(distance) < 1e-6


def test_every_two_for_one_is_found(bars, rows, split):
    found = found_among(bars, rows)
    halves = split[np.isclose(split, 0.5)]
    assert len(halves) > 10
    assert set(halves.index) <= set(found.index)


def test_the_rule_of_units_takes_none_that_the_rule_of_splits_has_found(bars, rows, split):
    factor, switch = find_outliers(rows)
    taken = pd.MultiIndex.from_frame(
        bars.loc[np.flatnonzero((factor != 1.0) | (switch != 1.0)), ["symbol", "date"]]
    )
    found = found_among(bars, rows)
    assert list(split.index.intersection(taken).intersection(found.index)) == []


def test_the_same_levels_in_another_unit_are_none_of_splits(bars, rows):
    """Every symbol's prices a hundredth from the middle of its rows on, its shares as they were: pence to pounds."""
    middle = np.zeros(len(rows), bool)
    starts = np.append(np.flatnonzero(rows.first_of_symbol), len(rows))
    for begin, stop in pairwise(starts):
        middle[(begin + stop) // 2 : stop] = True
    prices = np.where(middle[:, None], rows.prices / 100, rows.prices)
    factor, switch = find_outliers(replace(rows, prices=prices))
    long = [(b, s) for b, s in pairwise(starts) if s - b >= 60]
    seen = [bool((factor[b:s] != 1.0).any() and (switch[b:s] != 1.0).any()) for b, s in long]
    assert np.mean(seen) > 0.995  # three names are hidden by events of their own, one trades 30 times as much
