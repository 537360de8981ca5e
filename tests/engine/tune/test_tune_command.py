"""The command: the values that may be varied, and one whole way on the sample data."""

import json

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.runs.ledger import LEDGER_FILE, Ledger
from engine.tune.space import DEFAULT_SPACE, own_values, parse_space, with_own, with_values
from forewalk.errors import ConfigError, UsageError
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


@pytest.mark.parametrize("space", [{"model.hidden_size": (0, 16)}, {"model.hiden_size": (16,)}])
def test_a_value_that_is_not_allowed_is_refused_before_any_trial(space):
    with pytest.raises(ConfigError, match=r"model\.hid"):
        with_own(space, make_settings())


def test_other_values_leave_all_other_settings_alone():
    settings = make_settings()
    changed = with_values(settings, {"model.hidden_size": 16})
    assert changed.model.hidden_size == 16
    assert with_values(changed, {"model.hidden_size": 4}) == settings


def test_the_command_leaves_page_table_journal_and_trials_in_the_ledger(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = (
        "tune --trials 2 --inner 2 --json --vary model.hidden_size=2,4 --set data.symbols=IBM --out runs/t"
    )
    small = ("model.seeds=1", "model.max_epochs=1", "folds.refit_every_bars=1500", "jobs=1")
    done = CliRunner().invoke(app, [*words.split(), *(word for each in small for word in ("--set", each))])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert "budget: 600 processor seconds" in done.stderr
    trials = [trial for fold in found["folds"] for trial in fold["trials"]]
    assert len(trials) == 2 * len(found["folds"])
    assert [trial.kind for trial in Ledger(tmp_path / "runs" / LEDGER_FILE).trials()] == ["tune"] * len(
        trials
    )
    page = (tmp_path / "runs/t/index.html").read_text(encoding="utf-8")
    assert found["verdict"] in page.replace("&#39;", "'")
    assert (tmp_path / "runs/t/trials.journal").is_file()
