"""Tests that keep their size: of a mean, of direction, of an alpha, of a Sharpe ratio."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics.accounts.relative import alpha_against
from engine.evaluation.metrics.accounts.sharpe_interval import (
    circular_block,
    sharpe_difference,
    sharpe_interval,
)
from engine.evaluation.metrics.inference import (
    FEWEST_HORIZONS,
    cosine_degrees,
    cosine_variance,
    pesaran_timmermann,
    robust_mean_test,
)
from engine.evaluation.metrics.statistics import hac_lag, newey_west_variance
from forewalk.returns import hedged_returns

series = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(0.1, 1.0, 80))


def overlapping(random, bars, horizon):
    """Sums over `horizon` bars of noise, as labels of that horizon are."""
    return np.convolve(random.normal(size=bars + horizon), np.ones(horizon), "valid")[:bars]


@given(series, st.floats(0.01, 100), st.integers(1, 10))
def test_the_unit_of_a_series_changes_no_p_value(values, scale, horizon):
    plain, scaled = robust_mean_test(values, horizon), robust_mean_test(values * scale, horizon)
    assert scaled.p_greater == pytest.approx(plain.p_greater, abs=1e-9)
    assert robust_mean_test(-values, horizon).p_greater == pytest.approx(1 - plain.p_greater, abs=1e-9)


@given(series)
def test_the_variance_is_the_mean_of_squared_cosine_coefficients(values):
    n = len(values)
    rows = np.arange(1, n + 1) - 0.5
    direct = [math.sqrt(2 / n) * np.sum(values * np.cos(np.pi * j * rows / n)) for j in range(1, 6)]
    assert cosine_variance(values, 5) == pytest.approx(np.mean(np.square(direct)))


@pytest.mark.parametrize(("bars", "horizon"), [(60, 1), (200, 5), (400, 20), (300, 20)])
def test_noise_is_rejected_about_as_often_as_it_should_be_however_far_labels_overlap(bars, horizon):
    random = np.random.default_rng(3)
    rejected = np.mean(
        [
            robust_mean_test(overlapping(random, bars, horizon), horizon).p_two_sided < 0.05
            for _ in range(1500)
        ]
    )
    assert 0.03 < rejected < 0.08


def test_newey_west_would_have_rejected_far_more_often():
    """Why this test exists: the usual t statistic at 60 bars and a horizon of 20."""
    random = np.random.default_rng(3)
    t = []
    for _ in range(500):
        values = overlapping(random, 60, 20)
        t.append(values.mean() / math.sqrt(newey_west_variance(values, hac_lag(60, 20)) / 60))
    assert np.mean(np.abs(t) > 2) > 0.2


def test_a_real_mean_is_found():
    values = np.random.default_rng(1).normal(0.2, 1.0, 1000)
    test = robust_mean_test(values)
    assert test.p_greater < 0.001
    assert test.low < 0.2 < test.high


@pytest.mark.parametrize(
    ("bars", "horizon", "enough"), [(15, 1, True), (14, 1, False), (299, 20, False), (300, 20, True)]
)
def test_below_fifteen_horizons_it_is_not_enough(bars, horizon, enough):
    assert FEWEST_HORIZONS == 15
    assert robust_mean_test(np.random.default_rng(1).normal(size=bars), horizon).enough is enough


@pytest.mark.parametrize("values", [[], [1.0], [np.nan] * 9, np.ones(50)])
def test_without_spread_or_length_nothing_is_said(values):
    test = robust_mean_test(values)
    assert math.isnan(test.t)
    assert test.degrees == 0


def test_a_horizon_below_one_is_refused():
    with pytest.raises(ValueError, match="horizon of 0"):
        robust_mean_test([1.0, 2.0], 0)


def test_frequencies_stay_below_a_quarter_of_the_horizon():
    assert cosine_degrees(1000) == 40
    assert cosine_degrees(1000, 20) == 25
    assert cosine_degrees(0) == 0


# ---- direction


def test_the_slope_of_direction_is_that_of_least_squares():
    random = np.random.default_rng(2)
    actual = random.normal(0.3, 1.0, 400)
    forecast = 0.3 * actual + random.normal(0.2, 1.0, 400)
    fit = sm.OLS((actual > 0) * 1.0, sm.add_constant((forecast > 0) * 1.0)).fit()
    test = pesaran_timmermann(forecast, actual)
    assert test.slope == pytest.approx(fit.params[1])
    assert test.hit_rate == pytest.approx(np.mean((forecast > 0) == (actual > 0)))
    assert test.t == pytest.approx(fit.tvalues[1], rel=0.35)  # another variance, of the same thing
    assert test.p_greater < 0.001


def test_always_up_in_a_rising_market_is_no_skill():
    actual = np.random.default_rng(1).normal(0.5, 1.0, (300, 4))
    test = pesaran_timmermann(np.ones_like(actual), actual)
    assert test.hit_rate > 0.6
    assert test.hit_rate == pytest.approx(test.expected_rate)
    assert math.isnan(test.p_greater)


def test_symbols_that_move_together_count_once():
    random = np.random.default_rng(4)
    actual, forecast = random.normal(size=(2, 250))
    alone = pesaran_timmermann(forecast, actual)
    copied = pesaran_timmermann(np.repeat(forecast[:, None], 50, 1), np.repeat(actual[:, None], 50, 1))
    assert copied.t == pytest.approx(alone.t)
    assert (copied.bars, copied.cells) == (250, 12_500)


def test_noise_has_no_direction():
    random = np.random.default_rng(5)
    found = [
        pesaran_timmermann(random.normal(0.5, 1, (120, 3)), random.normal(0.3, 1, (120, 3))).p_greater < 0.05
        for _ in range(600)
    ]
    assert 0.02 < np.mean(found) < 0.08


def test_nothing_to_compare_is_nothing_said():
    assert math.isnan(pesaran_timmermann(np.full(9, np.nan), np.ones(9)).hit_rate)


# ---- alpha


@given(st.integers(0, 2**32 - 1), st.floats(-2, 2))
def test_alpha_and_beta_are_those_of_least_squares(seed, beta):
    random = np.random.default_rng(seed)
    market = random.normal(0.0004, 0.01, 250)
    returns = 0.0002 + beta * market + random.normal(0, 0.005, 250)
    found = alpha_against(returns, {"market": market}, 252)
    slope, intercept = np.polyfit(market, returns, 1)
    assert found.alpha_per_year == pytest.approx(intercept * 252, abs=1e-9)
    assert found.loadings["market"].beta == pytest.approx(slope, abs=1e-9)
    assert found.low_per_year < found.alpha_per_year < found.high_per_year


def test_holding_the_benchmark_has_no_alpha():
    market = np.random.default_rng(1).normal(0.001, 0.01, 500)
    found = alpha_against(1.3 * market + 0.0, {"market": market}, 252)
    assert found.alpha_per_year == pytest.approx(0, abs=1e-12)
    assert found.loadings["market"].beta == pytest.approx(1.3)


@pytest.mark.parametrize("factor", [np.zeros(100), np.full(100, np.nan), np.full(100, 0.01)])
def test_a_factor_that_never_moves_gives_no_alpha(factor):
    found = alpha_against(np.random.default_rng(1).normal(size=100), {"flat": factor}, 252)
    assert found.alpha_per_year is None
    assert found.loadings["flat"].beta is None


def test_a_factor_that_repeats_another_gives_no_alpha():
    market = np.random.default_rng(1).normal(0, 0.01, 200)
    returns = np.random.default_rng(2).normal(0, 0.01, 200)
    assert alpha_against(returns, {"a": market, "b": 2 * market}, 252).t is None
    assert alpha_against(returns, {"a": market}, 252).t is not None


# ---- Sharpe ratios


def test_the_interval_holds_the_ratio_and_repeats_itself():
    returns = np.random.default_rng(1).normal(0.001, 0.01, 600)
    value, low, high = sharpe_interval(returns, 252, seed=7, repetitions=300)
    assert value == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(252))
    assert low < value < high
    assert (value, low, high) == sharpe_interval(returns, 252, seed=7, repetitions=300)


def test_for_independent_returns_the_interval_is_that_of_the_delta_method():
    returns = np.random.default_rng(2).normal(0.0005, 0.01, 2000)
    value, low, high = sharpe_interval(returns, 1, seed=1, repetitions=2000, block_bars=1)
    error = math.sqrt((1 + value**2 / 2) / len(returns))
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.08)


def garch_returns(random, bars):
    """Returns of a GARCH(1, 1) with fat tails; the mean is 0.03 of their standard deviation."""
    variance, found = 1.0, np.empty(bars)
    for bar, shock in enumerate(random.standard_t(6, bars) / math.sqrt(1.5)):
        found[bar] = math.sqrt(variance) * shock
        variance = 0.04 + 0.08 * found[bar] ** 2 + 0.88 * variance
    return 0.01 * found + 0.0003


def test_the_interval_of_the_sharpe_ratio_holds_the_true_one_where_volatility_comes_in_spells():
    random, true = np.random.default_rng(3), 0.03 * math.sqrt(252)
    bounds = [sharpe_interval(garch_returns(random, 500), 252, seed, 200)[1:] for seed in range(150)]
    assert 0.91 <= np.mean([low <= true <= high for low, high in bounds]) <= 0.985


@given(st.integers(0, 2**32 - 1))
def test_two_accounts_swapped_swap_the_sign(seed):
    one, other = np.random.default_rng(seed).normal(0.0005, 0.01, (2, 120))
    there, back = (sharpe_difference(a, b, 252, 1, 60, block_bars=4) for a, b in ((one, other), (other, one)))
    assert there.value == pytest.approx(-back.value)
    assert there.low == pytest.approx(-back.high)
    assert there.p_two_sided == pytest.approx(back.p_two_sided)


def test_equal_ratios_are_told_apart_about_as_often_as_they_should():
    random = np.random.default_rng(6)
    found = []
    for seed in range(150):
        market = random.normal(0.0005, 0.01, 250)
        account = 0.7 * market + random.normal(0.00015, 0.007, 250)
        found.append(sharpe_difference(account, market, 252, seed, 200, block_bars=2).p_two_sided < 0.05)
    assert np.mean(found) < 0.12


def test_a_better_account_is_seen_to_be_better():
    market = np.random.default_rng(3).normal(0.0, 0.01, 1000)
    found = sharpe_difference(market + 0.001, market, 252, 1, 300)
    assert found.p_greater < 0.02
    assert found.low > 0


def test_an_account_against_itself_is_no_comparison():
    returns = np.random.default_rng(1).normal(size=100)
    found = sharpe_difference(returns, returns, 252, 1)
    assert found.value == 0
    assert found.p_greater is None


def test_accounts_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="9 returns against 8"):
        sharpe_difference(np.zeros(9), np.zeros(8), 252, 1)


@pytest.mark.parametrize("returns", [np.zeros(100), np.full(100, 0.01)])
def test_an_account_that_never_moves_has_no_ratio(returns):
    assert all(math.isnan(number) for number in sharpe_interval(returns, 252, 1))


def test_a_short_account_has_a_ratio_and_no_interval():
    value, low, high = sharpe_interval(np.random.default_rng(1).normal(size=20), 252, 1)
    assert math.isfinite(value)
    assert math.isnan(low)
    assert math.isnan(high)


def test_volatility_that_comes_in_spells_makes_blocks_longer():
    random = np.random.default_rng(8)
    calm = random.normal(size=1000)
    spells = calm * np.repeat(np.exp(random.normal(size=20)), 50)
    assert circular_block(spells) > circular_block(calm)


# ---- what is left of an account without its market


@given(st.integers(0, 2**32 - 1), st.floats(-2, 2))
def test_what_is_left_does_not_move_with_the_benchmark(seed, beta):
    random = np.random.default_rng(seed)
    market = random.normal(0.001, 0.01, 200)
    left = hedged_returns(beta * market + random.normal(0, 0.005, 200), market)
    assert np.corrcoef(left, market)[0, 1] == pytest.approx(0, abs=1e-8)


def test_the_mean_of_what_is_left_is_the_alpha():
    random = np.random.default_rng(2)
    market = random.normal(0.001, 0.01, 300)
    returns = 0.5 * market + random.normal(0.0003, 0.004, 300)
    alpha = alpha_against(returns, {"market": market}, 252).alpha_per_year
    assert hedged_returns(returns, market).mean() * 252 == pytest.approx(alpha)


def test_without_a_benchmark_or_one_that_moves_nothing_is_taken_out():
    returns = np.random.default_rng(1).normal(size=50)
    assert hedged_returns(returns, None) is returns
    assert np.array_equal(hedged_returns(returns, np.zeros(50)), returns)
