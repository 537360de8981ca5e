"""A published experiment, repeated: stock movement prediction on kdd17 (Feng et al., IJCAI 2019).

`python -m benchmarks.papers` trains LSTM, GRU and attention LSTM on the paper's own eleven features and labels
(50 US stocks; rise of at least 0.55 %, fall of at least 0.5 %, what lies between is dropped) and prints accuracy
and Matthews' correlation on 2016, mean and standard deviation over seeds, beside the paper's figures. The data
is not part of this project; without it there is nothing to measure.

Two things differ. The networks learn the labels +1 and -1 by squared error, not by a hinge loss, and nothing is
tuned: one set of settings, chosen beforehand, for all three. One bar is left out before validation and before
test, since a label that ends with the bar at which the next window begins may not be trained on here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.data import SHARED
from engine.evaluation.metrics.statistics import matthews_correlation
from engine.training.walkforward import walk_forward
from forewalk.features.panel import FeaturePanel, Labels
from forewalk.folds import Fold, check_fold
from forewalk.sessions import session_closes
from forewalk.settings.sections import ModelSettings
from forewalk.types import FloatArray, Forecasts
from models.base import Forecaster
from models.baselines.simple import BaselineForecaster
from models.recurrent.forecaster import LSTMForecaster

FOLDER = SHARED / "kdd17"
MISSING = -123321.0
FEATURES = tuple(f"feature_{number:02d}" for number in range(11))
LABEL = "11"  # name of the column
VALID_FROM, TEST_FROM = "2015-01-02", "2016-01-04"  # dates of the first label
COMMON: dict[str, Any] = {
    "loss": "mse",
    "hidden_size": 32,
    "lookback_bars": 15,
    "sequence_targets": 64,
    "batch_sequences": 32,
    "learning_rate": 1e-3,
    "max_epochs": 20,
    "patience": 4,
    "seeds": 1,
}
NETWORKS: Mapping[str, dict[str, Any]] = {
    "LSTM": {"cell": "lstm"},
    "GRU": {"cell": "gru"},
    "attention LSTM": {"cell": "lstm", "attention": True},
}
PUBLISHED = {  # accuracy in per cent, MCC; as quoted in the notes that come with the data
    "LSTM": "51.62 +- 0.4 / 0.0183",
    "attention LSTM": "51.94 +- 0.7 / 0.0261 (ALSTM)",
    "StockNet": "51.93 / 0.0335",
    "Adv-ALSTM": "53.05 / 0.0523",
}


@dataclass(frozen=True, eq=False)
class Experiment:
    """The paper's features and labels as a panel, and its one fold."""

    panel: FeaturePanel
    labels: Labels
    fold: Fold


def load_experiment() -> Experiment:
    """Read the data set; a row of the panel holds the features of a day and the label of the next one."""
    table = pd.read_parquet(FOLDER / "features_labels.parquet")
    dates = pd.DatetimeIndex((FOLDER / "trading_dates.csv").read_text().split())
    times = session_closes("XNYS", dates)
    symbols = tuple(dict.fromkeys(table["symbol"]))
    shape = (len(dates), len(symbols))
    values = np.full((*shape, len(FEATURES)), np.nan)
    movement = np.full(shape, np.nan)
    for column, symbol in enumerate(symbols):
        own = table[table["symbol"] == symbol].drop(columns="symbol").replace(MISSING, np.nan)
        values[:, column] = own[[str(number) for number in range(len(FEATURES))]].to_numpy()
        movement[:, column] = own[LABEL].to_numpy()
    values[~np.isfinite(values).all(axis=2)] = np.nan
    ahead = np.vstack([movement[1:], np.full((1, len(symbols)), np.nan)])
    ahead[ahead == 0] = np.nan
    end = times[1:].append(pd.DatetimeIndex([pd.NaT], tz="UTC")).as_unit("us")
    ones = np.ones(shape)
    panel = FeaturePanel(times, symbols, FEATURES, values.astype(np.float32), ones, ones.astype(bool))
    return Experiment(panel, Labels(ahead, ahead, end, 1), _fold(times, end, dates))


def _fold(times: pd.DatetimeIndex, end: pd.DatetimeIndex, dates: pd.DatetimeIndex) -> Fold:
    valid, test = (int(dates.searchsorted(pd.Timestamp(day))) - 1 for day in (VALID_FROM, TEST_FROM))
    fold = Fold(
        index=0,
        train=np.arange(0, valid - 1),
        valid=np.arange(valid, test - 1),
        test=np.arange(test, len(times)),
        trained_until=end[test - 2],
        valid_from=times[test],
    )
    check_fold(fold, times, end)
    return fold


def out_of_sample_scores(experiment: Experiment, forecaster: Forecaster, jobs: int) -> tuple[float, float]:
    """Train on the fold and return accuracy and MCC on the test days."""
    timeline, _ = walk_forward(
        experiment.panel, experiment.labels, [experiment.fold], forecaster, len(experiment.panel), jobs
    )
    forecasts = timeline.forecasts(experiment.panel, 1)
    return scores(forecasts, experiment.labels.returns[-len(forecasts) :])


def scores(forecasts: Forecasts, movement: FloatArray) -> tuple[float, float]:
    """Return accuracy and MCC over the cells that moved."""
    used = np.isfinite(movement) & np.isfinite(forecasts.mean)
    up, called = movement[used] > 0, forecasts.mean[used] > 0
    table = [int(np.sum(cells)) for cells in (up & called, ~up & ~called, called & ~up, ~called & up)]
    return float(np.mean(up == called)), matthews_correlation(*table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    if not (FOLDER / "features_labels.parquet").exists():
        parser.exit(5, f"{FOLDER} is not there: this data set is not part of the project\n")
    experiment = load_experiment()
    movement = experiment.labels.returns[experiment.fold.test]
    ups = float(np.mean(movement[np.isfinite(movement)] > 0))  # the accuracy of always saying "up"
    report: dict[str, Any] = {"test_cells": int(np.isfinite(movement).sum()), "share_up": ups, "models": {}}
    forecasters: dict[str, list[Forecaster]] = {
        name: [LSTMForecaster(ModelSettings(**COMMON, **own), seed) for seed in range(options.seeds)]
        for name, own in NETWORKS.items()
    }
    forecasters |= {"ridge": [BaselineForecaster("ridge")], "trees": [BaselineForecaster("trees")]}
    for name, seeded in forecasters.items():
        found = np.array(
            [out_of_sample_scores(experiment, forecaster, options.jobs) for forecaster in seeded]
        )
        entry: dict[str, Any] = {"published": PUBLISHED.get(name, "")}
        for column, score in enumerate(("accuracy", "mcc")):
            entry[score] = round(float(found[:, column].mean()), 4)
            entry[f"{score}_std"] = round(float(found[:, column].std(ddof=1)), 4) if len(found) > 1 else None
        report["models"][name] = entry
        print(f"{name:15} {entry}", flush=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
