"""`metrics.json` is read by others: its keys, and their order, are written down beside this test."""

import json

import pandas as pd
import pytest

from engine.backtest.job import backtest
from engine.backtest.writing import write_backtest
from engine.evaluation.subject import Metrics
from engine.runs.counts import Tried
from engine.runs.folder import read_run
from engine.runs.trial import make_trial
from forewalk.settings.loading import settings_from
from helpers.making import REPOSITORY, make_bars

KEYS = REPOSITORY / "tests" / "engine" / "backtest" / "metrics_keys.txt"
SMALL = {
    "jobs": 1,
    "label": {"kind": "market_relative"},
    "folds": {"train_bars": 320, "refit_every_bars": 80},
    "model": {"hidden_size": 4, "seeds": 2, "max_epochs": 1, "lookback_bars": 5},
    "strategy": {"direction": "long_short", "entry": 0.0},
    "evaluation": {"bootstrap_repetitions": 100},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose metrics have every block: symbols to rank, GARCH, seeds, costs, an earlier try."""
    folder = tmp_path_factory.mktemp("metrics")
    bars = make_bars(rows=480, symbols=6)
    frames = [bars.frame(symbol).assign(symbol=symbol) for symbol in bars.symbols]
    table = pd.concat(frames).rename_axis("date").reset_index()
    table["date"] = table["date"].dt.strftime("%Y-%m-%d")
    table.to_csv(folder / "prices.csv", index=False)
    data = {"source": "csv", "path": str(folder / "prices.csv"), "min_history_bars": 60}
    settings = settings_from({**SMALL, "name": "keys", "data": data})
    other = settings_from({**SMALL, "seed": 8})
    result = backtest(
        settings, tried=lambda: Tried((make_trial("sweep", "other", bars, other, earlier(bars)),))
    )
    return write_backtest(result, folder / "run"), result.metrics


def earlier(bars):
    """The account of an earlier try: the first symbol, over the test bars."""
    return pd.Series(bars.close[-160:, 0]).pct_change().fillna(0.0).to_numpy()


def lines_of(tree, path=""):
    """Each object's path and its keys in order; symbols and models, which are all alike, under `*`."""
    if isinstance(tree, list):
        yield from alike(tree, f"{path}[]")
    elif path.endswith(("per_symbol", "per_model")):
        yield from alike(tree.values(), f"{path}.*")
    elif isinstance(tree, dict):
        yield f"{path}: {' '.join(tree)}"
        for key, value in tree.items():
            yield from lines_of(value, f"{path}.{key}".lstrip("."))


def alike(items, path):
    found = {tuple(lines_of(item, path)) for item in items}
    (lines,) = found or {()}  # a list may be empty: no alarms
    return lines


def test_the_keys_of_a_runs_metrics_are_those_written_down(run):
    folder, _ = run
    found = list(lines_of(json.loads((folder / "metrics.json").read_text(encoding="utf-8"))))
    assert found == KEYS.read_text(encoding="utf-8").splitlines()


def test_the_file_is_read_back_as_the_metrics_that_were_written(run):
    folder, metrics = run
    assert Metrics.from_json(read_run(folder).metrics) == metrics
