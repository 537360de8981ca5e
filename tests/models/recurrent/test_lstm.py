from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from forewalk.errors import DataError, LookaheadError
from forewalk.features.panel import build_features
from helpers.lstm_models import fitted, prepared
from helpers.making import make_bars, make_settings
from models.base import fit, predict_rows
from models.checkpoint import unpack
from models.recurrent.forecaster import LSTMForecaster
from models.recurrent.losses import LOSSES, SLOPES
from models.recurrent.networks import RecurrentForecaster, gaussian_nll, mean_and_log_std
from models.recurrent.training import (
    STEPS_PER_PASS,
    FlatAdamW,
    batch_size,
    batches,
    make_sequences,
    run_network,
)
from models.scaler import Scaler


def assert_equal_in_single_precision(one, two):
    """Mean and std to a few roundings of the network's numbers, whose unit is the std; chances to as many of 1.

    Which roundings there are hangs on the processor: its library sums products of other shapes in another order.
    """
    rounding = 4 * np.finfo(np.float32).eps
    for first, second, unit in zip(one, two, (one[1].max(), one[1].max(), 1.0), strict=True):
        np.testing.assert_allclose(first, second, rtol=0, atol=rounding * unit)


def test_a_forecast_does_not_depend_on_how_the_rows_are_cut(variant):
    model, panel, fold = variant
    start, stop = int(fold.test[0]), int(fold.test[-1]) + 1
    whole = predict_rows(model, panel, start, stop)
    pieces = [predict_rows(model, panel, row, row + 1) for row in range(start, stop)]
    assert_equal_in_single_precision(whole, [np.concatenate(parts) for parts in zip(*pieces, strict=True)])


def test_a_forecast_uses_no_later_bar(variant):
    model, panel, fold = variant
    start = int(fold.test[0])
    long = predict_rows(model, panel, start, start + 40)
    short = predict_rows(model, panel.known(start + 10), start, start + 10)
    assert_equal_in_single_precision([values[:10] for values in long], short)


def test_the_same_seed_gives_the_same_bits(variant):
    model, panel, fold = variant
    again, _, _ = fitted(make_bars(rows=330), make_settings(**_changes(model)))
    for one, two in zip(
        *(predict_rows(m, panel, int(fold.test[0]), len(panel)) for m in (model, again)), strict=True
    ):
        np.testing.assert_array_equal(one, two)


def _changes(model):
    settings = model.settings.model_dump()
    changes = {f"model__{name}": value for name, value in settings.items()}
    if settings["seeds"] == 2:
        changes |= {"label__kind": "market_relative", "label__horizon_bars": 3}
    return changes


def test_a_forecast_is_a_distribution(variant):
    model, panel, fold = variant
    mean, std, p_up = predict_rows(model, panel, int(fold.test[0]), len(panel))
    assert (std > 0).all()
    assert ((p_up > 0) & (p_up < 1)).all()
    np.testing.assert_array_equal(p_up > 0.5, mean > 0)


@pytest.mark.parametrize("rows_before", [0, 1, 100])
def test_asking_about_a_bar_the_model_already_knew_is_an_error(rows_before):
    model, panel, _ = fitted(make_bars(rows=330), make_settings())
    known = int(panel.timestamps.searchsorted(model.trained_until)) - rows_before
    with pytest.raises(LookaheadError, match="was trained until"):
        predict_rows(model, panel, known, known + 5)


def test_a_panel_that_does_not_reach_back_to_the_first_forecast_is_refused():
    model, panel, _fold = fitted(make_bars(rows=330), make_settings())
    rows = ("timestamps", "values", "scale", "eligible")
    late = replace(panel, **{name: getattr(panel, name)[280:] for name in rows})
    with pytest.raises(DataError, match="must reach back"):
        predict_rows(model, late, 10, 20)


def test_other_features_than_in_training_are_refused():
    model, _, fold = fitted(make_bars(rows=330), make_settings())
    other = build_features(make_bars(rows=330), make_settings(features__gap=False).features)
    with pytest.raises(DataError, match="was trained on"):
        predict_rows(model, other, int(fold.test[0]), 300)


def test_training_data_ends_where_training_ends():
    settings = make_settings(label__horizon_bars=4)
    _panel, data, fold = prepared(make_bars(rows=330), settings)
    assert len(data.panel) == fold.valid[-1] + 1 < fold.test[0]
    assert data.panel.timestamps[-1] < data.trained_until < data.valid_from
    unlabelled = np.setdiff1d(np.arange(len(data.panel)), np.concatenate([fold.train, fold.valid]))
    assert np.isnan(data.target[unlabelled]).all()


def test_a_symbol_without_its_minimum_history_is_not_trained_on():
    bars = make_bars(rows=330, missing=[(slice(0, 200), 1)])
    _, data, _ = prepared(bars, make_settings())
    assert data.symbols == ("S00", "S02")


def test_a_symbol_that_is_not_trained_on_changes_no_weight():
    settings = make_settings(model__max_epochs=1)
    _, data, _ = prepared(make_bars(rows=330), settings)
    eligible, values = data.panel.eligible.copy(), data.panel.values.copy()
    eligible[:, -1] = False
    values[:, -1] += 3.0
    one, other = (
        LSTMForecaster(settings.model, 7).fit_member(
            replace(data, panel=replace(data.panel, eligible=eligible, values=each)), "seed-0"
        )[0]
        for each in (data.panel.values, values)
    )
    assert one == other


def test_the_scaler_knows_the_training_rows_only():
    settings = make_settings()
    panel, data, fold = prepared(make_bars(rows=330), settings)
    part, _ = LSTMForecaster(settings.model, 7).fit_member(data, "seed-0")
    rows = panel.values[fold.train].reshape(-1, len(panel.names)).astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    np.testing.assert_allclose(unpack(part)[1]["mean"], rows.mean(axis=0))
    np.testing.assert_allclose(unpack(part)[1]["std"], rows.std(axis=0))


@hypothesis_settings(max_examples=40)
@given(
    rows=st.integers(30, 90), targets=st.integers(1, 40), batch=st.integers(1, 9), lookback=st.integers(1, 12)
)
def test_every_training_target_comes_once_a_pass_with_its_own_past(rows, targets, batch, lookback):
    settings = make_settings(
        model__sequence_targets=targets, model__batch_sequences=batch, model__lookback_bars=lookback
    ).model
    number = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)  # each cell is its own identity
    target = np.where(number % 7 == 3, np.nan, number).astype(np.float64)
    train, valid = np.arange(2, rows - 8), np.arange(rows - 5, rows)
    sequences = make_sequences(number[:, :, None] + 1, np.clip(target, None, 7.5), train, valid, settings)
    seen = []
    for x, y, mask in batches(sequences, settings, np.random.default_rng(rows)):
        assert x.shape[0] == lookback + targets
        at_target = x[lookback:, :, 0] - 1
        seen += at_target[mask].tolist()
        assert torch.equal(y[mask], at_target[mask].clamp(max=7.5))
        steps = torch.diff(x[:, :, 0], dim=0)
        inside = (x[:-1, :, 0] > 0) & (x[1:, :, 0] > 0)
        assert (steps[inside] == 2).all()
    expected = number[train][~np.isnan(target[train])]
    assert sorted(seen) == sorted(expected.tolist())


@given(st.integers(1, 299))
def test_a_network_run_in_two_pieces_answers_as_in_one(cut):
    torch.manual_seed(0)
    network = RecurrentForecaster(3, make_settings(model__attention=True).model).eval()
    torch.nn.init.normal_(network.attention.value.weight)
    x = torch.randn(300, 2, 3)
    with torch.no_grad():
        mean, log_std, _ = network(x)
    second_mean, second_std = run_network(network, x[cut:], network.warmed(x[:cut]))
    torch.testing.assert_close(second_mean, mean[cut:], rtol=0, atol=1e-6)
    torch.testing.assert_close(second_std, log_std[cut:], rtol=0, atol=1e-6)


def test_attention_sees_its_lookback_and_nothing_else():
    torch.manual_seed(0)
    network = RecurrentForecaster(
        3, make_settings(model__attention=True, model__lookback_bars=5).model
    ).eval()
    torch.nn.init.normal_(network.attention.value.weight)
    hidden = torch.randn(20, 1, 4)
    changed = hidden.clone()
    changed[10] += 1.0
    with torch.no_grad():
        difference = (
            (network.attention(hidden, None)[0] - network.attention(changed, None)[0]).abs().sum((1, 2))
        )
    assert (difference > 1e-6).nonzero().flatten().tolist() == [10, 11, 12, 13, 14]


@hypothesis_settings(max_examples=30)
@given(count=st.integers(1, 3000), batch=st.integers(1, 64))
def test_a_pass_takes_enough_steps_where_there_are_enough_sequences(count, batch):
    size = batch_size(count, make_settings(model__batch_sequences=batch).model)
    assert 1 <= size <= batch
    assert size == batch or count / size >= STEPS_PER_PASS or size == 1


def test_flat_adamw_takes_the_steps_that_torch_takes_for_each_weight():
    settings = make_settings(model__clip_norm=0.01, model__learning_rate=0.05).model
    torch.manual_seed(0)
    one, two = RecurrentForecaster(3, settings), RecurrentForecaster(3, settings)
    two.load_state_dict(one.state_dict())
    flat = FlatAdamW(one, settings)
    plain = torch.optim.AdamW(two.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    for _ in range(5):
        x = torch.randn(7, 2, 3)
        flat.step(one(x)[0].square().sum())
        plain.zero_grad()
        two(x)[0].square().sum().backward()
        torch.nn.utils.clip_grad_norm_(two.parameters(), settings.clip_norm)
        plain.step()
    for name, weight in two.state_dict().items():
        torch.testing.assert_close(one.state_dict()[name], weight, rtol=1e-5, atol=1e-6)


def test_no_gradient_reaches_the_bars_that_only_warm_the_state():
    network = RecurrentForecaster(3, make_settings(model__attention=True).model)
    x = torch.randn(30, 2, 3, requires_grad=True)
    mean, _, _ = network(x[10:], network.warmed(x[:10]))
    mean.sum().backward()
    assert (x.grad[:10] == 0).all()
    assert (x.grad[10:] != 0).any()


def test_the_gaussian_loss_is_the_likelihood_of_torch():
    mean, log_std, target = torch.randn(3, 50)
    normal = torch.distributions.Normal(mean, log_std.exp())
    constant = 0.5 * np.log(2 * np.pi)
    torch.testing.assert_close(gaussian_nll(mean, log_std, target), -normal.log_prob(target) - constant)


@given(st.integers(1, 40), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_a_scaler_has_the_bits_of_the_moments_of_all_complete_rows(bars, symbols, seed):
    random = np.random.default_rng(seed)
    values = (random.normal(3, 2, (bars * 20, symbols, 3)) * [0.01, 1, 1000]).astype(np.float32)
    values[random.random(values.shape[:2]) < 0.1] = np.nan
    values[0, 0] = 1.0
    rows = values.reshape(-1, 3).astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    scaler = Scaler.fit(values)
    assert scaler.mean == tuple(rows.mean(axis=0))
    assert scaler.std == tuple(np.where(rows.std(axis=0) > 1e-8, rows.std(axis=0), 1.0))


@given(st.integers(0, 2**32 - 1), st.sampled_from(["gaussian_nll", "mse"]))
def test_the_slope_of_a_loss_has_the_bits_of_autograd(seed, kind):
    torch.manual_seed(seed)
    out, target, mask = torch.randn(6, 5, 2) * 3, torch.randn(6, 5) * 3, torch.rand(6, 5) < 0.8
    targets = max(int(mask.sum()), 1)
    asked = out.clone().requires_grad_()
    loss = (LOSSES[kind](*mean_and_log_std(asked), target) * mask).sum() / targets
    loss.backward()
    value, slope = SLOPES[kind](out, target, mask * (1.0 / targets))
    assert torch.equal(slope, asked.grad)
    torch.testing.assert_close(value, loss.detach())


def test_training_stops_early_and_keeps_the_best_epoch():
    settings = make_settings(model__max_epochs=30, model__patience=2, model__learning_rate=0.05)
    _, data, _ = prepared(make_bars(rows=330), settings)
    _, curve = LSTMForecaster(settings.model, 1).fit_member(data, "seed-0")
    assert curve.best_epoch == int(np.argmin(curve.valid_loss))
    assert len(curve.valid_loss) == min(curve.best_epoch + settings.model.patience + 1, 30)


def test_a_signal_that_is_there_is_learnt():
    bars = make_bars(rows=900, symbols=4, seed=5)
    settings = make_settings(
        folds__train_bars=700, model__max_epochs=15, model__hidden_size=8, model__learning_rate=0.01
    )
    panel, data, fold = prepared(bars, settings)
    target = data.target.copy()
    feature = data.panel.values[:, :, panel.names.index("gap")]
    known = np.isfinite(target)
    target[known] = np.nan_to_num(feature[known]) * 1.5 + 0.5 * target[known]
    planted = data.__class__(**{**{f: getattr(data, f) for f in data.__dataclass_fields__}, "target": target})
    model = fit(LSTMForecaster(settings.model, 3), planted)
    mean = model.predict_scaled(panel, int(fold.test[0]), len(panel)).mean
    truth = panel.values[fold.test[0] :, :, panel.names.index("gap")]
    assert np.corrcoef(mean.ravel(), truth.ravel())[0, 1] > 0.8


def test_the_scaler_turns_missing_values_into_the_training_mean():
    scaler = Scaler.fit(np.array([[[1.0, 5.0]], [[3.0, 5.0]]], dtype=np.float32))
    out = scaler.transform(np.array([[[np.nan, 5.0]], [[2.0, 1e9]]], dtype=np.float32))
    assert out.tolist() == [[[0.0, 0.0]], [[0.0, 5.0]]]


def test_a_fold_without_any_complete_bar_says_so():
    with pytest.raises(DataError, match="no training bar has complete features"):
        Scaler.fit(np.full((3, 2, 1), np.nan, dtype=np.float32))
