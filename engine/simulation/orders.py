"""Orders as plain values: what became of the past ones, what is held, and what a strategy wants now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from forewalk.errors import ForewalkError


class AbsurdOrder(ForewalkError):  # noqa: N818 - what was ordered
    """A strategy orders what nobody can mean: no number, or many times the account. The book is halted."""


@dataclass(frozen=True)
class PastFill:
    """An execution: signed quantity, price, time (UTC)."""

    quantity: float
    price: float
    at: datetime


@dataclass(frozen=True)
class PastOrder:
    """An order of an earlier bar and what became of it.

    Attributes:
        client_order_id: our name of it; "" for a change of position that no order of ours made.
        decided_at: close of the bar it was decided on; None where no decision made it.
        symbol: its symbol. quantity: signed.
        fills: its executions, in time order.
        ended_at: when it ended without being filled wholly, None while it is alive or when it was filled.
    """

    client_order_id: str
    decided_at: datetime | None
    symbol: str
    quantity: float
    fills: tuple[PastFill, ...] = ()
    ended_at: datetime | None = None


@dataclass(frozen=True)
class AccountState:
    """The account now, and how it came about.

    Attributes:
        cash: now. positions: symbol -> (signed quantity, average price) now.
        past: orders since the first bar of the replay, oldest first.
        opening: positions at the first bar of the replay.
        cash_at: cash as it was when each earlier bar was decided on.
    """

    cash: float
    positions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    past: Sequence[PastOrder] = ()
    opening: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    cash_at: Mapping[datetime, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CapturedOrder:
    """An order that the strategy made at the last bar. Prices are in the units of the bars it saw."""

    symbol: str
    side: str
    quantity: float
    kind: str
    time_in_force: str
    close: float
    reduces: bool
    reason: str
    limit_price: float | None = None
    stop_price: float | None = None
    take_profit: float | None = None
    stop_loss: float | None = None
