"""What a person sees of a book's models and may say about them: nothing changes for bars already decided on."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.journal.journal import Journal
from broker.journal.records import DecisionRow
from engine.cli.models import models_app
from engine.live.models.registry import active_model, expire, listed, retire
from engine.live.models.retrain import CHALLENGER, CHAMPION, REJECTED, Retrainer, promote
from forewalk.errors import DataError, UsageError
from helpers.live_values import live_settings, some_bars

BARS = some_bars(200)
LAST = BARS.timestamps[-1].to_pydatetime()


def at(bars_ago):
    return BARS.timestamps[-1 - bars_ago].to_pydatetime()


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.db", "paper")
    for name, role, ago in (
        ("a", CHAMPION, 60),
        ("b", CHAMPION, 20),
        ("c", REJECTED, 10),
        ("d", CHALLENGER, 5),
    ):
        journal.models.record(
            name, f"{name}.safetensors", "ff" * 4, at(ago), role, f"note of {name}", at(ago)
        )
    row = DecisionRow("paper-x", LAST, LAST.date(), LAST, LAST, LAST, 1, 1, "b", "f")
    journal.decisions.record(row, [], [], ask=False)
    yield journal
    journal.close()


def entries(journal, now=LAST):
    return {
        entry.model_id: entry
        for entry in listed(journal, live_settings(), journal.path.parent / "models", now)
    }


def test_the_list_tells_role_lineage_age_and_which_one_is_asked(journal):
    found = entries(journal)
    assert list(found) == ["a", "b", "c", "d"]
    assert [entry.active for entry in found.values()] == [False, True, False, False]
    assert [entry.parent for entry in found.values()] == ["", "a", "b", "b"]
    assert [entry.age_bars for entry in found.values()] == [60, 20, None, None]
    assert "cannot be read" in found["a"].problem or "No such file" in found["a"].problem
    json.dumps([entry.to_json() for entry in found.values()])


def test_a_retired_champion_gives_way_to_the_one_before_it_after_the_last_decision(journal):
    assert retire(journal, "b", at(3)) == "b is retired: a is asked again, while it is not too old"
    until = datetime.fromisoformat(entries(journal)["b"].until)
    assert until > LAST  # the bar that was decided on keeps its forecast
    assert active_model(journal.models.all(), LAST) == "b"
    assert active_model(journal.models.all(), until) == "a"
    assert "note of b; retired by a person" in entries(journal)["b"].note
    with pytest.raises(DataError, match="has ended already"):
        retire(journal, "b", LAST)


def test_only_a_champion_can_be_retired(journal):
    for name in ("c", "d", "nobody"):
        with pytest.raises(DataError, match="no champion"):
            retire(journal, name, LAST)


def test_expired_models_are_silent_until_another_is_promoted(journal):
    assert expire(journal, LAST).startswith("a, b expired")
    later = LAST + timedelta(days=3)
    assert active_model(journal.models.all(), later) is None
    with pytest.raises(UsageError, match="no champion"):
        expire(journal, LAST)
    promote(journal, "d", later)
    assert active_model(journal.models.all(), later) == "d"
    assert entries(journal, later)["d"].until is None


def test_the_daemon_goes_by_it_at_its_next_decision_and_trains_no_first_model_again(journal):
    retrainer = Retrainer(live_settings(), journal, journal.path.parent, object(), lambda *_: None)
    assert [file.until for file in retrainer.champions(BARS)] == [None, None]
    retire(journal, "b", LAST)
    older, newer = retrainer.champions(BARS)
    assert (older.path, older.until) == (Path(older.path), None)
    assert newer.until > LAST
    expire(journal, LAST)
    assert all(file.until > LAST for file in retrainer.champions(BARS))


def test_the_command_lists_and_retires(journal, tmp_path):
    runner, place = CliRunner(), ["--set", f"live.state={tmp_path}", "--set", "live.book=paper"]
    told = json.loads(runner.invoke(models_app, [*place, "--json"]).output)
    assert [entry["role"] for entry in told] == [CHAMPION, CHAMPION, REJECTED, CHALLENGER]
    assert "b is retired" in runner.invoke(models_app, ["retire", "b", *place]).output
    refused = runner.invoke(models_app, ["expire", *place])
    assert isinstance(refused.exception, UsageError)
    assert "expired" in runner.invoke(models_app, ["expire", "--yes", *place]).output


def shown(tmp_path, *more):
    """The lines of `forewalk models`, without what is said of files that are not there."""
    place = ["--set", f"live.state={tmp_path}", "--set", "live.book=paper", *more]
    answer = CliRunner().invoke(models_app, place)
    assert answer.exit_code == 0, answer.output
    return [line.partition("; /")[0] for line in answer.output.splitlines()]


def test_the_command_says_of_each_model_what_it_is_and_what_was_said_of_it(journal, tmp_path):
    ages = [entry.age_bars for entry in entries(journal, datetime.now(UTC)).values()][:2]
    lines = shown(tmp_path, "--set", "model.max_age_bars=1000000")
    since = {name: f"{at(ago):%Y-%m-%dT%H:%M}" for name, ago in (("a", 60), ("b", 20), ("c", 10), ("d", 5))}
    assert lines == [
        f"  a  champion, from {since['a']}, {ages[0]} of 1000000 bars old",
        "    note of a",
        f"* b  champion, after a, from {since['b']}, {ages[1]} of 1000000 bars old",
        "    note of b",
        f"  c  rejected, after b, from {since['c']}",
        "    note of c",
        f"  d  challenger, after b, from {since['d']}",
        "    note of d",
    ]
    expire(journal, LAST)
    promote(journal, "d", LAST)
    lines = shown(tmp_path, "--set", "model.max_age_bars=1000000")
    assert [line[:3] for line in lines[::2]] == ["  a", "  b", "  c", "* d"]
    assert lines[1::2][:2] == ["    note of a; expired by a person", "    note of b; expired by a person"]
    assert all(", until 2024-" in line for line in lines[0:4:2])


def test_a_model_that_is_too_old_is_not_called_the_one_that_is_asked(journal, tmp_path):
    lines = shown(tmp_path, "--set", "model.max_age_bars=3")[::2]
    assert [line[:3] for line in lines] == ["  a", "  b", "  c", "  d"]
    assert [line.endswith(" of 3 bars old: too old, it gives no forecasts") for line in lines] == [
        *(True, True, False, False)
    ]
