"""What the paper book answers.

Written by `make docs` from the OpenAPI document of the server; do not edit.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class AccountPlace(TypedDict):
    """Where the account is: growth of one unit of money since the first decision, deposits taken out."""

    decisions: int
    account: float
    held: float
    expected: dict[str, float] | None
    inside: int | None


class HaltInForce(TypedDict):
    """A stop of a symbol, or of everything where that is null; `confirmed` is whether the broker has done it."""

    symbol: str | None
    reason: str
    since: str
    flatten: bool
    confirmed: bool


class LiveDrift(TypedDict):
    """Whether the book still does what its backtest did."""

    asof: str | None
    readings: list[WatchReading]
    silent: str
    account: AccountPlace | None
    no_band: str


class LiveStatus(TypedDict):
    """What the book is at."""

    book: str
    running: bool
    decided: str | None
    equity: float | None
    equity_at: str | None
    positions: dict[str, str]
    unfinished: int
    waiting: int
    halts: list[HaltInForce]
    lines: list[str]


class Order(TypedDict):
    """An order of the book; `nonce` binds an approval to the order as it is shown here, null where none waits."""

    client_order_id: str
    symbol: str
    side: str
    quantity: str
    kind: str
    state: str
    filled: str
    average_price: str | None
    decided_price: str
    send_from: str
    valid_until: str
    reason: str
    nonce: str | None


class Practice(TypedDict):
    """What a practice book is at."""

    running: bool
    phase: str
    day: int
    days: int
    problem: NotRequired[str]


class Said(TypedDict):
    """What came of it, in words."""

    lines: list[str]


class WatchReading(TypedDict):
    """One watch: `level` is its sum over its limit, null where it cannot be read and `detail` says why."""

    watch: str
    sessions: int
    level: float | None
    since: str | None
    detail: str
    alarm: str | None
