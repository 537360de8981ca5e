"""Positions trained on the Sharpe ratio after costs, and the forecasts that are made of them."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.training.walkforward import walk_forward
from forewalk.compute.pool import Processes
from forewalk.errors import ConfigError
from forewalk.features.panel import build_features, build_labels
from forewalk.folds import walk_forward_folds
from helpers.making import make_bars, make_settings
from models.base import predict_rows
from models.recurrent.forecaster import LSTMForecaster
from models.recurrent.positions import minus_sharpe, slope_of
from models.recurrent.stacked import can_stack
from models.recurrent.training import make_sequences, train_network


def sharpe_settings(**changes):
    return make_settings(model__loss="sharpe", **changes)


@cache
def walked(jobs):
    settings, bars = sharpe_settings(), make_bars(rows=330)
    panel = build_features(bars, settings.features, 1, 60)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)[:1]
    forecaster = LSTMForecaster(settings.model, 7)
    timeline, _ = walk_forward(panel, labels, folds, forecaster, 200, workers=Processes(jobs))
    return panel, folds[0], timeline


def test_the_loss_is_the_ratio_of_what_is_left_after_the_cost_of_turnover():
    position, target = (
        np.array([[1.0, -0.5], [0.5, -0.5], [-1.0, 0.0]]),
        np.array([[1, 2], [-1, 3], [2, 1.0]]),
    )
    cost = np.array([[0, 0], [0.5, 0.0], [1.5, 0.5]]) * 0.1
    net = position * target - cost
    found = minus_sharpe(*(torch.from_numpy(each) for each in (position, target, np.ones((3, 2)))), 0.1)
    assert float(found) == pytest.approx(-net.mean() / net.std(), rel=1e-5)


def test_a_bar_without_a_return_neither_earns_nor_costs():
    position, target = torch.rand(6, 2), torch.randn(6, 2)
    weight = torch.ones(6, 2)
    weight[2:, 1] = 0.0
    other = position.clone()
    other[2:, 1] = -9.0
    assert minus_sharpe(position, target, weight, 0.3) == minus_sharpe(other, target, weight, 0.3)


@given(seed=st.integers(0, 10_000), cost=st.floats(0.0, 0.5))
def test_the_gradient_is_that_of_the_loss(seed, cost):
    torch.manual_seed(seed)
    out, direction = torch.randn(2, 5, 3, 2, dtype=torch.float64)
    target, weight = torch.randn(5, 3, dtype=torch.float64), torch.rand(5, 3, dtype=torch.float64)
    total, slope = slope_of(sharpe_settings(model__turnover_cost=cost).model)(out, target, weight)
    step = 1e-7
    ends = (minus_sharpe((out + s * direction)[..., 0], target, weight, cost) for s in (step, -step))
    moved = float(next(ends) - next(ends)) / (2 * step)
    assert float(total) == pytest.approx(float(minus_sharpe(out[..., 0], target, weight, cost)))
    assert float((slope * direction).sum()) == pytest.approx(moved, rel=1e-3, abs=1e-3)


def trained_on(drift, signal, cost=0.05):
    """A network trained on returns with a drift, and a signal in the first of two inputs."""
    random = np.random.default_rng(0)
    settings = sharpe_settings(
        model__max_epochs=6, model__learning_rate=0.02, model__turnover_cost=cost, model__layers=1
    ).model
    x = random.normal(size=(500, 4, 2)).astype(np.float32)
    target = drift + signal * x[:, :, 0] + random.normal(size=(500, 4))
    sequences = make_sequences(x, target, np.arange(380), np.arange(390, 500), settings)
    trained = train_network(sequences, settings, 3)
    with torch.no_grad():
        position, _, _ = trained.network(torch.from_numpy(x))
    return trained, position.numpy()[20:], x[20:, :, 0], target


def test_it_goes_with_a_planted_signal_and_says_what_a_position_is_worth():
    trained, position, signal, target = trained_on(0.0, 1.0)
    assert np.abs(position).max() <= 1.0
    assert np.corrcoef(position.ravel(), signal.ravel())[0, 1] > 0.7
    assert trained.return_per_position > 0.5
    assert trained.residual_std < target[390:].std()


def test_without_a_signal_it_learns_to_be_long_of_what_rises():
    _, position, _, _ = trained_on(0.5, 0.0)
    assert position.min() > 0.1
    assert position.std() < 0.1 * position.mean()


def test_a_cost_that_nothing_can_pay_keeps_it_from_trading():
    free, dear = (np.abs(np.diff(trained_on(0.0, 0.2, cost)[1], axis=0)).mean() for cost in (0.0, 5.0))
    assert dear < 0.5 * free


def test_the_forecast_is_the_position_times_its_worth_with_the_spread_of_what_is_missed():
    panel, fold, timeline = walked(1)
    model, rows = timeline.models[0], (int(fold.test[0]), len(panel))
    member = model.members[0]
    scaled = model.predict_scaled(panel, *rows)
    assert np.abs(scaled.mean).max() <= member.return_per_score
    np.testing.assert_allclose(scaled.std, member.residual_std, rtol=1e-9)
    mean, std, p_up = predict_rows(model, panel, *rows)
    known = np.isfinite(mean)
    assert known.any()
    assert ((p_up > 0.5) == (mean > 0))[known].all()
    assert (std[known] > 0).all()


def test_the_bits_are_the_same_for_any_number_of_jobs_and_the_future_changes_none():
    panel, fold, one = walked(1)
    whole, again = one.forecasts(panel, 1), walked(2)[2].forecasts(panel, 1)
    np.testing.assert_array_equal(whole.mean, again.mean)
    cut = one.forecasts(panel.known(int(fold.test[0]) + 9), 1)
    np.testing.assert_array_equal(cut.mean, whole.mean[:9])


def test_networks_of_positions_are_trained_one_after_the_other():
    assert not can_stack(sharpe_settings().model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__residual": "ridge"}, "learns positions; set residual = 'off', or another loss"),
        ({"label__kind": "rank"}, "do not go together"),
    ],
)
def test_what_positions_cannot_stand_on_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        sharpe_settings(**changes)
