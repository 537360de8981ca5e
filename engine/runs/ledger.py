"""The ledger of trials: every backtest, sweep setting and tuning trial of the same data, never forgotten.

Whoever tries a thousand settings finds a good one by luck. The number of tries, and how they went, is what
discounts that luck (deflated Sharpe ratio, PBO, SPA), so it must not depend on anyone's memory or goodwill:

- rows are only ever appended; SQLite triggers refuse to change or delete one;
- each row's hash covers the row and the hash before it, so a row edited, removed or inserted is noticed;
- `trials.head` beside the ledger and `trial.json` in the folder of each run, sweep and tuning name a trial that must
  be in it, so a ledger that was cut off, deleted or replaced by an older copy is noticed too. What is gone is
  booked as lost, in the ledger.

The ledger lies beside the run folders: `runs/trials.sqlite`. Any number of processes may write to it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from engine.runs.rows import (
    GENESIS,
    GUARDS,
    INSERT,
    MIGRATION,
    SCHEMA,
    SELECT,
    VERSION,
    row_of,
    seal_of,
    span_of,
    times_of,
    trial_of,
)
from engine.runs.trial import NO_PLUGINS, Trial, make_trial
from forewalk.errors import ForewalkError
from forewalk.returns import simple_returns
from forewalk.settings.sections import Settings
from forewalk.types import Bars, SimulationResult

LEDGER_FILE = "trials.sqlite"
HEAD_FILE = "trials.head"
WITNESS_FILE = "trial.json"
BUSY_SECONDS = 60.0
LOSS = "loss"


class Ledger:
    """The trials of one folder of runs. Nothing is created before the first trial is recorded.

    Every method raises ForewalkError where the file cannot be read or written; nothing fails silently.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def record(self, trial: Trial) -> Trial:
        """Append one trial; return it with its number and hash."""
        return self.record_many([trial])[0]

    def record_many(self, trials: Sequence[Trial]) -> list[Trial]:
        """Append trials in one transaction, all or none; return them with their numbers and hashes."""
        if not trials:
            return []
        with self._opened(create=True) as connection, _transaction(connection):
            self._book_losses(connection)
            number, seal = _last(connection)
            recorded = []
            for trial in trials:
                number += 1
                row = row_of(replace(trial, number=number))
                seal = seal_of(seal, row)
                connection.execute("INSERT OR IGNORE INTO spans VALUES (?, ?)", span_of(trial))
                connection.execute(INSERT, (*row, seal))
                recorded.append(replace(trial, number=number, hash=seal))
        _write_witness(self._head, number, seal)
        return recorded

    def trials(self, data_fingerprint: str | None = None) -> list[Trial]:
        """Return the trials of some data, or all, in the order in which they were recorded."""
        where = "WHERE kind != ?" + ("" if data_fingerprint is None else " AND data_fingerprint = ?")
        values = (LOSS,) if data_fingerprint is None else (LOSS, data_fingerprint)
        with self._reading() as connection:
            if connection is None:
                return []
            spans = {span: times_of(span, blob) for span, blob in connection.execute("SELECT * FROM spans")}
            rows = connection.execute(f"{SELECT} {where} ORDER BY number", values)
            return [trial_of(row, spans) for row in rows]

    def lost(self) -> int:
        """Return how many trials are known to be missing: booked losses and those noticed just now.

        The receipts in the run folders are asked too: a ledger deleted together with its head is still missed.
        """
        with self._reading() as connection:
            booked = None
            if connection is not None:
                query = "SELECT sum(bars) FROM trials WHERE kind = ?"
                booked = connection.execute(query, (LOSS,)).fetchone()[0]
            noticed = [_missing(read_receipt(path), connection) for path in self._witnesses()]
            return max(int(booked or 0) + _missing(read_receipt(self._head), connection), *noticed, 0)

    def _witnesses(self) -> list[Path]:
        runs = [folder for folder in sorted(self.path.parent.glob("*")) if not folder.is_symlink()]
        found = [path for run in runs for path in (run / WITNESS_FILE, *run.glob(f"sweeps/*/{WITNESS_FILE}"))]
        return [self._head, *(path for path in found if path.exists())]

    def verify(self) -> list[str]:
        """Return what is wrong with the ledger, in words; empty when every trial ever recorded is in it."""
        with self._reading() as connection:
            if connection is None:
                return list(self._unwitnessed(None))
            problems = list(_chain_problems(connection))
            problems += self._unwitnessed(connection)
            for row in connection.execute(f"{SELECT} WHERE kind = ?", (LOSS,)):
                problems.append(f"trial {row[0]} books a loss, noticed {row[2]}: {row[7]}")
            return problems

    @property
    def _head(self) -> Path:
        return self.path.with_name(HEAD_FILE)

    def _unwitnessed(self, connection: sqlite3.Connection | None) -> Iterator[str]:
        for path in self._witnesses():
            witness = read_receipt(path)
            if witness is not None and not _holds(connection, witness):
                shown = path.relative_to(self.path.parent)
                yield (
                    f"{shown} names trial {witness[0]}, which the ledger does not hold: "
                    "it was deleted or edited, or the run comes from elsewhere"
                )

    def _book_losses(self, connection: sqlite3.Connection) -> None:
        """Write down, for good, that trials are gone; otherwise the next head would cover it up."""
        witness = read_receipt(self._head)
        missing = _missing(witness, connection)
        if not missing or witness is None:
            return
        number, seal = _last(connection)
        text = f"the ledger ended at trial {number}, but trial {witness[0]} had been recorded"
        moment = datetime.now(UTC).isoformat()
        row = (number + 1, LOSS, moment, "", "", "", "", text, 0, missing, None, None, None, b"", "", "", "")
        connection.execute(INSERT, (*row, seal_of(seal, row)))

    @contextmanager
    def _opened(self, create: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            if create and not self.path.exists():
                _create(self.path)
            with closing(
                sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version == 1:
                    _migrate(connection)
                elif version != VERSION:
                    raise sqlite3.DatabaseError(f"it is no ledger of format {VERSION}, but {version}")
                yield connection
        except (sqlite3.Error, OSError) as problem:
            raise ForewalkError(f"{self.path}: the ledger of trials failed: {problem}") from problem

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        if self.path.exists():
            with self._opened() as connection:
                yield connection
        else:
            yield None


def record_backtest(
    folder: Path,
    bars: Bars,
    settings: Settings,
    simulation: SimulationResult,
    plugins: Mapping[str, str] = NO_PLUGINS,
) -> Trial:
    """Record a finished run in the ledger beside its folder, and leave the receipt in the folder.

    `plugins` are the hashes of the user's own code, see `make_trial`.

    Raises:
        ForewalkError: it could not be recorded; the run itself is complete.
    """
    returns = simple_returns(simulation.equity["equity"].to_numpy(dtype=np.float64))
    trial = make_trial("backtest", folder.name, bars, settings, returns, plugins=plugins)
    recorded = Ledger(folder.parent / LEDGER_FILE).record(trial)
    leave_receipt(folder, recorded)
    return recorded


def leave_receipt(folder: Path, recorded: Trial) -> None:
    """Leave in the folder of a run, sweep or tuning which trial the ledger must hold from now on.

    Raises:
        ForewalkError: it could not be written.
    """
    _write_witness(folder / WITNESS_FILE, recorded.number, recorded.hash)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _create(path: Path) -> None:
    """Make an empty ledger whole under another name and link it: two processes may both find none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with closing(sqlite3.connect(temporary)) as connection:
            connection.executescript(SCHEMA)
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring a ledger of format 1 to format 2; two processes may both try."""
    with _transaction(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for statement in MIGRATION if version == 1 else ():
            connection.execute(statement)


def _last(connection: sqlite3.Connection) -> tuple[int, str]:
    row = connection.execute("SELECT number, hash FROM trials ORDER BY number DESC LIMIT 1").fetchone()
    return (int(row[0]), str(row[1])) if row else (0, GENESIS)


def _chain_problems(connection: sqlite3.Connection) -> Iterator[str]:
    seal, expected = GENESIS, 1
    for row in connection.execute(f"{SELECT} ORDER BY number"):
        if row[0] != expected:
            yield f"trials {expected} to {row[0] - 1} were deleted"
        elif seal_of(seal, row[:-1]) != row[-1]:
            yield f"trial {row[0]} was edited, or one before it"
        seal, expected = row[-1], row[0] + 1
    triggers = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    if triggers != {*GUARDS}:
        yield "the triggers that keep the ledger append-only were removed"


def _write_witness(path: Path, number: int, seal: str) -> None:
    try:
        temporary = path.with_name(f".{path.name}.{seal[:12]}")
        temporary.write_text(json.dumps({"number": number, "hash": seal}) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as problem:
        raise ForewalkError(
            f"{path}: the receipt of trial {number} could not be written: {problem}"
        ) from None


def read_receipt(path: Path) -> tuple[int, str] | None:
    """Return number and hash of the trial that a receipt names, None where there is none; ForewalkError: damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return int(content["number"]), str(content["hash"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ForewalkError(f"{path}: damaged, so the ledger cannot be verified: {problem}") from None


def _holds(connection: sqlite3.Connection | None, witness: tuple[int, str]) -> bool:
    if connection is None:
        return False
    found = connection.execute("SELECT 1 FROM trials WHERE number = ? AND hash = ?", witness).fetchone()
    return found is not None


def _missing(witness: tuple[int, str] | None, connection: sqlite3.Connection | None) -> int:
    """Return how many trials must be gone, at least, where the one that `witness` names is."""
    if witness is None or _holds(connection, witness):
        return 0
    ends = _last(connection)[0] if connection is not None else 0
    return max(witness[0] - ends, 1)
