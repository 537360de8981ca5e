"""Networks off the processor: nothing of theirs stays behind on it, and a device learns what the processor does."""

import numpy as np
import pytest
import torch

from forewalk.compute.child import ModelProcess
from helpers.making import make_settings
from models.recurrent.networks import RecurrentForecaster
from models.recurrent.stacked import train_stacked
from models.recurrent.training import make_sequences, train_network

KINDS = [
    {"model__cell": "lstm"},
    {"model__cell": "gru"},
    {"model__attention": True},
    {"model__layers": 2, "model__dropout": 0.1},
]
# Autograd's own thread has no context before its first product; torch makes one and says so.
# cuDNN copies the weights of several layers at each call, since ours lie in another order; they are small.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS:UserWarning"),
    pytest.mark.filterwarnings("ignore:RNN module weights are not part:UserWarning"),
]
device_only = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def sequences_of(rows, settings):
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 3, 4)).astype(np.float32)
    target = 0.5 * x[:, :, 0] + random.normal(size=(rows, 3))
    return make_sequences(x, target, np.arange(4, rows - 40), np.arange(rows - 30, rows), settings)


@pytest.mark.parametrize("changes", KINDS)
def test_all_that_a_network_makes_lies_where_its_data_lie(changes):
    settings = make_settings(**changes).model
    network = RecurrentForecaster(4, settings).to("meta")  # a device that knows shapes only
    x = torch.zeros(settings.lookback_bars + 5, 2, 4, device="meta")
    out, after = network.read(x[settings.lookback_bars :], network.warmed(x[: settings.lookback_bars]))
    assert out.shape == (5, 2, 2)
    assert out.device.type == "meta"
    network.read(x, after)


@device_only
@pytest.mark.parametrize("changes", KINDS[:3])
def test_a_device_learns_what_the_processor_does(changes):
    settings = make_settings(model__max_epochs=3, **changes).model
    data = sequences_of(260, settings)
    here, there = (train_network(data, settings, 7, device) for device in ("cpu", "cuda"))
    assert next(there.network.parameters()).device.type == "cpu"
    np.testing.assert_allclose(there.valid_loss, here.valid_loss, rtol=5e-3)


@device_only
def test_networks_trained_together_on_a_device_learn_what_they_do_on_the_processor():
    settings = make_settings(model__max_epochs=3).model
    folds = [sequences_of(rows, settings) for rows in (150, 260)]
    here, there = (train_stacked(folds, [1, 2], settings, device) for device in ("cpu", "cuda"))
    for one, two in zip(here, there, strict=True):
        np.testing.assert_allclose(one.valid_loss, two.valid_loss, rtol=5e-3)


@device_only
def test_dropout_on_a_device_learns_too():
    settings = make_settings(model__max_epochs=3, **KINDS[3]).model
    trained = train_network(sequences_of(260, settings), settings, 7, "cuda")
    assert np.isfinite(trained.valid_loss).all()


def product_on_device(size):
    a = torch.ones(size, size, device="cuda")
    return float((a @ a)[0, 0])


@device_only
def test_the_model_process_reaches_the_device_within_its_memory():
    process = ModelProcess(timeout_s=300, memory_mb=8192, work=product_on_device)
    try:
        assert process.ask(64) == 64.0
    finally:
        process.stop()
