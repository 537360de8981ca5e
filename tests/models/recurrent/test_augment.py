"""What training rows may be changed to, and what stays as it is."""

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
from helpers.lstm_models import fitted
from helpers.making import make_bars, make_settings
from models.recurrent.augment import augmented, changed_inputs, noise_of
from models.recurrent.forecaster import LSTMForecaster
from models.recurrent.stacked import train_stacked
from models.recurrent.training import batches, make_sequences, train_network

RANKS = {"label__kind": "rank", "model__loss": "rank_correlation"}
ALL = {
    "jitter": 0.3,
    "feature_dropout": 0.2,
    "magnitude": 0.2,
    "time_mask_bars": 5,
    "burn_in": 0.5,
    "mixup": 0.4,
}
WITH_RANKS = {name: value for name, value in ALL.items() if name not in ("burn_in", "mixup")}


def model_of(changes, **others):
    return make_settings(model__augment=changes, **others)


def sequences_of(settings, rows=150, symbols=3):
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, symbols, 4)).astype(np.float32)
    target = 0.5 * x[:, :, 0] + random.normal(size=(rows, symbols))
    return make_sequences(x, target, np.arange(4, rows - 40), np.arange(rows - 30, rows), settings)


def batch_of(steps=30, sequences=6, features=4, targets=20):
    random = np.random.default_rng(1)
    x = torch.from_numpy(random.normal(size=(steps, sequences, features)).astype(np.float32))
    y = torch.from_numpy(random.normal(size=(targets, sequences)).astype(np.float32))
    return x, y, torch.from_numpy(random.random((targets, sequences)) < 0.7)


def noise(seed=3):
    return np.random.default_rng(seed)


def test_all_is_off_by_default_and_then_nothing_is_drawn_and_nothing_copied():
    settings, generator = make_settings().model, noise()
    assert noise_of(settings, generator) is None
    assert generator.bit_generator.seed_seq.n_children_spawned == 0
    batch = batch_of()
    assert all(mine is same for mine, same in zip(augmented(batch, settings, generator), batch, strict=True))


@pytest.mark.parametrize("name", ALL)
def test_each_change_is_drawn_from_its_seed_alone_and_changes_something(name):
    settings, batch = model_of({name: ALL[name]}).model, batch_of()
    before = [part.clone() for part in batch]
    one, same, other = (augmented(batch, settings, noise(seed)) for seed in (3, 3, 4))
    for first, second in zip(one, same, strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(one[0], other[0])
    assert not torch.equal(one[0], batch[0])
    for part, was in zip(batch, before, strict=True):
        assert torch.equal(part, was)


@pytest.mark.parametrize("name", [name for name in ALL if name != "mixup"])
def test_only_mixup_touches_the_targets(name):
    batch = batch_of()
    _, y, mask = augmented(batch, model_of({name: ALL[name]}).model, noise())
    assert y is batch[1]
    assert mask is batch[2]


def test_the_order_and_phase_of_the_sequences_are_those_without_changes():
    plain, changed = (model_of(changes).model for changes in ({}, {"jitter": 0.1}))
    cut = [list(batches(sequences_of(one), one, noise())) for one in (plain, changed)]
    assert len(cut[0]) == len(cut[1])
    for (_, y, mask), (_, other, other_mask) in zip(*cut, strict=True):
        assert torch.equal(y, other)
        assert torch.equal(mask, other_mask)


@given(st.integers(0, 200), st.integers(1, 12))
def test_a_missing_span_is_one_run_no_longer_than_allowed(seed, longest):
    x = torch.ones(10, 5, 2)
    found = changed_inputs(x, model_of({"time_mask_bars": longest}).model.augment, noise(seed))
    gone = (found == 0).numpy()
    assert (gone[:, :, 0] == gone[:, :, 1]).all()
    assert gone[:, :, 0].sum(axis=0).max() <= min(longest, 10)
    starts = np.diff(gone[:, :, 0].astype(int), axis=0, prepend=0) == 1
    assert starts.sum(axis=0).max() <= 1


@given(st.integers(0, 200))
def test_a_shorter_warm_up_never_reaches_a_bar_with_a_target(seed):
    settings = model_of({"burn_in": 1.0}, model__lookback_bars=10).model
    x, y, mask = batch_of()
    found, _, _ = augmented((torch.ones_like(x), y, mask), settings, noise(seed))
    gone = (found == 0).numpy()[:, :, 0]
    assert not gone[10:].any()
    assert (np.diff(gone.astype(int), axis=0) <= 0).all()


@given(st.integers(0, 200), st.floats(0.05, 5.0))
def test_a_mixture_counts_only_targets_that_both_have_and_lies_between_them(seed, alpha):
    x, y, mask = batch_of()
    mixed, target, both = augmented((x, y, mask), model_of({"mixup": alpha}).model, noise(seed))
    assert not (both & ~mask).any()
    assert both.any(dim=0).all()
    assert float(mixed.max()) <= float(x.max()) + 1e-5
    assert float(target.min()) >= float(y.min()) - 1e-5


def test_a_sequence_that_shares_no_target_with_any_other_stays_alone():
    x, y, _ = batch_of(sequences=2)
    mask = torch.zeros(20, 2, dtype=torch.bool)
    mask[:10, 0], mask[10:, 1] = True, True
    mixed, target, both = augmented((x, y, mask), model_of({"mixup": 1.0}).model, noise())
    assert torch.equal(mixed, x)
    assert torch.equal(target, y)
    assert torch.equal(both, mask)


def test_a_feature_that_is_dropped_is_missing_in_the_whole_sequence():
    found = changed_inputs(torch.ones(9, 40, 3), model_of({"feature_dropout": 0.5}).model.augment, noise())
    assert set(found.sum(dim=0).unique().tolist()) == {0.0, 9.0}


def test_validation_never_sees_a_change():
    settings = model_of({"jitter": 3.0}, model__max_epochs=1, model__learning_rate=1e-12).model
    plain = model_of({}, model__max_epochs=1, model__learning_rate=1e-12).model
    one, two = (train_network(sequences_of(each), each, 1) for each in (plain, settings))
    assert one.train_loss != two.train_loss
    np.testing.assert_allclose(one.valid_loss, two.valid_loss, rtol=1e-6)


def test_networks_trained_together_see_the_changes_that_each_sees_alone():
    settings = model_of(ALL, model__max_epochs=3).model
    folds = [sequences_of(settings, rows) for rows in (150, 200)]
    for one, seed, trained in zip(folds, (1, 2), train_stacked(folds, [1, 2], settings, "cpu"), strict=True):
        np.testing.assert_allclose(
            trained.train_loss, train_network(one, settings, seed).train_loss, rtol=2e-3
        )


@pytest.mark.parametrize(
    ("settings", "symbols"),
    [(model_of(ALL, model__seeds=2), 3), (model_of(WITH_RANKS, **RANKS, model__seeds=2), 22)],
    ids=["sequences", "ranks"],
)
def test_the_bits_are_the_same_for_any_number_of_jobs_and_the_future_changes_none(settings, symbols):
    bars = make_bars(rows=330, symbols=symbols)
    panel = build_features(bars, settings.features, 1, 60)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)[:1]
    forecaster = LSTMForecaster(settings.model, 7)
    one, two = (
        walk_forward(panel, labels, folds, forecaster, 200, workers=Processes(jobs))[0] for jobs in (1, 2)
    )
    whole, again = one.forecasts(panel, 1), two.forecasts(panel, 1)
    np.testing.assert_array_equal(whole.mean, again.mean)
    first = int(folds[0].test[0])
    cut = one.forecasts(panel.known(first + 9), 1)
    np.testing.assert_array_equal(cut.mean, whole.mean[:9])


def test_a_model_file_says_what_it_was_trained_with(tmp_path):
    model, _, _ = fitted(make_bars(rows=330), model_of({"jitter": 0.2}))
    model.save(tmp_path / "model.safetensors")
    read = LSTMForecaster(make_settings().model, 7).load(tmp_path / "model.safetensors")
    assert read.settings.augment.jitter == 0.2


@pytest.mark.parametrize("name", ["burn_in", "mixup"])
def test_what_needs_sequences_of_their_own_is_refused_with_ranks(name):
    with pytest.raises(ConfigError, match=f"augment.{name} changes sequences .* set it to 0"):
        model_of({name: 0.5}, **RANKS)
