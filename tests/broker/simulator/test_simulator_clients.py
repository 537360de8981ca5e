"""The matrix of foreign clients in docs/simulator.md: every call of alpaca-py, and what it meets; each is tried."""

import inspect
import re
from datetime import datetime

import pytest
from alpaca.common.rest import RESTClient
from alpaca.data import requests as asked
from alpaca.data.enums import MostActivesBy
from alpaca.data.historical import (
    CryptoHistoricalDataClient,
    NewsClient,
    OptionHistoricalDataClient,
    ScreenerClient,
    StockHistoricalDataClient,
)
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.live import CryptoDataStream, NewsDataStream, OptionDataStream, StockDataStream
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.stream import TradingStream
from test_simulator_client_calls import STOCK_CALLS, TRADING_CALLS, close
from test_simulator_coins import CALLS as COIN_CALLS
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from helpers.making import REPOSITORY

pytestmark = pytest.mark.enable_socket
PAGE = (REPOSITORY / "docs" / "simulator.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## Other programs against it") :]
ROWS = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|", SECTION, re.MULTILINE)
REST = (
    TradingClient,
    StockHistoricalDataClient,
    NewsClient,
    CorporateActionsClient,
    CryptoHistoricalDataClient,
    OptionHistoricalDataClient,
    ScreenerClient,
)
STREAMS = (TradingStream, StockDataStream, NewsDataStream, CryptoDataStream, OptionDataStream)
RIGHT = "right"
NOT_MODELLED = "501"
# Right, and tried elsewhere than in the tables of `test_simulator_client_calls`.
ELSEWHERE = {
    **{("CryptoHistoricalDataClient", name): "test_simulator_coins" for name in COIN_CALLS},
    ("TradingClient", "get_corporate_announcements"): "test_simulator_client_calls",
    ("TradingClient", "get_corporate_announcement_by_id"): "test_simulator_client_calls",
    ("NewsClient", "get_news"): "test_simulator_client_calls",
    ("CorporateActionsClient", "get_corporate_actions"): "test_simulator_corporate",
    ("TradingStream", "subscribe_trade_updates"): "test_simulator_streams",
    ("StockDataStream", "subscribe_daily_bars"): "test_simulator_streams",
    ("StockDataStream", "subscribe_trades"): "test_simulator_streams",
    ("StockDataStream", "subscribe_quotes"): "test_simulator_streams",
    ("NewsDataStream", "subscribe_news"): "test_simulator_streams",
}
COIN = {"symbol_or_symbols": "BTC/USD"}
OPTION = {"symbol_or_symbols": "AAPL261218C00100000"}
SPAN = {"timeframe": TimeFrame.Day, "start": datetime(2026, 3, 1)}
REFUSED = {
    "get_crypto_latest_orderbook": asked.CryptoLatestOrderbookRequest(**COIN),
    "get_option_bars": asked.OptionBarsRequest(**OPTION, **SPAN),
    "get_option_chain": asked.OptionChainRequest(underlying_symbol="AAPL"),
    "get_option_exchange_codes": None,
    "get_option_latest_quote": asked.OptionLatestQuoteRequest(**OPTION),
    "get_option_latest_trade": asked.OptionLatestTradeRequest(**OPTION),
    "get_option_snapshot": asked.OptionSnapshotRequest(**OPTION),
    "get_option_trades": asked.OptionTradesRequest(**OPTION),
    "get_market_movers": asked.MarketMoversRequest(),
    "get_most_actives": asked.MostActivesRequest(by=MostActivesBy.VOLUME),
}


def listed(answer):
    """The calls of the matrix with this answer, as (client, call)."""
    return {
        (client, call)
        for client, calls, said in ROWS
        if said.startswith(answer)
        for call in re.findall(r"`(\w+)`", calls)
    }


def has(client, call):
    return client.__name__, call


def all_calls():
    rest = {
        has(client, name)
        for client in REST
        for name, _ in inspect.getmembers(client, inspect.isfunction)
        if not name.startswith("_") and not hasattr(RESTClient, name)
    }
    return rest | {
        has(stream, name)
        for stream in STREAMS
        for name, _ in inspect.getmembers(stream, inspect.isfunction)
        if name.startswith("subscribe")
    }


def test_every_call_of_alpaca_py_is_in_the_matrix_and_no_other():
    found = [(client, call) for client, calls, _ in ROWS for call in re.findall(r"`(\w+)`", calls)]
    assert sorted(found) == sorted(all_calls())


def test_the_count_of_the_page_is_that_of_the_matrix():
    right, whole = re.search(r"(\d+) of (\d+) calls", SECTION).groups()
    assert (int(right), int(whole)) == (len(listed(RIGHT)), len(all_calls()))


def test_every_call_that_is_right_is_tried_by_a_test():
    names = {name.partition(" ")[0] for name in TRADING_CALLS}
    tried = {("TradingClient", "submit_order" if name == "submit" else name) for name in names}
    tried |= {("StockHistoricalDataClient", name.partition(" ")[0]) for name in STOCK_CALLS}
    assert listed(RIGHT) <= tried | set(ELSEWHERE)
    here = REPOSITORY / "tests" / "broker" / "simulator"
    missing = [
        call
        for (_, call), file in ELSEWHERE.items()
        if call not in COIN_CALLS and f".{call}(" not in (here / f"{file}.py").read_text(encoding="utf-8")
    ]
    assert missing == []


@pytest.mark.parametrize("call", REFUSED)
def test_a_call_that_is_not_modelled_says_so(call, simulator):
    (name,) = [client for client, listed_call in listed(NOT_MODELLED) if listed_call == call]
    kind = next(client for client in REST if client.__name__ == name)
    client = kind("key", "secret", url_override=simulator.url)
    try:
        with pytest.raises(Exception, match="does not model") as refused:
            getattr(client, call)(*([] if REFUSED[call] is None else [REFUSED[call]]))
        assert refused.value.status_code == 501
    finally:
        close(client)


@pytest.mark.parametrize("path", ["/v1beta3/crypto/us", "/v1beta1/options/indicative"])
def test_a_stream_that_is_not_modelled_has_no_handshake(path, simulator):
    with pytest.raises(InvalidStatus) as refused, connect(simulator.ws_url.replace("/stream", path)):
        pass
    assert refused.value.response.status_code >= 400


def test_every_call_that_is_not_modelled_is_tried_here():
    assert {call for _, call in listed(NOT_MODELLED)} == set(REFUSED)
