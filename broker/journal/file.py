"""The journal's file: who owns it, its transactions, and what is merely remembered: diary, equity, models."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from broker.journal.records import Event, moment, read, stamp
from broker.journal.schema import connect, migrate
from broker.values import plain
from forewalk.errors import DataError


class JournalUnwritable(DataError):  # noqa: N818 - the name says the reaction
    """The disk is full, read-only or busy: nothing may be sent, since it could not be remembered."""


class JournalFile:
    """One SQLite file of one book; use it from one thread.

    Raises:
        DataError: the file is damaged, locked, read-only, or of another book or account.
    """

    def __init__(self, path: Path, book: str, readonly: bool = False) -> None:
        self.path = path
        self.book = book
        self._connection = connect(path, readonly)
        if not readonly:
            migrate(self._connection, path)
        self._own("book", book, readonly)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def limit_pages(self, pages: int) -> None:
        """Cap the file's size, so that a test can fill the disk."""
        self._connection.execute(f"PRAGMA max_page_count = {int(pages)}")

    # who owns this journal

    def bind_account(self, account_id: str) -> None:
        """Tie the journal to an account; DataError where it belongs to another one (a reset makes a new one)."""
        self._own("account", account_id, readonly=False)

    def _own(self, name: str, value: str, readonly: bool) -> None:
        try:
            row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        except sqlite3.Error as error:
            raise DataError(f"{self.path}: not a journal of this program ({error})") from None
        if row is None and not readonly:
            with self._transaction() as write:
                write.execute("INSERT INTO meta VALUES (?, ?)", (name, value))
        elif row is not None and row["value"] != value:
            raise DataError(
                f"{self.path} belongs to {name} {row['value']!r}, not {value!r}. Ledgers are never merged: choose "
                "another live.state folder, or move the old one away"
            )

    def flag(self, name: str) -> bool:
        """Return whether a flag is set."""
        row = self._one("SELECT value FROM meta WHERE name = ?", f"flag {name}")
        return row is not None and row["value"] == "1"

    def set_flag(self, name: str, value: bool) -> None:
        """Set or clear a flag that a restart must remember."""
        with self._transaction() as write:
            write.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"flag {name}", str(int(value))))

    # diary, equity, models, bars

    def note(self, now: datetime, kind: str, text: str, symbol: str = "", client_order_id: str = "") -> None:
        """Write one line into the diary."""
        with self._transaction() as write:
            self._diary(write, now, kind, symbol, client_order_id, text)

    def events(self, kind: str | None = None) -> list[Event]:
        """Return the diary, oldest first."""
        where, arguments = ("WHERE kind = ?", (kind,)) if kind else ("", ())
        return [
            read(Event, row) for row in self._all(f"SELECT * FROM events {where} ORDER BY id", *arguments)
        ]

    def mark_equity(self, session: date, now: datetime, equity: Decimal, cash: Decimal) -> None:
        """Keep the account's value at this moment."""
        with self._transaction() as write:
            write.execute(
                "INSERT OR REPLACE INTO equity VALUES (?, ?, ?, ?)",
                (session.isoformat(), stamp(now), plain(equity), plain(cash)),
            )

    def equity(self) -> list[tuple[date, datetime, Decimal, Decimal]]:
        """Return (session, time, equity, cash), by time."""
        rows = self._all("SELECT * FROM equity ORDER BY at")
        return [
            (date.fromisoformat(r["session"]), moment(r["at"]), Decimal(r["equity"]), Decimal(r["cash"]))
            for r in rows
        ]

    def peak_equity(self) -> Decimal | None:
        """Return the highest equity kept, None before the first."""
        row = self._one("SELECT equity FROM equity ORDER BY CAST(equity AS REAL) DESC LIMIT 1")
        return None if row is None else Decimal(row["equity"])

    def record_model(
        self, model_id: str, file: str, sha256: str, valid_from: datetime, role: str, note: str, now: datetime
    ) -> None:
        """Keep which model file has which role: champion, challenger or rejected."""
        self.record_models([(model_id, file, sha256, valid_from, role, note, now)])

    def record_models(self, rows: Sequence[tuple[str, str, str, datetime, str, str, datetime]]) -> None:
        """Keep several models at once, all or none; a row is what `record_model` takes."""
        with self._transaction() as write:
            write.executemany(
                "INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(*row[:3], stamp(row[3]), *row[4:6], stamp(row[6])) for row in rows],
            )

    def models(self) -> list[dict[str, Any]]:
        """Return every model with file, hash, role and note, oldest first."""
        return [dict(row) for row in self._all("SELECT * FROM models ORDER BY at, model_id")]

    def last_closes(self) -> dict[str, tuple[datetime, float]]:
        """Return, for each symbol, time and close of the last bar a decision was made on."""
        return {r["symbol"]: (moment(r["asof"]), r["close"]) for r in self._all("SELECT * FROM bars_seen")}

    # inside

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise JournalUnwritable(
                f"{self.path}: {error}; no order goes out before this is mended"
            ) from None

    @staticmethod
    def _keep_closes(write: sqlite3.Connection, asof: datetime, closes: Mapping[str, float]) -> None:
        """Remember the closes a decision was made on, to recognise a history that has changed since."""
        write.executemany(
            "INSERT OR REPLACE INTO bars_seen VALUES (?, ?, ?)",
            [(symbol, stamp(asof), close) for symbol, close in closes.items()],
        )

    @staticmethod
    def _diary(
        write: sqlite3.Connection, now: datetime, kind: str, symbol: str, client_order_id: str, text: str
    ) -> None:
        write.execute(
            "INSERT INTO events (at, kind, symbol, client_order_id, text) VALUES (?, ?, ?, ?, ?)",
            (stamp(now), kind, symbol, client_order_id, text[:2000]),
        )

    def _all(self, sql: str, *arguments: Any) -> list[sqlite3.Row]:
        return self._connection.execute(sql, arguments).fetchall()

    def _one(self, sql: str, *arguments: Any) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._connection.execute(sql, arguments).fetchone()
        return row
