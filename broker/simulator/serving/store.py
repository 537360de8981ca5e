"""The simulator's own SQLite: each command is one transaction, so that kill -9 loses nothing that was answered."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from broker.simulator.world.state import Batch
from forewalk.errors import DataError

Write = Callable[..., sqlite3.Cursor]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sections (name TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ledger (number INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS snapshots (name TEXT PRIMARY KEY, body TEXT NOT NULL);
"""


class Store:
    """State, request log and snapshots in one file; `path` None keeps them in memory.

    Raises:
        DataError: the file cannot be opened or is no database.
    """

    def __init__(self, path: Path | None) -> None:
        self.logs_cleared = 0
        try:
            self._database = sqlite3.connect(":memory:" if path is None else path, isolation_level=None)
            # NORMAL is enough here: the kill that this must survive is of the process, not of the machine.
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise DataError(f"{path}: the simulator's state cannot be used: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def save(self, batch: Batch) -> None:
        """Write what one command changed, all of it or nothing."""
        with self._transaction() as write:
            self._save(write, batch)

    @staticmethod
    def _save(write: Write, batch: Batch) -> None:
        for name, body in batch.sections.items():
            write("INSERT OR REPLACE INTO sections VALUES (?, ?)", (name, json.dumps(body)))
        for key, body in batch.orders.items():
            write("INSERT OR REPLACE INTO orders VALUES (?, ?)", (key, json.dumps(body)))
        for key, body in batch.entries.items():
            write("INSERT OR REPLACE INTO ledger VALUES (?, ?)", (int(key), json.dumps(body)))

    def replace(self, state: Mapping[str, Any]) -> None:
        """Forget the stored account and write a whole state in its place."""
        with self._transaction() as write:
            self._replace(write, state)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Write]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database.execute
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @staticmethod
    def _replace(write: Write, state: Mapping[str, Any]) -> None:
        write("DELETE FROM orders")
        write("DELETE FROM ledger")
        for name, body in state.items():
            if name == "orders":
                for order in body:
                    write("INSERT INTO orders VALUES (?, ?)", (order["id"], json.dumps(order)))
            elif name == "ledger":
                for entry in body:
                    write("INSERT INTO ledger VALUES (?, ?)", (entry["number"], json.dumps(entry)))
            else:
                write("INSERT OR REPLACE INTO sections VALUES (?, ?)", (name, json.dumps(body)))

    def load(self) -> dict[str, Any] | None:
        """Return the stored state in the form of `World.snapshot`, None for a new file."""
        sections = self._database.execute("SELECT name, body FROM sections").fetchall()
        if not sections:
            return None
        state = {name: json.loads(body) for name, body in sections}
        state["orders"] = [json.loads(body) for (body,) in self._database.execute("SELECT body FROM orders")]
        state["ledger"] = [json.loads(body) for (body,) in self._database.execute("SELECT body FROM ledger")]
        return state

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one request to the log."""
        self._database.execute("INSERT INTO requests (body) VALUES (?)", (json.dumps(record),))

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the logged requests after a number, oldest first, each with its `number`."""
        rows = self._database.execute(
            "SELECT number, body FROM requests WHERE number > ? ORDER BY number", (since,)
        )
        return [{"number": number, **json.loads(body)} for number, body in rows]

    def clear_log(self) -> None:
        """Forget the request log, also of requests that have no answer yet; its numbers go on."""
        self.logs_cleared += 1
        self._database.execute("DELETE FROM requests")

    def keep_snapshot(self, name: str, state: Mapping[str, Any]) -> None:
        """Keep a whole state under a name."""
        self._database.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?)", (name, json.dumps(state)))

    def snapshot(self, name: str) -> dict[str, Any] | None:
        """Return a kept state, None where there is none of the name."""
        row = self._database.execute("SELECT body FROM snapshots WHERE name = ?", (name,)).fetchone()
        state: dict[str, Any] | None = None if row is None else json.loads(row[0])
        return state
