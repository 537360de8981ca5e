"""What the journal keeps of money: the account's equity over time, and cash that came from no order."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from broker.journal.diary import add_line
from broker.journal.file import JournalFile
from broker.journal.records import read_stamp, stamp
from broker.values import CashFlow, plain


class Money:
    """Equity marks and cash flows."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def mark_equity(self, session: date, now: datetime, equity: Decimal, cash: Decimal) -> None:
        """Keep the account's value at this moment."""
        with self._file.transaction() as write:
            write.execute(
                "INSERT OR REPLACE INTO equity VALUES (?, ?, ?, ?)",
                (session.isoformat(), stamp(now), plain(equity), plain(cash)),
            )

    def equity(self) -> list[tuple[date, datetime, Decimal, Decimal]]:
        """Return (session, time, equity, cash), by time."""
        rows = self._file.all("SELECT * FROM equity ORDER BY at")
        return [
            (date.fromisoformat(r["session"]), read_stamp(r["at"]), Decimal(r["equity"]), Decimal(r["cash"]))
            for r in rows
        ]

    def peak_equity(self) -> Decimal | None:
        """Return the highest equity kept, None before the first."""
        row = self._file.one("SELECT equity FROM equity ORDER BY CAST(equity AS REAL) DESC LIMIT 1")
        return None if row is None else Decimal(row["equity"])

    def add_cash_flows(self, flows: Sequence[CashFlow], now: datetime) -> list[CashFlow]:
        """Book cash, each flow once for ever by its id, and return what was new."""
        known = {flow.id for flow in self.cash_flows()}
        new = [flow for flow in flows if flow.id not in known]
        if new:
            with self._file.transaction() as write:
                for flow in new:
                    insert_flow(write, flow, now)
                    text = f"{plain(flow.amount)} dollars on {flow.on}"
                    add_line(write, now, flow.kind, flow.symbol, "", text)
        return new

    def cash_flows(self) -> list[CashFlow]:
        """Return the cash that came from no order, by date."""
        rows = self._file.all("SELECT * FROM cash_flows ORDER BY on_date, flow_id")
        return [
            CashFlow(
                row["flow_id"],
                row["kind"],
                row["symbol"],
                Decimal(row["amount"]),
                date.fromisoformat(row["on_date"]),
            )
            for row in rows
        ]


def insert_flow(write: sqlite3.Connection, flow: CashFlow, now: datetime) -> None:
    """Write a cash flow within a transaction; one that is there already stays as it is."""
    write.execute(
        "INSERT OR IGNORE INTO cash_flows VALUES (?, ?, ?, ?, ?, ?)",
        (flow.id, flow.kind, flow.symbol, plain(flow.amount), flow.on.isoformat(), stamp(now)),
    )
