"""A paper account as a book of coins sees it: open around the clock, its pairs named as BTC/USD everywhere.

Alpaca names a pair BTC/USD in orders and BTCUSD in positions, has its prices at other addresses, takes no orders of a
day, and answers for the clock and the calendar of shares. All of that is said here, and nothing above knows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from alpaca.data.historical import CryptoHistoricalDataClient

from broker.alpaca import answers
from broker.alpaca.client import AlpacaPaper
from broker.alpaca.http import Http
from broker.keys import Keys
from broker.values import BrokerOrder, CalendarDay, CorporateAction, Fill, MarketClock, OrderRequest, Position


class AlpacaCoins(AlpacaPaper):
    """A client of one paper account and of the market data of coins; see `AlpacaPaper`.

    Args:
        pairs: of coins, as BTC/USD; other positions of the account keep the broker's names.
        keys, more: as `AlpacaPaper` takes them.
    """

    ASSET_CLASS = "crypto"
    BARS, LATEST = "/crypto/us/bars", "/crypto/us/latest/trades"

    def __init__(self, pairs: Iterable[str], keys: Keys, *more: Any, **named: Any) -> None:
        super().__init__(keys, *more, **named)
        self._pairs = {pair.replace("/", ""): pair for pair in pairs}
        self._plan = {}  # one feed, and nothing to adjust for
        self._data = Http(
            lambda: CryptoHistoricalDataClient(
                api_key=keys.id, secret_key=keys.secret, raw_data=True, url_override=self.data_url
            ),
            self.data_url,
            self._timeout_s,
            self._data_budget,
        )

    def clock(self) -> MarketClock:
        """Return the broker's time; coins trade at any."""
        return replace(super().clock(), is_open=True)

    def calendar(self, first: date, last: date) -> list[CalendarDay]:
        """Return no session: the broker's are those of shares."""
        return []

    def corporate_actions(self, symbols: Sequence[str], first: date, last: date) -> list[CorporateAction]:
        """Return nothing: coins have none."""
        return []

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """POST an order, see `AlpacaPaper.submit`; one of a day is good till cancelled, as coins know no day."""
        tif = "gtc" if request.time_in_force == "day" else request.time_in_force
        return super().submit(replace(request, time_in_force=tif))

    def _terms(self, adjustment: str) -> dict[str, str]:
        return {}

    def _position(self, body: Any) -> Position:
        found = answers.position(body)
        return replace(found, symbol=self._pairs.get(found.symbol, found.symbol))

    def _order(self, body: Any) -> BrokerOrder:
        found = answers.order(body)
        return replace(found, symbol=self._pairs.get(found.symbol, found.symbol))

    def _fill(self, body: Any) -> Fill:
        found = answers.fill(body)
        return replace(found, symbol=self._pairs.get(found.symbol, found.symbol))
