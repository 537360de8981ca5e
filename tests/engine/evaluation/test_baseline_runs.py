from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.baselines import WITHOUT_TEXTS, baseline_names, returns_panel, run_baselines, twin_name
from engine.training.walkforward import walk_forward
from forewalk.errors import ConfigError
from forewalk.features.panel import Labels
from forewalk.settings.news import NewsSettings
from models.recurrent.forecaster import LSTMForecaster

SIMPLE = ("zero", "drift", "ridge", "trees", "arima", "reversal_1", "reversal_5", "momentum_12_1")


def run(world, folds, names=SIMPLE, jobs=1):
    chosen = world.settings.model_copy(update={"jobs": jobs})
    return run_baselines(world.panel, world.labels, folds(world), world.returns, chosen, names)


def doctored(world, cut):
    """The same world up to bar `cut`; after it other features, scales, returns and labels."""
    random = np.random.default_rng(cut)
    values, scale, returns = (np.array(a) for a in (world.panel.values, world.panel.scale, world.returns))
    values[cut + 1 :] = random.normal(3, 5, values[cut + 1 :].shape)
    scale[cut + 1 :] *= 7
    returns[cut + 1 :] = random.normal(0, 1, returns[cut + 1 :].shape)
    labels = np.array(world.labels.returns)
    labels[cut + 1 - world.labels.horizon_bars :] *= -3
    return SimpleNamespace(
        panel=replace(world.panel, values=values, scale=scale),
        labels=Labels(labels, labels / scale, world.labels.end, world.labels.horizon_bars),
        returns=returns,
        settings=world.settings,
    )


@pytest.fixture(scope="module", params=[1, 3])
def honest(request, world_of, folds):
    world = world_of(slope=0.3, horizon=request.param)
    return world, run(world, folds)


@given(cut=st.integers(180, 298))
@settings(max_examples=8, deadline=None)
def test_no_forecast_depends_on_what_comes_after_its_bar(honest, folds, cut):
    world, before = honest
    after = run(doctored(world, cut), folds)
    for name in SIMPLE:
        for field in ("mean", "std", "p_up"):
            old, new = getattr(before[name].forecasts, field), getattr(after[name].forecasts, field)
            np.testing.assert_array_equal(old[: cut - 179], new[: cut - 179], err_msg=name)


def test_every_baseline_forecasts_the_cells_of_the_network(world_of, folds):
    world = world_of()
    world.panel.values[200:205, 1] = np.nan
    world.panel.eligible[:220, 2] = False
    network, _ = walk_forward(
        world.panel, world.labels, folds(world), LSTMForecaster(world.settings.model, 7), 99
    )
    asked = network.forecasts(world.panel, 1)
    for baseline in run(world, folds, baseline_names(world.settings)).values():
        assert baseline.forecasts.timestamps.equals(asked.timestamps)
        assert baseline.forecasts.trained_until.equals(asked.trained_until)
        np.testing.assert_array_equal(np.isfinite(baseline.forecasts.mean), np.isfinite(asked.mean))


def test_the_number_of_processes_changes_no_bit(world_of, folds, monkeypatch):
    monkeypatch.setattr("engine.evaluation.baselines.PARALLEL_CELLS", 0)
    world = world_of()
    alone, together = (run(world, folds, ("trees",), jobs) for jobs in (1, 2))
    for name in alone:
        np.testing.assert_array_equal(alone[name].forecasts.mean, together[name].forecasts.mean)


@pytest.mark.parametrize(("cell", "twin"), [("lstm", "gru"), ("gru", "lstm")])
def test_the_other_recurrent_cell_stands_beside_the_network(world_of, cell, twin):
    settings = world_of().settings
    chosen = settings.model_copy(update={"model": settings.model.model_copy(update={"cell": cell})})
    assert twin_name(chosen) == twin
    assert baseline_names(chosen) == (*SIMPLE, twin)


def test_a_run_with_texts_stands_beside_its_own_model_without_them(world_of, folds, tmp_path):
    world = world_of()
    told = NewsSettings(path=tmp_path / "texts.csv")
    chosen = world.settings.model_copy(update={"news": told})
    assert baseline_names(chosen) == (*SIMPLE, "gru", WITHOUT_TEXTS)
    names = ("news_tone", *world.panel.names[1:])
    silent = world.panel.values.copy()
    silent[200:210, 1, 0] = np.nan  # no text is known there: the model with texts says nothing
    panel = replace(world.panel, names=names, values=silent)
    world = SimpleNamespace(**{**vars(world), "panel": panel, "settings": chosen})
    alone = run(world, folds, [WITHOUT_TEXTS])[WITHOUT_TEXTS]
    assert np.isnan(alone.forecasts.mean[200 - len(panel) + len(alone.forecasts), 1])
    plain = replace(
        panel, names=names[1:], values=panel.values[:, :, 1:],
        scale=np.where(np.isfinite(panel.values).all(axis=2), panel.scale, np.nan),
    )  # fmt: skip
    own, _ = walk_forward(plain, world.labels, folds(world), LSTMForecaster(chosen.model, 7), 504)
    np.testing.assert_array_equal(alone.forecasts.mean, own.forecasts(plain, 1).mean)


def test_the_twin_is_the_other_cell_trained_by_the_same_settings(world_of, folds):
    world = world_of()
    twin = run(world, folds, ["gru"])["gru"]
    model = world.settings.model.model_copy(update={"cell": "gru", "seeds": 1})
    own, _ = walk_forward(world.panel, world.labels, folds(world), LSTMForecaster(model, 7), 504)
    np.testing.assert_array_equal(twin.forecasts.mean, own.forecasts(world.panel, 1).mean)


def test_an_unknown_baseline_is_refused_with_the_names_there_are(world_of, folds):
    with pytest.raises(ConfigError, match="no baseline oracle; there are: zero, drift"):
        run(world_of(), folds, ["oracle"])


def test_the_panel_of_returns_is_usable_where_the_features_are(world_of):
    world = world_of()
    panel = returns_panel(world.panel, world.returns)
    assert panel.names == ("one_bar_return",)
    np.testing.assert_array_equal(panel.values[1:, :, 0], world.returns[1:].astype(np.float32))
    np.testing.assert_array_equal(np.isfinite(panel.scale), np.isfinite(world.panel.values).all(axis=2))
