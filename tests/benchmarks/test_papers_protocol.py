import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, matthews_corrcoef

from benchmarks.data import KDD17
from benchmarks.papers import FEATURES, FOLDER, NETWORKS, load_experiment, scores
from forewalk.settings.sections import ModelSettings

needs_data = pytest.mark.skipif(
    not (FOLDER / "features_labels.parquet").exists(), reason=f"{FOLDER} is not part of the project"
)


@pytest.fixture(scope="module")
def experiment():
    return load_experiment()


@needs_data
def test_a_row_holds_the_movement_of_the_next_day(experiment):
    bars = pd.read_parquet(KDD17)
    close = bars[bars["symbol"] == "AAPL"].sort_values("date")["close"].to_numpy()
    move = close[1:] / close[:-1] - 1
    label = experiment.labels.returns[:-1, experiment.panel.symbols.index("AAPL")]
    assert (move[label == 1] > 0.0054).all()
    assert (move[label == -1] < -0.0049).all()
    assert np.nansum(label == 1) > 500


@needs_data
def test_the_windows_are_those_of_the_paper(experiment):
    fold, end = experiment.fold, experiment.labels.end
    first_labels = [end[rows[0]].date().isoformat() for rows in (fold.train, fold.valid, fold.test)]
    assert first_labels == ["2007-01-04", "2015-01-02", "2016-01-04"]
    assert end[fold.train[-1]].date().isoformat() == "2014-12-30"
    assert fold.trained_until < fold.valid_from


@needs_data
def test_missing_features_are_no_features(experiment):
    panel = experiment.panel
    assert panel.names == FEATURES
    assert panel.values.shape == (2518, 50, 11)
    assert np.nanmin(panel.values) > -1000
    assert np.isnan(panel.values[:29]).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_networks_are_made_of_known_settings(name):
    settings = ModelSettings(**NETWORKS[name])
    assert settings.attention == (name == "attention LSTM")


def test_scores_equal_scikit_learn(bars_of, forecasts_on):
    random = np.random.default_rng(1)
    forecasts = forecasts_on(bars_of())
    movement = random.choice([-1.0, 1.0, np.nan], forecasts.mean.shape)
    used = np.isfinite(movement)
    up, called = movement[used] > 0, forecasts.mean[used] > 0
    expected = (accuracy_score(up, called), matthews_corrcoef(up, called))
    assert scores(forecasts, movement) == pytest.approx(expected)
