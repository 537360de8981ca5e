"""The decisions: what was seen and wanted at each bar, written down with the orders that follow."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime

from broker.failpoints import reach
from broker.journal.file import JournalFile
from broker.journal.orders import add_order, mark_cancel, take_step
from broker.journal.records import DecisionRow, NewOrder, Target, insert, read, read_stamp, stamp
from broker.orders import OrderStep


class Decisions:
    """One decision a bar, for ever."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def record(
        self,
        decision: DecisionRow,
        targets: Sequence[Target],
        orders: Sequence[NewOrder],
        ask: bool,
        cancels: Sequence[str] = (),
        refused: Mapping[str, str] | None = None,
        closes: Mapping[str, float] | None = None,
    ) -> bool:
        """Write a decision with all that follows from it at once; False where that bar has been decided already.

        With `ask` the orders wait for a human, else they are DECIDED.

        Args:
            cancels: client_order_ids of earlier orders that it takes back.
            refused: client_order_id -> reason, for orders of its own that must not be sent.
            closes: symbol -> close that it was made on; see `last_closes`.
        """
        reach("before_decision_commit")
        with self._file.transaction() as write:
            row = write.execute(
                "SELECT 1 FROM decisions WHERE decision_id = ?", (decision.decision_id,)
            ).fetchone()
            if row is not None:
                return False
            insert(write, "decisions", decision)
            for target in targets:
                insert(write, "targets", target, decision_id=decision.decision_id)
            for place, order in enumerate(orders):
                add_order(write, decision, order, place, ask)
            for name, reason in (refused or {}).items():
                take_step(write, name, OrderStep.REFUSE, decision.made_at, reason)
            for name in cancels:
                mark_cancel(write, name, decision.made_at)
            _keep_closes(write, decision.asof, closes or {})
        reach("after_decision_commit")
        return True

    def get(self, decision_id: str) -> DecisionRow | None:
        """Return one decision."""
        row = self._file.one("SELECT * FROM decisions WHERE decision_id = ?", decision_id)
        return None if row is None else read(DecisionRow, row)

    def all(self, since: datetime | None = None) -> list[DecisionRow]:
        """Return the decisions on bars from `since` on (all when None), by time of their bar."""
        rows = self._file.all(
            "SELECT * FROM decisions WHERE kind = 'bar' AND asof >= ? ORDER BY asof",
            "" if since is None else stamp(since),
        )
        return [read(DecisionRow, row) for row in rows]

    def first(self) -> DecisionRow | None:
        """Return the decision of the earliest bar."""
        row = self._file.one("SELECT * FROM decisions WHERE kind = 'bar' ORDER BY asof LIMIT 1")
        return None if row is None else read(DecisionRow, row)

    def last(self) -> DecisionRow | None:
        """Return the decision of the latest bar."""
        row = self._file.one("SELECT * FROM decisions WHERE kind = 'bar' ORDER BY asof DESC LIMIT 1")
        return None if row is None else read(DecisionRow, row)

    def targets(self, decision_id: str) -> list[Target]:
        """Return what a decision saw and wanted, by symbol."""
        rows = self._file.all("SELECT * FROM targets WHERE decision_id = ? ORDER BY symbol", decision_id)
        return [read(Target, row) for row in rows]

    def target(self, decision_id: str, symbol: str) -> Target | None:
        """Return what a decision saw and wanted for one symbol."""
        row = self._file.one(
            "SELECT * FROM targets WHERE decision_id = ? AND symbol = ?", decision_id, symbol
        )
        return None if row is None else read(Target, row)

    def last_closes(self) -> dict[str, tuple[datetime, float]]:
        """Return, for each symbol, time and close of the last bar a decision was made on."""
        rows = self._file.all("SELECT * FROM bars_seen")
        return {row["symbol"]: (read_stamp(row["asof"]), row["close"]) for row in rows}


def _keep_closes(write: sqlite3.Connection, asof: datetime, closes: Mapping[str, float]) -> None:
    """Remember the closes a decision was made on, to recognise a history that has changed since."""
    write.executemany(
        "INSERT OR REPLACE INTO bars_seen VALUES (?, ?, ?)",
        [(symbol, stamp(asof), close) for symbol, close in closes.items()],
    )
