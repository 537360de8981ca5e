"""The command: the values that may be varied, and one whole way on the sample data."""

import fcntl
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from engine.cli.app import app
from engine.evaluation.metrics.statistics import diebold_mariano
from engine.runs.ledger import LEDGER_FILE, Ledger
from engine.tune.job import LOCK_FILE, Effort
from engine.tune.result import FoldChoice, Outer, Tuning, compared, p_over_folds, summary
from engine.tune.space import DEFAULT_SPACE, own_values, parse_space, with_own, with_values
from engine.tune.study import Tried, best_of
from forewalk.errors import ConfigError, DataError, UsageError
from forewalk.types import Forecasts
from helpers.making import make_settings


def test_values_are_read_as_numbers_and_words():
    space = parse_space(["model.hidden_size=16,32", "model.cell=lstm,gru", "model.attention=true,false"])
    assert space == {
        "model.hidden_size": (16, 32),
        "model.cell": ("lstm", "gru"),
        "model.attention": (True, False),
    }
    assert parse_space([]) == DEFAULT_SPACE


@pytest.mark.parametrize(
    "texts",
    [["model.hidden_size"], ["strategy.entry=0,1"], ["model.kind=a,b"], ["model.layers=1", "model.layers=2"]],
)
def test_what_cannot_be_varied_is_refused(texts):
    with pytest.raises(UsageError, match="--vary"):
        parse_space(texts)


def test_the_own_value_is_always_among_the_values():
    settings = make_settings()
    full = with_own({"model.hidden_size": (16, 32)}, settings)
    assert full["model.hidden_size"] == (4, 16, 32)
    assert own_values(settings, tuple(full)) == {"model.hidden_size": 4}


def test_a_setting_of_a_section_of_the_model_can_be_varied():
    full = with_own({"model.augment.jitter": (0.1,)}, make_settings())
    assert full == {"model.augment.jitter": (0.0, 0.1)}
    assert with_values(make_settings(), {"model.augment.jitter": 0.1}).model.augment.jitter == 0.1
    for unknown in ("model.augment", "model.augment.jiter", "model.cell.jitter"):
        with pytest.raises(ConfigError, match=f"{unknown} is no setting of the model"):
            with_own({unknown: (0.1,)}, make_settings())


@pytest.mark.parametrize("space", [{"model.hidden_size": (0, 16)}, {"model.hiden_size": (16,)}])
def test_a_value_that_is_not_allowed_is_refused_before_any_trial(space):
    with pytest.raises(ConfigError, match=r"model\.hid"):
        with_own(space, make_settings())


def test_other_values_leave_all_other_settings_alone():
    settings = make_settings()
    changed = with_values(settings, {"model.hidden_size": 16})
    assert changed.model.hidden_size == 16
    assert with_values(changed, {"model.hidden_size": 4}) == settings


WORDS = "tune --trials 2 --inner 2 --json --vary model.hidden_size=2,4 --set data.symbols=IBM --out runs/t"
SMALL = ("model.seeds=1", "model.max_epochs=1", "folds.refit_every_bars=1500", "jobs=1")


def invoked():
    return CliRunner().invoke(app, [*WORDS.split(), *(word for each in SMALL for word in ("--set", each))])


def test_the_command_leaves_page_table_journal_and_trials_in_the_ledger(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = invoked()
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert "budget: 600 processor seconds" in done.stderr
    trials = [trial for fold in found["folds"] for trial in fold["trials"]]
    assert len(trials) == 2 * len(found["folds"])
    assert [trial.kind for trial in Ledger(tmp_path / "runs" / LEDGER_FILE).trials()] == ["tune"] * len(
        trials
    )
    assert json.loads((tmp_path / "runs/t/trial.json").read_text())["number"] == len(trials)
    page = (tmp_path / "runs/t/index.html").read_text(encoding="utf-8")
    assert found["verdict"] in page.replace("&#39;", "'")
    assert (tmp_path / "runs/t/trials.journal").is_file()


def test_a_second_command_in_the_same_folder_is_kept_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/t").mkdir(parents=True)
    with (tmp_path / "runs/t" / LOCK_FILE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = invoked()
    assert isinstance(done.exception, ConfigError)
    assert "another command is tuning in runs/t" in str(done.exception)
    assert not (tmp_path / "runs" / LEDGER_FILE).exists()


def test_a_trial_that_diverged_stands_in_the_table_as_unknown():
    failed = Tried(1, {"model.dropout": 0.1}, (0.5, math.inf), complete=True, processor_s=1.0)
    good = Tried(0, {"model.dropout": 0.0}, (0.5, 0.6), complete=True, processor_s=1.0)
    choice = FoldChoice(
        "fold-00", pd.Timestamp("2020-01-01", tz="UTC"), good.params, good.loss, (good, failed)
    )
    outer = Outer(0.5, 0.5, None)
    found = summary(Tuning(Path("t"), Effort(), {"model.dropout": (0.0, 0.1)}, (choice,), outer, ranks=False))
    assert json.loads(json.dumps(found, allow_nan=False))["folds"][0]["trials"][1]["losses"] == [0.5, None]
    assert best_of((good, failed)) is good


def test_forecasts_without_a_known_outcome_are_not_called_the_same():
    settings, nothing = make_settings(), np.full((5, 1), np.nan)
    made = Forecasts(
        timestamps=pd.date_range("2020-01-01", periods=5, tz="UTC"), symbols=("AAA",), mean=nothing + 0.0,
        std=np.ones((5, 1)), p_up=nothing, horizon_bars=1, model_ids=("m",) * 5,
        trained_until=pd.DatetimeIndex(["2019-12-31"] * 5, tz="UTC"),
    )  # fmt: skip
    with pytest.raises(DataError, match="cannot be compared"):
        compared(made, made, nothing, np.ones((5, 1)), settings)


@pytest.mark.parametrize("folds", [2, 5, 9])
def test_networks_that_differ_in_luck_alone_are_called_better_no_oftener_than_in_twenty(folds):
    random = np.random.default_rng(folds)
    names = np.repeat([f"fold-{number:02d}" for number in range(folds)], 150)
    by_bars = by_both = 0
    for _ in range(400):
        luck = np.repeat(random.normal(0.0, 0.02, folds), 150)  # of a fold's networks, all through its test
        gap = luck + random.normal(0.0, 0.1, len(names))
        outer = Outer(0.0, 0.0, diebold_mariano(gap, np.zeros_like(gap)), p_over_folds(gap, names))
        by_bars += outer.test.a_is_better
        by_both += outer.better
    assert by_bars > 1.5 * 0.05 * 400
    assert by_both <= stats.binom.ppf(0.999, 400, 0.05)


def test_what_helps_in_every_fold_is_called_better_and_one_fold_never_is():
    random = np.random.default_rng(0)
    gap = random.normal(-0.05, 0.1, 600)
    dm = diebold_mariano(gap, np.zeros_like(gap))
    names = np.repeat(["a", "b", "c", "d"], 150)
    assert Outer(0.0, 0.05, dm, p_over_folds(gap, names)).better
    assert p_over_folds(gap, np.repeat(["a"], 600)) is None
    assert not Outer(0.0, 0.05, dm, None).better
