"""The account's book: orders, ledger, positions, cash. Pure and deterministic: no clock, no file, no socket.

Everything that happens to cash or a position is a line of the ledger; cash and positions are their sums.
Everything that happens to an order is an event, drained by whoever publishes them. Identifiers are a function
of the seed and a counter that only grows, so they never repeat.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from broker.simulator.values import ZERO, Refusal, unique_id
from broker.simulator.world.orders import Entry, Order, moved

STAMP_STEP = 1_000  # two things never happen in the same nanosecond


@dataclass(frozen=True)
class Position:
    """A holding: signed quantity and what it cost (signed as the quantity)."""

    symbol: str
    qty: Decimal
    cost: Decimal

    @property
    def average(self) -> Decimal:
        """Mean entry price."""
        return self.cost / self.qty


@dataclass(frozen=True)
class Event:
    """What `trade_updates` tells: the order as it stood after it, and the execution of a fill."""

    name: str
    at: int
    order: Order
    execution: Entry | None = None


def changed_position(position: Position, qty: Decimal, price: Decimal) -> Position:
    """Return the position after a signed quantity traded at a price.

    Adding averages the entry price, reducing keeps it, and what goes through zero starts anew at the price.
    """
    total = position.qty + qty
    if position.qty == 0 or (position.qty > 0) == (qty > 0):
        return replace(position, qty=total, cost=position.cost + qty * price)
    if total == 0:
        return replace(position, qty=ZERO, cost=ZERO)
    if (total > 0) == (position.qty > 0):
        return replace(position, qty=total, cost=position.cost * total / position.qty)
    return replace(position, qty=total, cost=total * price)


class Book:
    """Orders, ledger, positions and cash of one account.

    Args:
        seed: makes the identifiers; with the same calls in the same order they come out the same.

    Attributes:
        orders: by id, oldest first, for ever.
        client_ids: client_order_id -> order id, for ever.
        open_orders: the ids that may still change, oldest first.
        ledger: every line, oldest first.
        events: not yet drained.
        dirty: ("order" | "entry", key) of what changed since it was last stored.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.orders: dict[str, Order] = {}
        self.client_ids: dict[str, str] = {}
        self.open_orders: dict[str, None] = {}
        self.ledger: list[Entry] = []
        self.positions: dict[str, Position] = {}
        self.cash = ZERO
        self.counter = 0
        self.last_stamp = 0
        self.events: list[Event] = []
        self.dirty: dict[tuple[str, str], None] = {}

    def stamp(self, now: int) -> int:
        """Return an instant at or after `now` that no earlier stamp has."""
        self.last_stamp = max(now, self.last_stamp + STAMP_STEP)
        return self.last_stamp

    def next_id(self, kind: str) -> str:
        """Return an identifier that never comes again."""
        self.counter += 1
        return unique_id(self.seed, kind, self.counter)

    def get(self, order_id: str) -> Order:
        """Return the order, or refuse with 404."""
        order = self.orders.get(order_id)
        if order is None:
            raise Refusal(404, 40410000, f"order not found for {order_id[:64]}")
        return order

    def working_orders(self, symbol: str | None = None) -> list[Order]:
        """Return the orders that may still change, of one symbol or of all, oldest first."""
        found = (self.orders[order_id] for order_id in self.open_orders)
        return [order for order in found if symbol is None or order.symbol == symbol]

    def add(self, order: Order) -> None:
        """Enter a new order; its id and client id must be new."""
        if order.id in self.orders or order.client_order_id in self.client_ids:
            raise Refusal(422, 40010001, "client_order_id must be unique")
        self.client_ids[order.client_order_id] = order.id
        self._keep(order)

    def change(self, order_id: str, status: str, now: int, event: str | None = None, **changes: Any) -> Order:
        """Move an order to a state of the table and announce it (`event` defaults to the state; "" to nothing)."""
        at = self.stamp(now)
        order = moved(self.orders[order_id], status, at, **changes)
        self._keep(order)
        name = status if event is None else event
        if name:
            self.events.append(Event(name, at, order))
        return order

    def amend(self, order_id: str, **changes: Any) -> Order:
        """Change fields of an order without a new state or an event."""
        order = replace(self.orders[order_id], **changes)
        self._keep(order)
        return order

    def announce(self, name: str, order: Order, now: int) -> None:
        """Add an event for an order as it stands."""
        self.events.append(Event(name, self.stamp(now), order))

    def execute(self, order_id: str, qty: Decimal, price: Decimal, now: int, complete: bool = False) -> Order:
        """Fill `qty` (> 0) of an order at a price; `complete` ends a notional order.

        Raises:
            ValueError: more than remains, or no quantity.
        """
        order = self.orders[order_id]
        if qty <= 0 or (order.qty is not None and qty > order.remaining):
            raise ValueError(f"cannot fill {qty} of {order.remaining} remaining ({order.id})")
        done = complete or (order.qty is not None and qty == order.remaining)
        at = self.stamp(now)
        filled = moved(
            order,
            "filled" if done else "partially_filled",
            at,
            filled_qty=order.filled_qty + qty,
            filled_value=order.filled_value + qty * price,
            executions=order.executions + 1,
        )
        filled = replace(filled, filled_at=at)
        entry = self.post(
            "fill",
            at,
            cash=-order.sign * qty * price,
            symbol=order.symbol,
            qty=order.sign * qty,
            price=price,
            order_id=order.id,
            execution_id=self.next_id("execution"),
            cumulative=filled.filled_qty,
            leaves=ZERO if done else filled.remaining,
            order_status=filled.status,
        )
        self._keep(filled)
        self.events.append(Event("fill" if done else "partial_fill", at, filled, entry))
        return filled

    def post(self, kind: str, at: int, cash: Decimal, **fields: Any) -> Entry:
        """Write a line of the ledger and carry it to cash and position."""
        entry = Entry(number=len(self.ledger), at=at, kind=kind, cash=cash, **fields)
        self._apply(entry)
        entry = replace(entry, position_qty=self.quantity(entry.symbol))
        self.ledger.append(entry)
        self.dirty["entry", str(entry.number)] = None
        return entry

    def quantity(self, symbol: str) -> Decimal:
        """Return the signed quantity held, zero where there is no position."""
        position = self.positions.get(symbol)
        return ZERO if position is None else position.qty

    def held(self, symbol: str, side: str) -> Decimal:
        """Return the quantity that open orders of a side may still execute; the legs of one bracket count once."""
        total = ZERO
        groups: dict[str, Decimal] = {}
        for order in self.working_orders(symbol):
            if order.side != side:
                continue
            if order.parent is not None or order.order_class == "oco":
                group = order.parent or order.id
                groups[group] = max(groups.get(group, ZERO), order.remaining)
            else:
                total += order.remaining
        return total + sum(groups.values(), ZERO)

    def take_events(self) -> list[Event]:
        """Return the events since the last call, oldest first."""
        events, self.events = self.events, []
        return events

    def restore(self, orders: Iterable[Order], entries: Iterable[Entry]) -> None:
        """Fill an empty book with stored orders and ledger lines (any order)."""
        for order in sorted(orders, key=lambda order: order.number):
            self.client_ids[order.client_order_id] = order.id
            self._keep(order)
        for entry in sorted(entries, key=lambda entry: entry.number):
            self._apply(entry)
            self.ledger.append(entry)
        self.dirty.clear()

    def _apply(self, entry: Entry) -> None:
        self.cash += entry.cash
        if not entry.symbol or entry.qty == 0:
            return
        position = self.positions.get(entry.symbol, Position(entry.symbol, ZERO, ZERO))
        if entry.kind == "split":
            position = replace(position, qty=position.qty + entry.qty)
        else:
            position = changed_position(position, entry.qty, entry.price)
        if position.qty:
            self.positions[entry.symbol] = position
        else:
            self.positions.pop(entry.symbol, None)

    def _keep(self, order: Order) -> None:
        self.orders[order.id] = order
        if order.open:
            self.open_orders[order.id] = None
        else:
            self.open_orders.pop(order.id, None)
        self.dirty["order", order.id] = None
