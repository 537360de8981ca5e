"""The ledger remembers every trial, and notices every way in which one may be made to disappear."""

import json
import multiprocessing
import shutil
import sqlite3
import zlib
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics.accounts.luck import expected_maximum_sharpe
from engine.runs import rows
from engine.runs.counts import count_tries, distinct_trials, related_trials
from engine.runs.ledger import HEAD_FILE, WITNESS_FILE, Ledger
from engine.runs.listing import ledger_lines, ledger_summary
from engine.runs.trial import changes_result, make_trial, settings_hash
from forewalk.errors import ForewalkError
from forewalk.settings.base import Section
from forewalk.settings.loading import settings_from
from forewalk.types import Bars

TIMES = pd.bdate_range("2020-01-02", periods=40, tz="UTC") + pd.Timedelta(hours=21)
PRICES = np.linspace(10, 12, 40)[:, None] * np.ones(2)
BARS = Bars(TIMES, ("A", "B"), PRICES, PRICES, PRICES, PRICES, PRICES)

LONG_PRICES = np.ones((2000, 1))
LONG = Bars(
    pd.bdate_range("2010-01-04", periods=2000, tz="UTC") + pd.Timedelta(hours=21), ("A",), *[LONG_PRICES] * 5
)


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


@pytest.mark.parametrize(
    "same",
    [
        {"name": "other"},
        {"jobs": 2},
        {"data": {"offline": True}},
        {"executor": "ray", "address": "10.0.0.1:6379"},
        {"risk": {"max_gross": 0.5}},
        {"live": {"book": "other"}},
        {"evaluation": {"garch": False}},
        {"model": {"device": "cuda"}},
    ],
)
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


def leaf_settings(section, path=""):
    for name in type(section).model_fields:
        value = getattr(section, name)
        here = f"{path}{name}"
        yield from leaf_settings(value, f"{here}.") if isinstance(value, Section) else (here,)


@pytest.mark.parametrize("setting", sorted(leaf_settings(settings_from({}))))
def test_every_setting_is_said_to_change_a_result_or_not_to(setting):
    """A new section belongs in one of the two tables."""
    assert changes_result(setting) in (True, False)


def test_a_setting_in_neither_table_is_an_error():
    with pytest.raises(KeyError, match="neither table"):
        changes_result("weather.forecast")


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


def test_equal_accounts_amount_to_one_try_and_unrelated_ones_to_all():
    common = np.random.default_rng(1).normal(size=2000)
    copies = [make_trial("sweep", "x", LONG, settings_from({"seed": n}), common) for n in range(5)]
    others = [a_trial(n, bars=LONG, rows=2000) for n in range(5)]
    assert (count_tries(copies).distinct, count_tries(copies).counted) == (5, 1)
    assert count_tries(others).counted == 5


def test_accounts_that_never_moved_are_one_try_however_many_there_are():
    idle = [make_trial("sweep", "x", LONG, settings_from({"seed": n}), np.zeros(2000)) for n in range(20)]
    moving = [a_trial(100 + n, bars=LONG, rows=2000) for n in range(3)]
    assert count_tries(idle).counted == 1
    assert count_tries([*idle, moving[0]]).counted == 2
    assert count_tries([*idle, *moving]).counted == 4


def test_the_spread_of_the_ratios_is_that_of_the_tries():
    trials = [a_trial(n, bars=LONG, rows=500) for n in range(40)]
    seen = np.var([trial.sharpe_per_bar for trial in trials], ddof=1)
    assert count_tries(trials).variance == pytest.approx(max(seen, 1 / 499), rel=0.02)


def alike(share, number, rows=1000, seed=3):
    """A try whose account shares `share` of its variance with all others of `seed`."""
    common = np.random.default_rng(seed).normal(0, 0.01, rows)
    own = np.random.default_rng([seed, number]).normal(0, 0.01, rows)
    returns = np.sqrt(share) * common + np.sqrt(1 - share) * own
    return make_trial("sweep", f"{number}", LONG, settings_from({"seed": number}), returns)


def test_tries_that_resemble_each_other_reach_less_by_luck_counted_once():
    """The best of many correlated tries: simulated, and as the count says."""
    counts = [count_tries([alike(share, n) for n in range(60)]) for share in (0.0, 0.8)]
    free, bound = (expected_maximum_sharpe(count.counted, count.variance) for count in counts)
    assert bound / free == pytest.approx(np.sqrt(1 - 0.8), rel=0.15)


def test_copies_of_one_try_cannot_press_the_threshold_down():
    different = [alike(0.0, n) for n in range(20)]
    copies = [alike(0.99, 100 + n, seed=9) for n in range(300)]
    alone, padded = count_tries(different), count_tries([*different, *copies])
    assert expected_maximum_sharpe(padded.counted, padded.variance) > 0.9 * expected_maximum_sharpe(
        alone.counted, alone.variance
    )


def test_lost_tries_count():
    trials = [a_trial(n, bars=LONG, rows=2000) for n in range(3)]
    assert count_tries(trials, lost=7).counted == 10
    assert count_tries(trials[:1], lost=1).variance > 0


def test_what_the_market_gave_is_taken_out_before_ratios_are_compared():
    market = np.random.default_rng(5).normal(0.001, 0.01, 2000)
    held = make_trial("backtest", "held", LONG, settings_from({"seed": 1}), market)
    half = make_trial("backtest", "half", LONG, settings_from({"seed": 2}), 0.5 * market)
    noisy = make_trial(
        "backtest", "n", LONG, settings_from({"seed": 3}), market + a_trial(4, bars=LONG, rows=2000).returns
    )
    benchmark = pd.Series(market, index=held.times)
    assert count_tries([held, half, noisy], benchmark=benchmark).counted == 2  # two never move without it


def part_of(first, last, symbols=("A", "B"), number=1):
    rows = slice(first, last)
    prices = np.ones((last - first, len(symbols)))
    bars = Bars(LONG.timestamps[rows], symbols, prices, prices, prices, prices, prices)
    returns = np.random.default_rng(number).normal(size=last - first - 1)
    return make_trial("backtest", "part", bars, settings_from({"seed": number}), returns)


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        (part_of(0, 1000), True),
        (part_of(1, 1000), True),  # a bar less is another fingerprint and the same data
        (part_of(0, 600), True),
        (part_of(0, 1000, ("A",)), True),
        (part_of(0, 1000, ("A", "B", "C", "D")), True),
        (part_of(0, 1000, ("A", "C", "D")), True),
        (part_of(0, 1000, ("C", "D")), False),
        (part_of(1000, 2000), False),
        (part_of(800, 1800), False),
    ],
)
def test_tries_count_together_where_half_of_the_data_is_shared(other, counts):
    own = part_of(0, 1000, number=2)
    assert (len(related_trials([other], own)) == 1) is counts
    assert (len(related_trials([own], other)) == 1) is counts


def test_one_more_bar_of_training_does_not_wipe_the_tries_away():
    tries = [part_of(0, 1000, number=n) for n in range(30)]
    shorter = part_of(1, 1000, number=99)
    count = count_tries(related_trials([*tries, shorter], shorter))
    assert count.counted == 31
    assert expected_maximum_sharpe(count.counted, count.variance) > 0.05


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
