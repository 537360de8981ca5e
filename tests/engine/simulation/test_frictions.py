"""Costs that grow: spreads told from highs and lows, impact by the square root, borrowed money, delistings."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.policies import equal_weight_targets, target_account
from engine.simulation.benchmark import benchmark_of, equal_weight_benchmark
from engine.simulation.cerebro import simulate
from engine.simulation.money import (
    MOST_IMPACT,
    estimated_spread,
    impact_of_one,
    impact_share,
    interest,
    pair_spreads,
    with_frictions,
)
from forewalk.settings.loading import settings_from
from helpers.making import make_bars
from helpers.small_panels import make_forecasts

FREE = {"fee_bps": 0.0, "slippage_bps": 0.0, "fractional": True, "max_volume_share": None}


def bought(bars, **execution):
    """One decision after 30 bars, and none after it."""
    forecasts = make_forecasts(bars, np.full(bars.close.shape, 0.01)[30:], first=30)
    tree = {"strategy": {"max_weight": 0.5, "max_gross": 0.5, "min_hold_bars": 10_000}}
    return simulate(bars, forecasts, settings_from({**tree, "execution": {**FREE, **execution}}))


@settings(max_examples=25)
@given(seed=st.integers(0, 9999), cut=st.integers(2, 59))
def test_no_cost_depends_on_the_bar_it_is_paid_on(seed, cut):
    bars = make_bars(rows=60, symbols=2, seed=seed)
    wild = np.random.default_rng(seed).uniform(0.5, 2.0, bars.close.shape)
    later = np.arange(60)[:, None] >= cut
    changed = replace(
        bars,
        high=np.where(later, bars.high * (1 + wild), bars.high),
        low=np.where(later, bars.low / (1 + wild), bars.low),
        volume=np.where(later, bars.volume * wild, bars.volume),
    )
    for told in (estimated_spread, impact_of_one):
        np.testing.assert_array_equal(told(bars)[: cut + 1], told(changed)[: cut + 1])


@pytest.mark.parametrize("spread", [0.001, 0.01, 0.05])
def test_a_market_that_only_bounces_shows_its_spread_exactly(spread):
    high, low = np.full(9, 100 * (1 + spread / 2)), np.full(9, 100 * (1 - spread / 2))
    np.testing.assert_allclose(pair_spreads(high, low, np.full(9, 100.0)), spread, rtol=1e-9)


def by_the_paper(high, low, close):
    """Corwin & Schultz (2012), equations 14, 15 and 18 for a pair of days, as written there."""
    (high_1, high_2), (low_1, low_2), last = high, low, close[0]
    moved = max(low_2 - last, 0.0) - max(
        last - high_2, 0.0
    )  # overnight: the second day is moved to the close
    high_2, low_2 = high_2 - moved, low_2 - moved
    beta = math.log(high_1 / low_1) ** 2 + math.log(high_2 / low_2) ** 2
    gamma = math.log(max(high_1, high_2) / min(low_1, low_2)) ** 2
    k = 3 - 2 * math.sqrt(2)
    alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / k - math.sqrt(gamma / k)
    return max(2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha)), 0.0)


@settings(max_examples=40)
@given(seed=st.integers(0, 9999))
def test_the_spread_is_that_of_the_papers_formulas_over_the_bars_before(seed):
    bars = make_bars(rows=50, symbols=2, seed=seed, missing=[(slice(10, 14), 0)])
    found = estimated_spread(bars)
    for column in range(2):
        own = np.flatnonzero(bars.present[:, column]).tolist()
        pairs = []
        for before, row in pairwise(own):
            if pairs:
                expected = np.mean(pairs[-21:]) * bars.close[before, column]
                assert found[row, column] == pytest.approx(expected, rel=1e-9, abs=1e-12)
            both = [getattr(bars, name)[[before, row], column] for name in ("high", "low", "close")]
            pairs.append(by_the_paper(*both))
        assert any(pairs)
        assert np.isnan(found[own[:2], column]).all()


def test_a_spread_among_moves_is_found_about_right():
    random = np.random.default_rng(5)
    steps = random.normal(0, 0.01 / np.sqrt(390), (3000, 390))
    price = 100 * np.exp(steps.cumsum().reshape(steps.shape))
    side = np.where(random.random(steps.shape) < 0.5, 1.0, -1.0)
    traded = price * (1 + 0.005 * side)  # a spread of 1 %
    found = pair_spreads(traded.max(axis=1), traded.min(axis=1), traded[:, -1])
    assert 0.007 < found.mean() < 0.013


def test_a_night_is_no_spread():
    jumped = pair_spreads(np.array([101.0, 111.0]), np.array([100.0, 110.0]), np.array([100.0, 110.0]))
    stayed = pair_spreads(np.array([101.0, 101.0]), np.array([100.0, 100.0]), np.array([100.0, 100.0]))
    fell = pair_spreads(np.array([101.0, 91.0]), np.array([100.0, 90.0]), np.array([101.0, 90.0]))
    np.testing.assert_allclose([jumped, fell], [stayed, stayed], rtol=1e-9)
    assert stayed > 0.009


@given(quantity=st.floats(0, 1e9), one=st.floats(0, 1), impact=st.floats(0, 10))
def test_four_times_the_size_moves_the_price_twice_as_far(quantity, one, impact):
    once, four = impact_share(quantity, one, impact), impact_share(4 * quantity, one, impact)
    assert four == pytest.approx(min(2 * impact * one * np.sqrt(quantity), MOST_IMPACT))
    assert 0 <= once <= four <= MOST_IMPACT


def test_a_fill_is_worse_by_half_its_spread_and_by_its_own_impact():
    bars = make_bars(rows=50, symbols=1)
    plain = bought(bars).orders.iloc[0]
    order = bought(bars, impact=1.0, spread="estimated").orders.iloc[0]
    row = 31
    assert plain["fill_price"] == bars.open[row, 0]
    moved = bars.open[row, 0] * impact_of_one(bars)[row, 0] * np.sqrt(order["filled_quantity"])
    half = estimated_spread(bars)[row, 0] / 2
    assert order["fill_price"] == pytest.approx(bars.open[row, 0] + half + moved, rel=1e-12)
    assert moved > 0


def test_a_larger_account_pays_more_for_each_unit():
    bars = make_bars(rows=60, symbols=2)
    share = []
    for cash in (1e5, 1e7, 1e9):
        result = bought(bars, impact=1.0, cash=cash)
        share.append(result.counts["slippage_paid"] / cash)
    np.testing.assert_allclose(share[1] / share[0], 10, rtol=0.1)
    assert share[2] > 5 * share[1]


def test_a_spread_of_the_data_is_not_guessed_over():
    bars = make_bars(rows=30, symbols=2)
    known = np.full(bars.close.shape, np.nan)
    known[:, 0] = 0.5
    told = with_frictions(
        bars.with_extras(spread=known), settings_from({"execution": {"spread": "estimated"}}).execution
    )
    assert (told.extras["spread"][:, 0] == 0.5).all()
    np.testing.assert_array_equal(told.extras["spread"][:, 1], estimated_spread(bars)[:, 1])


def test_without_volume_there_is_no_impact():
    bars = make_bars(rows=30, symbols=1)
    silent = replace(bars, volume=np.zeros(bars.volume.shape))
    assert not impact_of_one(silent).any()


@given(cash=st.floats(-1e6, 1e6), short=st.floats(0, 1e6), years=st.floats(0, 1), margin=st.floats(0, 0.2))
def test_borrowed_money_costs_and_own_money_does_not(cash, short, years, margin):
    paid = interest(cash, short, years, 0.0, 0.0, margin)
    assert paid == pytest.approx(min(cash - short, 0.0) * margin * years)


def gone_after(bars, row):
    there = np.arange(len(bars))[:, None] < [len(bars), row]
    fields = {
        n: np.where(there, getattr(bars, n), np.nan) for n in ("open", "high", "low", "close", "volume")
    }
    return replace(bars, **fields)


def test_a_symbol_that_is_gone_leaves_at_the_delisting_return_in_account_and_benchmark():
    bars = gone_after(make_bars(rows=80, symbols=2), 45)
    mean = np.where(np.isfinite(bars.close), 0.01, np.nan)[30:]
    forecasts = make_forecasts(bars, mean, first=30)
    tree = {"strategy": {"max_weight": 0.5, "min_hold_bars": 0}, "execution": {**FREE, "stale_exit_bars": 5}}
    kept = simulate(bars, forecasts, settings_from(tree))
    tree["execution"]["delisting_return"] = -0.3
    lost = simulate(bars, forecasts, settings_from(tree))
    exits = [
        run.orders[(run.orders["symbol"] == bars.symbols[1]) & (run.orders["side"] == "sell")]
        for run in (kept, lost)
    ]
    last = bars.close[44, 1]
    assert exits[0].iloc[-1]["fill_price"] == pytest.approx(last)
    assert exits[1].iloc[-1]["fill_price"] == pytest.approx(0.7 * last)
    held = [run.equity["benchmark"].to_numpy() for run in (kept, lost)]
    shares = 50_000 / bars.open[31, 1]
    assert held[0][-1] - held[1][-1] == pytest.approx(0.3 * last * shares, rel=1e-6)
    np.testing.assert_array_equal(held[0][:20], held[1][:20])


def test_policies_without_a_model_bear_the_same():
    bars = gone_after(make_bars(rows=80, symbols=2), 45)
    members = np.ones(bars.close.shape, bool)
    tree = {**FREE, "delisting_return": -0.3, "impact": 1.0, "cash": 1e8, "stale_exit_bars": 5}
    execution = settings_from({"execution": tree}).execution
    dear = with_frictions(bars, execution)
    targets = equal_weight_targets(members, 1.0, rebalance_bars=1000)
    free = settings_from({"execution": {**FREE, "cash": 1e8}}).execution
    for account in (
        lambda bars, given: target_account(bars, targets, given).equity,
        lambda bars, given: equal_weight_benchmark(bars, members, given),
    ):
        assert account(dear, execution)[-1] < 0.9 * account(bars, free)[-1]


def test_the_benchmark_of_a_run_pays_for_its_size_once():
    bars = make_bars(rows=60, symbols=2)
    forecasts = make_forecasts(bars, np.full((30, 2), 0.01), first=30)
    execution = settings_from({"execution": {**FREE, "impact": 1.0, "cash": 1e9}}).execution
    span = with_frictions(bars, execution).since(forecasts.timestamps[0])
    free = settings_from({"execution": {**FREE, "cash": 1e9}}).execution
    dear, cheap = benchmark_of(span, forecasts, execution), benchmark_of(span, forecasts, free)
    paid = 1 - dear[1:] / cheap[1:]
    assert paid[0] > 0.001
    np.testing.assert_allclose(paid, paid[0], rtol=0.05)
