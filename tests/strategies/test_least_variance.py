"""Weights of a cross-section that vary least together."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.live.deciding.decide import run_strategy
from engine.simulation.cerebro import simulate
from engine.simulation.compiled.run import simulate_settings
from engine.simulation.compiled.scope import unsupported
from engine.simulation.orders import AccountState
from forewalk.errors import ConfigError
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import StrategySettings
from helpers.live_values import live_settings, random_forecasts, some_bars
from strategies.policy import Outlook, Positions, decide
from strategies.risk import LEAST_SHARE, least_variance, shrunk_correlation
from strategies.signal import SignalStrategy

STRATEGY = {
    "kind": "cross_section",
    "sizing": "least_variance",
    "top": 2,
    "max_weight": 0.9,
    "min_hold_bars": 0,
}


def covariances(seed, count):
    random = np.random.default_rng(seed)
    returns = random.normal(size=(200, count)) * random.uniform(0.5, 3.0, count)
    returns += random.normal(size=(200, 1)) * random.uniform(-1.0, 3.0, count)
    return np.cov(returns.T).reshape(count, count)


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_sizes_add_up_to_one_and_everything_chosen_is_held(seed, count):
    side = np.where(np.random.default_rng(seed).random(count) < 0.5, 1.0, -1.0)
    size = least_variance(covariances(seed, count), side)
    assert size.sum() == pytest.approx(1.0)
    assert (size >= LEAST_SHARE / count * (1 - 1e-9)).all()


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_no_small_move_between_two_free_sizes_varies_less(seed, count):
    covariance, side = covariances(seed, count), np.ones(count)
    size = least_variance(covariance, side)
    free = np.flatnonzero(size > LEAST_SHARE / count * (1 + 1e-6))
    slope = covariance @ size
    if len(free) > 1:
        np.testing.assert_allclose(slope[free], slope[free[0]], rtol=1e-6)


def test_independent_symbols_are_sized_by_their_variance_and_twins_share_one_place():
    size = least_variance(np.diag([1.0, 2.0, 4.0]), np.ones(3))
    np.testing.assert_allclose(size, np.array([4.0, 2.0, 1.0]) / 7.0)
    twins = np.array([[1.0, 0.99, 0.0], [0.99, 1.0, 0.0], [0.0, 0.0, 1.0]])
    one, two, alone = least_variance(twins, np.ones(3))
    assert one == pytest.approx(two)
    assert alone == pytest.approx(one + two, rel=0.01)


def test_a_short_hedges_what_moves_with_it():
    together = np.array([[1.0, 0.9], [0.9, 2.0]])
    hedged = least_variance(together, np.array([1.0, -1.0]))
    variance = lambda size, side: (size * side) @ together @ (size * side)  # noqa: E731
    side = np.array([1.0, -1.0])
    assert variance(hedged, side) <= variance(np.array([0.5, 0.5]), side)


def test_correlations_are_shrunk_and_with_few_returns_there_are_none():
    random = np.random.default_rng(0)
    common = random.normal(size=(100, 1))
    returns = 0.01 * (common + random.normal(size=(100, 4)))
    found = shrunk_correlation(returns)
    raw = np.corrcoef(returns.T)
    off = ~np.eye(4, dtype=bool)
    assert (np.abs(found[off]) < np.abs(raw[off])).all()
    assert np.linalg.eigvalsh(found).min() > 0
    np.testing.assert_array_equal(shrunk_correlation(returns[:40]), np.eye(4))
    holes = np.array(returns)
    holes[::2, 0] = np.nan
    np.testing.assert_array_equal(shrunk_correlation(holes), np.eye(4))


def test_what_the_account_may_lose_in_a_bar_is_less_than_with_equal_weights():
    random = np.random.default_rng(4)
    returns = random.normal(size=(252, 5)) * np.array([1.0, 1.0, 3.0, 3.0, 1.0]) * 0.01
    returns[:, 1] = returns[:, 0] + 0.1 * returns[:, 1]
    outlook = Outlook(np.full(5, 0.001), returns.std(axis=0), np.full(5, 100.0), 1 / 252, returns=returns)
    flat = Positions(np.zeros(5), np.zeros(5, np.int64), np.full(5, np.nan))
    policy = StrategySettings(**{**STRATEGY, "top": 5})
    found = decide(outlook, flat, policy).target
    even = decide(outlook, flat, policy.model_copy(update={"sizing": "fixed_fraction"})).target
    assert found.sum() == pytest.approx(even.sum())
    assert (returns @ found).std() < 0.8 * (returns @ even).std()


def world(rows=90):
    bars = some_bars(rows)
    return bars, random_forecasts(bars), live_settings(strategy={**STRATEGY, "covariance_bars": 60})


def test_the_daemons_replay_wants_what_the_whole_past_wants():
    bars, forecasts, settings = world()

    def wanted(replay):
        run = run_strategy(
            bars,
            forecasts,
            settings,
            SignalStrategy,
            AccountState(1e5, {}, [], opening={}),
            bars.timestamps[-replay],
        )
        return [(order.symbol, order.side, order.quantity) for order in run.orders]

    assert wanted(3) == wanted(60) != []


def test_a_later_bar_changes_no_earlier_decision():
    bars, forecasts, settings = world()
    until = bars.timestamps[79]
    whole = simulate(bars, forecasts, settings).decisions
    cut = replace(
        forecasts,
        timestamps=forecasts.timestamps[:80],
        model_ids=forecasts.model_ids[:80],
        trained_until=forecasts.trained_until[:80],
        **{name: getattr(forecasts, name)[:80] for name in ("mean", "std", "p_up")},
    )
    short = simulate(bars.until(until), cut, settings).decisions
    np.testing.assert_array_equal(
        short["target_weight"], whole[whole["asof"] <= until]["target_weight"].to_numpy()
    )


def test_it_is_not_compiled_and_a_sweep_says_the_same_by_cerebro():
    bars, forecasts, settings = world()
    assert "least_variance" in unsupported(bars, settings)
    (equity,) = simulate_settings(bars, forecasts, [settings]).equity
    np.testing.assert_array_equal(equity, simulate(bars, forecasts, settings).equity["equity"])


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({"sizing": "least_variance"}, "set kind = 'cross_section'"),
        ({**STRATEGY, "stop_loss": 0.1, "stop_orders": True}, "stop_orders with least_variance"),
        ({**STRATEGY, "tilt": 1.0}, "tilt changes nothing"),
    ],
)
def test_what_does_not_go_with_it_is_refused_with_the_remedy(strategy, message):
    with pytest.raises(ConfigError, match=message):
        settings_from({"strategy": strategy})
