"""Layer norm, numbers of each symbol and the line of a ridge: off unless asked for, and blind to the future."""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from engine.training.walkforward import training_data, walk_forward
from forewalk.compute.pool import Processes
from forewalk.errors import ConfigError, DataError
from forewalk.features.panel import build_features, build_labels
from forewalk.folds import walk_forward_folds
from forewalk.settings.loading import load_settings, settings_to_toml
from helpers.lstm_models import fitted, prepared
from helpers.making import make_bars, make_settings
from models.base import fit
from models.baselines.simple import BaselineForecaster
from models.recurrent.fitted import load_lstm
from models.recurrent.forecaster import LSTMForecaster
from models.recurrent.networks import RecurrentForecaster
from models.recurrent.residual import ridge_line
from models.recurrent.stacked import can_stack

ALL = {"model__layer_norm": True, "model__symbol_embedding": 3, "model__residual": "ridge"}
RANKS = {"label__kind": "rank", "model__loss": "rank_correlation"}


@cache
def world(ranks):
    settings = make_settings(**ALL, model__seeds=2, **(RANKS if ranks else {}))
    bars = make_bars(rows=330, symbols=22 if ranks else 3)
    panel = build_features(bars, settings.features, 1, 60)
    labels = build_labels(bars, panel, settings.label)
    return bars, settings, panel, labels, walk_forward_folds(bars.timestamps, labels.end, settings.folds)[:1]


@cache
def walked(ranks, jobs):
    _, settings, panel, labels, folds = world(ranks)
    forecaster = LSTMForecaster(settings.model, 7)
    return walk_forward(panel, labels, folds, forecaster, 200, workers=Processes(jobs))[0]


both = pytest.mark.parametrize("ranks", [False, True], ids=["sequences", "ranks"])


@both
def test_the_bits_are_the_same_for_any_number_of_jobs_and_the_future_changes_none(ranks):
    _, _, panel, _, folds = world(ranks)
    whole, again = (walked(ranks, jobs).forecasts(panel, 1) for jobs in (1, 2))
    assert np.isfinite(whole.mean[:9]).all()
    np.testing.assert_array_equal(whole.mean, again.mean)
    np.testing.assert_array_equal(whole.std, again.std)
    cut = walked(ranks, 1).forecasts(panel.known(int(folds[0].test[0]) + 9), 1)
    np.testing.assert_array_equal(cut.mean, whole.mean[:9])
    np.testing.assert_array_equal(cut.std, whole.std[:9])


@both
def test_bars_after_training_change_neither_weight_nor_line(ranks):
    bars, settings, panel, labels, folds = world(ranks)
    cut = bars.until(folds[0].trained_until)
    short = build_features(cut, settings.features, 1, 60)
    one, two = (
        LSTMForecaster(settings.model, 7).fit_member(training_data(p, each, folds[0]), "seed-0")[0]
        for p, each in ((panel, labels), (short, build_labels(cut, short, settings.label)))
    )
    assert one == two


@both
def test_a_stored_model_has_the_line_and_the_numbers_and_forecasts_as_before(ranks, tmp_path):
    _, _, panel, _, folds = world(ranks)
    model = walked(ranks, 1).models[0]
    model.save(tmp_path / "m.safetensors")
    stored = load_lstm(tmp_path / "m.safetensors")
    assert stored.members[0].embedded == panel.symbols
    assert stored.members[0].network.line.any()
    rows = int(folds[0].test[0]), len(panel)
    one, two = model.predict_scaled(panel, *rows), stored.predict_scaled(panel, *rows)
    np.testing.assert_array_equal(one.mean, two.mean)
    np.testing.assert_array_equal(one.std, two.std)


def test_off_they_leave_no_weight_and_no_word_in_the_header():
    model, _, _ = fitted(make_bars(rows=330), make_settings())
    assert {name.partition(".")[0] for name in model.members[0].network.state_dict()} == {"cell", "head"}
    assert "embedded" not in model.header()["members"]["seed-0"]


@pytest.mark.parametrize("scope", ["pooled", "per_symbol"])
def test_the_line_is_the_ridge_of_the_same_rows(scope):
    settings = make_settings(model__residual="ridge", model__scope=scope)
    _, data, _ = prepared(make_bars(rows=330), settings)
    member = fit(LSTMForecaster(settings.model, 7), data).members[0]
    if scope == "per_symbol":
        data = replace(data, panel=data.panel.of_columns((0,)), target=data.target[:, :1])
    rule = fit(BaselineForecaster("ridge"), data).rule
    expected = [*rule.coefficients.tolist(), rule.intercept]
    np.testing.assert_allclose(member.network.line.numpy(), expected, rtol=1e-6)


def test_before_it_has_learned_anything_a_network_on_a_line_answers_with_the_line():
    torch.manual_seed(0)
    network = RecurrentForecaster(3, make_settings(model__residual="ridge").model).eval()
    network.line.copy_(torch.tensor([1.0, -2.0, 0.5, 0.25]))
    torch.nn.init.zeros_(network.head.weight)
    x = torch.randn(12, 4, 3)
    expected = x[..., 0] - 2.0 * x[..., 1] + 0.5 * x[..., 2] + 0.25
    torch.testing.assert_close(network(x)[0], expected)
    assert "line" not in dict(network.named_parameters())  # training leaves it as it is


def test_a_line_without_a_label_to_learn_from_is_refused():
    x, label = np.zeros((9, 2, 3), np.float32), np.full((9, 2), np.nan)
    label[:5] = 1.0
    with pytest.raises(DataError, match=r"no validation bar has a label .* load a longer history"):
        ridge_line(x, label, np.arange(5), np.arange(6, 9))


def test_a_symbol_that_was_not_trained_on_has_the_mean_of_all_whatever_its_name():
    _, _, panel, _, folds = world(False)
    model, rows = walked(False, 1).models[0], (int(folds[0].test[0]), len(panel))
    new, other = (replace(panel, symbols=("S00", name, "S02")) for name in ("NEW", "OTHER"))
    known, one, two = (model.predict_scaled(each, *rows).mean for each in (panel, new, other))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one[:, [0, 2]], known[:, [0, 2]])
    assert not np.array_equal(one[:, 1], known[:, 1])
    network = deepcopy(model.members[0].network)
    x = torch.randn(5, 1, len(panel.names))
    mean, _, _ = network(x, None, model.members[0].whose(["NEW"]))
    with torch.no_grad():
        network.embedding.copy_(network.embedding.mean(dim=0).expand(3, -1).clone())
    torch.testing.assert_close(network(x, None, torch.tensor([0]))[0], mean)


def test_a_network_that_tells_symbols_apart_must_be_told_whose_a_sequence_is():
    network = RecurrentForecaster(3, make_settings(model__symbol_embedding=2).model, 4)
    with pytest.raises(ValueError, match="must be told whose"):
        network(torch.zeros(2, 1, 3))


@pytest.mark.parametrize("name", ALL)
def test_networks_with_more_than_a_head_are_trained_one_after_the_other(name):
    assert not can_stack(make_settings(**{name: ALL[name]}).model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__scope": "per_symbol"}, "set symbol_embedding = 0, or scope = 'pooled'"),
        ({"model__augment": {"mixup": 0.2}}, "whose a sequence is; set one of them to 0"),
    ],
)
def test_numbers_of_each_symbol_are_refused_where_symbols_are_not_told_apart(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_settings(model__symbol_embedding=3, **changes)


@pytest.mark.parametrize("changes", [{}, ALL, {"model__loss": "sharpe"}], ids=["off", "all", "sharpe"])
def test_the_settings_of_a_run_are_read_again_from_its_file(changes, tmp_path):
    settings = make_settings(**changes)
    (tmp_path / "config.toml").write_text(settings_to_toml(settings), encoding="utf-8")
    assert load_settings(tmp_path / "config.toml").model == settings.model
