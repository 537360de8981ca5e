"""The track record: every forecast given, how it fared, and whether the log can be believed."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from made_answers import MORNING, make_answer, outcomes
from typer.testing import CliRunner

from engine.cli.app import app
from engine.forecast.log import LOG_FILE, ForecastLog
from engine.forecast.track import track_record


@pytest.fixture
def folder(tmp_path):
    """Three forecasts over one bar, two of them settled, and one over five."""
    path = tmp_path / LOG_FILE
    ForecastLog(path, lambda: MORNING).enter(make_answer("A", "B", "C"))
    ForecastLog(path, lambda: MORNING).enter(replace(make_answer("A"), horizon_bars=5))
    ForecastLog(path, lambda: MORNING + timedelta(days=1)).score(outcomes("A", "B"), make_answer("A"))
    return tmp_path


def test_it_tells_horizons_and_symbols_apart(folder):
    found = track_record(folder)
    assert len(found.forecasts) == 4
    assert {bars: skill.forecasts for bars, skill in found.by_horizon.items()} == {1: 2, 5: 0}
    assert {key: skill.forecasts for key, skill in found.by_symbol.items()} == {
        (1, "A"): 1,
        (1, "B"): 1,
        (1, "C"): 0,
        (5, "A"): 0,
    }
    assert (found.skill.right, found.skill.directions) == (2, 2)
    assert found.problems == ()


def test_the_command_says_it_in_words_and_as_json(folder):
    said = CliRunner().invoke(app, ["track", "--log", str(folder)])
    assert said.exit_code == 0
    lines = said.stdout.splitlines()
    assert lines[0].startswith("4 forecasts since 2024-03-08 12:00 UTC, 2 of them settled")
    assert "B, over 1 bar: direction right 1 of 1" in said.stdout
    assert "A, over 5 bars: no outcome is known yet" in said.stdout
    assert lines[-1].startswith("each was written down before its outcome was known")
    found = json.loads(CliRunner().invoke(app, ["track", "--log", str(folder), "--json"]).stdout)
    assert [row["symbol"] for row in found["forecasts"]] == ["A", "B", "C", "A"]
    assert found["by_symbol"]["1"]["B"]["forecasts"] == 1


def test_a_log_that_was_altered_is_not_vouched_for(folder):
    with closing(sqlite3.connect(folder / LOG_FILE)) as connection, connection:
        connection.execute("DROP TRIGGER entries_no_delete")
        connection.execute("DELETE FROM entries WHERE number = 2")
    done = CliRunner().invoke(app, ["track", "--log", str(folder)])
    assert done.exit_code == 1
    assert "PROBLEM" in done.stdout
    assert "has not been altered" not in done.stdout


def test_no_log_is_no_problem(tmp_path):
    done = CliRunner().invoke(app, ["track", "--log", str(tmp_path / "none.sqlite")])
    assert done.exit_code == 0
    assert "no forecast has been given yet" in done.stdout
