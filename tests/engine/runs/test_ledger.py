"""The ledger remembers every trial, and notices every way in which one may be made to disappear."""

import json
import multiprocessing
import shutil
import sqlite3
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_trials import BARS, PRICES, TIMES, a_trial

from engine.runs import rows
from engine.runs.counts import distinct_trials, related_trials
from engine.runs.ledger import HEAD_FILE, WITNESS_FILE, Ledger, leave_receipt
from engine.runs.listing import ledger_lines
from engine.runs.trial import make_trial
from forewalk.errors import ForewalkError
from forewalk.settings.loading import settings_from
from forewalk.types import Bars


def tamper(ledger, *statements):
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("DROP TRIGGER trials_no_update")
        connection.execute("DROP TRIGGER trials_no_delete")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_trial_comes_back_as_it_was_recorded(ledger):
    recorded = ledger.record(a_trial(3))
    (stored,) = ledger.trials(BARS.fingerprint)
    assert np.array_equal(stored.returns, recorded.returns)
    for name in (
        "kind",
        "name",
        "data",
        "settings",
        "settings_hash",
        "first_row",
        "number",
        "hash",
        "created",
    ):
        assert getattr(stored, name) == getattr(recorded, name)
    assert stored.sample == a_trial(3).sample


def test_a_sound_ledger_has_no_problems(full_ledger):
    assert full_ledger.verify() == []
    assert full_ledger.lost() == 0


def test_no_ledger_is_no_trials_and_creates_no_file(ledger):
    assert ledger.trials() == []
    assert ledger.verify() == []
    assert not ledger.path.exists()


def test_trials_are_numbered_in_the_order_they_were_recorded(full_ledger):
    full_ledger.record(a_trial(9))
    assert [trial.number for trial in full_ledger.trials()] == [1, 2, 3, 4, 5, 6, 7]


def test_trials_of_other_data_are_kept_apart(full_ledger):
    other = Bars(TIMES, ("A", "C"), PRICES, PRICES, PRICES, PRICES, PRICES)
    full_ledger.record(a_trial(7, bars=other))
    assert len(full_ledger.trials(BARS.fingerprint)) == 6
    assert [trial.name for trial in full_ledger.trials(other.fingerprint)] == ["try-7"]


@pytest.mark.parametrize("statement", ["UPDATE trials SET kind = 'tune'", "DELETE FROM trials"])
def test_sqlite_itself_refuses_to_change_a_trial(full_ledger, statement):
    connection = sqlite3.connect(full_ledger.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("column", ["kind", "name", "data", "settings", "settings_hash", "created"])
def test_an_edited_text_is_noticed(full_ledger, column):
    tamper(full_ledger, f"UPDATE trials SET {column} = {column} || 'x' WHERE number = 3")
    assert "trial 3 was edited, or one before it" in full_ledger.verify()


@pytest.mark.parametrize("column", ["sharpe_per_bar", "skew", "kurtosis", "first_row", "bars"])
def test_an_edited_number_is_noticed(full_ledger, column):
    tamper(full_ledger, f"UPDATE trials SET {column} = {column} + 1 WHERE number = 5")
    assert "trial 5 was edited, or one before it" in full_ledger.verify()


def test_edited_returns_are_noticed(full_ledger):
    tamper(full_ledger, "UPDATE trials SET returns = x'00' WHERE number = 2")
    assert "trial 2 was edited, or one before it" in full_ledger.verify()
    with pytest.raises(ForewalkError, match="trial 2 of the ledger is damaged"):
        full_ledger.trials()


@given(first=st.integers(1, 6), count=st.integers(1, 6))
def test_deleted_trials_are_noticed_wherever_they_were(tmp_path_factory, first, count):
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "trials.sqlite")
    ledger.record_many([a_trial(number) for number in range(6)])
    tamper(ledger, f"DELETE FROM trials WHERE number BETWEEN {first} AND {first + count - 1}")
    assert len(ledger.verify()) >= 2  # the missing triggers, and the missing trials


def test_removed_triggers_are_noticed(full_ledger):
    tamper(full_ledger)
    assert full_ledger.verify() == ["the triggers that keep the ledger append-only were removed"]


def test_a_deleted_ledger_is_noticed(full_ledger):
    full_ledger.path.unlink()
    assert "trial 6" in " ".join(full_ledger.verify())
    assert full_ledger.lost() == 6


def test_a_lost_ledger_stays_known_after_the_next_trial(full_ledger):
    full_ledger.path.unlink()
    full_ledger.record(a_trial(8))
    assert full_ledger.lost() == 6
    assert "trial 6 had been recorded" in " ".join(full_ledger.verify())
    assert [trial.name for trial in full_ledger.trials()] == ["try-8"]


def test_the_receipt_in_a_run_folder_betrays_a_ledger_deleted_with_its_head(full_ledger):
    run = full_ledger.path.parent / "run-1"
    run.mkdir()
    shutil.copy(full_ledger.path.with_name(HEAD_FILE), run / WITNESS_FILE)
    full_ledger.path.unlink()
    full_ledger.path.with_name(HEAD_FILE).unlink()
    full_ledger.record(a_trial(8))
    assert "run-1/trial.json names trial 6" in " ".join(full_ledger.verify())


def set_aside(ledger, folder):
    """Copy the ledger and its head, to be put back later."""
    folder.mkdir()
    return [shutil.copy(path, folder) for path in ledger.path.parent.glob("trials.*")]


def test_an_older_copy_of_the_ledger_put_back_alone_is_betrayed_by_the_head(full_ledger, tmp_path):
    copies = set_aside(full_ledger, tmp_path / "aside")
    full_ledger.record_many([a_trial(number) for number in range(7, 10)])
    shutil.copy(next(path for path in copies if path.endswith(".sqlite")), full_ledger.path)
    assert full_ledger.lost() == 3
    full_ledger.record(a_trial(20))
    assert full_ledger.lost() == 3


@pytest.mark.parametrize("where", ["run-1", "run-1/sweeps/001", "tune-1"])
def test_an_older_copy_put_back_with_its_head_is_betrayed_by_the_folder_of_what_was_tried(
    full_ledger, tmp_path, where
):
    copies = set_aside(full_ledger, tmp_path / "aside")
    *_, last = full_ledger.record_many([a_trial(number) for number in range(7, 10)])
    folder = full_ledger.path.parent / where
    folder.mkdir(parents=True)
    leave_receipt(folder, last)
    assert full_ledger.verify() == []
    for path in copies:
        shutil.copy(path, full_ledger.path.parent)
    assert full_ledger.lost() == 3
    assert f"{where}/trial.json names trial 9" in " ".join(full_ledger.verify())
    full_ledger.record(a_trial(20))
    assert full_ledger.lost() == 2  # at least: one trial more stands where the three were


def test_a_chain_sealed_anew_after_an_edit_does_not_match_the_head(full_ledger):
    trials = full_ledger.trials()
    head = full_ledger.path.with_name(HEAD_FILE).read_text()
    full_ledger.path.unlink()
    full_ledger.path.with_name(HEAD_FILE).unlink()
    full_ledger.record_many(trials[:2] + trials[3:] + trials[:1])
    full_ledger.path.with_name(HEAD_FILE).write_text(head)
    assert "trials.head names trial 6" in " ".join(full_ledger.verify())


def test_a_damaged_receipt_is_an_error_that_names_it(full_ledger):
    full_ledger.path.with_name(HEAD_FILE).write_text("{")
    with pytest.raises(ForewalkError, match=r"trials\.head: damaged"):
        full_ledger.verify()


@pytest.mark.parametrize("content", [b"not a database at all" * 50, b""])
def test_another_file_in_its_place_is_an_error_not_a_fresh_start(ledger, content):
    ledger.path.write_bytes(content)
    with pytest.raises(ForewalkError, match="the ledger of trials failed"):
        ledger.record(a_trial())


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ForewalkError, match="the ledger of trials failed"):
        Ledger(tmp_path / "file" / "trials.sqlite").record(a_trial())


def test_a_batch_that_fails_leaves_nothing(full_ledger):
    spoilt = make_trial("sweep", "x", BARS, settings_from({}), np.zeros(3))
    object.__setattr__(spoilt, "kind", None)
    with pytest.raises(ForewalkError):
        full_ledger.record_many([a_trial(7), spoilt])
    assert len(full_ledger.trials()) == 6
    assert full_ledger.verify() == []


def _write_some(path, writer):
    for number in range(10):
        Ledger(path).record_many([a_trial(100 * writer + 2 * number), a_trial(100 * writer + 2 * number + 1)])


def test_processes_write_at_the_same_time_without_losing_a_trial(ledger):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_some, args=(ledger.path, writer)) for writer in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    assert len({trial.name for trial in ledger.trials()}) == 80
    assert ledger.verify() == []


def test_a_ledger_of_the_first_format_is_read_on_and_stays_sound(tmp_path):
    old = Ledger(tmp_path / "trials.sqlite")
    write_first_format(old.path, 3)
    assert old.verify() == []
    assert [trial.number for trial in old.trials()] == [1, 2, 3]
    old.record(a_trial(9))
    assert old.verify() == []
    stored = old.trials()
    assert stored[0].symbols == ()
    assert stored[3].symbols == ("A", "B")
    assert np.array_equal(stored[3].times, a_trial(9).times)
    assert len(related_trials(stored, stored[3])) == 4  # by fingerprint where nothing else is known
    tamper(old, "UPDATE trials SET sharpe_per_bar = 9 WHERE number = 2")
    assert any("trial 2 was edited" in problem for problem in old.verify())


def write_first_format(path, count):
    """A ledger as version 0.1 wrote it."""
    with sqlite3.connect(path) as connection:
        connection.executescript(rows.SCHEMA)
        seal = rows.GENESIS
        for number in range(1, count + 1):
            row = rows.row_of(replace(a_trial(number), number=number))[: len(rows.COLUMNS)]
            seal = rows.seal_of(seal, row)
            marks = ", ".join("?" * (len(row) + 1))
            names = ", ".join((*rows.COLUMNS, "hash"))
            connection.execute(f"INSERT INTO trials ({names}) VALUES ({marks})", (*row, seal))
    connection.close()
    path.with_name(HEAD_FILE).write_text(json.dumps({"number": count, "hash": seal}))


def test_an_edited_span_is_an_error(full_ledger):
    with sqlite3.connect(full_ledger.path) as connection:
        connection.execute("DROP TRIGGER spans_no_update")
        connection.execute("UPDATE spans SET times = ?", (zlib.compress(b"12345678" * 30),))
    connection.close()
    with pytest.raises(ForewalkError, match="were edited"):
        full_ledger.trials()


def test_a_ledger_deleted_with_its_head_is_missed_by_the_receipts(full_ledger):
    receipt = full_ledger.path.parent / "run-1" / WITNESS_FILE
    receipt.parent.mkdir()
    shutil.copy(full_ledger.path.with_name(HEAD_FILE), receipt)
    for path in full_ledger.path.parent.glob("trials.*"):
        path.unlink()
    assert full_ledger.lost() == 6


def test_a_repeated_try_is_stored_and_counted_once(full_ledger):
    full_ledger.record(a_trial(2, kind="backtest"))
    trials = full_ledger.trials()
    assert (len(trials), len(distinct_trials(trials))) == (7, 6)


def test_the_text_lists_the_last_trials_of_each_set_of_data(full_ledger):
    lines = ledger_lines(full_ledger, listed=2)
    assert "A,B 2020-01-02..2020-02-26 1d" in lines[0]
    assert [line.split()[0] for line in lines[2:]] == ["5", "6"]
