from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from statsmodels.tsa.arima.model import ARIMA

from engine.evaluation.baselines import returns_panel
from engine.training.walkforward import training_data
from forewalk.errors import DataError, LookaheadError
from models.base import FittedForecaster, fit, predict_rows
from models.baselines.arima import expected_returns, fit_ar
from models.baselines.rule import learning_rows
from models.baselines.simple import BaselineForecaster, ridge
from models.header import read_header

OF_RETURNS = ("arima", "reversal_1", "reversal_5", "momentum_12_1")
KINDS = ("zero", "drift", "ridge", "trees", *OF_RETURNS)


def fitted(world, folds, kind, fold=0):
    panel = returns_panel(world.panel, world.returns) if kind in OF_RETURNS else world.panel
    data = training_data(panel, world.labels, folds(world)[fold])
    return fit(BaselineForecaster(kind, 3, world.labels.horizon_bars), data), panel, data


@given(random=st.randoms(use_true_random=False))
@settings(max_examples=5)
def test_ridge_minimises_its_own_loss(random):
    numbers = np.random.default_rng(random.randrange(10**6))
    x, y = numbers.normal(size=(40, 3)), numbers.normal(size=40)
    slope, intercept = ridge(x, y, 5.0)

    def loss(b, a):
        return np.sum((y - a - x @ b) ** 2) + 5.0 * b @ b

    nearby = [loss(slope + numbers.normal(0, 0.1, 3), intercept + numbers.normal(0, 0.1)) for _ in range(20)]
    assert min(nearby) > loss(slope, intercept)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [(185, 200), (199, 240), (181, 182)])
def test_a_forecast_does_not_depend_on_which_rows_are_asked_for(world_of, folds, kind, cut):
    model, panel, _ = fitted(world_of(slope=0.3), folds, kind)
    whole = model.predict_scaled(panel, 180, 240).mean
    np.testing.assert_array_equal(model.predict_scaled(panel, *cut).mean, whole[cut[0] - 180 : cut[1] - 180])


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_keeps_the_promise_of_every_forecaster(world_of, folds, kind):
    model, panel, data = fitted(world_of(), folds, kind)
    assert isinstance(model, FittedForecaster)
    assert (model.trained_until, model.valid_from) == (data.trained_until, data.valid_from)
    mean, std, up = predict_rows(model, panel, 180, 240)
    assert np.isfinite(mean).all()
    assert (std > 0).all()
    assert ((up > 0) & (up < 1)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_refuses_to_forecast_what_it_learned_from(world_of, folds, kind):
    model, panel, _ = fitted(world_of(), folds, kind)
    with pytest.raises(LookaheadError, match="only later bars"):
        predict_rows(model, panel, 178, 200)


@pytest.mark.parametrize("kind", KINDS)
def test_training_twice_gives_the_same_bytes(world_of, folds, kind):
    _, _, data = fitted(world_of(), folds, kind)
    once, twice = (BaselineForecaster(kind, 3).fit_member(data, kind)[0] for _ in range(2))
    assert once == twice


@pytest.mark.parametrize("kind", ["ridge", "trees"])
def test_a_feature_that_leads_the_returns_is_found(world_of, folds, kind):
    world = world_of(slope=0.5, bars=600)
    model, panel, _ = fitted(world, folds, kind)
    mean = model.predict_scaled(panel, 180, 599).mean
    assert np.corrcoef(mean.ravel(), world.labels.scaled[180:599].ravel())[0, 1] > 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_the_spread_is_the_error_on_the_validation_rows(world_of, folds, kind):
    model, panel, data = fitted(world_of(), folds, kind)
    rows = data.valid
    error = model.rule.scaled_mean(panel, rows[0], rows[0], rows[-1] + 1) - np.clip(data.target[rows], -8, 8)
    assert model.residual_std == pytest.approx(np.sqrt(np.mean(error**2)))


@pytest.mark.parametrize("penalty", [0.0, 1.0, 1000.0])
def test_ridge_equals_scikit_learn(penalty):
    random = np.random.default_rng(2)
    x, y = random.normal(1, 2, (200, 5)), random.normal(3, 1, 200)
    slope, intercept = ridge(x, y, penalty)
    theirs = Ridge(alpha=penalty).fit(x, y)
    np.testing.assert_allclose(slope, theirs.coef_, rtol=1e-9)
    assert intercept == pytest.approx(theirs.intercept_)


def test_trees_as_arrays_answer_like_scikit_learn(world_of, folds, monkeypatch):
    grown = []
    original = HistGradientBoostingRegressor.fit
    monkeypatch.setattr(
        HistGradientBoostingRegressor,
        "fit",
        lambda self, x, y: grown.append(original(self, x, y)) or grown[-1],
    )
    rule = fitted(world_of(slope=0.8, bars=600), folds, "trees", fold=6)[0].rule
    x = np.random.default_rng(1).normal(size=(500, 4))
    theirs = grown[0].predict(x)
    assert np.ptp(theirs) > 0.5
    np.testing.assert_allclose(rule.predict(x), rule.base + rule.shrinkage * (theirs - rule.base), rtol=1e-12)


@pytest.mark.parametrize(("slope", "low", "high"), [(0.8, 0.7, 1.0), (0.0, 0.01, 0.3)])
def test_trees_are_shrunk_to_what_the_validation_rows_bear_out(world_of, folds, slope, low, high):
    model, _, data = fitted(world_of(slope=slope, bars=600), folds, "trees", fold=6)
    rule = model.rule
    x, y = learning_rows(data, data.valid, rule.scaler)
    assert low <= rule.shrinkage <= high
    losses = [np.mean((replace(rule, shrinkage=s).predict(x) - y) ** 2) for s in np.linspace(0.01, 1, 100)]
    assert np.mean((rule.predict(x) - y) ** 2) <= min(losses) + 1e-12


def test_drift_is_each_symbols_mean_label_in_return_units(world_of, folds):
    model, panel, data = fitted(world_of(), folds, "drift")
    labels = data.target * data.panel.scale
    mean = model.predict_scaled(panel, 180, 190).mean * panel.scale[180:190]
    np.testing.assert_allclose(mean, np.tile(np.nanmean(labels, axis=0), (10, 1)))


def test_a_symbol_that_drift_does_not_know_gets_the_pooled_mean(world_of, folds):
    model, panel, _ = fitted(world_of(), folds, "drift")
    stranger = replace(panel, symbols=("S0", "S1", "NEW"))
    mean = model.predict_scaled(stranger, 180, 181).mean * panel.scale[180]
    assert mean[0, 2] == pytest.approx(model.rule.pooled)
    assert mean[0, 2] != mean[0, 0]


@pytest.mark.parametrize("horizon", [1, 5])
def test_arima_filters_forward_like_apply_of_statsmodels(horizon):
    returns = autoregression(1500, 0.3)
    past, later = returns[:1000], returns[1000:]
    parameters = fit_ar(past)
    result = ARIMA(past, order=(1, 0, 0)).filter(parameters).apply(later)
    bars = [50, 300, 499]
    ahead = [result.apply(later[: bar + 1]).forecast(horizon).sum() for bar in bars]
    np.testing.assert_allclose(expected_returns(later, parameters, horizon)[bars], ahead, rtol=1e-8)


def test_arima_is_close_to_the_likeliest_coefficients():
    returns = autoregression(3000, -0.2)
    likeliest = ARIMA(returns * 100, order=(1, 0, 0)).fit(method="statespace", cov_type="none").params
    mean, ar, variance = fit_ar(returns)
    assert (mean * 100, ar, variance * 1e4) == pytest.approx(tuple(likeliest), rel=0.02)


def autoregression(bars, coefficient):
    shocks = np.random.default_rng(6).normal(0.001, 0.01, bars)
    returns = np.zeros(bars)
    for t in range(1, bars):
        returns[t] = coefficient * returns[t - 1] + shocks[t]
    return returns


@pytest.mark.parametrize(
    "returns", [np.zeros(500), np.full(500, 0.01), np.random.default_rng(1).normal(size=50)]
)
def test_arima_has_no_fit_where_nothing_moves_or_little_is_known(returns):
    assert fit_ar(returns) is None


def test_a_symbol_that_arima_does_not_know_gets_the_forecast_zero(world_of, folds):
    model, panel, _ = fitted(world_of(), folds, "arima")
    mean = model.predict_scaled(replace(panel, symbols=("S0", "NEW", "S2")), 180, 185).mean
    assert (mean[:, 1] == 0).all()
    assert (mean[:, [0, 2]] != 0).all()


@pytest.mark.parametrize("kind", OF_RETURNS)
def test_what_reads_past_returns_wants_a_panel_of_them(world_of, folds, kind):
    world = world_of()
    with pytest.raises(DataError, match="one_bar_return"):
        fit(BaselineForecaster(kind), training_data(world.panel, world.labels, folds(world)[0]))


def test_a_model_refuses_a_panel_with_other_features(world_of, folds):
    model, panel, _ = fitted(world_of(), folds, "ridge")
    with pytest.raises(DataError, match="was trained on"):
        model.predict_scaled(replace(panel, names=("a", "b", "c", "d")), 180, 190)


def test_a_model_file_is_described_by_its_own_header(world_of, folds, tmp_path):
    model, _, _ = fitted(world_of(), folds, "ridge")
    path = tmp_path / "model.safetensors"
    model.save(path)
    described = read_header(path)
    assert (described["kind"], described["feature_names"]) == ("ridge", ["f0", "f1", "f2", "f3"])
