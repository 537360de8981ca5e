import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.making import make_settings
from models.recurrent.networks import RecurrentForecaster
from models.recurrent.training import FlatAdamW


def optimizer_of(horizon):
    settings = make_settings().model
    torch.manual_seed(0)
    network = RecurrentForecaster(3, settings)
    return network, FlatAdamW(network, settings, horizon)


def steps(network, optimizer, count):
    seen = [optimizer.weights.clone()]
    for _ in range(count):
        optimizer.step(network(torch.randn(5, 2, 3))[0].square().sum())
        seen.append(optimizer.weights.clone())
    return torch.stack(seen)


@given(st.integers(1, 6))
def test_the_average_is_the_plain_mean_until_the_horizon_is_reached(count):
    network, optimizer = optimizer_of(horizon=50)
    seen = steps(network, optimizer, count)
    torch.testing.assert_close(optimizer.average, seen.mean(dim=0), rtol=1e-5, atol=1e-6)


def test_a_horizon_of_one_step_averages_nothing():
    network, optimizer = optimizer_of(horizon=1)
    seen = steps(network, optimizer, 3)
    torch.testing.assert_close(optimizer.average, seen[-1], rtol=1e-6, atol=1e-7)


def test_the_network_has_the_average_for_a_while_and_its_own_weights_again():
    network, optimizer = optimizer_of(horizon=50)
    own = steps(network, optimizer, 4)[-1]
    with optimizer.averaged():
        inside = torch.cat([weight.detach().flatten() for weight in network.parameters()])
        torch.testing.assert_close(inside, optimizer.average)
    after = torch.cat([weight.detach().flatten() for weight in network.parameters()])
    assert torch.equal(after, own)
    assert not np.allclose(inside, own)
