"""What the journal keeps of money: the account's equity over time, cash that came from no order, and what losses
are measured against.

A deposit is no profit and a withdrawal no loss. Between two marks of the equity the return is E1 / (E0 + F), where F
is the cash that flowed in between; the drawdown is that of the product of these returns, as a fund's of the value of
its share (the time-weighted return).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise

from broker.journal.diary import add_line
from broker.journal.file import JournalFile
from broker.journal.records import read_stamp, stamp
from broker.values import CashFlow, plain

COIN_FEE = "coin_fee"  # a cost of trading, so it is no flow either
IN_LIEU = "in_lieu"  # cash for a fraction of a share: the position is smaller by as much, so it is no flow
ZERO = Decimal(0)


@dataclass(frozen=True)
class Mark:
    """The account at one moment."""

    at: datetime
    equity: Decimal
    cash: Decimal


class Money:
    """Equity marks, cash flows, and the measure of losses."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    # equity

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

    def last_mark(self) -> Mark | None:
        """Return the newest mark."""
        row = self._file.one("SELECT * FROM equity ORDER BY at DESC LIMIT 1")
        if row is None:
            return None
        return Mark(read_stamp(row["at"]), Decimal(row["equity"]), Decimal(row["cash"]))

    def session_start(self) -> Decimal | None:
        """Return the first equity marked for the newest session: about that of the close before it."""
        row = self._file.one(
            "SELECT equity FROM equity WHERE session = (SELECT MAX(session) FROM equity) ORDER BY at LIMIT 1"
        )
        return None if row is None else Decimal(row["equity"])

    # cash flows

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
                None if row["moved_at"] is None else read_stamp(row["moved_at"]),
            )
            for row in rows
        ]

    # what losses are measured against

    def new_measure(self, session: date, now: datetime, equity: Decimal, cash: Decimal) -> None:
        """Measure losses from here on: this equity is the peak, and the start of this session."""
        kept = {
            "session": session.isoformat(),
            "at": stamp(now),
            "equity": plain(equity),
            "cash": plain(cash),
        }
        self._file.set_value("measure", json.dumps(kept))

    def peak_equity(self, now: datetime, equity: Decimal, cash: Decimal) -> Decimal:
        """Return the highest equity since the measure began, deposits and withdrawals since then taken into account.

        It is in the money of now: `1 - equity / peak` is the drawdown.
        """
        begun = self._measure()
        first = [begun[1]] if begun is not None else []
        since = stamp(begun[1].at) if begun is not None else ""
        rows = self._file.all("SELECT * FROM equity WHERE at > ? AND at < ? ORDER BY at", since, stamp(now))
        marks = [Mark(read_stamp(row["at"]), Decimal(row["equity"]), Decimal(row["cash"])) for row in rows]
        marks = [*first, *marks, Mark(now, equity, cash)]
        flows = [flow for flow in self._flows() if _may_be_after(flow, marks[0].at)]
        if not flows:
            return max(mark.equity for mark in marks)
        value = highest = Decimal(1)
        flowed = self._placed(flows, marks)
        for before, after, cash_in in zip(marks, marks[1:], flowed, strict=False):
            base = before.equity + cash_in
            value = value * after.equity / base if base > 0 and after.equity > 0 else value
            highest = max(highest, value)
        return equity * highest / value

    def day_start(self, last_equity: Decimal, session: date, last_close: datetime) -> Decimal:
        """Return the equity that today's loss is measured against: the last close's, and what flowed in since.

        Args:
            last_equity: the account's at the previous session's close, by the broker. session: today's.
        """
        begun = self._measure()
        if begun is not None and begun[0] == session:
            last_equity, last_close = begun[1].equity, begun[1].at
        since = [flow for flow in self._flows() if _is_after(flow, last_close)]
        return last_equity + sum((flow.amount for flow in since), ZERO)

    def _flows(self) -> list[CashFlow]:
        return [flow for flow in self.cash_flows() if flow.kind not in (IN_LIEU, COIN_FEE)]

    def _measure(self) -> tuple[date, Mark] | None:
        text = self._file.value("measure")
        if text is None:
            return None
        kept = json.loads(text)
        mark = Mark(read_stamp(kept["at"]), Decimal(kept["equity"]), Decimal(kept["cash"]))
        return date.fromisoformat(kept["session"]), mark

    def _placed(self, flows: Sequence[CashFlow], marks: Sequence[Mark]) -> list[Decimal]:
        """Return the cash that flowed in between each two marks.

        A flow is placed where the account's cash moved by it: among the intervals of its day and the three after it,
        the one whose change of cash, executions taken out, is nearest to it. The list of activities may tell of it
        later than the account does, and often tells the date only. Where only the date is known, it is the first
        mark's own, and no change of cash is like it, the flow was before that mark.
        """
        unexplained = [
            after.cash - before.cash - self._traded(before.at, after.at) for before, after in pairwise(marks)
        ]
        placed = [ZERO] * len(unexplained)
        for flow in flows:
            near = [
                place
                for place, (before, after) in enumerate(pairwise(marks))
                if after.at.date() >= flow.on and (before.at.date() - flow.on).days <= 3
            ] or [len(placed) - 1]
            best = min(near, key=lambda place: abs(unexplained[place] - flow.amount))
            seen = abs(unexplained[best] - flow.amount) <= max(Decimal(1), abs(flow.amount) / 100)
            if not seen and not _is_after(flow, marks[0].at):
                continue
            placed[best] += flow.amount
            unexplained[best] -= flow.amount
        return placed

    def _traded(self, after: datetime, until: datetime) -> Decimal:
        """Return the cash that executions brought (sales) or took (purchases), ours and others'."""
        rows = self._file.all(
            "SELECT side, quantity, price FROM fills WHERE at > ? AND at <= ?", stamp(after), stamp(until)
        )
        return sum(
            (
                Decimal(row["quantity"]) * Decimal(row["price"]) * (-1 if row["side"] == "buy" else 1)
                for row in rows
            ),
            ZERO,
        )


def _is_after(flow: CashFlow, moment: datetime) -> bool:
    return flow.moved_at > moment if flow.moved_at is not None else flow.on > moment.date()


def _may_be_after(flow: CashFlow, moment: datetime) -> bool:
    return _is_after(flow, moment) or (flow.moved_at is None and flow.on == moment.date())


def insert_flow(write: sqlite3.Connection, flow: CashFlow, now: datetime) -> None:
    """Write a cash flow within a transaction; one that is there already stays as it is."""
    write.execute(
        "INSERT OR IGNORE INTO cash_flows VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            *(flow.id, flow.kind, flow.symbol, plain(flow.amount), flow.on.isoformat(), stamp(now)),
            None if flow.moved_at is None else stamp(flow.moved_at),
        ),
    )
