import math

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics.accounts.bootstrap import FAN_LEVELS, bootstrap_account, optimal_block
from forewalk.returns import drawdown_series


def normal(seed, bars=600, mean=0.0005):
    return np.random.default_rng(seed).normal(mean, 0.01, bars)


@given(st.integers(0, 50))
def test_an_interval_holds_its_bounds_in_order_and_a_drawdown_is_never_positive(seed):
    result = bootstrap_account(normal(seed, 60), 252, seed, repetitions=30)
    for interval in (result.sharpe, result.cagr, result.max_drawdown):
        assert interval.low <= interval.high
    assert -1 <= result.max_drawdown.low <= result.max_drawdown.high <= 0


def test_the_same_seed_gives_the_same_bounds_and_another_seed_others():
    once, again, other = (bootstrap_account(normal(1), 252, seed, 100) for seed in (5, 5, 6))
    assert once.sharpe == again.sharpe
    assert once.sharpe != other.sharpe


def test_the_percentiles_equal_those_of_arch():
    returns = normal(2)
    ours = bootstrap_account(returns, 252, seed=3, repetitions=200, block_bars=7)

    def account(sample):
        values = np.concatenate([[1], np.cumprod(1 + sample)])
        sharpe = sample.mean() / sample.std(ddof=1) * math.sqrt(252)
        return np.array([sharpe, values[-1] ** (252 / 600) - 1, drawdown_series(values).min()])

    theirs = StationaryBootstrap(7, returns, seed=3).conf_int(account, 200, method="percentile")
    bounds = [(i.low, i.high) for i in (ours.sharpe, ours.cagr, ours.max_drawdown)]
    np.testing.assert_allclose(np.array(bounds).T, theirs, rtol=1e-9)


def test_for_independent_normal_returns_the_interval_is_the_textbook_one():
    result = bootstrap_account(normal(4, 2000), 252, seed=1, repetitions=1500, block_bars=1)
    error = math.sqrt((1 + (result.sharpe.value / math.sqrt(252)) ** 2 / 2) / 2000 * 252)
    width = result.sharpe.high - result.sharpe.low
    assert width == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_long_swings_ask_for_long_blocks():
    swings = np.convolve(normal(6, 2000), np.ones(20) / 20, mode="same")
    assert optimal_block(swings) > 4 * optimal_block(normal(6, 2000))


def test_the_fan_is_ordered_and_ends_with_the_bar_of_the_account():
    result = bootstrap_account(normal(7), 252, seed=1, repetitions=100)
    assert result.fan.shape == (len(FAN_LEVELS), len(result.fan_rows))
    assert (np.diff(result.fan, axis=0) >= 0).all()
    assert (result.fan_rows[0], result.fan_rows[-1]) == (0, 599)


@pytest.mark.parametrize("returns", [np.zeros(100), normal(1, 20), np.zeros(0)])
def test_without_moves_or_with_few_bars_nothing_is_known(returns):
    result = bootstrap_account(returns, 252, seed=1)
    assert result.sharpe.low is None
    assert result.max_drawdown.high is None
    assert result.fan.shape[1] == 0


def test_a_lost_account_grows_by_minus_one():
    returns = np.append(normal(1, 50), -1.0)
    assert bootstrap_account(returns, 252, seed=1, repetitions=20).cagr.value == -1.0
