"""What the journal keeps of corporate actions: what is announced and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from sqlite3 import Connection

from broker.journal.diary import add_line
from broker.journal.file import JournalFile
from broker.journal.money import insert_flow
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


class CorporateLog:
    """Corporate actions by their id, from the announcement on."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def keep(
        self, listed: Sequence[CorporateAction], now: datetime, withdraw: bool = True
    ) -> list[CorporateAction]:
        """Write down what the list says of actions that have not happened yet; return those that are new.

        Announced ones that the list has no more are withdrawn, unless told otherwise.
        """
        known = {action.action_id: action for action in self.all()}
        open_states = (ANNOUNCED, WITHDRAWN)
        changed = [a for a in listed if a.id not in known or known[a.id].state in open_states]
        gone = {name for name, action in known.items() if action.state == ANNOUNCED} - {a.id for a in listed}
        new = [a for a in changed if a.id not in known or known[a.id].state == WITHDRAWN]
        moved = [a for a in changed if a.id in known and _differs(known[a.id], a)]
        if not (new or moved or (gone and withdraw)):
            return []
        with self._file.transaction() as write:
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
                add_line(write, now, "announced", action.symbol, "", action.text)
            for name in sorted(gone) if withdraw else ():
                _set_state(write, name, WITHDRAWN)
                add_line(write, now, WITHDRAWN, known[name].symbol, "", known[name].text)
        return new

    def all(self, states: Iterable[str] | None = None) -> list[StoredAction]:
        """Return corporate actions in any of `states` (all when None), by ex date."""
        wanted = None if states is None else list(states)
        where = "" if wanted is None else f"WHERE state IN ({', '.join('?' * len(wanted))})"
        rows = self._file.all(
            f"SELECT * FROM corporate_actions {where} ORDER BY ex_date, action_id", *(wanted or ())
        )
        return [read(StoredAction, row) for row in rows]

    def splits(self) -> list[StoredAction]:
        """Return the splits that have happened, oldest first: what lies before one is in other shares."""
        return [action for action in self.all(HAPPENED) if action.kind == SPLIT]

    def settle(self, action: StoredAction, state: str, now: datetime, text: str) -> None:
        """Note what became of an action that needs no booking."""
        with self._file.transaction() as write:
            _set_state(write, action.action_id, state)
            add_line(write, now, state, action.symbol, "", text)

    def book_split(
        self, action: StoredAction, booking: SplitBooking, price: Decimal, now: datetime, text: str
    ) -> None:
        """Book a split at once: the shares at no price, a fraction given up for cash at `price`, the cash."""
        rows = [("split", booking.added, Decimal(0))]
        if booking.in_cash:
            rows.append(("in_lieu", booking.in_cash, price))
        with self._file.transaction() as write:
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
                insert_flow(write, flow, now)
            _set_state(write, action.action_id, BOOKED)
            add_line(write, now, "split", action.symbol, "", text)


def _set_state(write: Connection, action_id: str, state: str) -> None:
    write.execute("UPDATE corporate_actions SET state = ? WHERE action_id = ?", (state, action_id))


def _differs(stored: StoredAction, listed: CorporateAction) -> bool:
    return (stored.ex_date, stored.ratio, stored.cash) != (listed.ex_date, listed.ratio, listed.cash)
