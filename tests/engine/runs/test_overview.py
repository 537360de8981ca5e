"""The runs of a folder at a glance: every one of them, the newest first, and none left out in silence."""

import json

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.runs.overview import overview


def write_run_files(folder, created="2026-01-01T00:00:00+00:00", sharpe=0.5):
    folder.mkdir(parents=True)
    manifest = {"created": created, "verdict": "No.", "data_fingerprint": "abc"}
    metrics = {
        "universe": {
            "forecast_symbols": 4,
            "first_test_bar": "2005-02-22T21:00:00",
            "last_bar": "2013-03-01T21:00:00",
        },
        "strategy": {"sharpe": sharpe, "total_return": 1.2, "max_drawdown": -0.3},
        "forecast": {"overall": {"returns": {"skill_mse": 0.001}, "direction": {"accuracy": 0.51}}},
    }
    settings = 'seed = 7\n[label]\nhorizon_bars = 1\n[model]\nkind = "lstm"\n'
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "config.toml").write_text(settings)


@pytest.fixture
def folder(tmp_path):
    write_run_files(tmp_path / "old", "2026-01-01T00:00:00+00:00")
    write_run_files(tmp_path / "new", "2026-02-01T00:00:00+00:00", sharpe=None)
    (tmp_path / "latest").symlink_to("new")
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_the_newest_comes_first_and_latest_is_marked_once(folder):
    found = overview(folder)
    assert [(run.name, run.latest, run.sharpe) for run in found.runs] == [
        ("new", True, None),
        ("old", False, 0.5),
    ]
    assert (found.runs[1].first, found.runs[1].last, found.runs[1].symbols) == ("2005-02-22", "2013-03-01", 4)
    assert found.problems == ()


@pytest.mark.parametrize("file", ["metrics.json", "config.toml", "manifest.json"])
def test_a_damaged_run_is_said(folder, file):
    (folder / "old" / file).write_text("{")
    done = CliRunner().invoke(app, ["runs", str(folder), "--json"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert [run["name"] for run in found["runs"]] == ["new"]
    assert "missing or damaged" in found["problems"][0]
    assert "PROBLEM" in CliRunner().invoke(app, ["runs", str(folder)]).stdout


def test_a_missing_number_is_a_dash(folder):
    said = CliRunner().invoke(app, ["runs", str(folder)]).stdout.splitlines()
    assert said[1].split() == ["new*", "2005-02-22", "to", "2013-03-01", "-", "+120.0%", "+0.10%", "51.0%"]


def test_a_folder_without_runs_says_what_makes_one(tmp_path):
    done = CliRunner().invoke(app, ["runs", str(tmp_path / "nothing")])
    assert done.exit_code == 0
    assert "forewalk backtest" in done.stdout
