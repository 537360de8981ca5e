"""What a policy takes for the std where it looks back over several bars."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.live.deciding.decide import run_strategy
from engine.simulation.cerebro import simulate
from engine.simulation.orders import AccountState
from forewalk.settings.loading import settings_from
from helpers.live_values import live_settings, random_forecasts, some_bars
from strategies.risk import as_told, last_rows, smoothed, smoothed_std
from strategies.signal import SignalStrategy

stds = st.integers(0, 2**32 - 1).map(
    lambda seed: np.where(
        np.random.default_rng(seed).random((30, 3)) < 0.2,
        np.nan,
        np.random.default_rng(seed).uniform(0.005, 0.05, (30, 3)),
    )
)


@given(stds, st.integers(1, 40))
def test_it_is_the_root_mean_square_of_what_is_known_and_no_forecast_stays_none(std, bars):
    found = smoothed_std(std, bars)
    for row in range(len(std)):
        window = std[max(0, row - bars + 1) : row + 1]
        for column in range(3):
            known = window[np.isfinite(window[:, column]), column]
            told = np.isfinite(std[row, column])
            expected = np.sqrt((known**2).mean()) if told else np.nan
            np.testing.assert_allclose(found[row, column], expected, rtol=1e-12)


@given(stds, st.integers(1, 12), st.integers(0, 15))
def test_what_comes_later_and_where_the_rows_begin_change_no_bit(std, bars, first):
    whole = smoothed_std(std, bars)
    np.testing.assert_array_equal(smoothed_std(std[:20], bars), whole[:20])
    np.testing.assert_array_equal(smoothed_std(std[first:], bars)[bars - 1 :], whole[first + bars - 1 :])


def varied(bars):
    forecasts = random_forecasts(bars)
    noise = np.random.default_rng(5).normal(0.0, 0.5, forecasts.std.shape)
    return replace(forecasts, std=forecasts.std * np.exp(noise))


def test_one_bar_is_the_forecast_itself_and_more_are_of_the_policy_alone():
    forecasts = varied(some_bars(30))
    assert smoothed(forecasts, 1) is forecasts
    np.testing.assert_array_equal(smoothed(forecasts, 5).mean, forecasts.mean)


def test_a_smoother_std_trades_less():
    bars = some_bars(60)

    def traded(smooth):
        strategy = {
            "sizing": "constant_risk",
            "always_held": True,
            "max_weight": 0.3,
            "smooth_std_bars": smooth,
        }
        orders = simulate(bars, varied(bars), live_settings(strategy=strategy)).orders
        return (orders["filled_quantity"] * orders["fill_price"]).sum()

    assert traded(21) < 0.7 * traded(1)


def test_an_account_of_smoothed_forecasts_is_that_of_the_setting():
    bars = some_bars(40)
    strategy = {"sizing": "constant_risk", "always_held": True, "max_weight": 0.3, "smooth_std_bars": 7}
    settings = live_settings(strategy=strategy)
    one = simulate(bars, varied(bars), settings)
    other = simulate(bars, smoothed(varied(bars), 7), as_told(settings))
    np.testing.assert_array_equal(one.equity["equity"], other.equity["equity"])


def test_a_replay_with_the_forecasts_before_it_wants_what_the_whole_past_wants():
    bars = some_bars(40)
    strategy = {
        "sizing": "volatility_target", "max_weight": 0.3, "smooth_std_bars": 9, "entry": 0.0, "min_hold_bars": 0,
    }  # fmt: skip
    settings = live_settings(strategy=strategy)

    def wanted(replay, rows):
        told = last_rows(varied(bars), rows)
        account = AccountState(1e5, {}, [], opening={})
        run = run_strategy(bars, told, settings, SignalStrategy, account, bars.timestamps[-replay])
        return [(order.symbol, order.side, order.quantity) for order in run.orders]

    assert wanted(3, 3 + 8) == wanted(40, 40) != []
    assert wanted(3, 3) != wanted(40, 40)


@pytest.mark.parametrize("strategy", [{}, {"smooth_std_bars": 21}])
def test_it_says_how_much_and_not_what(strategy):
    assert settings_from({"strategy": strategy}).strategy.sizing == "constant_risk"
