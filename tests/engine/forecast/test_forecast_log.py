"""A record that cannot be embellished: written before the outcome, settled after it; what is altered is seen."""

import json
import multiprocessing
import os
import signal
import sqlite3
from contextlib import closing
from datetime import timedelta
from functools import partial

import numpy as np
import pytest
from made_answers import CLOSES, MORNING, make_answer, outcomes

from engine.forecast.log import ForecastLog
from engine.runs.chain import GENESIS, Chain, Entry
from forewalk.errors import ForewalkError

CREATING = ("before the file", "before the link")
WRITING = ("before the commit", "after the commit", "before the receipt", "after the receipt")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "forecasts.sqlite"


@pytest.fixture
def full(path):
    """Three forecasts, of which two are settled."""
    log = ForecastLog(path, lambda: MORNING)
    log.enter(make_answer("A", "B", "C"))
    ForecastLog(path, lambda: MORNING + timedelta(days=1)).score(outcomes("A", "B"), make_answer("A"))
    return path


def test_a_forecast_is_entered_once_and_settled_once(path):
    log = ForecastLog(path, lambda: MORNING)
    assert log.enter(make_answer("A", "B")).written == 2
    again = log.enter(make_answer("A", "B"))
    assert (again.written, again.known) == (0, 2)
    later = ForecastLog(path, lambda: MORNING + timedelta(days=1))
    assert later.score(outcomes("A", "B"), make_answer("A")) == 2
    assert later.score(outcomes("A", "B"), make_answer("A")) == 0
    table = later.table()
    assert table["symbol"].tolist() == ["A", "B"]
    assert table["actual"].tolist() == [0.004, 0.004]
    assert later.problems() == []


def test_another_models_forecast_of_the_same_close_is_another_one(path):
    log = ForecastLog(path, lambda: MORNING)
    log.enter(make_answer("A"))
    assert log.enter(make_answer("A", model="fold-02", mean=0.002)).written == 1


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=1), timedelta(days=400)])
def test_a_forecast_cannot_be_entered_once_its_outcome_has_closed(path, late):
    log = ForecastLog(path, lambda: CLOSES.to_pydatetime() + late)
    assert log.enter(make_answer("A")).closed == 1
    assert not path.exists()


def test_an_outcome_is_not_settled_before_its_close(path):
    log = ForecastLog(path, lambda: MORNING)
    log.enter(make_answer("A"))
    assert log.score(outcomes("A"), make_answer("A")) == 0
    assert np.isnan(log.table()["actual"]).all()


def test_an_outcome_of_another_kind_of_return_settles_nothing(path):
    ForecastLog(path, lambda: MORNING).enter(make_answer("A"))
    later = ForecastLog(path, lambda: MORNING + timedelta(days=1))
    other = make_answer("A")
    object.__setattr__(other, "execution", "next_open")
    assert later.score(outcomes("A"), other) == 0


def test_a_clock_that_runs_backwards_is_refused(full):
    log = ForecastLog(full, lambda: MORNING - timedelta(hours=1))
    with pytest.raises(ForewalkError, match="set the clock right"):
        log.enter(make_answer("D"))


def rewrite(path, *statements):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER entries_no_update")
        connection.execute("DROP TRIGGER entries_no_delete")
        for statement in statements:
            connection.execute(statement)
        for name, verb in (("entries_no_update", "UPDATE"), ("entries_no_delete", "DELETE")):
            connection.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON entries BEGIN SELECT RAISE(ABORT, 'only appended to'); END"
            )


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entries SET content = replace(content, '0.0', '0.1') WHERE number = {}",
        "UPDATE entries SET written = '2024-01-01T00:00:00+00:00' WHERE number = {}",
        "UPDATE entries SET kind = 'note' WHERE number = {}",
        "DELETE FROM entries WHERE number = {}",
        "DELETE FROM entries WHERE number >= {}",
    ],
)
def test_whatever_row_is_altered_or_taken_away_is_noticed(full, change, number):
    rewrite(full, change.format(number))
    assert ForecastLog(full).problems()


def test_a_row_that_is_put_in_between_is_noticed(full):
    rewrite(
        full,
        "UPDATE entries SET number = number + 100 WHERE number > 1",
        "UPDATE entries SET number = number - 99 WHERE number > 100",
        "INSERT INTO entries SELECT 2, written, kind, content, 'made up' FROM entries WHERE number = 1",
    )
    assert ForecastLog(full).problems()


def test_a_log_that_is_sealed_anew_does_not_match_its_receipt(full):
    with closing(sqlite3.connect(full)) as connection:
        rows = [Entry(*row) for row in connection.execute("SELECT * FROM entries ORDER BY number")]
    seal, statements = GENESIS, []
    for row in rows:
        changed = Entry(row.number, row.written, row.kind, row.content.replace("0.53", "0.99"))
        seal = changed.sealed(seal)
        statements.append(
            f"UPDATE entries SET content = '{changed.content}', hash = '{seal}' WHERE number = {row.number}"
        )
    rewrite(full, *statements)
    (problem,) = ForecastLog(full).problems()
    assert "cut off or replaced" in problem


def test_a_backdated_row_with_right_hashes_is_noticed(path):
    """Who appends to the file without this program can date a row as he likes, but not before the row above it."""
    ForecastLog(path, lambda: MORNING).enter(make_answer("A"))
    content = json.loads(Chain(path).entries()[0].content)
    Chain(path).append(lambda there: [Entry(0, "2020-01-01T00:00:00+00:00", "forecast", json.dumps(content))])
    assert any("before the row above it" in problem for problem in ForecastLog(path).problems())
    late = {**content, "symbol": "B"}
    Chain(path).append(lambda there: [Entry(0, "2024-05-01T00:00:00+00:00", "forecast", json.dumps(late))])
    assert any("after its outcome had closed" in problem for problem in ForecastLog(path).problems())


def test_removed_triggers_and_a_deleted_log_are_noticed(full):
    with closing(sqlite3.connect(full)) as connection, connection:
        connection.execute("DROP TRIGGER entries_no_delete")
    assert any("triggers" in problem for problem in ForecastLog(full).problems())
    for file in full.parent.glob("forecasts.sqlite*"):
        file.unlink()
    (problem,) = ForecastLog(full).problems()
    assert "is gone" in problem


@pytest.mark.parametrize("statement", ["UPDATE entries SET kind = 'x'", "DELETE FROM entries"])
def test_sqlite_itself_refuses_to_change_a_row(full, statement):
    with (
        closing(sqlite3.connect(full)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="appended"),
    ):
        connection.execute(statement)


def started(work):
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def test_two_processes_write_at_the_same_time_without_losing_a_forecast(path):
    def writer(name):
        for number in range(10):
            ForecastLog(path, lambda: MORNING).enter(make_answer(f"{name}{number}"))

    children = [started(partial(writer, name)) for name in ("A", "B")]
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    log = ForecastLog(path)
    assert sorted(log.table()["symbol"]) == sorted(f"{name}{number}" for name in "AB" for number in range(10))
    assert log.problems() == []


@pytest.mark.parametrize("step", CREATING + WRITING)
def test_a_process_that_is_killed_at_any_step_leaves_a_sound_log(path, step):
    """Twenty times each: the forecast is there whole or not at all, and entering it again makes it be there once."""
    for number in range(20):
        where = path.with_name(f"log-{number}.sqlite")
        before = number % 2
        if before:
            ForecastLog(where, lambda: MORNING).enter(make_answer("A"))

        def kill(reached):
            if reached == step:
                os.kill(os.getpid(), signal.SIGKILL)

        def writes(where=where, kill=kill):
            ForecastLog(where, lambda: MORNING, kill).enter(make_answer("B", "C"))

        process = started(writes)
        process.join()
        assert process.exitcode == (0 if step in CREATING and before else -signal.SIGKILL)
        log = ForecastLog(where, lambda: MORNING)
        assert log.problems() == []
        assert len(log.table()) - before in (0, 2)
        log.enter(make_answer("B", "C"))
        assert sorted(log.table()["symbol"])[-2:] == ["B", "C"]
        assert len(log.table()) == 2 + before
        assert log.problems() == []


def test_no_log_is_no_forecast_and_creates_no_file(path):
    assert len(ForecastLog(path).table()) == 0
    assert ForecastLog(path).problems() == []
    assert not path.exists()


def test_another_file_in_its_place_is_an_error(path):
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(ForewalkError, match=r"forecasts\.sqlite"):
        ForecastLog(path, lambda: MORNING).enter(make_answer("A"))


@pytest.mark.parametrize("step", WRITING)
def test_a_process_that_is_killed_while_it_settles_leaves_a_sound_log(path, step):
    """Twenty times each: outcomes are there whole or not at all, and settling again settles each once."""
    evening = MORNING + timedelta(days=1)
    for number in range(20):
        where = path.with_name(f"log-{number}.sqlite")
        ForecastLog(where, lambda: MORNING).enter(make_answer("A", "B"))

        def kill(reached):
            if reached == step:
                os.kill(os.getpid(), signal.SIGKILL)

        def settles(where=where, kill=kill):
            ForecastLog(where, lambda: evening, kill).score(outcomes("A", "B"), make_answer("A"))

        process = started(settles)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        log = ForecastLog(where, lambda: evening)
        assert log.problems() == []
        assert log.table()["actual"].notna().sum() in (0, 2)
        log.score(outcomes("A", "B"), make_answer("A"))
        assert log.table()["actual"].tolist() == [0.004, 0.004]
