"""The journal's diary: one line for every refusal, breach and surprise."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from broker.journal.file import JournalFile
from broker.journal.records import Event, read, stamp


class Diary:
    """What happened, in words; never read by anything that decides."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def note(self, now: datetime, kind: str, text: str, symbol: str = "", client_order_id: str = "") -> None:
        """Write one line."""
        with self._file.transaction() as write:
            add_line(write, now, kind, symbol, client_order_id, text)

    def events(self, kind: str | None = None) -> list[Event]:
        """Return the lines, oldest first."""
        where, arguments = ("WHERE kind = ?", (kind,)) if kind else ("", ())
        return [
            read(Event, row)
            for row in self._file.all(f"SELECT * FROM events {where} ORDER BY id", *arguments)
        ]


def add_line(
    write: sqlite3.Connection, now: datetime, kind: str, symbol: str, client_order_id: str, text: str
) -> None:
    """Write one line within a transaction."""
    write.execute(
        "INSERT INTO events (at, kind, symbol, client_order_id, text) VALUES (?, ?, ?, ?, ?)",
        (stamp(now), kind, symbol, client_order_id, text[:2000]),
    )
