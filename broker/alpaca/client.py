"""Alpaca's paper API, over alpaca-py, with the SDK's traps closed.

What alpaca-py does and this client does not: wait for ever, send an order again by itself, follow the
environment's proxy and .netrc, take any host, drop what it does not know, show the secret in its errors.
Answers are parsed by `broker.alpaca.answers`. Every call raises one of `broker.errors`; after an order was sent, any
answer that is not a clear yes or no is `OutcomeUnknown`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from alpaca.trading.client import TradingClient

from broker.alpaca import answers
from broker.alpaca.answers import BadAnswer
from broker.alpaca.budget import Budget
from broker.alpaca.http import Http
from broker.alpaca.market import PAGE_SIZE, PAGES, MarketData, each_of, rfc3339
from broker.errors import OutcomeUnknown, RateLimited, Refused, Unreachable
from broker.hosts import DATA_HOST, PAPER_HOST, checked_url
from broker.keys import Keys
from broker.values import (
    Account,
    Asset,
    BrokerOrder,
    CalendarDay,
    CashFlow,
    Fill,
    MarketClock,
    OrderRequest,
    Position,
)

log = logging.getLogger(__name__)
T = TypeVar("T")
ALPACA_PER_MINUTE = 200  # requests a minute and account
ONE_BY_ONE = 10  # assets that are asked for by name
DEFINITE = (400, 403, 422)  # a POST answered so has made no order, a duplicate id apart


class AlpacaPaper(MarketData):
    """A client of one paper account, and of the market data; use it from one thread.

    Args:
        keys: of the paper account.
        url, data_url: checked hosts, see `broker.hosts`.
        timeout_s: longest wait for one answer in total, however slowly it drips.
        feed: market data plan, "iex" or "sip".
        per_minute: requests to each of the two hosts at the most; 0 for no limit.

    Raises:
        ConfigError: a URL is not the paper host or this machine; nothing has been opened then.
    """

    ASSET_CLASS = "us_equity"

    def __init__(
        self,
        keys: Keys,
        url: str = f"https://{PAPER_HOST}",
        data_url: str = f"https://{DATA_HOST}",
        timeout_s: float = 10.0,
        feed: str = "iex",
        per_minute: int = 0,
    ) -> None:
        self.url = trading = checked_url(url, PAPER_HOST, "live.url")
        self._budget = of_data = Budget(per_minute, time.monotonic)
        if checked_url(data_url, DATA_HOST, "live.data_url") != trading:
            of_data = Budget(per_minute, time.monotonic)
        super().__init__(keys, data_url, timeout_s, feed, of_data)
        more: dict[str, Any] = {"raw_data": True, "api_key": keys.id, "secret_key": keys.secret}
        self._trading = Http(
            lambda: TradingClient(url_override=trading, **more), trading, timeout_s, self._budget
        )

    def __repr__(self) -> str:
        return f"AlpacaPaper({self.url})"

    def renew(self) -> None:
        """Forget every kept connection."""
        self._trading.renew()
        super().renew()

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """Let the requests made meanwhile use what is kept of the budget for cancels and closing positions."""
        before, self._trading.urgent = self._trading.urgent, True
        try:
            yield
        finally:
            self._trading.urgent = before

    def room(self) -> int:
        """Return how many requests to the trading host the budget leaves now."""
        return self._budget.room(self._trading.urgent)

    def wait_s(self) -> float:
        """Return in how many seconds there is room for the next request."""
        return self._budget.wait_s(self._trading.urgent)

    # the account and the market

    def account(self) -> Account:
        """Return money and flags of the account."""
        return self._trading.get("/account", answers.account)

    def clock(self) -> MarketClock:
        """Return the broker's time."""
        return self._trading.get("/clock", answers.market_clock)

    def calendar(self, first: date, last: date) -> list[CalendarDay]:
        """Return the sessions from `first` to `last`."""
        days = {"start": first.isoformat(), "end": last.isoformat()}
        return self._trading.get("/calendar", each_of(answers.calendar_day), days)

    def asset(self, symbol: str) -> Asset | None:
        """Return what may be done with a symbol; None where the broker does not know it."""
        try:
            return self._trading.get(f"/assets/{quote(symbol, safe='')}", answers.asset)
        except Refused as no:
            if no.is_missing or no.status == 422:
                return None
            raise

    def assets(self, symbols: Collection[str]) -> dict[str, Asset | None]:
        """Return what may be done with each symbol; many are read from the one list of all active assets."""
        listed: dict[str, Asset] = {}
        if len(symbols) > ONE_BY_ONE:
            wanted = frozenset(symbols)
            query = {"status": "active", "asset_class": self.ASSET_CLASS}
            listed = self._trading.get("/assets", lambda body: answers.assets(body, wanted), query)
        return {symbol: listed.get(symbol) or self.asset(symbol) for symbol in symbols}

    def positions(self) -> dict[str, Position]:
        """Return all positions by symbol."""
        found = self._trading.get("/positions", each_of(self._position))
        return {position.symbol: position for position in found}

    # answers, as this kind of account names its symbols

    def _position(self, body: Any) -> Position:
        return answers.position(body)

    def _order(self, body: Any) -> BrokerOrder:
        return answers.order(body)

    def _fill(self, body: Any) -> Fill:
        return answers.fill(body)

    # orders

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """POST an order, exactly once, and return what the broker made of it.

        Raises:
            Refused: a definite no; the order does not exist (a duplicate id: see `is_duplicate_id`).
            MustHalt: the keys are refused.
            Unreachable: the rate limit; the order was not accepted, but look it up before sending it again.
            OutcomeUnknown: anything else, a timeout or an unreadable yes included.
        """
        try:
            return self._order(self._trading.call("POST", "/orders", request.body()))
        except Refused as no:
            if no.status in DEFINITE:
                raise
            problem = str(no)
        except Unreachable as busy:
            if isinstance(busy, RateLimited):
                raise
            problem = str(busy)
        except BadAnswer as strange:
            problem = str(strange)
        raise OutcomeUnknown(f"{request.client_order_id}: {problem}")

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        """Look an order up by our id; None means that the broker does not know it yet, or at all."""
        try:
            return self._trading.get(
                "/orders:by_client_order_id", self._order, {"client_order_id": client_order_id}
            )
        except Refused as no:
            if no.is_missing:
                return None
            raise

    def order(self, order_id: str) -> BrokerOrder:
        """Return one order by the broker's id, with the legs of a bracket."""
        return self._trading.get(f"/orders/{order_id}", self._order, {"nested": "true"})

    def open_orders(self) -> list[BrokerOrder]:
        """Return every open order of the account, ours or not."""
        return list(self._orders({"status": "open"}))

    def orders_since(self, moment: datetime, nested: bool = False) -> list[BrokerOrder]:
        """Return every order submitted after `moment`, whatever became of it.

        With `nested` the legs of a bracket are within it, else they are orders of the list.
        """
        query = {"status": "all", "after": rfc3339(moment), "nested": str(nested).lower()}
        return list(self._orders(query))

    def _orders(self, query: Mapping[str, str]) -> Iterator[BrokerOrder]:
        seen: set[str] = set()
        params = {"nested": "false", **query, "limit": str(PAGE_SIZE["orders"]), "direction": "asc"}
        for _ in range(PAGES):
            page = self._trading.get("/orders", each_of(self._order), params)
            fresh = [order for order in page if order.id not in seen]
            yield from fresh
            seen.update(order.id for order in fresh)
            last = max((order.submitted_at for order in fresh if order.submitted_at), default=None)
            if len(page) < PAGE_SIZE["orders"]:
                return
            if last is None:
                break
            params["after"] = rfc3339(last)
        raise Unreachable("the list of orders does not end; asking again later")

    def cancel(self, order_id: str) -> bool:
        """Ask for a cancellation; False where the order cannot be cancelled any more. Read its state after."""
        try:
            self._trading.call("DELETE", f"/orders/{order_id}")
        except Refused as no:
            if no.status in (404, 422):
                return False
            raise
        return True

    def cancel_all(self) -> None:
        """Ask for the cancellation of every open order of the account, by one request."""
        self._trading.call("DELETE", "/orders")

    def close_position(self, symbol: str) -> BrokerOrder:
        """Let the broker close a whole position; the order has an id of the broker's making."""
        try:
            return self._order(self._trading.call("DELETE", f"/positions/{quote(symbol, safe='')}"))
        except BadAnswer as strange:
            problem = str(strange)
        raise OutcomeUnknown(f"closing {symbol}: {problem}")

    def suspend(self, suspended: bool = True) -> bool:
        """Let the broker refuse (or take) all new orders; return what it says is in force."""
        body = self._trading.call("PATCH", "/account/configurations", {"suspend_trade": suspended})
        return bool(isinstance(body, dict) and body.get("suspend_trade") is True)

    def fills(self, after: datetime | None) -> list[Fill]:
        """Return executions from `after` on (all when None), oldest first; repeats are for the caller to drop."""
        params: dict[str, str] = {"page_size": str(PAGE_SIZE["fills"]), "direction": "asc"}
        if after is not None:
            params["after"] = rfc3339(after)
        found: dict[str, Fill] = {}
        for _ in range(PAGES):
            page = self._trading.get("/account/activities/FILL", each_of(self._fill), params)
            new = [fill for fill in page if fill.id not in found]
            found.update((fill.id, fill) for fill in new)
            if len(page) < PAGE_SIZE["fills"]:
                return list(found.values())
            if not new:
                break
            params["page_token"] = page[-1].id
        raise Unreachable("the list of executions does not end; asking again later")

    def cash_flows(self, after: datetime) -> list[CashFlow]:
        """Return the cash that moved without an order since `after`, oldest first: deposits, fees, dividends.

        A paper account is paid no dividends.
        """
        params = {"page_size": str(PAGE_SIZE["fills"]), "direction": "asc", "after": rfc3339(after)}
        params["category"] = "non_trade_activity"
        found: dict[str, CashFlow | None] = {}
        for _ in range(PAGES):
            page = self._trading.get("/account/activities", each_of(answers.activity), params)
            new = [name for name, _ in page if name not in found]
            found |= dict(page)
            if len(page) < PAGE_SIZE["fills"] or not new:
                return [flow for flow in found.values() if flow is not None]
            params["page_token"] = page[-1][0]
        raise Unreachable("the list of cash flows does not end; asking again later")
