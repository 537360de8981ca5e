"""Every backtest that is written is recorded beside its folder, and the command shows it."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import engine.backtest.writing
from engine.cli.app import app
from engine.runs.ledger import LEDGER_FILE, Ledger
from forewalk.errors import ForewalkError
from forewalk.settings.loading import settings_from
from forewalk.types import Bars

TIMES = pd.bdate_range("2020-01-02", periods=30, tz="UTC") + pd.Timedelta(hours=21)
BARS = Bars(TIMES, ("A",), *[np.ones((30, 1))] * 5)
EQUITY = 1e5 * np.cumprod(1 + np.random.default_rng(0).normal(0, 0.01, 20))


class Result(SimpleNamespace):
    """Itself and no other, as a run is."""

    __hash__ = object.__hash__


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Return a function that writes a run with an account but no pages."""
    fill = lambda folder, result: (folder / "page").write_text("x")  # noqa: E731
    monkeypatch.setattr(engine.backtest.writing, "fill_folder", fill)

    def write(name, **settings):
        simulation = SimpleNamespace(equity=pd.DataFrame({"equity": EQUITY}))
        tree = settings_from({"name": name, **settings})
        subject = SimpleNamespace(settings=tree, bars=BARS, simulation=simulation, plugins=())
        return engine.backtest.writing.write_backtest(Result(subject=subject), tmp_path / name)

    return write


def test_a_backtest_is_recorded_in_the_ledger_beside_its_folder(written, tmp_path):
    written("one")
    (trial,) = Ledger(tmp_path / LEDGER_FILE).trials(BARS.fingerprint)
    assert (trial.kind, trial.name, trial.first_row, trial.bars) == ("backtest", "one", 10, 20)
    assert trial.returns[1:] == pytest.approx(EQUITY[1:] / EQUITY[:-1] - 1, abs=1e-8)


def test_the_run_keeps_the_receipt_of_its_trial(written, tmp_path):
    written("one")
    folder = written("two", seed=8)
    receipt = json.loads((folder / "trial.json").read_text())
    assert receipt == {"number": 2, "hash": Ledger(tmp_path / LEDGER_FILE).trials()[1].hash}


def test_a_run_that_cannot_be_recorded_says_so(written, tmp_path):
    (tmp_path / LEDGER_FILE).write_text("not a ledger")
    with pytest.raises(ForewalkError, match="the ledger of trials failed"):
        written("one")
    assert (tmp_path / "one" / "page").exists()


def test_the_command_shows_the_trials_and_exits_with_0(written, tmp_path):
    written("one")
    shown = CliRunner().invoke(app, ["trials", str(tmp_path)])
    assert shown.exit_code == 0
    assert "1 trials (1 backtest); 1 distinct" in shown.output


def test_the_command_names_a_deleted_ledger_and_exits_with_1(written, tmp_path):
    written("one")
    (tmp_path / LEDGER_FILE).unlink()
    shown = CliRunner().invoke(app, ["trials", str(tmp_path)])
    assert shown.exit_code == 1
    assert "PROBLEM: one/trial.json names trial 1" in shown.output


def test_the_command_speaks_json(written, tmp_path):
    written("one")
    shown = json.loads(CliRunner().invoke(app, ["trials", str(tmp_path), "--json"]).output)
    assert shown["problems"] == []
    assert shown["data"][0]["trials"] == 1


def test_no_ledger_is_said_in_words(tmp_path):
    shown = CliRunner().invoke(app, ["trials", str(tmp_path)])
    assert (shown.exit_code, shown.output.split()[:2]) == (0, ["no", "trials"])
