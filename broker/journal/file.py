"""The journal's file: who owns it, its transactions, and the flags that a restart must remember."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from broker.journal.schema import as_now, connect, migrate
from forewalk.errors import DataError


class JournalUnwritable(DataError):  # noqa: N818 - the name says the reaction
    """The disk is full, read-only or busy: nothing may be sent, since it could not be remembered."""


def book_of(path: Path) -> str | None:
    """Return the name of the book that a journal is of; None where there is no journal yet.

    Raises:
        DataError: the file is damaged, or no journal.
    """
    if not path.exists():
        return None
    connection = connect(path, readonly=True)
    try:
        row = connection.execute("SELECT value FROM meta WHERE name = 'book'").fetchone()
    except sqlite3.Error as error:
        if "no such table" in str(error):  # it is being made
            return None
        raise DataError(f"{path}: not a journal of this program ({error})") from None
    finally:
        connection.close()
    return None if row is None else str(row["value"])


class JournalFile:
    """One SQLite file of one book; use it from one thread.

    Attributes:
        copied: whether this is a copy of the file as it was when it was opened, brought up to date: so it is where
            a file that an earlier version wrote is only read.

    Raises:
        DataError: the file is damaged, locked, read-only, of another book or account, or of a newer version.
    """

    def __init__(self, path: Path, book: str, readonly: bool = False) -> None:
        self.path = path
        self.book = book
        self._connection = opened = connect(path, readonly)
        try:
            if readonly:
                self._connection = as_now(opened, path)
            else:
                migrate(self._connection, path)
            self.copied = self._connection is not opened
            self._own("book", book, readonly)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def limit_pages(self, pages: int) -> None:
        """Cap the file's size, so that a test can fill the disk."""
        self._connection.execute(f"PRAGMA max_page_count = {int(pages)}")

    def bind_account(self, account_id: str) -> None:
        """Tie the journal to an account; DataError where it belongs to another one (a reset makes a new one)."""
        self._own("account", account_id, readonly=False)

    @property
    def account(self) -> str | None:
        """The account that the journal is tied to, None before the first look."""
        return self.value("account")

    def value(self, name: str) -> str | None:
        """Return a text that was kept, None where there is none."""
        row = self.one("SELECT value FROM meta WHERE name = ?", name)
        return None if row is None else str(row["value"])

    def set_value(self, name: str, text: str) -> None:
        """Keep a text that a restart must remember."""
        with self.transaction() as write:
            write.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, text))

    def flag(self, name: str) -> bool:
        """Return whether a flag is set."""
        return self.value(f"flag {name}") == "1"

    def set_flag(self, name: str, value: bool) -> None:
        """Set or clear a flag that a restart must remember."""
        self.set_value(f"flag {name}", str(int(value)))

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction of this connection is under way."""
        return self._connection.in_transaction

    def changes(self) -> int:
        """Return a number that is another one after another process has written."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _own(self, name: str, value: str, readonly: bool) -> None:
        try:
            row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        except sqlite3.Error as error:
            raise DataError(f"{self.path}: not a journal of this program ({error})") from None
        if row is None and not readonly:
            with self.transaction() as write:
                write.execute("INSERT INTO meta VALUES (?, ?)", (name, value))
        elif row is not None and row["value"] != value:
            raise DataError(
                f"{self.path} belongs to {name} {row['value']!r}, not {value!r}. Ledgers are never merged: choose "
                "another live.state folder, or move the old one away"
            )

    # for the journal's parts

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write several rows at once: all of them are on the disk at the end, or none."""
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

    def all(self, sql: str, *arguments: Any) -> list[sqlite3.Row]:
        """Return every row of a query."""
        return self._connection.execute(sql, arguments).fetchall()

    def one(self, sql: str, *arguments: Any) -> sqlite3.Row | None:
        """Return the first row of a query, None where there is none."""
        row: sqlite3.Row | None = self._connection.execute(sql, arguments).fetchone()
        return row
