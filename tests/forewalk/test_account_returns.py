import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from forewalk.returns import sharpe_sample


@given(st.lists(st.floats(-0.5, 0.5, allow_subnormal=False), min_size=8, max_size=60))
def test_the_sample_of_an_account_is_scipys(values):
    returns = np.array(values)
    if returns.std() < 1e-6:
        return
    sample = sharpe_sample(returns)
    assert sample.sharpe == pytest.approx(returns.mean() / stats.tstd(returns), rel=1e-9, abs=1e-12)
    assert sample.skew == pytest.approx(stats.skew(returns), rel=1e-6, abs=1e-9)
    assert sample.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-6, abs=1e-9)
    assert sample.observations == len(values)


@pytest.mark.parametrize("returns", [np.zeros(10), np.full(10, 0.01), np.zeros(1), np.zeros(0)])
def test_an_account_that_never_moved_has_no_ratio(returns):
    sample = sharpe_sample(returns)
    assert np.isnan([sample.sharpe, sample.skew, sample.kurtosis]).all()


def test_a_sample_of_normal_returns_is_normal():
    sample = sharpe_sample(np.random.default_rng(3).normal(0.001, 0.01, 100_000))
    assert (sample.sharpe, sample.skew, sample.kurtosis) == pytest.approx((0.1, 0, 3), abs=0.02)
