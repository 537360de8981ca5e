"""What reconciliation and sending need from a broker; `AlpacaPaper` is one, tests have others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from broker.values import (
    Account,
    Asset,
    BrokerOrder,
    CashFlow,
    Fill,
    MarketClock,
    OrderRequest,
    Position,
    RawPrice,
)

Notify = Callable[[str, str, str], None]  # (kind, symbol, text)


class Broker(Protocol):
    """One paper account. Every method raises only `broker.errors`; see `AlpacaPaper` for what each does."""

    def account(self) -> Account:
        """Return money and flags."""
        ...

    def clock(self) -> MarketClock:
        """Return the broker's time."""
        ...

    def assets(self, symbols: Collection[str]) -> dict[str, Asset | None]:
        """Return what may be done with each symbol, None where the broker does not know it."""
        ...

    def positions(self) -> dict[str, Position]:
        """Return all positions."""
        ...

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """POST an order once."""
        ...

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        """Look an order up by our id."""
        ...

    def order(self, order_id: str) -> BrokerOrder:
        """Return an order by the broker's id."""
        ...

    def open_orders(self) -> list[BrokerOrder]:
        """Return every open order."""
        ...

    def orders_since(self, moment: datetime, nested: bool = False) -> list[BrokerOrder]:
        """Return every order submitted after `moment`; nested, the legs of a bracket are within it."""
        ...

    def cancel(self, order_id: str) -> bool:
        """Ask for a cancellation."""
        ...

    def cancel_all(self) -> None:
        """Ask for the cancellation of every open order of the account."""
        ...

    def close_position(self, symbol: str) -> BrokerOrder:
        """Let the broker close a whole position with an order of its own."""
        ...

    def urgent(self) -> AbstractContextManager[None]:
        """Let the requests made meanwhile use what is kept of the request budget for cancels and closing."""
        ...

    def room(self) -> int:
        """Return how many ordinary requests may be made now."""
        ...

    def wait_s(self) -> float:
        """Return in how many seconds there is room for the next one."""
        ...

    def suspend(self, suspended: bool = True) -> bool:
        """Let the broker refuse new orders."""
        ...

    def fills(self, after: datetime | None) -> list[Fill]:
        """Return executions."""
        ...

    def cash_flows(self, after: datetime) -> list[CashFlow]:
        """Return the cash that moved without an order."""
        ...

    def last_prices(self, symbols: Iterable[str]) -> dict[str, RawPrice]:
        """Return the last raw trades."""
        ...
