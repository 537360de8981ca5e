"""Ranges that have held are left alone; ones that have not are widened to what would have held, and it is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.forecast.bands import ranges, widenings


def forecasts_too_narrow_by(factor, seed=0, rows=800, symbols=3):
    random = np.random.default_rng(seed)
    mean = random.normal(0, 0.001, (rows, symbols))
    std = random.uniform(0.005, 0.03, (rows, symbols))
    return mean, std, mean + factor * std * random.normal(size=mean.shape)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0])
def test_what_has_held_or_held_too_often_is_left_alone(factor):
    assert [w.factor for w in widenings(*forecasts_too_narrow_by(factor), 1)] == [1.0, 1.0, 1.0]


@given(factor=st.floats(1.2, 3.0), seed=st.integers(0, 50))
def test_what_has_not_is_widened_to_what_would_have(factor, seed):
    mean, std, actual = forecasts_too_narrow_by(factor, seed)
    for widened in widenings(mean, std, actual, 1):
        reach = widened.factor * std * stats.norm.ppf(0.5 + widened.level / 2)
        assert widened.factor == pytest.approx(factor, rel=0.12)
        assert (np.abs(actual - mean) <= reach).mean() >= widened.level
        assert widened.held < widened.level


def test_without_outcomes_nothing_is_widened():
    mean, std, actual = forecasts_too_narrow_by(2.0)
    assert [w.factor for w in widenings(mean, std, actual * np.nan, 1)] == [1.0, 1.0, 1.0]


def test_a_range_is_symmetric_around_what_is_expected():
    widened = widenings(*forecasts_too_narrow_by(2.0), 1)
    for low, high in ranges(0.01, 0.02, widened).values():
        assert (low + high) / 2 == pytest.approx(0.01)
