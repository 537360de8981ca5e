"""A run with code of the user's own: written down, found again, and noticed where it has changed."""

import json
import subprocess
import sys

import pytest

from engine.audit.job import audit_command
from engine.backtest.job import backtest
from engine.backtest.writing import write_backtest
from engine.reproduce.job import reproduce
from engine.runs.folder import read_run
from engine.runs.ledger import LEDGER_FILE, Ledger
from engine.runs.stored import stored_hashes
from engine.runs.trial import settings_hash
from forewalk.errors import PluginError
from forewalk.settings.loading import load_settings
from helpers.own_code import write_module, write_project

FEATURE = """\
import numpy as np

def turnover(bars):
    return np.log1p(bars.volume) / 10
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    write_module(folder, "mine", FEATURE)
    write_project(folder, features='extra = ["mine:turnover"]')
    return folder


@pytest.fixture(scope="module")
def run(project):
    result = backtest(load_settings(project / "config.toml", environment={}))
    return write_backtest(result, project / "runs" / "one")


@pytest.fixture
def as_it_was(project):
    yield
    write_module(project, "mine", FEATURE)


def test_a_run_writes_down_its_own_code_and_where_it_was_found(run, project):
    manifest = json.loads((run / "manifest.json").read_text())
    (entry,) = manifest["plugins"]
    assert (entry["setting"], entry["name"]) == ("features.extra", "mine:turnover")
    assert len(entry["sha256"]) == 64
    assert manifest["feature_names"][-1] == "turnover"
    assert (run / "plugins" / "mine.py").read_text() == FEATURE
    assert load_settings(run / "config.toml", environment={}).plugins == project
    assert f"mine:turnover, sha256 {entry['sha256'][:12]}" in (run / "index.html").read_text()


def test_it_is_reproduced_from_another_folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert reproduce(run).same


def test_reproducing_names_the_source_that_has_changed_since(run, project, as_it_was):
    write_module(project, "mine", FEATURE.replace("/ 10", "/ 11"))
    comparison = reproduce(run)
    assert not comparison.same
    assert any("mine:turnover of features.extra" in cause for cause in comparison.causes)
    assert any(str(run / "plugins") in line for line in comparison.lines())


def test_another_source_is_another_try_in_the_ledger(run, project, as_it_was):
    before = Ledger(run.parent / LEDGER_FILE).trials()[-1].settings_hash
    write_module(project, "mine", FEATURE + "\n# no other result\n")
    settings = load_settings(project / "config.toml", environment={})
    write_backtest(backtest(settings), project / "runs" / "edited")
    assert Ledger(run.parent / LEDGER_FILE).trials()[-1].settings_hash != before


def test_a_sweep_of_it_takes_its_tries_for_the_same_as_the_run_does(run):
    settings = load_settings(run / "config.toml", environment={})
    (trial,) = [trial for trial in Ledger(run.parent / LEDGER_FILE).trials() if trial.name == run.name]
    assert settings_hash(settings, stored_hashes(read_run(run))) == trial.settings_hash


def test_the_certificate_says_which_source_it_is_about_and_notices_another_one(run, project, as_it_was):
    certificate = audit_command(run)
    manifest = json.loads((run / "manifest.json").read_text())
    assert certificate.clean, certificate.headline()
    assert certificate.plugins == (
        f"features.extra = 'mine:turnover': sha256 {manifest['plugins'][0]['sha256']}",
    )
    assert certificate.check("stored run").verdict == "clean"
    write_module(project, "mine", FEATURE + "\n# no other result\n")
    assert "mine:turnover" in audit_command(run).check("stored run").detail
    write_module(project, "mine", FEATURE.replace("/ 10", "/ 11"))
    changed = audit_command(run).check("stored run")
    assert changed.verdict == "leak"
    assert "your own code has changed: mine:turnover" in changed.offender.message


def test_an_exception_ends_the_command_with_one_line_that_names_file_and_line(tmp_path):
    write_module(tmp_path, "mine", "def f(bars):\n    return bars.close / 0 + undefined\n")
    write_project(tmp_path, features='extra = ["mine:f"]')
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", "backtest", "--config", str(tmp_path / "config.toml")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == PluginError.exit_code
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "features.extra = 'mine:f' failed with NameError: name 'undefined'" in line
    assert f"{tmp_path / 'mine.py'} line 2, in f" in line
    assert "Traceback" not in done.stderr
