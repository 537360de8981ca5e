"""What reconciliation and sending need from a broker; `AlpacaPaper` is one, tests have others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from broker.values import Account, Asset, BrokerOrder, Fill, MarketClock, OrderRequest, Position, RawPrice

Notify = Callable[[str, str, str], None]  # (kind, symbol, text)


class Broker(Protocol):
    """One paper account. Every method raises only `broker.errors`; see `AlpacaPaper` for what each does."""

    def account(self) -> Account:
        """Return money and flags."""
        ...

    def clock(self) -> MarketClock:
        """Return the broker's time."""
        ...

    def asset(self, symbol: str) -> Asset | None:
        """Return what may be done with a symbol."""
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

    def orders_since(self, moment: datetime) -> list[BrokerOrder]:
        """Return every order submitted after `moment`."""
        ...

    def cancel(self, order_id: str) -> bool:
        """Ask for a cancellation."""
        ...

    def suspend(self, suspended: bool = True) -> bool:
        """Let the broker refuse new orders."""
        ...

    def fills(self, after: datetime | None) -> list[Fill]:
        """Return executions."""
        ...

    def last_prices(self, symbols: Iterable[str]) -> dict[str, RawPrice]:
        """Return the last raw trades."""
        ...
