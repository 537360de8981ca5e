"""Alpaca's market data: bars, last trades and corporate actions; and what all lists of Alpaca's have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from alpaca.data.historical import NewsClient, StockHistoricalDataClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient

from broker.alpaca import answers, corporate
from broker.alpaca.answers import BadAnswer
from broker.alpaca.budget import Budget
from broker.alpaca.http import Http
from broker.errors import Unreachable
from broker.hosts import DATA_HOST, checked_url
from broker.keys import Keys
from broker.values import CorporateAction, RawPrice
from forewalk.errors import DataError

log = logging.getLogger(__name__)
T = TypeVar("T")
PAGES = 500  # more than any history this program asks for
NEWS_PAGES = 20_000  # a million articles
PAGE_SIZE = {"orders": 500, "fills": 100, "bars": 10_000, "actions": 1000, "news": 50}
TIMEFRAMES = {"1d": "1Day", "1h": "1Hour", "30min": "30Min", "15min": "15Min", "5min": "5Min", "1min": "1Min"}


class MarketData:
    """A client of Alpaca's market data host, for shares; use it from one thread.

    Args:
        keys: of the paper account.
        data_url: a checked host, see `broker.hosts`.
        timeout_s: longest wait for one answer in total, however slowly it drips.
        feed: market data plan, "iex" or "sip".
        budget: of requests.
    """

    BARS, LATEST = "/stocks/bars", "/stocks/trades/latest"

    def __init__(self, keys: Keys, data_url: str, timeout_s: float, feed: str, budget: Budget) -> None:
        self.data_url = data = checked_url(data_url, DATA_HOST, "live.data_url")
        more: dict[str, Any] = {"raw_data": True, "api_key": keys.id, "secret_key": keys.secret}
        self._plan = {"feed": feed}
        self._timeout_s, self._data_budget = timeout_s, budget
        self._data = Http(
            lambda: StockHistoricalDataClient(url_override=data, **more), data, timeout_s, budget
        )
        self._announced = Http(
            lambda: CorporateActionsClient(url_override=data, **more), data, timeout_s, budget
        )
        self._news = Http(lambda: NewsClient(url_override=data, **more), data, timeout_s, budget)

    def renew(self) -> None:
        """Forget every kept connection."""
        self._data.renew()
        self._announced.renew()
        self._news.renew()

    def corporate_actions(self, symbols: Sequence[str], first: date, last: date) -> list[CorporateAction]:
        """Return what is announced for the symbols with a process date from `first` to `last`."""
        query = {"symbols": ",".join(symbols), "start": first.isoformat(), "end": last.isoformat()}
        params = {**query, "limit": str(PAGE_SIZE["actions"])}
        found: dict[str, CorporateAction] = {}
        for _ in range(PAGES):
            page, token = self._announced.get(
                "/corporate-actions",
                lambda body: (corporate.corporate_actions(body, symbols), body.get("next_page_token")),
                params,
            )
            found.update((action.id, action) for action in page)
            if not token:
                return list(found.values())
            if token == params.get("page_token"):
                break
            params["page_token"] = str(token)
        raise Unreachable("the list of corporate actions does not end; asking again later")

    def last_prices(self, symbols: Iterable[str]) -> dict[str, RawPrice]:
        """Return the last trade of each symbol, never adjusted; a symbol without one is left out."""
        body = self._data.call("GET", self.LATEST, {"symbols": ",".join(symbols), **self._plan})
        trades = body.get("trades") if isinstance(body, dict) else None
        if not isinstance(trades, dict):
            raise Unreachable("the last trades cannot be read")
        prices = {}
        for symbol, trade in trades.items():
            try:
                prices[symbol] = RawPrice(answers.number(trade, "p"))
            except (ValueError, AttributeError) as problem:
                log.warning("no usable last trade of %s: %s", symbol, problem)
        return prices

    def bars(
        self,
        symbols: Sequence[str],
        interval: str,
        first: datetime,
        last: datetime,
        adjustment: str,
        each: Callable[[Callable[[], Any]], Any] = lambda request: request(),
    ) -> dict[str, list[dict[str, Any]]]:
        """Return raw bar objects (`t`, `o`, `h`, `l`, `c`, `v`) by symbol, complete or not at all.

        `each` makes the request of one page; it may wait before, and ask again.

        Raises:
            DataError: a page repeats or the pages do not end: a short history is never passed on as a whole one.
        """
        params: dict[str, Any] = {
            "symbols": ",".join(symbols),
            "timeframe": TIMEFRAMES[interval],
            "start": rfc3339(first),
            "end": rfc3339(last),
            **self._terms(adjustment),
            "limit": PAGE_SIZE["bars"],
            "sort": "asc",
        }
        bars: dict[str, list[dict[str, Any]]] = {symbol: [] for symbol in symbols}
        tokens: set[str] = set()
        for _ in range(PAGES):
            body = each(lambda: self._data.call("GET", self.BARS, params))
            if not isinstance(body, dict):
                raise Unreachable("the bars cannot be read")
            for symbol, page in (body.get("bars") or {}).items():
                bars.setdefault(symbol, []).extend(page or [])
            token = body.get("next_page_token")
            if not token:
                return bars
            if token in tokens:
                raise DataError("the bars' pages repeat themselves; nothing is decided on a part of them")
            tokens.add(token)
            params["page_token"] = token
        raise DataError(f"the bars do not end after {PAGES} pages; ask for fewer symbols or a shorter span")

    def _terms(self, adjustment: str) -> dict[str, str]:
        """Return what else a request for bars says."""
        return {"adjustment": adjustment, **self._plan}

    def news(
        self,
        symbols: Sequence[str],
        first: datetime,
        last: datetime,
        each: Callable[[Callable[[], Any]], Any] = lambda request: request(),
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield pages of articles about the symbols, oldest first, as Alpaca words them today.

        `each` makes the request of one page; it may wait before, and ask again.

        Raises:
            DataError: a page repeats or the pages do not end.
        """
        params: dict[str, Any] = {
            "symbols": ",".join(symbols),
            "start": rfc3339(first),
            "end": rfc3339(last),
            "limit": PAGE_SIZE["news"],
            "sort": "asc",
        }
        tokens: set[str] = set()
        for _ in range(NEWS_PAGES):
            body = each(lambda: self._news.call("GET", "/news", params))
            if not isinstance(body, dict) or not isinstance(body.get("news"), list):
                raise Unreachable("the news cannot be read")
            yield [article for article in body["news"] if isinstance(article, dict)]
            token = body.get("next_page_token")
            if not token:
                return
            if token in tokens:
                raise DataError("the pages of news repeat themselves; what came before is kept")
            tokens.add(token)
            params["page_token"] = token
        raise DataError(f"the news do not end after {NEWS_PAGES} pages; ask for a shorter span")


def each_of(parse: Callable[[Any], T]) -> Callable[[Any], list[T]]:
    """Return a parser of lists; what is no list is BadAnswer."""

    def read(body: Any) -> list[T]:
        if not isinstance(body, list):
            raise BadAnswer(f"expected a list, not {type(body).__name__}")
        return [parse(item) for item in body]

    return read


def rfc3339(moment: datetime) -> str:
    """Write a time as Alpaca reads it, in UTC."""
    if moment.tzinfo is None:
        raise ValueError("a time without zone is sent nowhere")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
