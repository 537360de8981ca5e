from functools import cache

import numpy as np
import pytest
import torch

from engine.evaluation.baselines import run_baselines
from engine.training.walkforward import training_data, walk_forward
from forewalk.compute.pool import Processes
from forewalk.errors import ConfigError
from forewalk.features.cross_section import normal_scores
from forewalk.features.panel import build_features, build_labels
from forewalk.folds import walk_forward_folds
from helpers.lstm_models import prepared
from helpers.making import make_bars, make_settings
from models.base import fit, predict_rows
from models.recurrent.fitted import load_lstm
from models.recurrent.forecaster import LSTMForecaster
from models.recurrent.ranking import RankRows, row_correlations, train_ranker

RANKS = {"label__kind": "rank", "model__loss": "rank_correlation"}
SYMBOLS = 22


@cache
def world():
    settings = make_settings(**RANKS, model__seeds=2, model__input_dropout=0.1)
    bars = make_bars(rows=330, symbols=SYMBOLS)
    panel = build_features(bars, settings.features, 1, 60)
    labels = build_labels(bars, panel, settings.label)
    return bars, settings, panel, labels, walk_forward_folds(bars.timestamps, labels.end, settings.folds)


@cache
def walked(jobs):
    _, settings, panel, labels, folds = world()
    forecaster = LSTMForecaster(settings.model, 7)
    timeline, _ = walk_forward(panel, labels, folds, forecaster, 200, workers=Processes(jobs))
    return timeline, timeline.forecasts(panel, 1)


def planted(rows=500, seed=0, spread=2.0):
    """Returns that follow the first of two inputs, with noise of a known spread."""
    noise = np.random.default_rng(seed)
    x = noise.normal(size=(rows, SYMBOLS, 2)).astype(np.float32)
    target = 0.5 * x[:, :, 0] + noise.normal(0.0, spread, (rows, SYMBOLS))
    return x, normal_scores(target), target


def test_the_bits_are_the_same_for_any_number_of_jobs():
    one, two = walked(1)[1], walked(2)[1]
    assert np.isfinite(one.mean).all()
    np.testing.assert_array_equal(one.mean, two.mean)
    np.testing.assert_array_equal(one.std, two.std)


def test_a_forecast_does_not_change_when_later_bars_come():
    timeline, whole = walked(1)
    _, _, panel, _, folds = world()
    first = int(folds[0].test[0])
    for rows in (first + 1, first + 17):
        cut = timeline.forecasts(panel.known(rows), 1)
        np.testing.assert_array_equal(cut.mean, whole.mean[: rows - first])


def test_labels_of_the_future_change_no_weight():
    bars, settings, panel, labels, folds = world()
    cut = bars.until(folds[0].trained_until)
    short = build_features(cut, settings.features, 1, 60)
    forecaster = LSTMForecaster(settings.model, 7)
    parts = [
        forecaster.fit_member(training_data(p, one, folds[0]), "seed-0")[0]
        for p, one in ((panel, labels), (short, build_labels(cut, short, settings.label)))
    ]
    assert parts[0] == parts[1]


def test_a_model_reads_back_from_its_file(tmp_path):
    model = walked(1)[0].models[0]
    _, _, panel, _, folds = world()
    model.save(tmp_path / "model.safetensors")
    again = load_lstm(tmp_path / "model.safetensors")
    first = int(folds[0].test[0])
    for one, two in zip(
        predict_rows(model, panel, first, first + 9),
        predict_rows(again, panel, first, first + 9),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)


def test_the_mean_is_a_return_whose_size_the_validation_rows_allow():
    model = walked(1)[0].models[0]
    _, _, panel, _, folds = world()
    scaled = model.predict_scaled(panel, int(folds[0].test[0]), int(folds[0].test[-1]) + 1)
    worth = np.mean([member.return_per_score for member in model.members])
    assert np.abs(scaled.mean).max() < 5 * worth
    np.testing.assert_allclose(scaled.mean.mean(axis=1), 0.0, atol=1e-9)


def test_seeds_can_be_asked_alone_and_average_to_the_whole():
    model = walked(1)[0].models[0]
    _, _, panel, _, folds = world()
    first = int(folds[0].test[0])
    whole = model.predict_scaled(panel, first, first + 5)
    alone = [seed.predict_scaled(panel, first, first + 5) for seed in model.by_seed()]
    square = np.mean([one.std**2 for one in alone], axis=0)
    np.testing.assert_allclose(whole.std, np.sqrt(square))


def test_a_planted_order_is_learned_and_the_spread_with_it():
    settings = make_settings(**RANKS, model__max_epochs=8, model__learning_rate=0.02).model
    x, scores, target = planted()
    rows = RankRows.of(x, scores, target, np.arange(300), np.arange(300, 400))
    trained = train_ranker(rows, settings, 3)
    with torch.no_grad():
        score, log_std, _ = trained.network(torch.from_numpy(x[390:]))
    fresh = row_correlations(score[10:], torch.from_numpy(scores[400:].astype(np.float32)))
    ceiling = 0.5 / np.hypot(0.5, 2.0)
    assert float(fresh.mean()) > 0.6 * ceiling
    assert 0.25 < trained.return_per_score < 0.75
    spread = trained.std_factor * np.exp(log_std[10:].numpy())
    np.testing.assert_allclose(np.mean(np.square(target[400:] / spread)), 1.0, atol=0.15)


def test_correlations_are_those_of_numpy_and_thin_bars_have_none():
    noise = np.random.default_rng(1)
    score, label = noise.normal(size=(2, 3, 25)).astype(np.float32)
    label[0, 3:6] = np.nan
    label[1, :6] = np.nan
    found = row_correlations(torch.from_numpy(score), torch.from_numpy(label)).numpy()
    there = np.isfinite(label)
    expected = [np.corrcoef(score[row, there[row]], label[row, there[row]])[0, 1] for row in (0, 2)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_ridge_and_trees_learn_the_same_ranks():
    bars, settings, panel, labels, folds = world()
    plain = build_labels(bars, panel, make_settings(label__kind="market_relative").label)
    np.testing.assert_array_equal(plain.scaled, labels.scaled)
    for name in ("ridge", "trees"):
        ranked = run_baselines(panel, labels, folds[:1], bars.close, settings, [name])[name].forecasts
        other = run_baselines(panel, plain, folds[:1], bars.close, settings, [name])[name].forecasts
        assert np.isfinite(ranked.mean[:50]).all()
        assert not np.array_equal(ranked.mean[:50], other.mean[:50])


def test_fewer_than_twenty_symbols_are_refused_when_there_are_no_more():
    settings = make_settings(**RANKS)
    _, data, _ = prepared(make_bars(rows=330, symbols=3), settings)
    with pytest.raises(
        ConfigError, match="needs 20 symbols with their minimum history, fold-00 has 3; load more"
    ):
        fit(LSTMForecaster(settings.model, 7), data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label__kind": "rank"}, "do not go together: set label.kind = 'rank' and"),
        ({"model__loss": "rank_correlation"}, "or neither"),
        ({**RANKS, "model__scope": "per_symbol"}, "needs scope = 'pooled', not 'per_symbol'"),
        ({**RANKS, "model__device": "cuda"}, "is trained on the CPU; set device = 'cpu'"),
        ({**RANKS, "data__symbols": ["A", "B"]}, "needs at least 20 symbols, data.symbols has 2; name more"),
        ({"features__cross_section": True, "data__symbols": ["A"]}, "features.cross_section = true needs"),
        ({"model__input_dropout": 0.1}, "input_dropout = 0.1 is for loss = 'rank_correlation'"),
    ],
)
def test_settings_that_cannot_rank_are_refused_with_the_remedy(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_settings(**changes)
