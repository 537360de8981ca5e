"""What a fold chooses comes from its own past, whoever works on it and however often it is killed."""

from dataclasses import replace

import numpy as np
import optuna
import pytest

from engine.tune.inner import Past, check_past, cut_past, prove_blind
from engine.tune.job import choose
from engine.tune.study import Journal, Plan, best_of, run_study
from forewalk.compute.pool import Processes
from forewalk.errors import ConfigError, DataError, LeakError
from forewalk.features.panel import build_features, build_labels
from forewalk.folds import walk_forward_folds
from helpers.making import make_bars, make_settings

SPACE = {"model.hidden_size": (2, 4, 8), "model.learning_rate": (1e-3, 1e-2)}
SETTINGS = make_settings(model__learning_rate=1e-3, model__max_epochs=1)
PLAN = Plan(SPACE, trials=6, budget_s=1e9, seed=5)


def made(bars):
    panel = build_features(bars, SETTINGS.features, 1, 60)
    labels = build_labels(bars, panel, SETTINGS.label)
    return panel, labels, walk_forward_folds(bars.timestamps, labels.end, SETTINGS.folds)


def doctored(bars, first):
    """The same bars with others from row `first` on."""
    other = make_bars(seed=99)
    fields = {}
    for name in ("open", "high", "low", "close", "volume"):
        values = getattr(bars, name).copy()
        values[first:] = getattr(other, name)[first:]
        fields[name] = values
    return replace(bars, **fields)


def without_seconds(tried):
    return [replace(each, processor_s=0.0) for each in tried]


def study(folder, past, workers=None, on_tried=lambda settings, forecasts: None, plan=PLAN):
    journal = Journal(folder / "trials.journal", "fold-00", "key")
    return run_study(past, SETTINGS, plan, (), journal, workers or Processes(1), on_tried)


@pytest.fixture(scope="module")
def past():
    panel, labels, folds = made(make_bars())
    return cut_past(panel, labels, folds[0], SETTINGS.folds, 2)


@pytest.fixture(scope="module")
def uninterrupted(past, tmp_path_factory):
    return study(tmp_path_factory.mktemp("whole"), past)


def choices_of(bars, folder, folds=2):
    panel, labels, outer = made(bars)
    folder.mkdir()
    plan = replace(PLAN, trials=4)
    return choose(panel, labels, outer[:folds], SETTINGS, plan, 2, folder, "key", Processes(1)), outer


def test_other_outer_rows_change_nothing_of_what_a_fold_chose(tmp_path):
    bars = make_bars()
    before, outer = choices_of(bars, tmp_path / "a")
    first = int(outer[1].test[0])
    after, _ = choices_of(doctored(bars, first), tmp_path / "b")
    assert len(before) == 2
    for one, other in zip(before, after, strict=True):
        assert without_seconds(one.tried) == without_seconds(other.tried)
        assert one.values == other.values


def test_a_later_fold_begins_with_what_the_earlier_one_chose(tmp_path):
    (first, second), _ = choices_of(make_bars(), tmp_path / "a")
    own = {"model.hidden_size": 4, "model.learning_rate": 1e-3}
    assert dict(first.tried[0].params) == own
    assert dict(second.tried[0].params) == own
    assert first.values == own or dict(second.tried[1].params) == first.values


def test_inner_folds_end_before_the_fold_is_trained_until(past):
    _, _, folds = made(make_bars())
    check_past(past, folds[0])
    assert len(past.folds) == 2
    assert max(int(fold.test[-1]) for fold in past.folds) <= int(folds[0].valid[-1])
    assert past.labels.end.max() <= folds[0].trained_until


@pytest.mark.parametrize("rows", ["bars", "labels"])
def test_inner_folds_that_read_outer_rows_are_caught(past, rows):
    panel, labels, folds = made(make_bars())
    leaky = Past(panel, past.labels, past.folds) if rows == "bars" else replace(past, labels=labels)
    with pytest.raises(LeakError, match="tuning sees"):
        check_past(leaky, folds[0])


def test_an_outcome_that_nobody_knew_is_caught(past):
    _, _, folds = made(make_bars())
    ends = past.labels.end
    unknown = replace(past.labels, end=ends.where(ends < ends.max()))
    with pytest.raises(LeakError, match="was not known by"):
        check_past(Past(past.panel, unknown, past.folds), folds[0])


PLANTED = {
    "features": lambda past, later: {
        "panel": replace(past.panel, values=past.panel.values + later.astype(np.float32))
    },
    "scales": lambda past, later: {
        "panel": replace(past.panel, scale=past.panel.scale * (1 + later[:, :, 0]))
    },
    "labels": lambda past, later: {
        "labels": replace(past.labels, scaled=past.labels.scaled + later[:, :, 0])
    },
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_past_that_knows_the_outer_test_is_caught_before_anything_is_tried(what, tmp_path):
    bars = make_bars()
    panel, labels, folds = made(bars)
    outer = folds[0]
    honest = cut_past(panel, labels, outer, SETTINGS.folds, 2)
    prove_blind(honest, outer, bars, SETTINGS)
    after = np.nanmean(labels.returns[outer.test])  # one number of the outer test, in every row of the past
    later = np.full((*honest.panel.values.shape[:2], 1), after)
    with pytest.raises(LeakError, match=f"{what} that tuning sees at .* change with bars after"):
        prove_blind(replace(honest, **PLANTED[what](honest, later)), outer, bars, SETTINGS)


def test_a_leak_stops_the_command_with_nothing_in_its_journal(tmp_path, past):
    panel, labels, folds = made(make_bars())

    def caught(past, fold):
        raise LeakError("planted")

    with pytest.raises(LeakError, match="planted"):
        choose(panel, labels, folds[:1], SETTINGS, PLAN, 2, tmp_path, "key", Processes(1), prove=caught)
    assert not (tmp_path / "trials.journal").exists()


def test_a_study_killed_anywhere_and_resumed_equals_the_uninterrupted_one(past, uninterrupted, tmp_path):
    for survives in (1, 3):
        left = [survives]

        def kill(settings, forecasts, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            study(tmp_path, past, on_tried=kill)
    resumed = study(tmp_path, past)
    assert len(resumed) == PLAN.trials
    assert without_seconds(resumed) == without_seconds(uninterrupted)
    states = [trial.state.name for trial in stored(tmp_path)]
    assert "FAIL" in states
    assert "RUNNING" not in states


def stored(folder):
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "trials.journal"))
    return optuna.load_study(study_name="fold-00", storage=optuna.storages.JournalStorage(backend)).trials


def test_a_finished_study_is_read_and_not_repeated(past, tmp_path):
    plan = replace(PLAN, trials=2)
    first = study(tmp_path, past, plan=plan)

    def refuse(settings, forecasts):
        raise AssertionError("a trial was repeated")

    assert study(tmp_path, past, on_tried=refuse, plan=plan) == first


def test_the_number_of_processes_changes_nothing(past, uninterrupted, tmp_path):
    assert without_seconds(study(tmp_path, past, Processes(2))) == without_seconds(uninterrupted)


def test_trials_that_fall_behind_are_ended_early_and_never_chosen(uninterrupted):
    ended = [each for each in uninterrupted if not each.complete]
    assert ended
    assert all(len(each.losses) == 1 for each in ended)
    best = best_of(uninterrupted)
    assert best.loss == min(each.loss for each in uninterrupted if each.complete)


def test_no_generation_begins_once_the_processor_seconds_are_used(past, tmp_path):
    assert len(study(tmp_path, past, plan=replace(PLAN, budget_s=1e-9))) == 4


def test_a_journal_of_another_task_is_refused(past, tmp_path):
    study(tmp_path, past, plan=replace(PLAN, trials=1))
    with pytest.raises(ConfigError, match="choose another --out"):
        Journal(tmp_path / "trials.journal", "fold-00", "another")


def test_a_past_too_short_is_refused():
    panel, labels, folds = made(make_bars())
    short = replace(folds[0], train=folds[0].train[-20:])
    with pytest.raises(DataError, match="too few for 2 inner folds"):
        cut_past(panel, labels, short, SETTINGS.folds, 2)


def test_the_loss_of_a_trial_is_a_number(uninterrupted):
    assert np.isfinite([each.loss for each in uninterrupted]).all()
