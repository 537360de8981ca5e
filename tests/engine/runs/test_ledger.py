"""The ledger remembers every trial, and notices every way in which one may be made to disappear."""

import json
import multiprocessing
import shutil
import sqlite3
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.counts import distinct_trials, effective_trials, ledger_lines, ledger_summary
from engine.runs.ledger import HEAD_FILE, WITNESS_FILE, Ledger
from engine.runs.trial import make_trial, settings_hash
from forewalk.errors import ForewalkError
from forewalk.settings.loading import settings_from
from forewalk.types import Bars

TIMES = pd.bdate_range("2020-01-02", periods=40, tz="UTC") + pd.Timedelta(hours=21)
PRICES = np.linspace(10, 12, 40)[:, None] * np.ones(2)
BARS = Bars(TIMES, ("A", "B"), PRICES, PRICES, PRICES, PRICES, PRICES)


def a_trial(number=0, seed=0, kind="sweep", bars=BARS, rows=30):
    returns = np.random.default_rng([seed, number]).normal(0.001, 0.01, rows)
    return make_trial(kind, f"try-{number}", bars, settings_from({"seed": number}), returns)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "trials.sqlite")


@pytest.fixture
def full_ledger(ledger):
    ledger.record_many([a_trial(number) for number in range(6)])
    return ledger


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


@pytest.mark.parametrize("same", [{"name": "other"}, {"jobs": 2}, {"data": {"offline": True}}])
def test_settings_that_change_no_result_do_not_make_another_try(same):
    assert settings_hash(settings_from(same)) == settings_hash(settings_from({}))


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 8},
        {"strategy": {"entry": 0.5}},
        {"data": {"min_history_bars": 9}},
        {"execution": {"cash": 5}},
    ],
)
def test_settings_that_may_change_a_result_make_another_try(other):
    assert settings_hash(settings_from(other)) != settings_hash(settings_from({}))


def test_a_repeated_try_is_stored_and_counted_once(full_ledger):
    full_ledger.record(a_trial(2, kind="backtest"))
    trials = full_ledger.trials()
    assert (len(trials), len(distinct_trials(trials))) == (7, 6)


def test_equal_accounts_amount_to_one_trial_and_unrelated_ones_to_all():
    common = np.random.default_rng(1).normal(size=2000)
    copies = [make_trial("sweep", "x", LONG, settings_from({"seed": n}), common) for n in range(5)]
    others = [a_trial(n, bars=LONG, rows=2000) for n in range(5)]
    assert effective_trials(copies) == pytest.approx(1.0, abs=1e-6)
    assert effective_trials(others) == pytest.approx(5.0, abs=0.2)


def test_accounts_that_never_moved_are_one_try_however_many_there_are():
    idle = [make_trial("sweep", "x", LONG, settings_from({"seed": n}), np.zeros(2000)) for n in range(20)]
    moving = [a_trial(100 + n, bars=LONG, rows=2000) for n in range(3)]
    assert effective_trials(idle) == 1.0
    assert effective_trials([*idle, moving[0]]) == 2.0
    assert effective_trials([*idle, *moving]) == pytest.approx(1.0 + effective_trials(moving))


def test_the_effective_number_is_the_formula_on_the_mean_correlation():
    trials = [a_trial(n, bars=LONG, rows=500) for n in range(4)]
    correlation = np.corrcoef([trial.returns for trial in trials])
    rho = correlation[np.triu_indices(4, 1)].mean()
    assert effective_trials(trials) == pytest.approx(min(4.0, 4 * (1 - rho) + rho), abs=1e-5)


def test_trials_of_different_spans_are_compared_where_they_overlap():
    values = np.random.default_rng(2).normal(size=2000)
    short = make_trial("sweep", "x", LONG, settings_from({"seed": 1}), values[-300:])
    whole = make_trial("sweep", "x", LONG, settings_from({"seed": 2}), values)
    assert effective_trials([short, whole]) == pytest.approx(1.0, abs=1e-6)


def test_the_summary_is_json_and_counts_the_kinds(full_ledger):
    full_ledger.record(a_trial(0, kind="backtest"))
    (entry,) = ledger_summary(full_ledger)
    json.dumps(asdict(entry), allow_nan=False)
    assert entry.kinds == {"backtest": 1, "sweep": 6, "tune": 0}
    assert (entry.trials, entry.distinct, entry.lost) == (7, 6, 0)


def test_the_text_lists_the_last_trials_of_each_set_of_data(full_ledger):
    lines = ledger_lines(full_ledger, listed=2)
    assert "A,B 2020-01-02..2020-02-26 1d" in lines[0]
    assert [line.split()[0] for line in lines[2:]] == ["5", "6"]


LONG_PRICES = np.ones((2000, 1))
LONG = Bars(
    pd.bdate_range("2010-01-04", periods=2000, tz="UTC") + pd.Timedelta(hours=21), ("A",), *[LONG_PRICES] * 5
)
