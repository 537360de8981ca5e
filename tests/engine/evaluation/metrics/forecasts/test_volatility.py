import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics.forecasts.volatility import ewma_variance, qlike, qlike_normalised


@given(st.integers(1, 59))
def test_ewma_variance_knows_nothing_of_later_bars(cut):
    returns = np.random.default_rng(1).normal(0, 0.01, (60, 3))
    doctored = returns.copy()
    doctored[cut:] *= -7
    np.testing.assert_array_equal(ewma_variance(returns)[:cut], ewma_variance(doctored)[:cut])


def test_ewma_variance_of_three_returns_worked_by_hand():
    values = ewma_variance(np.array([1.0, 2.0, 3.0]), decay=0.5, warmup_bars=2)
    np.testing.assert_allclose(values, [np.nan, (0.5 * 1 + 4) / 1.5, (0.25 * 1 + 0.5 * 4 + 9) / 1.75])


def test_ewma_variance_equals_arch_once_the_start_is_forgotten():
    arch = pytest.importorskip("arch")
    returns = np.random.default_rng(2).normal(0, 1.0, 3000)
    model = arch.univariate.ZeroMean(returns, volatility=arch.univariate.EWMAVariance(0.94))
    theirs = model.fit(disp="off").forecast(reindex=False).variance.to_numpy()[-1, 0]
    assert ewma_variance(returns)[-1] == pytest.approx(theirs, rel=1e-9)


def test_ewma_variance_skips_bars_without_a_return():
    returns = np.random.default_rng(3).normal(size=40)
    gapped = np.insert(returns, 30, np.nan)
    assert np.isnan(ewma_variance(gapped)[30])
    np.testing.assert_allclose(np.delete(ewma_variance(gapped), 30), ewma_variance(returns))


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.1, 10))
def test_both_qlike_forms_differ_by_the_same_amount_between_two_forecasts(first, second, realised):
    a, b, r = np.array([first]), np.array([second]), np.array([realised])
    plain = qlike(a, r, unit=3.0) - qlike(b, r, unit=3.0)
    np.testing.assert_allclose(plain, qlike_normalised(a, r) - qlike_normalised(b, r), atol=1e-9)


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_normalised_qlike_is_zero_for_the_truth_and_positive_otherwise(variance, realised):
    loss = qlike_normalised(np.array([variance]), np.array([realised]))[0]
    assert loss >= -1e-12
    assert qlike_normalised(np.array([realised]), np.array([realised]))[0] == 0


def test_a_zero_return_counts_in_qlike_and_drops_out_of_the_normalised_form():
    variance, realised = np.array([2.0]), np.array([0.0])
    assert qlike(variance, realised)[0] == pytest.approx(np.log(2))
    assert np.isnan(qlike_normalised(variance, realised)[0])
