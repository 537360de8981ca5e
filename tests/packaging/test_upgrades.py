"""What version 0.1 wrote is read by this one: runs, the ledger of tries and the paper book's journal.

They lie in `stored_0_1/` beside this file, written by 0.1's own commands; see its README.
"""

import json
import shutil
import sqlite3
import tomllib
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from broker.books.neighbours import Neighbour
from broker.journal.journal import Journal
from broker.journal.schema import MIGRATIONS
from engine.cli.app import app
from engine.runs.ledger import Ledger
from forewalk.errors import ConfigError, DataError
from forewalk.settings.loading import load_settings

STORED = Path(__file__).with_name("stored_0_1")
BOUGHT = {"AAPL": Decimal(710)}


@pytest.fixture
def runs(tmp_path):
    return Path(shutil.copytree(STORED / "runs", tmp_path / "runs"))


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as made:
        made.executescript((STORED / "journal.sql").read_text(encoding="utf-8"))
    made.close()
    return path


def version_of(journal):
    connection = sqlite3.connect(journal)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return version


def called(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_settings_of_a_run_are_read_as_what_it_was_made_with(runs):
    then = tomllib.loads((runs / "small" / "config.toml").read_text(encoding="utf-8"))
    now = load_settings(runs / "small" / "config.toml", environment={})
    assert (
        now.execution.borrow_bps_per_year == now.execution.margin_bps_per_year == 0.0
    )  # 0.1 had no such cost
    assert now.execution.volume_known == "bar"  # 0.1 knew no other
    assert then["live"].pop("strategy") == "none"  # a moved setting that no backtest read
    dumped = json.loads(now.model_dump_json())
    for section, values in then.items():
        for key, value in (values if isinstance(values, dict) else {}).items():
            if not isinstance(value, dict) and value != "none" and key not in {"cache", "state"}:
                assert dumped[section][key] == value, (section, key)


def test_settings_of_ones_own_get_no_such_reading(runs):
    (runs / "small" / "manifest.json").unlink()  # no run any more
    with pytest.raises(ConfigError, match=r"live\.strategy is strategy\.kind now"):
        load_settings(runs / "small" / "config.toml", environment={})


def test_a_run_is_listed_compared_and_forecast_from(runs):
    assert "PROBLEM" not in called("runs", runs)
    shutil.copytree(runs / "small", runs / "again")
    assert "differ in nothing that can change a result" in called("compare", runs / "small", runs / "again")
    answer = json.loads(called("forecast", runs / "small", "--json"))
    stored = pd.read_parquet(runs / "small" / "forecasts.parquet").set_index(["symbol", "asof"])
    for symbol, told in answer["symbols"].items():
        was = stored.loc[(symbol, pd.Timestamp(answer["asof"]))]
        # Its own networks; their single precision rounds differently on another processor.
        assert (told["mean"], told["std"]) == pytest.approx((was["mean"], was["std"]), abs=1e-6)


def test_the_ledger_counts_the_tries_of_before_and_goes_on(runs):
    ledger = Ledger(runs / "trials.sqlite")
    assert [trial.kind for trial in ledger.trials()] == ["backtest", "backtest"]
    before = [trial.hash for trial in ledger.trials()]
    ledger.record(ledger.trials()[0])
    assert [trial.hash for trial in ledger.trials()][:2] == before
    assert ledger.lost() == 0
    assert ledger.verify() == []


def test_a_journal_that_is_only_read_stays_as_it_was(journal):
    before = journal.read_bytes(), version_of(journal)
    read = Journal(journal, "paper", readonly=True)
    assert {s: q for s, q in read.ledger.quantities().items() if q} == BOUGHT
    assert read.outbox.channels() == []  # a table that 0.1 did not have
    read.close()
    assert (journal.read_bytes(), version_of(journal)) == before


def test_a_daemon_brings_the_journal_up_to_date_and_keeps_everything(journal):
    def everything(path, tables):
        connection = sqlite3.connect(path)
        rows = {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in tables}
        connection.close()
        return rows

    tables = ["orders", "fills", "targets", "decisions", "equity", "models", "events"]
    before = everything(journal, tables)
    assert all(before.values())
    Journal(journal, "paper").close()
    assert version_of(journal) == len(MIGRATIONS)
    after = everything(journal, tables)
    for table, rows in before.items():
        assert [now[: len(then)] for then, now in zip(rows, after[table], strict=True)] == rows


def test_the_book_beside_is_seen_anew_at_each_look_while_an_earlier_version_writes_it(journal):
    beside = Neighbour(journal)
    assert beside.journal().file.value("seen") is None
    with sqlite3.connect(journal) as daemon:  # of 0.1, still running
        daemon.execute("INSERT INTO meta VALUES ('seen', 'yes')")
    daemon.close()
    assert beside.journal().file.value("seen") == "yes"
    beside.close()


@pytest.mark.parametrize("readonly", [True, False])
def test_a_journal_of_a_later_version_is_refused(journal, readonly):
    with sqlite3.connect(journal) as later:
        later.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    later.close()
    with pytest.raises(DataError, match="update it"):
        Journal(journal, "paper", readonly=readonly)
