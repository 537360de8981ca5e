import numpy as np
import pytest
import torch

from engine.training.walkforward import training_data
from forewalk.errors import ConfigError
from forewalk.features.panel import build_features, build_labels
from forewalk.folds import walk_forward_folds
from helpers.making import make_bars, make_settings
from models.base import fit
from models.recurrent.forecaster import LSTMForecaster
from models.recurrent.networks import RecurrentForecaster
from models.recurrent.stacked import Stack, can_stack, train_stacked
from models.recurrent.training import make_sequences, train_network


def sequences_of(rows, settings, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3, 4)).astype(np.float32)
    target = 0.5 * x[:, :, 0] + random.normal(size=(rows, 3))
    target[5, 1] = np.nan
    return make_sequences(x, target, np.arange(4, rows - 40), np.arange(rows - 30, rows), settings)


@pytest.mark.parametrize(
    "changes",
    [{}, {"model__layers": 2}, {"model__loss": "mse"}, {"model__patience": 1, "model__learning_rate": 0.1}],
    ids=["default", "layers", "mse", "early-stop"],
)
def test_networks_trained_together_learn_what_each_learns_alone(changes):
    settings = make_settings(model__max_epochs=4, **changes).model
    folds = [sequences_of(rows, settings) for rows in (150, 260, 260)]  # two folds, two seeds of the second
    together = train_stacked(folds, [1, 2, 3], settings, "cpu")
    for one, seed, trained in zip(folds, [1, 2, 3], together, strict=True):
        alone = train_network(one, settings, seed)
        assert len(trained.train_loss) == len(alone.train_loss)
        assert trained.best_epoch == alone.best_epoch
        np.testing.assert_allclose(trained.train_loss, alone.train_loss, rtol=2e-3)
        np.testing.assert_allclose(trained.valid_loss, alone.valid_loss, rtol=2e-3)
        assert trained.residual_std == pytest.approx(alone.residual_std, rel=2e-3)


def test_a_stack_answers_as_its_networks_do():
    settings = make_settings(model__layers=2).model
    torch.manual_seed(0)
    networks = [RecurrentForecaster(3, settings) for _ in range(4)]
    x = torch.randn(4, 25, 2, 3)
    with torch.no_grad():
        mean, log_std = Stack(networks, [1] * 4, settings).forward(x, burn=10)
        for g, network in enumerate(networks):
            alone = network(x[g])
            torch.testing.assert_close(mean[g], alone[0][10:], rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(log_std[g], alone[1][10:], rtol=1e-5, atol=1e-6)


def test_a_network_without_a_batch_stays_as_it_is():
    settings = make_settings().model
    torch.manual_seed(0)
    stack = Stack([RecurrentForecaster(3, settings) for _ in range(2)], [5, 5], settings)
    before = stack.weights.detach().clone()
    mean, _ = stack.forward(torch.randn(2, 15, 2, 3), burn=10)
    stack.step(mean.square().sum(dim=(1, 2)), torch.tensor([True, False]))
    assert not torch.equal(stack.weights[0], before[0])
    assert torch.equal(stack.weights[1], before[1])
    assert torch.equal(stack.average[1], before[1])


@pytest.mark.parametrize(
    ("changes", "stackable"),
    [({}, True), ({"cell": "gru"}, False), ({"attention": True}, False), ({"dropout": 0.1}, False)],
)
def test_only_plain_lstms_are_stacked(changes, stackable):
    settings = make_settings(**{f"model__{name}": value for name, value in changes.items()}).model
    assert can_stack(settings) is stackable


def test_members_trained_together_forecast_what_they_do_alone():
    bars, settings = make_bars(rows=330), make_settings(model__seeds=2)
    panel = build_features(bars, settings.features, 1, 60)
    labels = build_labels(bars, panel, settings.label)
    fold = walk_forward_folds(bars.timestamps, labels.end, settings.folds)[0]
    data = training_data(panel, labels, fold)
    forecaster = LSTMForecaster(settings.model, 7)
    alone = fit(forecaster, data)
    parts = forecaster.fit_together([(data, member) for member in forecaster.members(data.symbols)], "cpu")
    together = forecaster.assemble(data.info, [part for part, _ in parts])
    rows = int(fold.test[0]), len(panel)
    np.testing.assert_allclose(
        together.predict_scaled(panel, *rows).mean, alone.predict_scaled(panel, *rows).mean, atol=1e-4
    )
    assert [curve.network for _, curve in parts] == ["seed-0", "seed-1"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_refused_and_auto_does_without():
    missing = LSTMForecaster(make_settings(model__device="cuda").model, 7)
    with pytest.raises(ConfigError, match=r"model\.device = 'cuda'"):
        missing.device  # noqa: B018
    assert LSTMForecaster(make_settings(model__device="auto").model, 7).device == "cpu"
