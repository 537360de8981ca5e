"""A finished run made in a moment: bundled bars, random forecasts, the real account and the real files."""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.runs.folder import forecast_table, make_manifest, write_run, write_tables
from engine.simulation.cerebro import simulate
from forewalk.data.loading import load_bars
from forewalk.settings.loading import settings_from
from forewalk.types import Forecasts


def make_run(folder, rows=300, skill=0.0, **tree):
    """Write a run over the last `rows` bundled bars into `folder`; `skill` mixes the truth into the noise."""
    settings = settings_from({"name": folder.name, **tree})
    bars, _ = load_bars(settings.data, columns=settings.features.columns, news=settings.news)
    random = np.random.default_rng(5)
    ahead = np.full(bars.close.shape, np.nan)
    ahead[:-1] = np.log(bars.close[1:] / bars.close[:-1])
    actual = ahead[-rows:]
    mean = random.normal(0, 0.003, actual.shape) + skill * np.nan_to_num(actual)
    mean[~bars.present[-rows:]] = np.nan
    std = np.where(np.isnan(mean), np.nan, 0.02)
    until = pd.DatetimeIndex([bars.timestamps[-rows - 2]] * rows)
    forecasts = Forecasts(
        bars.timestamps[-rows:], bars.symbols, mean, std, std * 0 + 0.5, 1, ("fold-00",) * rows, until
    )
    simulation = simulate(bars, forecasts, settings)
    table, manifest = forecast_table(forecasts, actual), make_manifest(settings, bars.fingerprint)
    return write_run(
        folder,
        settings.name,
        lambda inside: write_tables(inside, settings, table, simulation, {"none": 0}, {}, manifest),
    )


def make_explainable_run(folder, **model):
    """Write a real run of the bundled bars with its models, small and without evidence, into `folder`."""
    from engine.report.certificate import NOT_EXPLAINED
    from engine.training.walked import walk

    settings = settings_from(
        {
            "data": {"start": "2009-01-01"},
            "folds": {"train_bars": 400, "refit_every_bars": 300},
            "model": {"seeds": 1, "max_epochs": 1, **model},
            "jobs": 1,
        }
    )
    walked = walk(settings, lambda what, done, total: None)
    simulation = simulate(walked.bars, walked.forecasts, walked.settings)
    table = forecast_table(walked.forecasts, walked.actual)
    entries = [
        {"model_id": fold.model_id, "valid_rows": [int(fold.valid[0]), int(fold.valid[-1])]}
        for fold in walked.folds
    ]
    manifest = make_manifest(settings, walked.bars.fingerprint, folds=entries, plugins=[])

    def fill(inside):
        write_tables(inside, settings, table, simulation, {"none": 0}, {}, manifest)
        (inside / "forecast.html").write_text(f"<p>before</p>{NOT_EXPLAINED}<p>after</p>", encoding="utf-8")
        (inside / "models").mkdir()
        for model in walked.timeline.models:
            model.save(inside / "models" / f"{model.model_id}.safetensors")

    return write_run(folder, settings.name, fill)


def make_small_run(folder):
    """Write a real run of the bundled bars, small and quick, with its pages and models, into `folder`."""
    import pytest

    import forewalk as fw

    quick = {
        "data.start": "2009-01-01",
        "folds": {"train_bars": 400, "refit_every_bars": 300},
        "model": {"seeds": 1, "max_epochs": 1},
        "evaluation": {"baselines": False, "bootstrap_repetitions": 100},
        "jobs": 1,
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent.parent)
        return fw.backtest(settings=quick).save(folder)
