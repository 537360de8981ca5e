"""What the losses of one cell at a time are, and what a network that is trained on one learns."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import mean_pinball_loss

from helpers.lstm_models import fitted
from helpers.making import make_bars, make_settings
from models.base import predict_rows
from models.recurrent.fitted import load_lstm
from models.recurrent.losses import LEVELS, LOSSES, SLOPES, huber, quantile
from models.recurrent.networks import mean_and_log_std


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 10_000))
def test_the_slope_is_that_of_the_loss(name, seed):
    torch.manual_seed(seed)
    out, target = torch.randn(3, 5, 2, dtype=torch.float64), 3.0 * torch.randn(3, 5, dtype=torch.float64)
    weight, direction = torch.rand(3, 5, dtype=torch.float64), torch.randn(3, 5, 2, dtype=torch.float64)

    def loss(answers):
        return float((LOSSES[name](*mean_and_log_std(answers), target) * weight).sum())

    total, slope = SLOPES[name](out, target, weight)
    step = 1e-6
    moved = (loss(out + step * direction) - loss(out - step * direction)) / (2 * step)
    assert float(total) == pytest.approx(loss(out))
    assert float((slope * direction).sum()) == pytest.approx(moved, rel=1e-4, abs=1e-4)


def test_the_quantile_loss_is_the_mean_pinball_loss_of_scikit_learn():
    noise = np.random.default_rng(0)
    mean, std, target = noise.normal(size=50), noise.uniform(0.5, 2.0, 50), noise.normal(size=50)
    ours = quantile(*(torch.from_numpy(values) for values in (mean, np.log(std), target)))
    theirs = [mean_pinball_loss(target, norm.ppf(level, mean, std), alpha=level) for level in LEVELS]
    assert float(ours.mean()) == pytest.approx(np.mean(theirs))


def test_the_quantile_loss_is_least_at_the_true_mean_and_spread():
    target = torch.from_numpy(np.random.default_rng(1).normal(0.3, 1.7, 20_000))
    grid = [(m, s) for m in (0.0, 0.3, 0.6) for s in (1.4, 1.7, 2.0)]

    def loss(mean, std):
        same = torch.ones_like(target)
        return float(quantile(mean * same, np.log(std) * same, target).mean())

    assert min(grid, key=lambda at: loss(*at)) == (0.3, 1.7)


@pytest.mark.parametrize("loss_of", [huber, quantile])
def test_a_large_error_pulls_no_harder_than_a_middling_one(loss_of):
    mean = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    loss_of(mean, torch.zeros_like(mean), torch.tensor([4.0, 400.0], dtype=torch.float64)).sum().backward()
    assert mean.grad[0] == mean.grad[1] < 0


@pytest.mark.parametrize("name", ["huber", "quantile"])
def test_a_model_of_it_forecasts_a_spread_and_reads_back_from_its_file(name, tmp_path):
    settings = make_settings(model__loss=name, model__max_epochs=3)
    model, panel, fold = fitted(make_bars(rows=330), settings)
    model.save(tmp_path / "model.safetensors")
    first = int(fold.test[0])
    one = predict_rows(model, panel, first, first + 30)
    two = predict_rows(load_lstm(tmp_path / "model.safetensors"), panel, first, first + 30)
    for here, there in zip(one, two, strict=True):
        np.testing.assert_array_equal(here, there)
    ratio = one[1] / panel.scale[first : first + 30]
    assert np.isfinite(ratio).any()
    assert 0.5 < np.nanmedian(ratio) < 1.6
