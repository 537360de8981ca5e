from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.metrics.accounts.account import return_metrics
from engine.evaluation.metrics.forecasts.volatility import ewma_variance
from engine.evaluation.policies import (
    at_equal_risk,
    beside_equal_risk,
    beside_plain_risk,
    equal_weight_targets,
    momentum_targets,
    policy_baselines,
    shuffled_forecasts,
    target_account,
    with_plain_risk,
)
from engine.simulation.cerebro import simulate
from forewalk.returns import simple_returns
from forewalk.settings.loading import settings_from

FREE = settings_from(
    {"execution": {"fee_bps": 0, "slippage_bps": 0, "margin_bps_per_year": 0, "borrow_bps_per_year": 0}}
).execution
DEAR = settings_from({"execution": {"fee_bps": 10, "slippage_bps": 20}}).execution


@given(st.integers(0, 100), st.integers(2, 118))
@settings(max_examples=20)
def test_the_value_at_a_close_knows_nothing_of_later_bars(bars_of, seed, cut):
    bars = bars_of(seed % 3)
    target = np.random.default_rng(seed).uniform(-0.3, 0.3, bars.close.shape)
    doctored = {name: np.array(getattr(bars, name)) for name in ("open", "high", "low", "close")}
    for values in doctored.values():
        values[cut:] *= 3
    later = replace(bars, **doctored)
    np.testing.assert_array_equal(
        target_account(bars, target, DEAR).equity[:cut], target_account(later, target, DEAR).equity[:cut]
    )


@given(st.integers(0, 100))
@settings(max_examples=20)
def test_what_is_lost_to_costs_is_what_was_charged(bars_of, seed):
    bars = bars_of(seed % 5)
    target = np.random.default_rng(seed).choice([np.nan, 0.2, 0.0], bars.close.shape)
    once = np.full(bars.close.shape, np.nan)
    once[5] = target[5]
    free, dear = (target_account(bars, once, execution) for execution in (FREE, DEAR))
    np.testing.assert_allclose((free.equity - dear.equity)[-1], dear.costs)
    assert dear.costs == pytest.approx(dear.traded * 30e-4)


def test_a_weight_is_traded_at_the_next_open(bars_of):
    bars = bars_of(symbols=1)
    target = np.full(bars.close.shape, np.nan)
    target[10] = 1.0
    equity = target_account(bars, target, FREE).equity
    assert (equity[:11] == 100_000).all()
    shares = 100_000 / bars.close[10, 0]
    gained = shares * (bars.close[11:, 0] - bars.open[11, 0])
    np.testing.assert_allclose(equity[11:], 100_000 + gained)


def test_a_missing_bar_delays_the_trade(bars_of):
    bars = bars_of(symbols=2)
    gap = {name: np.array(getattr(bars, name)) for name in ("open", "high", "low", "close", "volume")}
    for values in gap.values():
        values[11:13, 0] = np.nan
    target = np.full(bars.close.shape, np.nan)
    target[10, 0] = 1.0
    equity = target_account(replace(bars, **gap), target, FREE).equity
    assert (equity[:13] == 100_000).all()
    assert equity[13] != 100_000


def test_equal_weights_are_set_monthly_and_when_a_symbol_joins():
    members = np.ones((50, 3), dtype=bool)
    members[:30, 2] = False
    target = equal_weight_targets(members, 0.9)
    assert np.flatnonzero(np.isfinite(target).any(axis=1)).tolist() == [0, 21, 30, 42]
    np.testing.assert_allclose(target[21], [0.45, 0.45, np.nan])
    np.testing.assert_allclose(target[30], [0.3, 0.3, 0.3])


@pytest.mark.parametrize("short", [False, True])
def test_momentum_holds_what_has_risen(bars_of, short):
    bars = bars_of(count=80, symbols=4)
    members = np.ones((50, 4), dtype=bool)
    target = momentum_targets(bars, members, 0.8, span_bars=20, short=short)
    rose = np.sign(bars.close[30:] / bars.close[10:-20] - 1)
    expected = 0.2 * (rose if short else np.maximum(rose, 0))
    held = np.full(4, np.nan)
    for row in range(50):
        held = np.where(np.isfinite(target[row]), target[row], held)
        np.testing.assert_allclose(held, expected[row])


def test_momentum_is_out_of_what_it_does_not_know_yet(bars_of):
    bars = bars_of(count=40)
    target = momentum_targets(bars, np.ones((40, 3), dtype=bool), 0.9, span_bars=30)
    np.testing.assert_array_equal(target[0], [0, 0, 0])
    assert np.isnan(target[1:30]).all()


@given(st.integers(0, 1000), st.integers(1, 30))
@settings(max_examples=25)
def test_a_shuffle_keeps_every_forecast_of_every_symbol(bars_of, forecasts_on, seed, block):
    forecasts = forecasts_on(bars_of())
    shuffled = shuffled_forecasts(forecasts, seed, block)
    for name in ("mean", "std", "p_up"):
        before, after = getattr(forecasts, name), getattr(shuffled, name)
        np.testing.assert_array_equal(np.sort(before, axis=0), np.sort(after, axis=0))


def test_a_shuffle_moves_whole_bars_in_blocks(bars_of, forecasts_on):
    forecasts = forecasts_on(bars_of())
    shuffled = shuffled_forecasts(forecasts, seed=3, block_bars=10)
    rows = [int(np.flatnonzero((forecasts.mean == row).all(axis=1))[0]) for row in shuffled.mean]
    assert sorted(rows) == list(range(100))
    assert rows != list(range(100))
    assert all(
        rows[start : start + 10] == list(range(rows[start], rows[start] + 10)) for start in range(0, 100, 10)
    )


def test_a_shuffle_stays_on_the_rows_that_have_a_forecast(bars_of, forecasts_on):
    mean = np.random.default_rng(1).normal(0, 0.002, (100, 3))
    mean[:40, 1] = np.nan
    mean[:, 2] = np.nan
    forecasts = forecasts_on(bars_of(), mean)
    shuffled = shuffled_forecasts(forecasts, seed=3)
    np.testing.assert_array_equal(np.isfinite(shuffled.mean), np.isfinite(mean))


def test_every_policy_covers_the_bars_of_the_run(bars_of, forecasts_on):
    bars = bars_of(count=300)
    forecasts = forecasts_on(bars)
    chosen = settings_from({"strategy": {"kind": "per_symbol"}})
    accounts = policy_baselines(bars, forecasts, chosen, seed=1)
    own = simulate(bars, forecasts, chosen).equity
    assert list(accounts) == ["buy_and_hold", "equal_weight", "momentum", "shuffled"]
    assert {len(values) for values in accounts.values()} == {len(own)}
    np.testing.assert_array_equal(accounts["buy_and_hold"], own["benchmark"])
    again = policy_baselines(bars, forecasts, chosen, seed=1)
    np.testing.assert_array_equal(accounts["shuffled"], again["shuffled"])
    assert (accounts["shuffled"] != own["equity"]).any()


@given(st.integers(0, 10_000), st.floats(0.001, 0.05))
def test_buying_and_holding_at_equal_risk_is_as_volatile_and_keeps_its_sharpe_ratio(seed, risk):
    random = np.random.default_rng(seed)
    own, held = random.normal(0.0, risk, 60), random.normal(0.001, 0.01, 60)
    own[0] = held[0] = 0.0
    mixed = simple_returns(at_equal_risk(np.cumprod(1.0 + held), np.cumprod(1.0 + own)))
    assert mixed.std() == pytest.approx(own.std())
    assert mixed.mean() / mixed.std() == pytest.approx(held.mean() / held.std())


def test_an_account_that_never_moved_is_beside_cash_and_a_benchmark_that_never_moved_stays():
    still, moved = np.full(5, 100.0), np.array([100.0, 101.0, 99.0, 102.0, 100.0])
    np.testing.assert_array_equal(at_equal_risk(moved, still), still)
    np.testing.assert_array_equal(at_equal_risk(still, moved), still)


def test_less_volatility_is_told_beside_what_holding_has_at_it():
    times = pd.date_range("2020-01-01", periods=5, tz="UTC")
    held = np.array([100.0, 104.0, 96.0, 108.0, 104.0])
    own = 100.0 + (held - 100.0) / 2
    metrics, twin = (return_metrics(values, times, 252.0) for values in (own, at_equal_risk(held, own)))
    said = beside_equal_risk(metrics, twin)
    assert (
        f"volatility of {twin.volatility_annual:.1%} a year, buying and holding grew by {twin.cagr:.1%}"
        in said
    )
    assert f"the account by {metrics.cagr:.1%} with {metrics.max_drawdown:.1%}" in said
    assert beside_equal_risk(metrics, None) == ""


@given(st.integers(0, 1000), st.integers(30, 118))
@settings(max_examples=15)
def test_plain_risk_knows_nothing_of_later_bars_and_speaks_where_the_model_spoke(
    bars_of, forecasts_on, seed, cut
):
    bars = bars_of(seed % 3)
    mean = np.random.default_rng(seed).normal(0, 0.002, (100, 3))
    mean[:40, 1] = np.nan
    forecasts = forecasts_on(bars, mean)
    plain = with_plain_risk(bars, forecasts)
    closes = np.array(bars.close)
    closes[cut:] *= 3
    later = with_plain_risk(replace(bars, close=closes, high=bars.high * 4, low=bars.low / 4), forecasts)
    rows = cut - (len(bars) - len(forecasts))
    np.testing.assert_array_equal(plain.std[: max(rows, 0)], later.std[: max(rows, 0)])
    assert np.isnan(plain.mean[:40, 1]).all()
    assert (plain.mean[np.isfinite(plain.mean)] == 0).all()


def test_plain_risk_is_riskmetrics_over_the_horizon(bars_of, forecasts_on):
    bars = bars_of()
    forecasts = replace(forecasts_on(bars), horizon_bars=4)
    returns = np.full(bars.close.shape, np.nan)
    returns[1:] = np.diff(np.log(bars.close), axis=0)
    expected = 2.0 * np.sqrt(ewma_variance(returns))[-len(forecasts) :]
    np.testing.assert_allclose(with_plain_risk(bars, forecasts).std, expected)


def test_an_account_that_holds_everything_at_constant_risk_stands_beside_one_sized_without_a_model(
    bars_of, forecasts_on
):
    bars = bars_of(count=300)
    forecasts = forecasts_on(bars)
    accounts = policy_baselines(bars, forecasts, settings_from({}), seed=1)
    assert list(accounts) == ["buy_and_hold", "equal_weight", "momentum", "shuffled", "ewma_sized"]
    own = policy_baselines(bars, with_plain_risk(bars, forecasts), settings_from({}), seed=1)
    np.testing.assert_array_equal(accounts["ewma_sized"], own["ewma_sized"])
    np.testing.assert_array_equal(
        own["ewma_sized"],
        simulate(bars, with_plain_risk(bars, forecasts), settings_from({})).equity["equity"],
    )


@pytest.mark.parametrize(
    ("twin", "told"), [(1.0, True), (0.95, True), (1.4, True), (0.85, False), (None, False)]
)
def test_that_no_model_is_needed_is_said_where_none_was(twin, told):
    times = pd.date_range("2020-01-01", periods=3, tz="UTC")
    plain = return_metrics(np.array([1.0, 1.1, 1.2]), times, 252.0)
    own = replace(plain, sharpe_annual=1.0)
    said = beside_plain_risk(own, None if twin is None else replace(plain, sharpe_annual=twin))
    assert ("no model is needed" in said) == told
    assert not told or f"a Sharpe ratio of {twin:.2f}, this account 1.00" in said
