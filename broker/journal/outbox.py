"""The outbox: alarms in the order in which they came about, and how far each channel has told them.

An alarm about a line of the diary is written by the journal itself, in the transaction of that line; see `schema`.
A channel's place moves on after its receiver has taken an alarm: killed in between, it is told once more, by the
same id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.journal.file import JournalFile, JournalUnwritable
from broker.journal.records import read_stamp, stamp

FROM_THE_DIARY = frozenset(("halt", "refused", "flattened", "drift", "summary_failed"))
KEPT = timedelta(days=90)  # that told alarms stay
LONGEST = 2000  # characters of an alarm's text


@dataclass(frozen=True)
class Alarm:
    """One thing to be told.

    Attributes:
        number: its place in the order. id: the same each time it is told.
        at: when it came about, the broker's time, UTC.
    """

    number: int
    id: str
    at: datetime
    kind: str
    symbol: str
    text: str


@dataclass(frozen=True)
class ChannelState:
    """How far a channel has come: tries of the next alarm that failed, the last one's problem, what waits."""

    channel: str
    waiting: int
    attempts: int
    problem: str
    tried_at: datetime | None
    sent_at: datetime | None


class Outbox:
    """Alarms, and how far each channel is with them; see `JournalFile` for what its methods raise."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def add(self, now: datetime, kind: str, symbol: str, text: str) -> None:
        """Write an alarm that no line of the diary stands for."""
        if self._file.in_transaction:
            raise JournalUnwritable("another transaction is under way")
        with self._file.transaction() as write:
            add_alarm(write, now, kind, symbol, text)

    def add_once(self, now: datetime, key: str, value: str, kind: str, text: str) -> None:
        """Write an alarm and, in the same transaction, that `key` is done up to `value`."""
        with self._file.transaction() as write:
            add_alarm(write, now, kind, "", text)
            write.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def open_channel(self, channel: str) -> None:
        """Begin to keep a channel's place; a new one is told of what comes from now on."""
        with self._file.transaction() as write:
            write.execute(
                "INSERT OR IGNORE INTO outbox_channels (channel, urgent, quiet) "
                "SELECT ?, coalesce(max(id), 0), coalesce(max(id), 0) FROM outbox",
                (channel,),
            )

    def next(self, channel: str, harmless: Collection[str], quiet: bool) -> Alarm | None:
        """Return the oldest alarm that the channel has not told; while it is quiet, of those that cannot wait."""
        place = self._file.one("SELECT urgent, quiet FROM outbox_channels WHERE channel = ?", channel)
        if place is None:
            return None
        marks = ", ".join("?" * len(harmless))
        row = self._file.one(
            f"SELECT * FROM outbox WHERE (kind NOT IN ({marks}) AND id > ?) "
            f"OR (kind IN ({marks}) AND id > ? AND NOT ?) ORDER BY id LIMIT 1",
            *(*harmless, place["urgent"], *harmless, place["quiet"], quiet),
        )
        return None if row is None else _alarm(row)

    def told(self, channel: str, alarm: Alarm, harmless: Collection[str], now: datetime) -> None:
        """Note that the receiver has taken an alarm."""
        place = "quiet" if alarm.kind in harmless else "urgent"
        with self._file.transaction() as write:
            write.execute(
                f"UPDATE outbox_channels SET {place} = max({place}, ?), attempts = 0, problem = '', sent_at = ? "
                "WHERE channel = ?",
                (alarm.number, stamp(now), channel),
            )

    def failed(self, channel: str, problem: str, now: datetime) -> None:
        """Note that an alarm could not be told; it stays the next one."""
        with self._file.transaction() as write:
            write.execute(
                "UPDATE outbox_channels SET attempts = attempts + 1, problem = ?, tried_at = ? WHERE channel = ?",
                (problem[:200], stamp(now), channel),
            )

    def forget(self, now: datetime, harmless: Collection[str] = ()) -> None:
        """Drop alarms older than `KEPT` that every channel has told, so that the journal stays small."""
        marks = ", ".join("?" * len(harmless))
        with self._file.transaction() as write:
            write.execute(
                "DELETE FROM outbox WHERE at < ? AND NOT EXISTS (SELECT 1 FROM outbox_channels c "
                f"WHERE outbox.id > CASE WHEN outbox.kind IN ({marks}) THEN c.quiet ELSE c.urgent END)",
                (stamp(now - KEPT), *harmless),
            )

    def close_others(self, channels: Collection[str]) -> None:
        """Forget the places of channels that are no longer set."""
        marks = ", ".join("?" * len(channels))
        with self._file.transaction() as write:
            write.execute(f"DELETE FROM outbox_channels WHERE channel NOT IN ({marks})", tuple(channels))

    def alarms(self) -> list[Alarm]:
        """Return all alarms that are kept, in order."""
        return [_alarm(row) for row in self._file.all("SELECT * FROM outbox ORDER BY id")]

    def channels(self, harmless: Collection[str] = ()) -> list[ChannelState]:
        """Return how far each channel is."""
        marks = ", ".join("?" * len(harmless))
        rows = self._file.all(
            f"SELECT *, (SELECT count(*) FROM outbox WHERE id > CASE WHEN kind IN ({marks}) THEN c.quiet "
            "ELSE c.urgent END) AS waiting FROM outbox_channels c ORDER BY channel",
            *harmless,
        )
        return [
            ChannelState(
                *(row["channel"], row["waiting"], row["attempts"], row["problem"]),
                *(None if row[name] is None else read_stamp(row[name]) for name in ("tried_at", "sent_at")),
            )
            for row in rows
        ]


def add_alarm(write: sqlite3.Connection, now: datetime, kind: str, symbol: str, text: str) -> None:
    """Write an alarm within a transaction."""
    write.execute(
        "INSERT INTO outbox (at, kind, symbol, text) VALUES (?, ?, ?, ?)",
        (stamp(now), kind, symbol, text[:LONGEST]),
    )


def _alarm(row: sqlite3.Row) -> Alarm:
    return Alarm(row["id"], row["alarm_id"], read_stamp(row["at"]), row["kind"], row["symbol"], row["text"])
