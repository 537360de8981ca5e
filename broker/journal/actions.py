"""What the journal keeps of corporate actions: what is announced, what became of it, and the cash it brought."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from sqlite3 import Connection

from broker.journal.file import JournalFile
from broker.journal.records import read, stamp
from broker.values import SPLIT, CashFlow, CorporateAction, SplitBooking, plain

ANNOUNCED, WITHDRAWN = "announced", "withdrawn"
BOOKED, NONE_HELD, UNADJUSTED, NOTED = "booked", "none_held", "unadjusted", "noted"
HAPPENED = (BOOKED, NONE_HELD)  # states of a split that past fills and closes have to be read by


@dataclass(frozen=True)
class StoredAction:
    """A corporate action and what became of it.

    `state` is "announced"; "withdrawn" when it left the list before its date; for a split "booked", "none_held"
    or "unadjusted" (its date came and the broker had not changed the position); for a dividend "noted".
    """

    action_id: str
    kind: str
    symbol: str
    ex_date: date
    ratio: Decimal | None
    cash: Decimal | None
    text: str
    state: str


class JournalActions(JournalFile):
    """The journal's part about corporate actions; see `Journal`."""

    def keep_actions(
        self, listed: Sequence[CorporateAction], now: datetime, withdraw: bool = True
    ) -> list[CorporateAction]:
        """Write down what the list says of actions that have not happened yet; return those that are new.

        Announced ones that the list has no more are withdrawn, unless told otherwise.
        """
        known = {action.action_id: action for action in self.actions()}
        open_states = (ANNOUNCED, WITHDRAWN)
        changed = [a for a in listed if a.id not in known or known[a.id].state in open_states]
        gone = {name for name, action in known.items() if action.state == ANNOUNCED} - {a.id for a in listed}
        new = [a for a in changed if a.id not in known or known[a.id].state == WITHDRAWN]
        moved = [a for a in changed if a.id in known and _differs(known[a.id], a)]
        if not (new or moved or (gone and withdraw)):
            return []
        with self._transaction() as write:
            for action in {a.id: a for a in (*new, *moved)}.values():
                write.execute(
                    "INSERT OR REPLACE INTO corporate_actions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(action.id, action.kind, action.symbol, action.ex_date.isoformat()),
                        *(
                            None if number is None else plain(number)
                            for number in (action.ratio, action.cash)
                        ),
                        *(action.text, ANNOUNCED),
                    ),
                )
                self._diary(write, now, "announced", action.symbol, "", action.text)
            for name in sorted(gone) if withdraw else ():
                self._set_state(write, name, WITHDRAWN)
                self._diary(write, now, WITHDRAWN, known[name].symbol, "", known[name].text)
        return new

    def actions(self, states: Iterable[str] | None = None) -> list[StoredAction]:
        """Return corporate actions in any of `states` (all when None), by ex date."""
        wanted = None if states is None else list(states)
        where = "" if wanted is None else f"WHERE state IN ({', '.join('?' * len(wanted))})"
        rows = self._all(
            f"SELECT * FROM corporate_actions {where} ORDER BY ex_date, action_id", *(wanted or ())
        )
        return [read(StoredAction, row) for row in rows]

    def splits(self) -> list[StoredAction]:
        """Return the splits that have happened, oldest first: what lies before one is in other shares."""
        return [action for action in self.actions(HAPPENED) if action.kind == SPLIT]

    def settle_action(self, action: StoredAction, state: str, now: datetime, text: str) -> None:
        """Note what became of an action that needs no booking."""
        with self._transaction() as write:
            self._set_state(write, action.action_id, state)
            self._diary(write, now, state, action.symbol, "", text)

    def book_split(
        self, action: StoredAction, booking: SplitBooking, price: Decimal, now: datetime, text: str
    ) -> None:
        """Book a split at once: the shares at no price, a fraction given up for cash at `price`, the cash."""
        rows = [("split", booking.added, Decimal(0))]
        if booking.in_cash:
            rows.append(("in_lieu", booking.in_cash, price))
        with self._transaction() as write:
            for kind, quantity, at_price in rows:
                write.execute(
                    "INSERT INTO adjustments (symbol, quantity, price, at, reason, kind) VALUES (?, ?, ?, ?, ?, ?)",
                    (action.symbol, plain(quantity), plain(at_price), stamp(now), text, kind),
                )
            if booking.in_cash:
                flow = CashFlow(
                    f"{action.action_id} in lieu",
                    "in_lieu",
                    action.symbol,
                    -booking.in_cash * price,
                    action.ex_date,
                )
                self._insert_flow(write, flow, now)
            self._set_state(write, action.action_id, BOOKED)
            self._diary(write, now, "split", action.symbol, "", text)

    def add_cash_flows(self, flows: Sequence[CashFlow], now: datetime) -> list[CashFlow]:
        """Book cash, each flow once for ever by its id, and return what was new."""
        known = {flow.id for flow in self.cash_flows()}
        new = [flow for flow in flows if flow.id not in known]
        if new:
            with self._transaction() as write:
                for flow in new:
                    self._insert_flow(write, flow, now)
                    text = f"{plain(flow.amount)} dollars on {flow.on}"
                    self._diary(write, now, flow.kind, flow.symbol, "", text)
        return new

    def cash_flows(self) -> list[CashFlow]:
        """Return the cash that came from no order, by date."""
        rows = self._all("SELECT * FROM cash_flows ORDER BY on_date, flow_id")
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

    @staticmethod
    def _set_state(write: Connection, action_id: str, state: str) -> None:
        write.execute("UPDATE corporate_actions SET state = ? WHERE action_id = ?", (state, action_id))

    @staticmethod
    def _insert_flow(write: Connection, flow: CashFlow, now: datetime) -> None:
        write.execute(
            "INSERT OR IGNORE INTO cash_flows VALUES (?, ?, ?, ?, ?, ?)",
            (flow.id, flow.kind, flow.symbol, plain(flow.amount), flow.on.isoformat(), stamp(now)),
        )


def _differs(stored: StoredAction, listed: CorporateAction) -> bool:
    return (stored.ex_date, stored.ratio, stored.cash) != (listed.ex_date, listed.ratio, listed.cash)
