"""An order, its states as a table, and the executions that fill it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from broker.simulator.values import ZERO

TERMINAL = frozenset({"filled", "canceled", "expired", "replaced", "rejected"})

_RESTING = {
    "partially_filled",
    "filled",
    "done_for_day",
    "canceled",
    "expired",
    "replaced",
    "pending_cancel",
    "pending_replace",
    "rejected",
    "stopped",
    "suspended",
    "calculated",
    "held",
    "accepted",
    "new",
}
# From each state, the states that may follow. A terminal state is followed by none.
TRANSITIONS = MappingProxyType(
    {
        "accepted": frozenset(_RESTING | {"pending_new", "accepted_for_bidding"}),
        "pending_new": frozenset(_RESTING | {"accepted_for_bidding"}),
        "accepted_for_bidding": frozenset(_RESTING),
        "held": frozenset(_RESTING | {"pending_new"}),
        "new": frozenset(_RESTING - {"accepted", "held"}),
        "partially_filled": frozenset(_RESTING - {"accepted", "held", "rejected", "new"}),
        "done_for_day": frozenset({"new", "partially_filled", "filled", "canceled", "expired", "calculated"}),
        "pending_cancel": frozenset({"canceled", "filled", "partially_filled", "expired", "new"}),
        "pending_replace": frozenset(
            {"replaced", "filled", "partially_filled", "new", "canceled", "expired"}
        ),
        "stopped": frozenset({"filled", "partially_filled", "canceled", "expired", "new"}),
        "suspended": frozenset({"new", "canceled", "expired", "rejected"}),
        "calculated": frozenset({"new", "filled", "canceled", "expired"}),
        **{status: frozenset[str]() for status in TERMINAL},
    }
)
STATUSES = frozenset(TRANSITIONS)


class IllegalTransition(Exception):  # noqa: N818 - the name says what was tried
    """An order was moved between states that do not follow each other: a bug or a wrong control command."""


@dataclass(frozen=True)
class Order:
    """One order. Instants in nanoseconds UTC; `filled_value` is the sum of quantity times price.

    `live_from` is the first instant at which it may execute, `session` the date a day order lives on.
    """

    id: str
    client_order_id: str
    number: int
    symbol: str
    asset_id: str
    side: str
    type: str
    time_in_force: str
    order_class: str
    position_intent: str
    created: int
    submitted: int
    updated: int
    status: str
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None
    extended_hours: bool = False
    filled_qty: Decimal = ZERO
    filled_value: Decimal = ZERO
    filled_at: int | None = None
    expired_at: int | None = None
    canceled_at: int | None = None
    failed_at: int | None = None
    replaced_at: int | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    expires_at: int | None = None
    session: str | None = None
    parent: str | None = None
    legs: tuple[str, ...] = ()
    triggered: bool = False
    live_from: int = 0
    executions: int = 0
    source: str = "api"

    @property
    def open(self) -> bool:
        """Whether it may still change."""
        return self.status not in TERMINAL

    @property
    def working(self) -> bool:
        """Whether it stands in the market and may execute."""
        return self.status in ("new", "partially_filled")

    @property
    def sign(self) -> int:
        """+1 for buy, -1 for sell."""
        return 1 if self.side == "buy" else -1

    @property
    def remaining(self) -> Decimal:
        """Quantity still to execute; zero for a notional order, whose quantity the price decides."""
        return ZERO if self.qty is None else self.qty - self.filled_qty

    @property
    def average_price(self) -> Decimal | None:
        """Mean price of the executions, None before the first."""
        return self.filled_value / self.filled_qty if self.filled_qty else None


@dataclass(frozen=True)
class Entry:
    """One line of the account's ledger: what happened to cash and to one position.

    Attributes:
        kind: "fill", "manual" (a position changed by hand), "split", "dividend", "deposit",
            "withdrawal", "fee", "interest", "cash" (of no activity).
        qty: signed change of the position.
        cash: signed change of the cash.
        cumulative, leaves: of the order after this execution.
    """

    number: int
    at: int
    kind: str
    cash: Decimal
    symbol: str = ""
    qty: Decimal = ZERO
    price: Decimal = ZERO
    order_id: str = ""
    execution_id: str = ""
    cumulative: Decimal = ZERO
    leaves: Decimal = ZERO
    order_status: str = ""
    position_qty: Decimal = ZERO


def moved(order: Order, status: str, at: int, **changes: Any) -> Order:
    """Return the order in another state; a move that the table does not have raises IllegalTransition."""
    if status != order.status and status not in TRANSITIONS[order.status]:
        raise IllegalTransition(f"order {order.id}: {order.status} -> {status}")
    stamp = {
        "filled": "filled_at",
        "expired": "expired_at",
        "canceled": "canceled_at",
        "rejected": "failed_at",
        "replaced": "replaced_at",
    }.get(status)
    if stamp is not None:
        changes[stamp] = at
    return replace(order, status=status, updated=at, **changes)


def to_document(value: Order | Entry) -> dict[str, Any]:
    """Return a JSON-able dict of the fields that differ from their defaults."""
    document = {}
    for field in fields(value):
        item = getattr(value, field.name)
        if item != field.default:
            document[field.name] = str(item) if isinstance(item, Decimal) else item
    return document


def order_from(document: dict[str, Any]) -> Order:
    """Return the order that `to_document` wrote."""
    values = _decimals(document, _ORDER_DECIMALS)
    values["legs"] = tuple(document.get("legs", ()))
    return Order(**values)


def entry_from(document: dict[str, Any]) -> Entry:
    """Return the ledger entry that `to_document` wrote."""
    return Entry(**_decimals(document, _ENTRY_DECIMALS))


def _decimals(document: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {
        name: Decimal(value) if name in names and value is not None else value
        for name, value in document.items()
    }


_ORDER_DECIMALS = frozenset(field.name for field in fields(Order) if "Decimal" in str(field.type))
_ENTRY_DECIMALS = frozenset(field.name for field in fields(Entry) if "Decimal" in str(field.type))
