"""The parts of one forecast add up to it, whatever network made it."""

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from helpers.making import make_settings
from models.recurrent.attribution import attribution, integrated_gradients
from models.recurrent.networks import RecurrentForecaster
from models.recurrent.ranking import RankForecaster

NETWORKS = {
    "lstm": {},
    "gru": {"model__cell": "gru"},
    "attention": {"model__attention": True},
    "layers": {"model__layers": 2},
    "rank": {"model__loss": "rank_correlation", "label__kind": "rank"},
}


@pytest.mark.parametrize("kind", NETWORKS)
@examples(max_examples=10)
@given(seed=st.integers(0, 2**16), bars=st.integers(1, 30), size=st.floats(0.1, 3.0))
def test_the_parts_add_up_to_the_answer_less_that_of_the_baseline(kind, seed, bars, size):
    settings = make_settings(**NETWORKS[kind]).model
    torch.manual_seed(seed)
    network = (RankForecaster if kind == "rank" else RecurrentForecaster)(5, settings).eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    x = size * torch.randn(bars, 5)
    value, baseline, parts = integrated_gradients(lambda x: network(x)[0][-1], x)
    assert parts.shape == (bars, 5)
    assert parts.sum() == pytest.approx(value - baseline, abs=0.01 * max(1.0, abs(value - baseline)))


def test_of_a_linear_answer_each_part_is_weight_times_input():
    x = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
    weight = torch.tensor([[0.5, 1.0], [2.0, -4.0]])
    value, baseline, parts = integrated_gradients(lambda x: (x * weight[:, None, :]).sum(dim=(0, 2)), x)
    assert (value, baseline) == (2.5, 0.0)
    assert parts.tolist() == [[0.5, -2.0], [6.0, -2.0]]


def test_what_is_explained_is_the_forecast_that_the_model_gives(variant):
    model, panel, fold = variant
    row = int(fold.test[0]) + 5
    found = attribution(model, panel, row, 1)
    assert found.value == pytest.approx(model.predict_scaled(panel, row, row + 1).mean[0, 1], abs=1e-6)
    assert found.parts.shape == (len(panel.names),)
    assert abs(found.gap) < 1e-3


def test_a_symbol_without_a_forecast_has_nothing_to_explain(variant):
    model, panel, _ = variant
    with pytest.raises(ValueError, match="has no forecast at"):
        attribution(model, panel, 0, 1)
