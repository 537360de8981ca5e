"""The rows of the journal as frozen values, and how they are written and read."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from broker.halts import EVERYTHING, HaltCause
from broker.orders import OrderState
from broker.values import Fill, OrderRequest, RawPrice, plain

Record = TypeVar("Record")


@dataclass(frozen=True)
class DecisionRow:
    """One decision: made once for the bar that closed at `asof`, sendable from `send_from` to `valid_until`."""

    decision_id: str
    asof: datetime
    session: date
    made_at: datetime
    send_from: datetime
    valid_until: datetime
    equity: Decimal
    cash: Decimal
    model_id: str
    fingerprint: str
    kind: str = "bar"  # "flatten" for the kill switch's
    note: str = ""


@dataclass(frozen=True)
class Target:
    """What a decision saw and wanted for one symbol; None where there was no forecast or no wish.

    `bar_problem` and `model_problem` say why bars or forecast must not be traded on, None where they may.
    """

    symbol: str
    close: float | None
    mean: float | None
    std: float | None
    target_weight: float | None
    reason: str
    held: Decimal
    bar_problem: str | None = None
    model_problem: str | None = None


@dataclass(frozen=True)
class NewOrder:
    """An order that a decision wants, before anything else has happened to it.

    `send_from` and `valid_until` are those of the decision where they are None.
    """

    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    kind: str
    time_in_force: str
    decided_price: Decimal
    reduces: bool
    reason: str = ""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    send_from: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True)
class StoredOrder:
    """An order as the journal holds it; see the column names of `broker.journal.schema`."""

    client_order_id: str
    decision_id: str
    symbol: str
    side: str
    quantity: Decimal
    kind: str
    time_in_force: str
    limit_price: Decimal | None
    stop_price: Decimal | None
    take_profit: Decimal | None
    stop_loss: Decimal | None
    decided_price: Decimal
    reduces: bool
    reason: str
    send_from: datetime
    valid_until: datetime
    state: OrderState
    nonce: str
    posts: int
    posted_at: datetime | None
    broker_id: str | None
    status: str
    filled: Decimal
    average_price: Decimal | None
    cancel_wanted: bool
    position: int
    updated_at: datetime
    parent: str = ""  # our id of the bracket that it is a leg of

    def request(self) -> OrderRequest:
        """Return what is sent to the broker."""

        def price(value: Decimal | None) -> RawPrice | None:
            return None if value is None else RawPrice(value)

        return OrderRequest(
            self.client_order_id,
            self.symbol,
            self.side,
            self.quantity,
            self.kind,
            self.time_in_force,
            price(self.limit_price),
            price(self.stop_price),
            price(self.take_profit),
            price(self.stop_loss),
        )

    @property
    def signed(self) -> Decimal:
        """Quantity with the sign of its effect."""
        return self.quantity if self.side == "buy" else -self.quantity


@dataclass(frozen=True)
class Halt:
    """A stop of one symbol or, with scope `*`, of everything; it lasts until a person lifts it.

    Attributes:
        cancel, flatten, suspend: what the broker is to be told; `confirmed_at` is when it had done it all.
        allow_exits: whether orders that only make a position smaller may still go out.
        keep_exits: whether such orders, and the stops of brackets, are left at the broker when others are cancelled.
        foreign_too: whether flattening takes orders and positions that are not this book's.
    """

    id: int
    scope: str
    cause: HaltCause
    reason: str
    at: datetime
    cancel: bool
    flatten: bool
    suspend: bool
    allow_exits: bool
    keep_exits: bool
    foreign_too: bool
    confirmed_at: datetime | None

    def covers(self, symbol: str) -> bool:
        """Whether the halt stops a symbol."""
        return self.scope in (EVERYTHING, symbol)

    @property
    def asks(self) -> bool:
        """Whether the broker is to be told something."""
        return self.cancel or self.flatten or self.suspend


@dataclass(frozen=True)
class Remainder:
    """What a kill switch has not closed, and why: kind "blocker" is tried again, "left" is not this book's."""

    symbol: str
    kind: str
    text: str
    at: datetime


@dataclass(frozen=True)
class Event:
    """One line of the journal's diary: a refusal, a breach, a surprise."""

    at: datetime
    kind: str
    symbol: str
    client_order_id: str
    text: str


def stamp(time: datetime) -> str:
    """Return a UTC time as text that sorts by time."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def read_stamp(text: str) -> datetime:
    """Read `stamp` back."""
    return datetime.fromisoformat(text)


def insert(write: sqlite3.Connection, table: str, value: Any, **more: Any) -> None:
    """Write a record, and columns it does not have itself, as one row."""
    row = {field.name: _cell(getattr(value, field.name)) for field in fields(value)} | more
    names = ", ".join(row)
    write.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))


def _cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    return value


_READERS: dict[str, Any] = {
    "Decimal": Decimal,
    "datetime": read_stamp,
    "date": date.fromisoformat,
    "OrderState": OrderState,
    "HaltCause": HaltCause,
    "bool": bool,
}


def read(kind: type[Record], row: sqlite3.Row) -> Record:
    """Read a row back into its record; columns that the record does not have are left out."""
    values = {}
    for field in fields(kind):  # type: ignore[arg-type]
        value = row[field.name]
        reader = _READERS.get(str(field.type).removesuffix(" | None"))
        values[field.name] = value if value is None or reader is None else reader(value)
    return kind(**values)


def read_fill(row: sqlite3.Row) -> Fill:
    """Read one execution."""
    return Fill(
        row["execution_id"],
        row["broker_id"],
        row["symbol"],
        row["side"],
        Decimal(row["quantity"]),
        Decimal(row["price"]),
        read_stamp(row["at"]),
    )
