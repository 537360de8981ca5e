"""Forecasts in live trading: checked, in order, by models that earned their place."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from broker.journal.journal import Journal
from engine.live.deciding.records import model_problems
from engine.live.models.files import HeldOutLosses, accept, live_fold, sha256_of
from engine.live.models.retrain import CHALLENGER, CHAMPION, promote
from engine.live.models.tasks import checked_forecasts, do_task
from forewalk.compute.child import InferenceFailed
from forewalk.errors import DataError
from forewalk.features.panel import build_labels
from forewalk.settings.trading import RiskSettings
from helpers.live_values import SYMBOLS, live_settings, random_forecasts, some_bars
from helpers.waiting import PATIENCE_S, until

LIMITS = RiskSettings()


def with_last(forecasts, mean=None, std=None):
    changed = {"mean": np.array(forecasts.mean), "std": np.array(forecasts.std)}
    for name, value in (("mean", mean), ("std", std)):
        if value is not None:
            changed[name][-1, 0] = value
    return replace(forecasts, **changed)


@pytest.mark.row(38)
@pytest.mark.parametrize(
    "bad", [{"mean": np.nan}, {"mean": 0.9}, {"mean": -0.9}, {"std": 0.0}, {"std": np.inf}]
)
def test_a_forecast_out_of_range_refuses_its_symbol_only(bad):
    forecasts = with_last(random_forecasts(some_bars(5)), **bad)
    assert list(model_problems(forecasts, forecasts.symbols, LIMITS)) == [forecasts.symbols[0]]


@pytest.mark.row(38)
def test_a_model_that_says_the_same_for_every_symbol_is_not_believed():
    forecasts = random_forecasts(some_bars(5))
    constant = replace(forecasts, mean=np.full(forecasts.mean.shape, 0.01))
    assert set(model_problems(constant, forecasts.symbols, LIMITS)) == set(forecasts.symbols)


@pytest.mark.row(38)
@pytest.mark.parametrize("wrong", ["shorter bars", "other symbols", "other type"])
def test_an_answer_about_other_bars_is_no_answer(wrong):
    bars = some_bars(10)
    forecasts = random_forecasts(bars)
    asked = {
        "shorter bars": bars.until(bars.timestamps[-2]),
        "other symbols": bars.select(("MSFT", "AAPL", "SPY")),
        "other type": bars,
    }[wrong]
    with pytest.raises(InferenceFailed):
        checked_forecasts("42" if wrong == "other type" else forecasts, asked)
    assert checked_forecasts(forecasts, bars) is forecasts


@pytest.mark.parametrize("scheme", ["expanding", "rolling"])
@pytest.mark.parametrize("horizon", [1, 5])
def test_the_live_model_is_cut_off_from_the_bar_it_is_asked_about(scheme, horizon):
    from forewalk.features.panel import build_features

    bars = some_bars(400)
    settings = live_settings(folds={"scheme": scheme, "train_bars": 200}, label={"horizon_bars": horizon})
    labels = build_labels(bars, build_features(bars, settings.features, horizon), settings.label)
    fold = live_fold(bars, labels.end, settings.folds)
    assert fold.trained_until < bars.timestamps[-1] == fold.valid_from
    assert list(fold.test) == [399]
    assert (fold.train[0] >= 199) == (scheme == "rolling")


def test_a_challenger_is_promoted_only_if_it_is_not_worse():
    assert HeldOutLosses(1.0, 0.9, 100).challenger_is_not_worse
    assert HeldOutLosses(1.0, 1.0, 100).challenger_is_not_worse
    assert not HeldOutLosses(1.0, 1.1, 100).challenger_is_not_worse
    assert not HeldOutLosses(1.0, float("nan"), 100).challenger_is_not_worse


@pytest.mark.faults
@pytest.mark.parametrize(("sessions", "role"), [(30, CHALLENGER), (5, "rejected")])
def test_a_challenger_is_trained_aside_and_judged_on_bars_that_neither_has_seen(tmp_path, sessions, role):
    from engine.live.models.retrain import Retrainer
    from forewalk.compute.child import ModelProcess

    bars = some_bars(330)
    live = {"retrain": str(sessions), "approve": True}
    small = {"hidden_size": 4, "seeds": 1, "max_epochs": 1, "lookback_bars": 5, "sequence_targets": 16}
    settings = live_settings(model=small, live=live, data={"symbols": list(SYMBOLS), "min_history_bars": 60})
    journal = Journal(tmp_path / "journal.db", "paper")
    worker = ModelProcess(PATIENCE_S, 8192, do_task)
    retrainer = Retrainer(settings, journal, tmp_path, worker, lambda *_: None)
    start = len(bars) - sessions - 1
    retrainer.champions(bars.until(bars.timestamps[start]))
    retrainer.champions(bars)
    now = bars.timestamps[-1].to_pydatetime()
    until(lambda: retrainer.step(now) or len(journal.models.all()) == 2)
    champion, other = journal.models.all()
    assert (champion["role"], other["role"]) in {(CHAMPION, role), (CHAMPION, "rejected")}
    assert "neither was trained on" in other["note"]
    retrainer.stop()
    journal.close()


def test_a_promoted_model_leaves_the_forecasts_of_decided_bars_alone(tmp_path):
    from broker.journal.records import DecisionRow

    journal = Journal(tmp_path / "journal.db", "paper")
    asof, now = datetime(2026, 3, 4, 21, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)
    row = DecisionRow("paper-x", asof, asof.date(), now, now, now, 1, 1, "m", "f")
    journal.decisions.record(row, [], [], ask=False)
    journal.models.record("new", "new.safetensors", "ff", asof, CHALLENGER, "better", now)
    promote(journal, "new", now)
    (model,) = journal.models.all()
    assert model["role"] == CHAMPION
    assert datetime.fromisoformat(model["valid_from"]) > asof
    with pytest.raises(DataError, match="no challenger"):
        promote(journal, "new", now)
    journal.close()


def test_a_model_file_is_there_whole_or_not_at_all(tmp_path):
    source = tmp_path / "a.safetensors"
    source.write_bytes(b"weights")
    kept = accept(source, tmp_path / "models")
    assert sha256_of(kept.path) == kept.sha256
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["a.safetensors"]
