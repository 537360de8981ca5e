"""The network, trees and ridge as one forecaster: equal say, causal, and the same from its file."""

import numpy as np
import pandas as pd
import pytest

from engine.audit.job import audit
from engine.live.models.files import ModelFile, forecasts_from, load_timeline, sha256_of
from engine.training.walkforward import training_data, walk_forward
from forewalk.compute.pool import Processes
from forewalk.errors import ConfigError, DataError
from forewalk.features.panel import build_labels
from forewalk.folds import walk_forward_folds
from forewalk.settings.loading import settings_from
from helpers.audit_tables import pipeline_on, small_settings, small_table
from helpers.lstm_models import prepared
from helpers.making import make_bars, make_settings
from models.base import FittedForecaster, SeedMixture, fit, predict_rows
from models.baselines.simple import BaselineForecaster
from models.kinds import forecaster_of
from models.recurrent.forecaster import LSTMForecaster
from models.scores import standardised

RANKS = {"label__kind": "rank", "model__loss": "rank_correlation"}
KINDS = [{}, {"model__scope": "per_symbol"}, {"model__loss": "mse"}, RANKS]


def made(more, **others):
    settings = make_settings(model__kind="ensemble", model__seeds=2, **more, **others)
    panel, data, fold = prepared(make_bars(rows=330, symbols=22 if more is RANKS else 3), settings)
    return settings, panel, data, fit(forecaster_of(settings), data), int(fold.test[0])


@pytest.fixture(scope="module", params=KINDS, ids=("likelihood", "per-symbol", "squares", "ranks"))
def ensemble(request):
    return made(request.param)


def parts_of(settings, panel, data, first):
    network = fit(LSTMForecaster(settings.model, settings.seed), data)
    beside = [fit(BaselineForecaster(kind, settings.seed), data) for kind in ("trees", "ridge")]
    return [model.predict_scaled(panel, first, len(panel)) for model in (network, *beside)]


def test_all_three_have_the_same_say(ensemble):
    settings, panel, data, model, first = ensemble
    said = model.predict_scaled(panel, first, len(panel))
    means, stds = zip(*((one.mean, one.std) for one in parts_of(settings, panel, data, first)), strict=True)
    if settings.model.loss == "rank_correlation":
        usable = np.isfinite(said.mean)
        order = np.mean([standardised(mean, usable) for mean in means], axis=0)
        np.testing.assert_allclose(standardised(said.mean, usable), standardised(order, usable), atol=1e-9)
        spread = np.mean([mean.std(axis=1) for mean in means], axis=0)
        np.testing.assert_allclose(said.mean.std(axis=1), spread * order.std(axis=1), rtol=1e-9)
    else:
        second = np.mean([std**2 + mean**2 for mean, std in zip(means, stds, strict=True)], axis=0)
        np.testing.assert_allclose(said.mean, np.mean(means, axis=0), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(said.std**2 + said.mean**2, second, rtol=1e-9)


def test_a_forecast_does_not_depend_on_what_comes_later(ensemble):
    _, panel, _, model, first = ensemble
    whole = predict_rows(model, panel, first, len(panel))
    for one, two in zip(
        predict_rows(model, panel.known(first + 9), first + 4, first + 9), whole, strict=True
    ):
        np.testing.assert_array_equal(one, two[4:9])


def test_a_stored_ensemble_forecasts_the_same_bits(ensemble, tmp_path):
    settings, panel, data, model, first = ensemble
    model.save(tmp_path / "m.safetensors")
    stored = forecaster_of(settings).load(tmp_path / "m.safetensors")
    assert (stored.model_id, stored.trained_until) == (data.model_id, data.trained_until)
    for one, two in zip(
        predict_rows(model, panel, first, len(panel)),
        predict_rows(stored, panel, first, len(panel)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)
    later = data.valid_from + pd.Timedelta(days=9)
    assert forecaster_of(settings).load(tmp_path / "m.safetensors", later).valid_from == later


def test_it_is_a_forecaster_with_an_ensemble_per_seed(ensemble):
    _, panel, _, model, first = ensemble
    assert isinstance(model, FittedForecaster)
    assert isinstance(model, SeedMixture)
    means = [predict_rows(one, panel, first, len(panel))[0] for one in model.by_seed()]
    assert len(means) == 2
    assert not np.array_equal(*means)


def test_a_file_of_another_kind_is_refused_both_ways(tmp_path):
    settings, _, data, model, _ = made({})
    network = LSTMForecaster(settings.model, settings.seed)
    model.save(tmp_path / "ensemble.safetensors")
    fit(network, data).save(tmp_path / "network.safetensors")
    with pytest.raises(DataError, match=r"no model of model\.kind = 'ensemble'"):
        forecaster_of(settings).load(tmp_path / "network.safetensors")
    with pytest.raises(DataError, match="a model of an ensemble"):
        network.load(tmp_path / "ensemble.safetensors")


def test_the_bits_are_the_same_for_any_number_of_jobs():
    settings, panel, data, _, _ = made({})
    bars = make_bars(rows=330)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    assert training_data(panel, labels, folds[0]).model_id == data.model_id
    one, two = (
        walk_forward(panel, labels, folds, forecaster_of(settings), 200, workers=Processes(jobs))[
            0
        ].forecasts(panel, 1)
        for jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.mean, two.mean)
    np.testing.assert_array_equal(one.std, two.std)


def test_its_certificate_finds_no_leak():
    settings = small_settings()
    model = settings.model.model_copy(update={"kind": "ensemble"})
    certificate = audit(settings.model_copy(update={"model": model}), pipeline_on(small_table()))
    assert certificate.clean
    assert certificate.fits > 0


def test_an_ensemble_has_no_parameters_and_a_name_in_reports():
    assert settings_from({"model": {"kind": "ensemble"}}).model.called == "ensemble"
    assert settings_from({}).model.called == "lstm"
    with pytest.raises(ConfigError, match="params are for a model of your own"):
        settings_from({"model": {"kind": "ensemble", "params": {"a": 1}}})


def test_live_reads_its_file_and_says_what_the_backtest_said(tmp_path):
    settings, panel, data, model, first = made({})
    path = tmp_path / "m.safetensors"
    model.save(path)
    timeline = load_timeline([ModelFile(path, sha256_of(path))], settings)
    live = forecasts_from(panel, settings, timeline, panel.timestamps[-1])
    assert live.model_ids[-1] == data.model_id
    np.testing.assert_array_equal(live.mean[-1], predict_rows(model, panel, first, len(panel))[0][-1])
