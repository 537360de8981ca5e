"""The orders of the journal, each step of their lives one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from broker.failpoints import reach
from broker.ids import REST, client_order_id, parse_client_order_id
from broker.journal.diary import add_line
from broker.journal.file import JournalFile
from broker.journal.records import DecisionRow, NewOrder, StoredOrder, insert, read, stamp
from broker.orders import AT_BROKER, FINAL, IllegalStep, OrderState, OrderStep, Progress, after
from broker.values import BrokerOrder, plain
from forewalk.errors import DataError


class Orders:
    """Every order that was ever decided on."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def all(self, states: Iterable[OrderState] | None = None) -> list[StoredOrder]:
        """Return the orders in any of `states` (all when None), oldest decision first."""
        wanted = None if states is None else [str(state) for state in states]
        where = "" if wanted is None else f"WHERE state IN ({', '.join('?' * len(wanted))})"
        sql = f"SELECT o.* FROM orders o JOIN decisions d USING (decision_id) {where} ORDER BY d.asof, o.position"
        return [read(StoredOrder, row) for row in self._file.all(sql, *(wanted or ()))]

    def since(self, moment: datetime) -> list[StoredOrder]:
        """Return the orders decided or filled at `moment` or later, oldest decision first."""
        sql = (
            "SELECT o.* FROM orders o JOIN decisions d USING (decision_id) WHERE d.asof >= ?1 OR "
            "o.client_order_id IN (SELECT client_order_id FROM fills WHERE at >= ?1) ORDER BY d.asof, o.position"
        )
        return [read(StoredOrder, row) for row in self._file.all(sql, stamp(moment))]

    def get(self, client_order_id: str) -> StoredOrder | None:
        """Return one order by our id."""
        row = self._file.one("SELECT * FROM orders WHERE client_order_id = ?", client_order_id)
        return None if row is None else read(StoredOrder, row)

    def of_broker(self, broker_id: str) -> StoredOrder | None:
        """Return one order by the broker's id."""
        row = self._file.one("SELECT * FROM orders WHERE broker_id = ?", broker_id)
        return None if row is None else read(StoredOrder, row)

    def step(self, client_order_id: str, step: OrderStep, now: datetime, reason: str = "") -> OrderState:
        """Take one step of `broker.orders.STEPS` and return the new state; a reason goes into the diary."""
        with self._file.transaction() as write:
            return take_step(write, client_order_id, step, now, reason)

    def submitting(self, client_order_id: str, now: datetime) -> None:
        """Note, before it happens, that the order is being POSTed (once more)."""
        with self._file.transaction() as write:
            take_step(write, client_order_id, OrderStep.SUBMIT, now, "")
            write.execute(
                "UPDATE orders SET posts = posts + 1, posted_at = ? WHERE client_order_id = ?",
                (stamp(now), client_order_id),
            )

    def not_accepted(self, client_order_id: str, now: datetime, reason: str) -> None:
        """Note that the broker turned the POST away unread (429): in doubt, but it does not count as sent."""
        with self._file.transaction() as write:
            take_step(write, client_order_id, OrderStep.LOSE, now, reason)
            write.execute("UPDATE orders SET posts = posts - 1 WHERE client_order_id = ?", (client_order_id,))

    def want_cancel(self, client_order_id: str, now: datetime) -> None:
        """Note that the order is to be cancelled, so that a restart goes on with it."""
        with self._file.transaction() as write:
            mark_cancel(write, client_order_id, now)

    def approve(self, client_order_id: str, nonce: str, now: datetime) -> None:
        """Take a human's yes, once: the nonce binds it to the order as it was shown."""
        with self._file.transaction() as write:
            take_step(write, client_order_id, OrderStep.APPROVE, now, "approved")
            write.execute("UPDATE orders SET nonce = ? WHERE client_order_id = ?", (nonce, client_order_id))
        reach("after_approve_commit")

    def reject(self, client_order_id: str, now: datetime) -> None:
        """Take a human's no to an order that waits for one; IllegalStep where it does not, or not any more."""
        with self._file.transaction() as write:
            row = write.execute(
                "SELECT state FROM orders WHERE client_order_id = ?", (client_order_id,)
            ).fetchone()
            if row is None or OrderState(row["state"]) not in (
                OrderState.AWAIT_APPROVAL,
                OrderState.NEEDS_HUMAN,
            ):
                raise IllegalStep(f"{client_order_id} does not wait for a person")
            take_step(write, client_order_id, OrderStep.REFUSE, now, "rejected by a person")

    def report(self, client_order_id: str, report: BrokerOrder, now: datetime) -> StoredOrder:
        """Join what the broker says about the order; the state only ever goes forward."""
        with self._file.transaction() as write:
            row = write.execute(
                "SELECT * FROM orders WHERE client_order_id = ?", (client_order_id,)
            ).fetchone()
            stored = read(StoredOrder, row)
            state = stored.state
            if state not in AT_BROKER and not (state in FINAL and stored.broker_id):
                state = after(state, OrderStep.FOUND)
                add_line(write, now, "found", stored.symbol, client_order_id, report.status)
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
            for leg in report.legs:
                _insert_found(
                    write, stored.decision_id, leg, f"leg of {client_order_id}", client_order_id, now
                )
        for leg in report.legs:
            self.report(leg.client_order_id, leg, now)
        found = self.get(client_order_id)
        assert found is not None
        return found

    def add_successor(self, old: StoredOrder, new: BrokerOrder, now: datetime) -> None:
        """Write down the order by which the broker replaced one of ours, as part of the same decision."""
        with self._file.transaction() as write:
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
            add_line(write, now, "replaced", new.symbol, new.client_order_id, f"by the broker: {new.id}")
        self.report(new.client_order_id, new, now)

    def take_over(self, decision_id: str, order: BrokerOrder, reason: str, now: datetime) -> StoredOrder:
        """Write down an order that only the broker knows, as one of ours; one that is here already stays."""
        with self._file.transaction() as write:
            _insert_found(write, decision_id, order, reason, "", now)
        return self.report(order.client_order_id, order, now)

    def resize(self, client_order_id: str, quantity: Decimal, now: datetime) -> None:
        """Take over the quantity that the broker has of an order, because a person says so."""
        with self._file.transaction() as write:
            write.execute(
                "UPDATE orders SET quantity = ?, updated_at = ? WHERE client_order_id = ?",
                (plain(quantity), stamp(now), client_order_id),
            )

    def cut(self, order: StoredOrder, quantity: Decimal, now: datetime) -> StoredOrder:
        """Cut an intent in two: it keeps `quantity`, the rest becomes an intent of its own. Return the first."""
        name = parse_client_order_id(order.client_order_id)
        assert name is not None
        prefix = client_order_id(name.book, name.session, name.symbol, REST, 0)[:-1]
        rest = f"{prefix}{self.next_number(prefix)}"
        left = order.quantity - quantity
        with self._file.transaction() as write:
            columns = [row["name"] for row in write.execute("PRAGMA table_info(orders)")]
            own = ("client_order_id", "quantity", "state", "posts", "posted_at")
            kept = ", ".join(column for column in columns if column not in own)
            write.execute(
                f"INSERT INTO orders (client_order_id, quantity, state, {kept}) "
                f"SELECT ?, ?, ?, {kept} FROM orders WHERE client_order_id = ?",
                (rest, plain(left), str(OrderState.INTENT), order.client_order_id),
            )
            write.execute(
                "UPDATE orders SET quantity = ?, updated_at = ? WHERE client_order_id = ?",
                (plain(quantity), stamp(now), order.client_order_id),
            )
            text = f"{plain(quantity)} now, {plain(left)} as {rest}: no order may turn the account's position around"
            add_line(write, now, "cut", order.symbol, order.client_order_id, text)
        reach("after_cut_commit")
        found = self.get(order.client_order_id)
        assert found is not None
        return found

    def legs(self, bracket: StoredOrder) -> list[StoredOrder]:
        """Return the legs of a bracket, none before the broker has shown them."""
        rows = self._file.all("SELECT * FROM orders WHERE parent = ?", bracket.client_order_id)
        return [read(StoredOrder, row) for row in rows]

    def next_number(self, prefix: str) -> int:
        """Return the number after the highest with which an id that begins with `prefix` ends."""
        rows = self._file.all(
            "SELECT client_order_id AS name FROM orders WHERE client_order_id >= ? AND client_order_id < ?",
            prefix,
            prefix + "\x7f",
        )
        return 1 + max((int(row["name"][len(prefix) :]) for row in rows), default=-1)

    def posts_since(self, moment: datetime) -> int:
        """Return how many orders were POSTed at or after `moment`."""
        row = self._file.one("SELECT COUNT(*) AS n FROM orders WHERE posted_at >= ?", stamp(moment))
        return int(row["n"]) if row is not None else 0


def _insert_found(
    write: sqlite3.Connection, decision_id: str, order: BrokerOrder, reason: str, parent: str, now: datetime
) -> None:
    """Write an order within a transaction that was first seen at the broker."""
    row = {
        "client_order_id": order.client_order_id,
        "decision_id": decision_id,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": plain(order.quantity),
        "kind": order.kind,
        "time_in_force": "day",
        "decided_price": plain(order.average_price or Decimal(0)),
        "reduces": int(bool(parent)),
        "reason": reason,
        "send_from": stamp(now),
        "valid_until": stamp(now),
        "state": str(OrderState.ACKED),
        "posts": 1,
        "posted_at": stamp(order.submitted_at or now),
        "broker_id": order.id,
        "position": 0,
        "updated_at": stamp(now),
        "parent": parent,
    }
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    write.execute(f"INSERT OR IGNORE INTO orders ({names}) VALUES ({marks})", tuple(row.values()))


def add_order(
    write: sqlite3.Connection, decision: DecisionRow, order: NewOrder, place: int, ask: bool
) -> None:
    """Write an order within the transaction of its decision."""
    insert(
        write,
        "orders",
        order,
        decision_id=decision.decision_id,
        send_from=stamp(order.send_from or decision.send_from),
        valid_until=stamp(order.valid_until or decision.valid_until),
        state=str(after(OrderState.DECIDED, OrderStep.ASK) if ask else OrderState.DECIDED),
        position=place,
        updated_at=stamp(decision.made_at),
    )


def mark_cancel(write: sqlite3.Connection, client_order_id: str, now: datetime) -> None:
    """Note within a transaction that an order is to be cancelled."""
    write.execute(
        "UPDATE orders SET cancel_wanted = 1, updated_at = ? WHERE client_order_id = ?",
        (stamp(now), client_order_id),
    )


def take_step(
    write: sqlite3.Connection, client_order_id: str, step: OrderStep, now: datetime, reason: str
) -> OrderState:
    """Take one step within a transaction and return the new state."""
    row = write.execute(
        "SELECT state, symbol FROM orders WHERE client_order_id = ?", (client_order_id,)
    ).fetchone()
    if row is None:
        raise DataError(f"no order {client_order_id!r} in the journal")
    state = after(OrderState(row["state"]), step)
    write.execute(
        "UPDATE orders SET state = ?, updated_at = ? WHERE client_order_id = ?",
        (str(state), stamp(now), client_order_id),
    )
    if reason and step in (OrderStep.REFUSE, OrderStep.EXPIRE, OrderStep.GIVE_UP):
        write.execute("UPDATE orders SET reason = ? WHERE client_order_id = ?", (reason, client_order_id))
    if reason:
        add_line(write, now, str(step), row["symbol"], client_order_id, reason)
    return state
