from types import SimpleNamespace

import numpy as np
import pytest
from arch import arch_model
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.metrics.forecasts.garch import filtered_variance, fit_garch, garch_variance
from engine.evaluation.metrics.forecasts.skill import forecast_metrics


def clustered(bars, symbols=2, seed=1):
    """Returns of a GARCH(1,1) process, [bars, symbols], and their true variance a bar ahead."""
    random = np.random.default_rng(seed)
    variance, returns, ahead = np.full(symbols, 1e-4), np.empty((bars, symbols)), np.empty((bars, symbols))
    for row in range(bars):
        returns[row] = np.sqrt(variance) * random.normal(size=symbols)
        variance = 5e-6 + 0.1 * returns[row] ** 2 + 0.85 * variance
        ahead[row] = variance
    return returns, ahead


def two_folds(first=600, length=150):
    rows = [
        (np.arange(0, start - 110), np.arange(start - 108, start - 2), np.arange(start, start + length))
        for start in (first, first + length)
    ]
    return [SimpleNamespace(train=train, valid=valid, test=test) for train, valid, test in rows]


@given(cut=st.integers(601, 899))
@settings(max_examples=6, deadline=None)
def test_a_variance_knows_nothing_of_later_returns(cut):
    returns, _ = clustered(900)
    doctored = returns.copy()
    doctored[cut:] *= -5
    before, after = (garch_variance(values, two_folds()) for values in (returns, doctored))
    np.testing.assert_array_equal(before[: cut - 600], after[: cut - 600])
    assert (before[cut - 600 :] != after[cut - 600 :]).all()


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_filter_equals_arch_with_fixed_parameters(horizon):
    returns = clustered(1200, 1)[0][:, 0] * 100
    parameters = fit_garch(returns[:800])
    fixed = arch_model(returns, mean="Zero", rescale=False).fix(parameters[:3])
    theirs = fixed.forecast(horizon=horizon, start=1000, reindex=False).variance.to_numpy().sum(axis=1)
    np.testing.assert_allclose(filtered_variance(returns, parameters, horizon)[1000:], theirs, rtol=1e-6)


def test_parameters_are_those_of_arch_in_the_units_of_the_returns():
    returns = clustered(3000, 1)[0][:, 0]
    theirs = arch_model(returns * 100, mean="Zero", rescale=False).fit(disp="off").params.to_numpy()
    ours = fit_garch(returns)
    np.testing.assert_allclose(ours[1:3], theirs[1:], atol=0.01)
    assert ours[0] * 1e4 == pytest.approx(theirs[0], rel=0.1)


def test_the_true_variance_is_followed():
    returns, ahead = clustered(900)
    ours = garch_variance(returns, two_folds())
    assert ours.shape == (300, 2)
    assert np.corrcoef(ours.ravel(), ahead[600:].ravel())[0, 1] > 0.9


def test_bars_without_a_return_have_no_variance_and_do_not_disturb_the_others():
    returns, _ = clustered(900)
    returns[700:703, 0] = np.nan
    ours = garch_variance(returns, two_folds())
    assert np.isnan(ours[100:103, 0]).all()
    assert np.isfinite(np.delete(ours[:, 0], [100, 101, 102])).all()


@pytest.mark.parametrize("returns", [np.zeros(500), np.random.default_rng(1).normal(size=100)])
def test_there_is_no_fit_where_nothing_moves_or_little_is_known(returns):
    assert fit_garch(returns) is None


def test_the_variance_forecast_is_tested_against_garch(bars_of, forecasts_on):
    returns, ahead = clustered(900, 5)
    bars = bars_of(count=900, symbols=5)
    forecasts = forecasts_on(bars, np.zeros((300, 5)), first=600)
    outcome = np.vstack([returns[601:], np.full((1, 5), np.nan)])
    result = forecast_metrics(forecasts, outcome, bars.close[600:], returns, ahead[600:])
    garch = result.overall.variance.garch
    assert garch.qlike < garch.own_qlike
    assert garch.diebold_mariano.p_less > 0.95
    assert garch.beats_garch is False
    without = forecast_metrics(forecasts, outcome, bars.close[600:], returns).overall.variance
    assert without.garch is None
    assert "garch" not in without.to_json()
