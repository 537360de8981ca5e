from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.evaluation.baselines import returns_panel
from engine.training.walkforward import training_data
from models.base import fit
from models.baselines.rank_rules import SIGNALS, SMALLEST_SLOPE, past_return
from models.baselines.simple import BaselineForecaster


def fitted(world, folds, kind, fold=0):
    panel = returns_panel(world.panel, world.returns)
    data = training_data(panel, world.labels, folds(world)[fold])
    return fit(BaselineForecaster(kind, 3), data), panel, data


@pytest.mark.parametrize(
    ("kind", "closes"),
    [
        ("reversal_1", lambda price: -(price / price.shift(1)).map(np.log)),
        ("reversal_5", lambda price: -(price / price.shift(5)).map(np.log)),
        ("momentum_12_1", lambda price: (price.shift(21) / price.shift(252)).map(np.log)),
    ],
)
def test_a_signal_is_what_the_prices_say(kind, closes):
    returns = np.random.default_rng(4).normal(0, 0.01, 400)
    price = pd.Series(np.exp(np.concatenate([[0.0], returns.cumsum()])))
    signal = SIGNALS[kind]
    expected = closes(price)[1:].to_numpy() / np.sqrt(signal.bars - signal.skipped)
    np.testing.assert_allclose(past_return(returns, signal), np.nan_to_num(expected), atol=1e-14)


@pytest.mark.parametrize("kind", SIGNALS)
def test_forecasts_rank_as_the_signal_does_whatever_the_training_rows_said(world_of, folds, kind):
    world = world_of(bars=400)
    opposed = replace(world.labels, scaled=np.array(world.labels.scaled))
    signal = np.column_stack(
        [past_return(column, SIGNALS[kind]) for column in np.nan_to_num(world.returns).T]
    )
    opposed.scaled[:] = np.where(np.isfinite(opposed.scaled), -signal / world.panel.scale, np.nan)
    world.labels = opposed
    model, panel, _ = fitted(world, folds, kind, fold=-1)
    mean = model.predict_scaled(panel, 380, 399).mean * panel.scale[380:399]
    np.testing.assert_array_equal(mean.argsort(axis=1), signal[380:399].argsort(axis=1))
    assert model.rule.slope == SMALLEST_SLOPE


def test_the_slope_comes_from_the_training_rows_alone(world_of, folds):
    world = world_of(bars=400)
    model, _, data = fitted(world, folds, "reversal_1")
    outside = np.setdiff1d(np.arange(400), data.train)
    world.labels.scaled[outside] *= 5.0
    again, _, _ = fitted(world, folds, "reversal_1")
    assert again.rule.slope == model.rule.slope
    world.labels.scaled[data.train] += 5.0 * np.nan_to_num(-world.returns / world.panel.scale)[data.train]
    steeper, _, _ = fitted(world, folds, "reversal_1")
    assert steeper.rule.slope > model.rule.slope + 1.0


def test_bars_without_a_price_are_not_counted(world_of, folds):
    world = world_of(bars=400)
    model, panel, _ = fitted(world, folds, "reversal_5")
    gap = np.array(panel.values)
    gap[300:303, 1] = np.nan
    mean = model.predict_scaled(replace(panel, values=gap), 300, 306).mean
    own = [295, 296, 297, 298, 299, 303, 304]
    expected = -panel.values[own[-5:], 1, 0].astype(np.float64).sum() / np.sqrt(5) * model.rule.slope
    assert mean[4, 1] * panel.scale[304, 1] == pytest.approx(expected)
