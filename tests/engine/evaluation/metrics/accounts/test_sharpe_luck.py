import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics.accounts.bootstrap import bootstrap_account
from engine.evaluation.metrics.accounts.luck import (
    CLEAR,
    deflated_sharpe,
    expected_maximum_sharpe,
    luck_metrics,
    minimum_track_record,
    passes,
    passes_test,
    probabilistic_sharpe,
)
from engine.evaluation.metrics.accounts.relative import alpha_against
from forewalk.returns import SharpeSample, hedged_returns, sharpe_sample

sharpes = st.floats(-0.2, 0.2)
samples = st.builds(SharpeSample, sharpes, st.floats(-1, 1), st.floats(3, 9), st.integers(100, 5000))


@given(samples, st.floats(-0.1, 0.1), st.floats(0.001, 0.1))
def test_a_higher_benchmark_is_less_likely_beaten(sample, benchmark, step):
    assert probabilistic_sharpe(sample, benchmark + step) <= probabilistic_sharpe(sample, benchmark)


@given(samples, st.floats(1, 500), st.floats(0, 500), st.floats(0, 0.01))
def test_more_tries_never_make_a_result_more_believable(sample, trials, more, variance):
    few, many = (deflated_sharpe(sample, count, variance) for count in (trials, trials + more))
    assert many.probability <= few.probability + 1e-12


@given(samples)
def test_one_try_is_not_deflated(sample):
    assert deflated_sharpe(sample, 1, 0.01).probability == probabilistic_sharpe(sample)


@given(samples, st.floats(0.6, 0.99))
def test_a_track_record_of_the_minimum_length_just_reaches_the_confidence(sample, confidence):
    needed = minimum_track_record(sample, -0.3, confidence)
    exact = SharpeSample(sample.sharpe, sample.skew, sample.kurtosis, needed)
    assert needed < 2 or probabilistic_sharpe(exact, -0.3) == pytest.approx(confidence)


@pytest.mark.parametrize(
    ("trials", "skew", "kurtosis", "published"),
    [(100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505)],
)
def test_the_example_of_the_deflated_sharpe_paper(trials, skew, kurtosis, published):
    """Annual Sharpe ratio 2.5 over five years of 250 days, variance 1/2 among the trials' annual ratios."""
    sample = SharpeSample(2.5 / math.sqrt(250), skew, kurtosis, 1250)
    assert deflated_sharpe(sample, trials, 0.5 / 250).probability == pytest.approx(published, abs=5e-5)


def test_the_expected_maximum_of_the_deflated_sharpe_paper():
    assert expected_maximum_sharpe(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(("skew", "kurtosis", "published"), [(0, 3, 0.982), (-2.448, 10.164, 0.913)])
def test_the_example_of_the_probabilistic_sharpe_paper(skew, kurtosis, published):
    sample = SharpeSample(0.458, skew, kurtosis, 24)
    assert probabilistic_sharpe(sample) == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize(
    ("bars", "skew", "kurtosis", "years"),
    [(250, 0, 3, 2.73), (52, 0, 3, 2.83), (12, 0, 3, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_the_published_track_records_for_a_sharpe_ratio_of_two_against_one(bars, skew, kurtosis, years):
    sample = SharpeSample(2 / math.sqrt(bars), skew, kurtosis, 99)
    assert minimum_track_record(sample, 1 / math.sqrt(bars)) / bars == pytest.approx(years, abs=5e-3)


@pytest.mark.parametrize("trials", [2, 10, 100])
def test_the_expected_maximum_is_close_to_the_simulated_one(trials):
    best = np.random.default_rng(1).normal(0, 0.05, (20_000, trials)).max(axis=1).mean()
    assert expected_maximum_sharpe(trials, 0.05**2) == pytest.approx(best, rel=0.1)


def test_the_probability_is_uniform_under_the_null_even_for_skewed_returns():
    random = np.random.default_rng(2)
    draws = random.exponential(0.01, (2000, 500)) - 0.01
    shares = np.array([probabilistic_sharpe(sharpe_sample(draw)) for draw in draws])
    assert np.mean(shares > 0.95) == pytest.approx(0.05, abs=0.02)
    assert np.mean(shares < 0.05) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("returns", [np.zeros(50), np.full(50, 0.01), np.zeros(1), np.zeros(0)])
def test_an_account_that_never_moved_has_no_probability_at_all(returns):
    sample = sharpe_sample(returns)
    assert math.isnan(probabilistic_sharpe(sample))
    assert math.isnan(minimum_track_record(sample))


def test_no_track_record_is_long_enough_for_a_ratio_below_the_benchmark():
    assert minimum_track_record(SharpeSample(0.05, 0, 3, 99), 0.06) == math.inf


@pytest.mark.parametrize(("trials", "variance"), [(0, 0.1), (0.5, 0.1), (3, -1)])
def test_impossible_trials_are_refused(trials, variance):
    with pytest.raises(ValueError, match="impossible"):
        expected_maximum_sharpe(trials, variance)


MARKET = np.random.default_rng(9).normal(0.0006, 0.01, 800)


def luck_of(returns, **more):
    account = bootstrap_account(returns, 252, seed=1, repetitions=20)
    return luck_metrics(returns, MARKET[: len(returns)], account, 252, seed=1, repetitions=20, **more)


def test_the_summary_holds_what_the_functions_say():
    tries = np.random.default_rng(4).normal(0.0003, 0.01, (800, 5))
    result = luck_of(tries[:, 2], tries=tries, counted=5, variance=1e-4, distinct=7, lost=2)
    sample = sharpe_sample(hedged_returns(tries[:, 2], MARKET))
    assert result.deflated.probability == deflated_sharpe(sample, 5, 1e-4).probability
    assert result.probabilistic_sharpe == probabilistic_sharpe(sample)
    assert result.sharpe.value == pytest.approx(sharpe_sample(tries[:, 2]).sharpe * math.sqrt(252))
    assert 0 <= result.overfitting.probability <= 1
    assert (result.superior_ability.tries, result.tries, result.lost_tries) == (5, 9, 2)


def test_the_markets_drift_is_no_skill():
    """Holding the market at any exposure, and timing it by a coin, in a market of Sharpe 1.5."""
    market = np.random.default_rng(1).normal(0.001, 0.0105, 2000)
    coin = np.repeat(np.random.default_rng(2).integers(0, 2, 200), 10) * market
    account = bootstrap_account(coin, 252, seed=1, repetitions=20)
    result = luck_metrics(coin, market, account, 252, seed=1, repetitions=20)
    assert probabilistic_sharpe(sharpe_sample(coin)) > 0.95  # what used to be said
    assert 0.05 < result.probabilistic_sharpe < 0.95


@pytest.mark.parametrize("exposure", [0.3, 1.0])
def test_one_who_holds_has_nothing_left_to_be_proud_of(exposure):
    result = luck_of(exposure * MARKET)
    assert result.probabilistic_sharpe is None
    assert result.alpha.alpha_per_year == pytest.approx(0, abs=1e-9)


def test_a_constant_forecast_in_a_rising_market_passes_no_more_often_than_it_should():
    random = np.random.default_rng(3)
    passed = []
    for _ in range(300):
        market = random.normal(0.0004, 0.01, 504)
        timed = np.repeat(random.integers(0, 2, 84), 6) * market
        sample = sharpe_sample(hedged_returns(timed, market))
        passed.append(probabilistic_sharpe(sample) > 0.95)
    assert 0.01 < np.mean(passed) < 0.09


def test_a_neutral_book_is_compared_with_cash():
    returns = np.random.default_rng(4).normal(0.001, 0.01, 800)
    result = luck_of(returns, neutral=True)
    assert result.against == "cash"
    assert result.probabilistic_sharpe == probabilistic_sharpe(sharpe_sample(returns))


def test_long_what_swings_more_and_short_what_swings_less_is_no_skill():
    random = np.random.default_rng(6)
    claimed = against_cash = 0
    for _ in range(40):
        market = random.normal(0.0008, 0.01, 1500)  # a Sharpe ratio of 1.3 a year
        book = 0.6 * market + random.normal(0, 0.002, 1500)
        account = bootstrap_account(book, 252, 1, 30)
        luck = luck_metrics(book, market, account, 252, 1, neutral=True, repetitions=30)
        against_cash += luck.deflated.probability > CLEAR
        claimed += passes(luck)
    assert against_cash > 20
    assert claimed <= 6


def following(random, bars, share):
    """Noise of which each day keeps so much of the day before, as stale prices do."""
    noise = random.normal(0, 0.01, bars)
    for bar in range(1, bars):
        noise[bar] += share * noise[bar - 1]
    return noise


def test_days_that_follow_from_each_other_are_not_taken_for_as_many_days():
    random = np.random.default_rng(8)
    by_ratio, claimed = [], []
    for _ in range(400):
        market = random.normal(0.0005, 0.01, 400)
        returns = 0.5 * market + following(random, 400, 0.3)
        ratio = probabilistic_sharpe(sharpe_sample(hedged_returns(returns, market)))
        by_ratio.append(ratio > CLEAR)
        claimed.append(passes_test(ratio, alpha_against(returns, {"buy_and_hold": market}, 252)))
    assert np.mean(by_ratio) > 0.09
    assert np.mean(claimed) < 0.085


@pytest.mark.parametrize(
    ("probability", "p", "passed"),
    [(0.96, 0.01, True), (0.95, 0.01, False), (0.99, 0.06, False), (0.99, None, True), (None, 0.01, False)],
)
def test_what_passes_has_a_ratio_beyond_all_tries_and_an_alpha(probability, p, passed):
    alpha = replace(luck_of(np.random.default_rng(4).normal(0.001, 0.01, 800)).alpha, p_greater=p)
    assert passes_test(probability, alpha) is passed


def test_the_summary_of_an_account_that_never_moved_says_nothing():
    result = luck_of(np.zeros(300))
    assert (result.probabilistic_sharpe, result.sharpe.low, result.overfitting) == (None, None, None)
    assert result.superior_ability.consistent is None
    assert result.minimum_track_record_bars is None


def test_more_tries_deflate_more():
    returns = np.random.default_rng(4).normal(0.001, 0.01, 300)
    few, many = (luck_of(returns, counted=count, variance=0.002).deflated for count in (2, 50))
    assert few.probability > many.probability
