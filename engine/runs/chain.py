"""A file of rows that are only ever appended, each tied to all rows before it.

- SQLite triggers refuse to change or delete a row;
- each row's hash covers the row and the hash before it, so a row edited, removed or inserted is noticed;
- a receipt beside the file names the newest row, so a file that was cut off or replaced is noticed too.

Any number of processes may append; a row is there whole or not at all, whenever a process is killed. Who rewrites
file and receipt together, hashes and all, is only found out by somebody who has kept an earlier hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from forewalk.errors import ForewalkError

GENESIS = "0" * 64  # what the first row's hash builds on
BUSY_SECONDS = 60.0
VERSION = 1
GUARDS = ("entries_no_update", "entries_no_delete")
SCHEMA = f"""
CREATE TABLE entries (
  number INTEGER PRIMARY KEY, written TEXT NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE
) STRICT;
CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'only appended to'); END;
CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'only appended to'); END;
PRAGMA user_version = {VERSION};
PRAGMA journal_mode = WAL;
"""


@dataclass(frozen=True)
class Entry:
    """One row: its number from 1, when it was written (ISO 8601, UTC), its kind, its content as JSON, its hash."""

    number: int
    written: str
    kind: str
    content: str
    hash: str = ""

    def sealed(self, previous: str) -> str:
        """Return the hash that ties the row to the one before it."""
        digest = hashlib.sha256(previous.encode())
        for value in (str(self.number), self.written, self.kind, self.content):
            data = value.encode()
            digest.update(len(data).to_bytes(8, "little") + data)
        return digest.hexdigest()


class Rows:
    """The rows that are there while a chain is held; what is asked for is looked up, not read through."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def last(self) -> Entry | None:
        """Return the newest row, None where there is none."""
        found = self._select("1 ORDER BY number DESC LIMIT 1")
        return found[0] if found else None

    def with_value(self, kind: str, field: str, value: str | int) -> list[Entry]:
        """Return the rows of a kind whose content has this value in `field`, in order."""
        return self._select(f"kind = ? AND {_field(field)} = ? ORDER BY number", kind, value)

    def unnamed(self, kind: str, naming: str, field: str) -> list[Entry]:
        """Return the rows of `kind` whose number no row of the kind `naming` has in its `field`, in order."""
        named = f"SELECT {_field(field)} FROM entries WHERE kind = ? AND {_field(field)} IS NOT NULL"
        return self._select(f"kind = ? AND number NOT IN ({named}) ORDER BY number", kind, naming)

    def _select(self, where: str, *values: str | int) -> list[Entry]:
        rows = self._connection.execute(
            f"SELECT number, written, kind, content, hash FROM entries WHERE {where}", values
        )
        return [Entry(*row) for row in rows]


class Chain:
    """The rows of one file. Nothing is created before the first is appended.

    Every method raises ForewalkError where the file cannot be read or written.

    Args:
        path: of the file. indexed: fields of the contents that rows are looked up by.
        on_step: told by name of each step of a writing; for tests that end the process there.
    """

    def __init__(
        self,
        path: Path,
        on_step: Callable[[str], None] = lambda step: None,
        indexed: Sequence[str] = (),
    ) -> None:
        self.path = path
        self._indexed = tuple(indexed)
        self._on_step = on_step

    def append(self, make: Callable[[Rows], Sequence[Entry]]) -> list[Entry]:
        """Append what `make` returns for the rows that are there, under the lock that all writers share.

        Numbers and hashes are filled in here.
        """
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                there = Rows(connection)
                last = there.last()
                seal, number = (GENESIS, 0) if last is None else (last.hash, last.number)
                added = []
                for row in make(there):
                    number += 1
                    fresh = Entry(number, row.written, row.kind, row.content)
                    seal = fresh.sealed(seal)
                    connection.execute(
                        "INSERT INTO entries VALUES (?, ?, ?, ?, ?)",
                        (fresh.number, fresh.written, fresh.kind, fresh.content, seal),
                    )
                    added.append(Entry(fresh.number, fresh.written, fresh.kind, fresh.content, seal))
                self._on_step("before the commit")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            self._on_step("after the commit")
            if added:
                self._write_receipt(added[-1])
        return added

    def entries(self) -> list[Entry]:
        """Return all rows, in order."""
        if not self.path.exists():
            return []
        with self._opened() as connection:
            return _entries(connection)

    @contextmanager
    def rows(self) -> Iterator[Rows]:
        """Give the rows to look up; the file must be there."""
        with self._opened() as connection:
            yield Rows(connection)

    def problems(self) -> list[str]:
        """Return what is wrong, in words; empty where every row ever written is there as it was written."""
        receipt = self._receipt()
        if not self.path.exists():
            return [f"{self.path.name} is gone: row {receipt[0]} had been written"] if receipt else []
        with self._opened() as connection:
            rows = _entries(connection)
            triggers = {
                name
                for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            }
        found = list(_broken(rows))
        if triggers != {*GUARDS}:
            found.append("the triggers that keep it append-only were removed")
        held = {(row.number, row.hash) for row in rows}
        if receipt is not None and receipt not in held:
            found.append(
                f"{self._head.name} names row {receipt[0]}, which is not there: rows were cut off or replaced"
            )
        return found

    @property
    def _head(self) -> Path:
        return self.path.with_suffix(".head")

    def _receipt(self) -> tuple[int, str] | None:
        try:
            content = json.loads(self._head.read_text(encoding="utf-8"))
            return int(content["number"]), str(content["hash"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise ForewalkError(f"{self._head}: damaged: {problem}") from None

    def _write_receipt(self, entry: Entry) -> None:
        """Name the newest row; of two writers the one with the lower number leaves the other's alone."""
        receipt = self._receipt()
        if receipt is not None and receipt[0] >= entry.number:
            return
        temporary = self._head.with_name(f".{self._head.name}.{uuid.uuid4().hex[:8]}")
        try:
            temporary.touch(mode=0o600)
            temporary.write_text(
                json.dumps({"number": entry.number, "hash": entry.hash}) + "\n", encoding="utf-8"
            )
            self._on_step("before the receipt")
            temporary.replace(self._head)
            self._on_step("after the receipt")
        except OSError as problem:
            raise ForewalkError(f"{self._head}: could not be written: {problem}") from None

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            if not self.path.exists():
                self._on_step("before the file")
                _create(self.path, self._indexed, self._on_step)
            with closing(
                sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version != VERSION:
                    raise sqlite3.DatabaseError(f"it is of format {version}, not {VERSION}")
                yield connection
        except (sqlite3.Error, OSError) as problem:
            raise ForewalkError(f"{self.path}: {problem}") from problem


def _field(name: str) -> str:
    return f"json_extract(content, '$.{name}')"


def _create(path: Path, indexed: Sequence[str], on_step: Callable[[str], None]) -> None:
    """Make an empty file whole under another name and link it: two processes may both find none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        temporary.touch(mode=0o600)
        with closing(sqlite3.connect(temporary)) as connection:
            connection.executescript(SCHEMA)
            for name in indexed:
                connection.execute(f"CREATE INDEX entries_{name} ON entries (kind, {_field(name)})")
            connection.commit()
        on_step("before the link")
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)


def _entries(connection: sqlite3.Connection) -> list[Entry]:
    rows = connection.execute("SELECT number, written, kind, content, hash FROM entries ORDER BY number")
    return [Entry(*row) for row in rows]


def _broken(rows: Sequence[Entry]) -> Iterator[str]:
    seal, expected = GENESIS, 1
    for row in rows:
        if row.number != expected:
            yield f"rows {expected} to {row.number - 1} were deleted"
        elif row.sealed(seal) != row.hash:
            yield f"row {row.number} was edited, or one before it"
        seal, expected = row.hash, row.number + 1
