"""Ranges that have held are left alone; ones that have not are widened to what would have held, and it is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.evaluation.metrics.forecasts.conformal import ranges, widenings, with_record
from engine.evaluation.metrics.forecasts.pit import calibration


def forecasts_too_narrow_by(factor, seed=0, rows=800, symbols=3):
    random = np.random.default_rng(seed)
    mean = random.normal(0, 0.001, (rows, symbols))
    std = random.uniform(0.005, 0.03, (rows, symbols))
    return mean, std, mean + factor * std * random.normal(size=mean.shape)


def heavy_tailed(seed, rows=2000, symbols=4, degrees=3.0):
    """Outcomes with the stated spread and Student's tails, as prices have them: 95 % holds less than that."""
    random = np.random.default_rng(seed)
    std = random.uniform(0.005, 0.03, (rows, symbols))
    draws = random.standard_t(degrees, (rows, symbols)) / np.sqrt(degrees / (degrees - 2))
    return np.zeros((rows, symbols)), std, std * draws


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0])
def test_what_has_held_or_held_too_often_is_left_alone(factor):
    found = widenings(*forecasts_too_narrow_by(factor), 1)
    assert [w.factor for w in found] == [1.0, 1.0, 1.0]
    assert with_record(found, *forecasts_too_narrow_by(factor), 1) == found


@given(factor=st.floats(1.2, 3.0), seed=st.integers(0, 50))
def test_what_has_not_is_widened_to_what_would_have(factor, seed):
    mean, std, actual = forecasts_too_narrow_by(factor, seed)
    for widened in widenings(mean, std, actual, 1):
        reach = widened.factor * std * stats.norm.ppf(0.5 + widened.level / 2)
        assert widened.factor == pytest.approx(factor, rel=0.12)
        assert (np.abs(actual - mean) <= reach).mean() >= widened.level
        assert widened.held < widened.level


@given(factor=st.floats(0.5, 2.0), seed=st.integers(0, 50), horizon=st.sampled_from([1, 5]))
def test_how_often_a_range_held_is_what_the_report_of_a_run_says(factor, seed, horizon):
    mean, std, actual = forecasts_too_narrow_by(factor, seed)
    actual[seed::7, 0] = np.nan
    tests = calibration(mean, std, actual, horizon).coverage
    assert [w.held for w in widenings(mean, std, actual, horizon)] == [test.share for test in tests]


@given(seed=st.integers(0, 30))
def test_with_heavy_tails_ranges_hold_after_widening_on_rows_that_were_not_seen(seed):
    """Student's t with 3 degrees, and a spread that is stated 30 % too small."""
    mean, std, actual = heavy_tailed(seed)
    found = widenings(mean, 0.7 * std, actual, 1)
    mean, std, actual = heavy_tailed(seed + 1000)
    for widened in found[1:]:
        reach = widened.factor * 0.7 * std * stats.norm.ppf(0.5 + widened.level / 2)
        assert (np.abs(actual) <= reach).mean() == pytest.approx(widened.level, abs=0.02)


@given(seed=st.integers(0, 30))
def test_the_record_of_widened_ranges_is_near_what_they_promise(seed):
    mean, std, actual = heavy_tailed(seed)
    past = mean, 0.7 * std, actual
    found = with_record(widenings(*past, 1), *past, 1)
    for widened in found[1:]:
        assert widened.factor > 1
        assert widened.held < widened.held_widened == pytest.approx(widened.level, abs=0.02)


@given(
    cut=st.integers(400, 790),
    seed=st.integers(0, 20),
    horizon=st.sampled_from([1, 5]),
    noise=st.integers(0, 9),
)
def test_no_outcome_that_was_not_known_then_changes_the_widening(cut, seed, horizon, noise):
    """A forecast at row `cut` may be widened by outcomes known at its close; whatever comes later changes nothing."""
    mean, std, actual = forecasts_too_narrow_by(1.5, seed)
    known = actual.copy()
    known[cut - horizon + 1 :] = np.nan  # not settled at the close of row `cut`
    later = actual.copy()
    later[cut - horizon + 1 :] = np.random.default_rng(noise).normal(0, 9, later[cut - horizon + 1 :].shape)
    rows = slice(0, cut - horizon + 1)
    assert widenings(mean[rows], std[rows], later[rows], horizon) == widenings(mean, std, known, horizon)


@given(seed=st.integers(0, 20))
def test_the_record_tells_each_part_from_the_rows_before_it(seed):
    """Outcomes of the last part cannot change what it is widened by: their distances alone decide what it held."""
    mean, std, actual = forecasts_too_narrow_by(1.5, seed)
    first = int(np.linspace(0, 800, 21)[-2])
    found = widenings(mean, std, actual, 1)
    far, near = actual.copy(), actual.copy()
    far[first:], near[first:] = mean[first:] + 1e3, mean[first:]
    shares = [[w.held_widened for w in with_record(found, mean, std, told, 1)] for told in (near, far)]
    last = actual[first:].size / actual[40:].size
    assert np.subtract(*shares) == pytest.approx([last] * 3)


def test_without_outcomes_nothing_is_widened():
    mean, std, actual = forecasts_too_narrow_by(2.0)
    assert [w.factor for w in widenings(mean, std, actual * np.nan, 1)] == [1.0, 1.0, 1.0]


def test_a_range_is_symmetric_around_what_is_expected():
    widened = widenings(*forecasts_too_narrow_by(2.0), 1)
    for low, high in ranges(0.01, 0.02, widened).values():
        assert (low + high) / 2 == pytest.approx(0.01)
