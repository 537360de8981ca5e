import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, rankdata

from engine.audit.checks import check_labels
from engine.audit.pipeline import Prepared
from forewalk.features.panel import build_features, build_labels
from forewalk.folds import walk_forward_folds
from forewalk.settings.features import FeatureSettings, LabelSettings
from helpers.making import make_bars, make_settings

BARS = make_bars(rows=330, symbols=21)
PANEL = build_features(BARS, FeatureSettings())


@pytest.mark.parametrize("horizon", [1, 5])
def test_a_label_from_the_next_open_ends_at_the_open_h_bars_later(horizon):
    labels = build_labels(BARS, PANEL, LabelSettings(execution="next_open", horizon_bars=horizon))
    opens = pd.DataFrame(BARS.open)
    expected = np.log(opens.shift(-1 - horizon) / opens.shift(-1))
    np.testing.assert_allclose(labels.returns, expected, rtol=1e-12)
    assert labels.end[0] == BARS.timestamps[horizon + 1]
    assert labels.end.isna().sum() == horizon + 1


def test_the_purge_knows_that_such_a_label_ends_a_bar_later():
    settings = make_settings().folds
    last = []
    for execution in ("close", "next_open"):
        labels = build_labels(BARS, PANEL, LabelSettings(execution=execution))
        last.append(int(walk_forward_folds(BARS.timestamps, labels.end, settings)[0].valid[-1]))
    assert last[0] == last[1] + 1


def test_a_rank_label_is_the_normal_score_of_the_scaled_return_beside_the_mean():
    labels = build_labels(BARS, PANEL, LabelSettings(kind="rank"))
    returns = np.log(BARS.close[101] / BARS.close[100])
    apart = (returns - returns.mean()) / PANEL.scale[100]
    np.testing.assert_allclose(labels.scaled[100], apart)
    np.testing.assert_allclose(labels.scores[100], norm.ppf((rankdata(apart) - 0.5) / 21))
    assert np.isnan(labels.scores[-1]).all()


@pytest.mark.parametrize("kind", ["absolute", "market_relative", "rank"])
def test_the_audit_knows_labels_from_the_next_open_and_finds_a_shifted_one(kind):
    label = LabelSettings(kind=kind, execution="next_open", horizon_bars=2)
    settings = make_settings(
        label__kind=kind,
        label__execution="next_open",
        label__horizon_bars=2,
        model__loss="rank_correlation" if kind == "rank" else "gaussian_nll",
    )
    clean = Prepared(BARS, None, PANEL, build_labels(BARS, PANEL, label))
    assert check_labels(clean, settings).verdict == "clean"
    shifted = Prepared(
        BARS, None, PANEL, build_labels(BARS, PANEL, label.model_copy(update={"execution": "close"}))
    )
    assert check_labels(shifted, settings).verdict == "leak"
