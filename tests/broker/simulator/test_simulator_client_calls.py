"""Every call that alpaca-py's clients make, unmodified, against the simulator: one line each."""

import json
from datetime import UTC, date, datetime

import pytest
from alpaca.data.enums import Adjustment
from alpaca.data.historical import NewsClient, StockHistoricalDataClient
from alpaca.data.requests import (
    NewsRequest,
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.requests import (
    ClosePositionRequest,
    CreateWatchlistRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetCorporateAnnouncementsRequest,
    GetOptionContractsRequest,
    GetOrdersRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
    UpdateWatchlistRequest,
)

pytestmark = pytest.mark.enable_socket
CREDENTIALS = ("key", "secret")


def order(kind, symbol="AAPL", **fields):
    return kind(**{"symbol": symbol, "qty": 2, "side": "buy", "time_in_force": "day", **fields})


def market(**fields):
    return order(MarketOrderRequest, **fields)


def resting(**fields):
    return order(LimitOrderRequest, **{"limit_price": 50, "time_in_force": "gtc", **fields})


def close(client):
    """End the connections of a client of alpaca-py, which has no method for it."""
    client._session.close()


@pytest.fixture(scope="module")
def clients(simulator):
    url = simulator.url
    made = {
        "trading": TradingClient(*CREDENTIALS, url_override=url),
        "stock": StockHistoricalDataClient(*CREDENTIALS, url_override=url),
        "news": NewsClient(*CREDENTIALS, url_override=url),
    }
    yield made
    for client in made.values():
        close(client)


@pytest.fixture
def trading(simulator, clients):
    """A fresh account at 10:00 on the third session, holding 5 MSFT."""
    simulator.control.restore()
    simulator.control.advance(to="2026-03-04T10:00:00-05:00")
    client = clients["trading"]
    client.submit_order(market(symbol="MSFT", qty=5, client_order_id="entry"))
    return client


def replaced(client):
    return client.replace_order_by_id(
        client.submit_order(resting()).id, ReplaceOrderRequest(qty=3, limit_price=51)
    )


def cancelled(client):
    sent = client.submit_order(resting())
    client.cancel_order_by_id(sent.id)
    return client.get_order_by_id(sent.id)


def close_all_around_an_order(client):
    client.submit_order(resting())
    return client.close_all_positions(cancel_orders=True)


def watched(client):
    return client.create_watchlist(CreateWatchlistRequest(name="mine", symbols=["AAPL"]))


def unwatched(client):
    client.delete_watchlist_by_id(watched(client).id)
    return client.get_watchlists()


def suspended(client):
    settings = client.get_account_configurations()
    settings.suspend_trade = True
    return client.set_account_configurations(settings)


TRADING_CALLS = {
    "get_account": (lambda c: c.get_account(), lambda a: a.status == "ACTIVE" and a.multiplier == "4"),
    "get_account_configurations": (lambda c: c.get_account_configurations(), lambda s: not s.suspend_trade),
    "set_account_configurations": (suspended, lambda s: s.suspend_trade),
    "get_clock": (lambda c: c.get_clock(), lambda k: k.is_open and k.next_close.hour == 16),
    "get_calendar": (
        lambda c: c.get_calendar(GetCalendarRequest(start=date(2026, 11, 26), end=date(2026, 11, 27))),
        lambda days: [(day.date, day.close.hour) for day in days] == [(date(2026, 11, 27), 13)],
    ),
    "get_all_assets": (lambda c: c.get_all_assets(GetAssetsRequest()), lambda found: len(found) == 2),
    "get_asset": (lambda c: c.get_asset("AAPL"), lambda a: a.symbol == "AAPL" and a.fractionable),
    "submit market": (lambda c: c.submit_order(market()), lambda o: o.status == "pending_new"),
    "submit notional": (
        lambda c: c.submit_order(market(qty=None, notional=50)),
        lambda o: o.notional == "50",
    ),
    "submit limit": (lambda c: c.submit_order(resting()), lambda o: o.limit_price == "50"),
    "submit stop": (
        lambda c: c.submit_order(order(StopOrderRequest, stop_price=150)),
        lambda o: o.stop_price == "150",
    ),
    "submit stop limit": (
        lambda c: c.submit_order(order(StopLimitOrderRequest, stop_price=150, limit_price=151)),
        lambda o: o.order_type == "stop_limit",
    ),
    "submit trailing stop": (
        lambda c: c.submit_order(order(TrailingStopOrderRequest, trail_percent=1.5)),
        lambda o: o.trail_percent == "1.5",
    ),
    "submit bracket": (
        lambda c: c.submit_order(
            market(
                order_class="bracket",
                take_profit=TakeProfitRequest(limit_price=150),
                stop_loss=StopLossRequest(stop_price=50),
            )
        ),
        lambda o: [leg.status for leg in o.legs] == ["held", "held"],
    ),
    "get_orders": (lambda c: c.get_orders(GetOrdersRequest(status="all")), lambda found: len(found) == 1),
    "get_order_by_id": (
        lambda c: c.get_order_by_id(c.get_orders(GetOrdersRequest(status="closed"))[0].id),
        lambda o: o.client_order_id == "entry",
    ),
    "get_order_by_client_id": (lambda c: c.get_order_by_client_id("entry"), lambda o: o.filled_qty == "5"),
    "replace_order_by_id": (replaced, lambda o: (o.qty, o.limit_price) == ("3", "51") and o.replaces),
    "cancel_order_by_id": (cancelled, lambda o: o.status == "canceled" and o.canceled_at),
    "cancel_orders": (
        lambda c: (c.submit_order(resting()), c.cancel_orders())[1],
        lambda answers: [answer.status for answer in answers] == [200],
    ),
    "get_all_positions": (lambda c: c.get_all_positions(), lambda found: [p.qty for p in found] == ["5"]),
    "get_open_position": (lambda c: c.get_open_position("MSFT"), lambda p: p.side == "long"),
    "close_position": (
        lambda c: c.close_position("MSFT", ClosePositionRequest(percentage="40")),
        lambda o: (o.side, o.qty) == ("sell", "2"),
    ),
    "close_all_positions": (
        close_all_around_an_order,
        lambda answers: [(a.symbol, a.status, a.body.qty) for a in answers] == [("MSFT", 200, "5")],
    ),
    "get_portfolio_history": (
        lambda c: c.get_portfolio_history(GetPortfolioHistoryRequest(period="1W", timeframe="1D")),
        lambda h: len(h.equity) == 3 and h.base_value == 100_000,
    ),
    "get_watchlists": (lambda c: (watched(c), c.get_watchlists())[1], lambda found: found[0].name == "mine"),
    "get_watchlist_by_id": (
        lambda c: c.get_watchlist_by_id(watched(c).id),
        lambda w: [asset.symbol for asset in w.assets] == ["AAPL"],
    ),
    "create_watchlist": (watched, lambda w: w.name == "mine"),
    "update_watchlist_by_id": (
        lambda c: c.update_watchlist_by_id(watched(c).id, UpdateWatchlistRequest(name="ours")),
        lambda w: w.name == "ours",
    ),
    "add_asset_to_watchlist_by_id": (
        lambda c: c.add_asset_to_watchlist_by_id(watched(c).id, "MSFT"),
        lambda w: len(w.assets) == 2,
    ),
    "remove_asset_from_watchlist_by_id": (
        lambda c: c.remove_asset_from_watchlist_by_id(watched(c).id, "AAPL"),
        lambda w: w.assets == [],
    ),
    "delete_watchlist_by_id": (unwatched, lambda found: found == []),
    "get_option_contracts": (
        lambda c: c.get_option_contracts(GetOptionContractsRequest(underlying_symbols=["AAPL"])),
        lambda found: found.option_contracts == [],
    ),
    "activities (client.get)": (
        lambda c: c.get("/account/activities/FILL"),
        lambda found: [item["qty"] for item in found] == ["5"],
    ),
}


@pytest.mark.parametrize("name", TRADING_CALLS)
def test_trading_client(name, trading):
    call, expected = TRADING_CALLS[name]
    answer = call(trading)
    assert expected(answer), answer


def test_trading_client_corporate_announcements(simulator, trading):
    simulator.control.split(symbol="AAPL", new=4)
    asked = GetCorporateAnnouncementsRequest(ca_types=["split"], since="2026-03-01", until="2026-03-31")
    with pytest.warns(DeprecationWarning, match="get_corporate_announcements"):
        found = trading.get_corporate_announcements(asked)
    assert [(item.ex_date, item.new_rate) for item in found] == [(date(2026, 3, 5), 4)]
    assert trading.get_corporate_announcement_by_id(found[0].id).initiating_symbol == "AAPL"


@pytest.mark.parametrize("call", ["get_option_contract", "exercise_options_position"])
def test_trading_client_options_do_not_exist(call, trading):
    with pytest.raises(Exception, match=r"not found|no available position"):
        getattr(trading, call)("AAPL261218C00100000")


SINCE = datetime(2026, 3, 1)
BOTH = ["AAPL", "MSFT"]
STOCK_CALLS = {
    "get_stock_bars": (
        lambda c: c.get_stock_bars(
            StockBarsRequest(symbol_or_symbols=BOTH, timeframe=TimeFrame.Day, start=SINCE)
        ),
        lambda s: [bar.open for bar in s.data["MSFT"]] == [100, 101],
    ),
    "get_stock_bars adjusted": (
        lambda c: c.get_stock_bars(
            StockBarsRequest(
                symbol_or_symbols="AAPL", timeframe=TimeFrame.Day, start=SINCE, adjustment=Adjustment.ALL
            )
        ),
        lambda s: len(s.data["AAPL"]) == 2,
    ),
    "get_stock_trades": (
        lambda c: c.get_stock_trades(StockTradesRequest(symbol_or_symbols="AAPL", start=SINCE)),
        lambda s: [trade.price for trade in s.data["AAPL"]][:4] == [100, 98, 104, 102],
    ),
    "get_stock_quotes": (
        lambda c: c.get_stock_quotes(StockQuotesRequest(symbol_or_symbols="AAPL", start=SINCE)),
        lambda s: all(quote.ask_price > quote.bid_price for quote in s.data["AAPL"]),
    ),
    "get_stock_latest_bar": (
        lambda c: c.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="AAPL")),
        lambda found: found["AAPL"].timestamp == datetime(2026, 3, 4, 14, 59, tzinfo=UTC),
    ),
    "get_stock_latest_trade": (
        lambda c: c.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=BOTH)),
        lambda found: 98 < found["MSFT"].price < 106,
    ),
    "get_stock_latest_quote": (
        lambda c: c.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=BOTH)),
        lambda found: set(found) == set(BOTH),
    ),
    "get_stock_snapshot": (
        lambda c: c.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=BOTH)),
        lambda found: (found["AAPL"].previous_daily_bar.close, found["AAPL"].daily_bar.close) == (102, 103),
    ),
}


@pytest.mark.parametrize("name", STOCK_CALLS)
def test_stock_data_client(name, trading, clients):
    call, expected = STOCK_CALLS[name]
    answer = call(clients["stock"])
    assert expected(answer), answer


def test_news_client_reads_every_page_newest_first(simulator, trading, clients):
    simulator.control.news(articles=[{"headline": f"<b>{n}</b>", "symbols": ["AAPL"]} for n in range(120)])
    asked = NewsRequest(symbols="AAPL", include_content=True)
    headlines = [item.headline for item in clients["news"].get_news(asked).data["news"]]
    assert headlines == [f"<b>{n}</b>" for n in reversed(range(120))]


def test_a_client_id_of_any_letters_is_found_again(trading):
    name = "s/1:KO?&=#x é"
    trading.submit_order(market(client_order_id=name))
    assert trading.get_order_by_client_id(name).client_order_id == name


def test_pages_of_bars_join_to_the_whole_history(simulator, trading, clients):
    stock = clients["stock"]
    simulator.control.advance(to="close")
    query = {"symbols": "MSFT,AAPL", "timeframe": "1Day", "start": "2026-03-01", "limit": "2"}
    rows, sizes = [], []
    while True:
        page = stock.get("/stocks/bars", query)
        found = [(symbol, bar["o"]) for symbol, bars in page["bars"].items() for bar in bars]
        rows += found
        sizes.append(len(found))
        if page["next_page_token"] is None:
            break
        query["page_token"] = page["next_page_token"]
    assert sizes == [2, 2, 2]
    assert rows == [(symbol, price) for symbol in BOTH for price in (100, 101, 102)]


def test_no_secret_of_the_client_is_in_the_log(simulator, trading):
    assert "secret" not in json.dumps(simulator.control.log())
