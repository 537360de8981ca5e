"""The journal: what was decided, meant, sent, answered and filled, in one SQLite file that survives a power cut.

Every method that writes is one transaction with `synchronous=FULL`: when it returns, it is on the disk. An order
is in the journal before it is anywhere else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from broker.failpoints import reach
from broker.journal.actions import JournalActions
from broker.journal.file import JournalUnwritable
from broker.journal.records import (
    DecisionRow,
    Halt,
    NewOrder,
    StoredOrder,
    Target,
    insert,
    moment,
    read,
    read_fill,
    stamp,
)
from broker.orders import AT_BROKER, FINAL, Progress, State, Step, after
from broker.values import BrokerOrder, Fill, plain
from forewalk.errors import DataError

__all__ = ["EVERYTHING", "Journal", "JournalUnwritable"]

EVERYTHING = "*"  # scope of a halt that stops all symbols


class Journal(JournalActions):
    """The journal of one book; see `JournalFile` for opening it and `broker.journal.records` for its rows."""

    # decisions

    def record_decision(
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
        with self._transaction() as write:
            row = write.execute(
                "SELECT 1 FROM decisions WHERE decision_id = ?", (decision.decision_id,)
            ).fetchone()
            if row is not None:
                return False
            insert(write, "decisions", decision)
            for target in targets:
                insert(write, "targets", target, decision_id=decision.decision_id)
            for place, order in enumerate(orders):
                self._add_order(write, decision, order, place, ask)
            for name, reason in (refused or {}).items():
                self._step(write, name, Step.REFUSE, decision.made_at, reason)
            for name in cancels:
                self._want_cancel(write, name, decision.made_at)
            self._keep_closes(write, decision.asof, closes or {})
        reach("after_decision_commit")
        return True

    @staticmethod
    def _add_order(
        write: sqlite3.Connection, decision: DecisionRow, order: NewOrder, place: int, ask: bool
    ) -> None:
        insert(
            write,
            "orders",
            order,
            decision_id=decision.decision_id,
            send_from=stamp(decision.send_from),
            valid_until=stamp(decision.valid_until),
            state=str(after(State.DECIDED, Step.ASK) if ask else State.DECIDED),
            position=place,
            updated_at=stamp(decision.made_at),
        )

    def decision(self, decision_id: str) -> DecisionRow | None:
        """Return one decision."""
        row = self._one("SELECT * FROM decisions WHERE decision_id = ?", decision_id)
        return None if row is None else read(DecisionRow, row)

    def decisions(self, since: datetime | None = None) -> list[DecisionRow]:
        """Return the decisions on bars from `since` on (all when None), by time of their bar."""
        rows = self._all(
            "SELECT * FROM decisions WHERE kind = 'bar' AND asof >= ? ORDER BY asof",
            "" if since is None else stamp(since),
        )
        return [read(DecisionRow, row) for row in rows]

    def first_decision(self) -> DecisionRow | None:
        """Return the decision of the earliest bar."""
        row = self._one("SELECT * FROM decisions WHERE kind = 'bar' ORDER BY asof LIMIT 1")
        return None if row is None else read(DecisionRow, row)

    def last_decision(self) -> DecisionRow | None:
        """Return the decision of the latest bar."""
        row = self._one("SELECT * FROM decisions WHERE kind = 'bar' ORDER BY asof DESC LIMIT 1")
        return None if row is None else read(DecisionRow, row)

    def targets(self, decision_id: str) -> list[Target]:
        """Return what a decision saw and wanted, by symbol."""
        rows = self._all("SELECT * FROM targets WHERE decision_id = ? ORDER BY symbol", decision_id)
        return [read(Target, row) for row in rows]

    def target(self, decision_id: str, symbol: str) -> Target | None:
        """Return what a decision saw and wanted for one symbol."""
        row = self._one("SELECT * FROM targets WHERE decision_id = ? AND symbol = ?", decision_id, symbol)
        return None if row is None else read(Target, row)

    # orders

    def orders(self, states: Iterable[State] | None = None) -> list[StoredOrder]:
        """Return the orders in any of `states` (all when None), oldest decision first."""
        wanted = None if states is None else [str(state) for state in states]
        where = "" if wanted is None else f"WHERE state IN ({', '.join('?' * len(wanted))})"
        sql = f"SELECT o.* FROM orders o JOIN decisions d USING (decision_id) {where} ORDER BY d.asof, o.position"
        return [read(StoredOrder, row) for row in self._all(sql, *(wanted or ()))]

    def orders_since(self, moment: datetime) -> list[StoredOrder]:
        """Return the orders decided or filled at `moment` or later, oldest decision first."""
        sql = (
            "SELECT o.* FROM orders o JOIN decisions d USING (decision_id) WHERE d.asof >= ?1 OR "
            "o.client_order_id IN (SELECT client_order_id FROM fills WHERE at >= ?1) ORDER BY d.asof, o.position"
        )
        return [read(StoredOrder, row) for row in self._all(sql, stamp(moment))]

    def order(self, client_order_id: str) -> StoredOrder | None:
        """Return one order by our id."""
        row = self._one("SELECT * FROM orders WHERE client_order_id = ?", client_order_id)
        return None if row is None else read(StoredOrder, row)

    def order_of_broker(self, broker_id: str) -> StoredOrder | None:
        """Return one order by the broker's id."""
        row = self._one("SELECT * FROM orders WHERE broker_id = ?", broker_id)
        return None if row is None else read(StoredOrder, row)

    def step(self, client_order_id: str, step: Step, now: datetime, reason: str = "") -> State:
        """Take one step of `broker.orders.STEPS` and return the new state; a reason goes into the diary."""
        with self._transaction() as write:
            return self._step(write, client_order_id, step, now, reason)

    def submitting(self, client_order_id: str, now: datetime) -> None:
        """Note, before it happens, that the order is being POSTed (once more)."""
        with self._transaction() as write:
            self._step(write, client_order_id, Step.SUBMIT, now, "")
            write.execute(
                "UPDATE orders SET posts = posts + 1, posted_at = ? WHERE client_order_id = ?",
                (stamp(now), client_order_id),
            )

    def not_accepted(self, client_order_id: str, now: datetime, reason: str) -> None:
        """Note that the broker turned the POST away unread (429): in doubt, but it does not count as sent."""
        with self._transaction() as write:
            self._step(write, client_order_id, Step.LOSE, now, reason)
            write.execute("UPDATE orders SET posts = posts - 1 WHERE client_order_id = ?", (client_order_id,))

    def want_cancel(self, client_order_id: str, now: datetime) -> None:
        """Note that the order is to be cancelled, so that a restart goes on with it."""
        with self._transaction() as write:
            self._want_cancel(write, client_order_id, now)

    def approve(self, client_order_id: str, nonce: str, now: datetime) -> None:
        """Take a human's yes, once: the nonce binds it to the order as it was shown."""
        with self._transaction() as write:
            self._step(write, client_order_id, Step.APPROVE, now, "approved")
            write.execute("UPDATE orders SET nonce = ? WHERE client_order_id = ?", (nonce, client_order_id))

    def report(self, client_order_id: str, report: BrokerOrder, now: datetime) -> StoredOrder:
        """Join what the broker says about the order; the state only ever goes forward."""
        with self._transaction() as write:
            row = write.execute(
                "SELECT * FROM orders WHERE client_order_id = ?", (client_order_id,)
            ).fetchone()
            stored = read(StoredOrder, row)
            state = stored.state
            if state not in AT_BROKER and not (state in FINAL and stored.broker_id):
                state = after(state, Step.FOUND)
                self._diary(write, now, "found", stored.symbol, client_order_id, report.status)
            progress = Progress(stored.status, stored.filled).joined(report.progress)
            state = progress.state(stored.quantity)
            average = report.average_price if report.filled >= stored.filled else stored.average_price
            if (state, progress.status, progress.filled, report.id) != (
                stored.state,
                stored.status,
                stored.filled,
                stored.broker_id,
            ):
                write.execute(
                    "UPDATE orders SET state = ?, status = ?, filled = ?, average_price = ?, broker_id = ?, "
                    "updated_at = ? WHERE client_order_id = ?",
                    (
                        str(state),
                        progress.status,
                        plain(progress.filled),
                        None if average is None else plain(average),
                        report.id,
                        stamp(now),
                        client_order_id,
                    ),
                )
                write.execute(
                    "UPDATE fills SET client_order_id = ? WHERE broker_id = ? AND client_order_id IS NULL",
                    (client_order_id, report.id),
                )
        found = self.order(client_order_id)
        assert found is not None
        return found

    def add_successor(self, old: StoredOrder, new: BrokerOrder, now: datetime) -> None:
        """Write down the order by which the broker replaced one of ours, as part of the same decision."""
        with self._transaction() as write:
            write.execute(
                "INSERT OR IGNORE INTO orders (client_order_id, decision_id, symbol, side, quantity, kind, "
                "time_in_force, decided_price, reduces, reason, send_from, valid_until, state, posts, broker_id, "
                "position, updated_at) "
                "SELECT ?, decision_id, ?, side, ?, kind, time_in_force, decided_price, reduces, ?, send_from, "
                "valid_until, 'acked', 0, ?, position, ? FROM orders WHERE client_order_id = ?",
                (
                    new.client_order_id,
                    new.symbol,
                    plain(new.quantity),
                    f"replaces {old.client_order_id}",
                    new.id,
                    stamp(now),
                    old.client_order_id,
                ),
            )
            self._diary(write, now, "replaced", new.symbol, new.client_order_id, f"by the broker: {new.id}")
        self.report(new.client_order_id, new, now)

    def posts_since(self, moment: datetime) -> int:
        """Return how many orders were POSTed at or after `moment`."""
        row = self._one("SELECT COUNT(*) AS n FROM orders WHERE posted_at >= ?", stamp(moment))
        return int(row["n"]) if row is not None else 0

    # fills and the ledger

    def add_fills(self, fills: Sequence[Fill], now: datetime) -> list[Fill]:
        """Book executions, each once for ever by its id, and return those that were new."""
        new = []
        reach("before_fill_commit")
        with self._transaction() as write:
            for fill in fills:
                owner = write.execute(
                    "SELECT client_order_id FROM orders WHERE broker_id = ?", (fill.order_id,)
                ).fetchone()
                done = write.execute(
                    "INSERT OR IGNORE INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        fill.id,
                        None if owner is None else owner[0],
                        fill.order_id,
                        fill.symbol,
                        fill.side,
                        plain(fill.quantity),
                        plain(fill.price),
                        stamp(fill.at),
                    ),
                )
                if done.rowcount:
                    new.append(fill)
        if new:
            reach("after_fill_commit")
        return new

    def fills(self, own: bool = True) -> list[tuple[Fill, str | None]]:
        """Return executions with our order id, by time; with `own` only those of our orders."""
        where = "WHERE client_order_id IS NOT NULL" if own else ""
        rows = self._all(f"SELECT * FROM fills {where} ORDER BY at, execution_id")
        return [(read_fill(row), row["client_order_id"]) for row in rows]

    def last_fill_at(self) -> datetime | None:
        """Return the time of the latest execution booked."""
        row = self._one("SELECT MAX(at) AS at FROM fills")
        return None if row is None or row["at"] is None else moment(row["at"])

    def ledger(self) -> dict[str, Decimal]:
        """Return the signed quantity of each symbol: unique executions of our orders plus adjustments.

        The file adds them up, in billionths of a share, so that a long past costs neither time nor memory.
        """
        total = {
            row["symbol"]: Decimal(row["billionths"]).scaleb(-9)
            for row in self._all(
                "SELECT symbol, SUM(CAST(ROUND(quantity * 1e9) AS INTEGER) * IIF(side = 'buy', 1, -1)) AS billionths "
                "FROM fills WHERE client_order_id IS NOT NULL GROUP BY symbol"
            )
        }
        for row in self._all("SELECT symbol, quantity FROM adjustments"):
            total[row["symbol"]] = total.get(row["symbol"], Decimal(0)) + Decimal(row["quantity"])
        return {symbol: Decimal(plain(quantity)) for symbol, quantity in total.items() if quantity}

    def missing_fills(self, tolerance: Decimal) -> dict[str, str]:
        """Return the symbol of each order of which the broker has filled more than was booked, by our id."""
        rows = self._all(
            "SELECT o.client_order_id, o.symbol FROM orders o LEFT JOIN fills f USING (client_order_id) "
            "WHERE o.filled != '0' GROUP BY o.client_order_id HAVING o.filled - TOTAL(f.quantity) > ?",
            float(tolerance),
        )
        return {row["client_order_id"]: row["symbol"] for row in rows}

    def adjust(self, symbol: str, quantity: Decimal, price: Decimal, now: datetime, reason: str) -> None:
        """Book a change of position that came from no order of ours, because a person says so."""
        with self._transaction() as write:
            write.execute(
                "INSERT INTO adjustments (symbol, quantity, price, at, reason) VALUES (?, ?, ?, ?, ?)",
                (symbol, plain(quantity), plain(price), stamp(now), reason),
            )
            self._diary(write, now, "adjusted", symbol, "", f"{plain(quantity)} at {plain(price)}: {reason}")

    def adjustments(
        self, without_splits_of: Collection[str] = ()
    ) -> list[tuple[str, Decimal, Decimal, datetime]]:
        """Return (symbol, quantity, price, time) of every adjustment, by time, but for splits of some symbols."""
        found = self._all("SELECT * FROM adjustments ORDER BY at, id")
        rows = [r for r in found if r["kind"] != "split" or r["symbol"] not in without_splits_of]
        return [(r["symbol"], Decimal(r["quantity"]), Decimal(r["price"]), moment(r["at"])) for r in rows]

    # halts

    def halt(
        self,
        scope: str,
        reason: str,
        now: datetime,
        cancel: bool = False,
        flatten: bool = False,
        suspend: bool = False,
    ) -> bool:
        """Stop a symbol or everything; False where the same halt is in force already."""
        with self._transaction() as write:
            row = write.execute(
                "SELECT 1 FROM halts WHERE scope = ? AND reason = ? AND cleared_at IS NULL AND cancel >= ? "
                "AND flatten >= ? AND suspend >= ?",
                (scope, reason, cancel, flatten, suspend),
            ).fetchone()
            if row is not None:
                return False
            write.execute(
                "INSERT INTO halts (scope, reason, at, cancel, flatten, suspend) VALUES (?, ?, ?, ?, ?, ?)",
                (scope, reason, stamp(now), cancel, flatten, suspend),
            )
            self._diary(write, now, "halt", "" if scope == EVERYTHING else scope, "", reason)
        reach("after_halt_commit")
        return True

    def halts(self) -> list[Halt]:
        """Return the halts in force."""
        rows = self._all("SELECT * FROM halts WHERE cleared_at IS NULL ORDER BY id")
        return [read(Halt, row) for row in rows]

    def halted(self, symbol: str) -> str | None:
        """Return why `symbol` may not trade, or None."""
        return next((halt.reason for halt in self.halts() if halt.scope in (EVERYTHING, symbol)), None)

    def confirm_halt(self, halt_id: int, now: datetime) -> None:
        """Note that the broker has done all that the halt asks for."""
        with self._transaction() as write:
            write.execute("UPDATE halts SET confirmed_at = ? WHERE id = ?", (stamp(now), halt_id))

    def resume(self, scope: str, now: datetime) -> int:
        """Lift every halt of `scope` and return how many there were."""
        with self._transaction() as write:
            done = write.execute(
                "UPDATE halts SET cleared_at = ? WHERE scope = ? AND cleared_at IS NULL", (stamp(now), scope)
            )
            if done.rowcount:
                self._diary(
                    write, now, "resume", "" if scope == EVERYTHING else scope, "", "lifted by a person"
                )
            return done.rowcount

    @staticmethod
    def _want_cancel(write: sqlite3.Connection, client_order_id: str, now: datetime) -> None:
        write.execute(
            "UPDATE orders SET cancel_wanted = 1, updated_at = ? WHERE client_order_id = ?",
            (stamp(now), client_order_id),
        )

    def _step(
        self, write: sqlite3.Connection, client_order_id: str, step: Step, now: datetime, reason: str
    ) -> State:
        row = write.execute(
            "SELECT state, symbol FROM orders WHERE client_order_id = ?", (client_order_id,)
        ).fetchone()
        if row is None:
            raise DataError(f"no order {client_order_id!r} in {self.path}")
        state = after(State(row["state"]), step)
        write.execute(
            "UPDATE orders SET state = ?, updated_at = ? WHERE client_order_id = ?",
            (str(state), stamp(now), client_order_id),
        )
        if reason and step in (Step.REFUSE, Step.EXPIRE, Step.GIVE_UP):
            write.execute("UPDATE orders SET reason = ? WHERE client_order_id = ?", (reason, client_order_id))
        if reason:
            self._diary(write, now, str(step), row["symbol"], client_order_id, reason)
        return state
