import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics.bootstrap import bootstrap_account
from engine.evaluation.metrics.luck import (
    deflated_sharpe,
    expected_maximum_sharpe,
    luck_metrics,
    minimum_track_record,
    probabilistic_sharpe,
)
from forewalk.returns import SharpeSample, sharpe_sample

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


def luck_of(returns, **more):
    account = bootstrap_account(returns, 252, seed=1, repetitions=20)
    return luck_metrics(returns, account, 252, seed=1, repetitions=20, **more)


def test_the_summary_holds_what_the_functions_say():
    tries = np.random.default_rng(4).normal(0.0003, 0.01, (800, 5))
    result = luck_of(tries[:, 2], trial_returns=tries)
    sample = sharpe_sample(tries[:, 2])
    ratios = [sharpe_sample(column).sharpe for column in tries.T]
    assert result.deflated.probability == deflated_sharpe(sample, 5, np.var(ratios, ddof=1)).probability
    assert result.probabilistic_sharpe == probabilistic_sharpe(sample)
    assert result.sharpe.value == pytest.approx(sample.sharpe * math.sqrt(252))
    assert 0 <= result.overfitting.probability <= 1
    assert (result.superior_ability.tries, result.tries) == (5, 5)


def test_the_summary_of_an_account_that_never_moved_says_nothing():
    result = luck_of(np.zeros(300))
    assert (result.probabilistic_sharpe, result.sharpe.low, result.overfitting) == (None, None, None)
    assert result.superior_ability.consistent is None
    assert result.minimum_track_record_bars is None


def test_fewer_effective_trials_deflate_less():
    tries = np.random.default_rng(4).normal(0.0003, 0.01, (300, 5))
    all_five, two = (luck_of(tries[:, 2], trial_returns=tries, trials=count).deflated for count in (None, 2))
    assert two.probability > all_five.probability
