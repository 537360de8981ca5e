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
    bars, _ = load_bars(settings.data)
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
