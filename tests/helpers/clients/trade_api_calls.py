"""alpaca-trade-api (Python, deprecated): every call of its `REST`."""

import os

from asking import addresses, ask, control, refused

URL, _, CONTROL = addresses()
os.environ["APCA_API_DATA_URL"] = URL
os.environ["APCA_RETRY_MAX"] = "0"

import alpaca_trade_api as old  # noqa: E402  it reads its address when it is imported

client = old.REST("key", "secret", base_url=URL, api_version="v2")
DAY = old.TimeFrame.Day
SPAN = {"start": "2026-02-24", "end": "2026-02-28"}
COIN, SHARE = "BTC/USD", "AAPL"


def order(**fields):
    plain = {"symbol": SHARE, "qty": 2, "side": "buy", "type": "market", "time_in_force": "day"}
    return client.submit_order(**{**plain, **fields})


def resting():
    return order(type="limit", limit_price="50", time_in_force="gtc")


ask("get_account", client.get_account, lambda a: a.status == "ACTIVE" and float(a.cash) == 100_000)
ask("get_account_configurations", client.get_account_configurations, lambda a: a.suspend_trade is False)
ask(
    "update_account_configurations",
    lambda: client.update_account_configurations(no_shorting=True),
    lambda a: a.no_shorting is True,
)
ask("get_clock", client.get_clock, lambda a: a.is_open is True)
ask("get_calendar", lambda: client.get_calendar("2026-03-02", "2026-03-06"), lambda a: len(a) == 5)
ask("list_assets", client.list_assets, lambda a: {each.symbol for each in a} == {SHARE})
ask("get_asset", lambda: client.get_asset(SHARE), lambda a: a.tradable is True)
bought = ask("submit_order", lambda: order(client_order_id="mine"), lambda a: a.symbol == SHARE)
ask("get_order", lambda: client.get_order(bought.id), lambda a: a.status == "filled")
ask(
    "get_order_by_client_order_id",
    lambda: client.get_order_by_client_order_id("mine"),
    lambda a: a.id == bought.id,
)
ask("list_orders", lambda: client.list_orders(status="all"), lambda a: [each.id for each in a] == [bought.id])
rests = resting()
ask(
    "replace_order",
    lambda: client.replace_order(rests.id, limit_price="51"),
    lambda a: float(a.limit_price) == 51,
)
last = client.list_orders()[0]
ask("cancel_order", lambda: client.cancel_order(last.id), lambda a: client.list_orders() == [])
resting()
ask("cancel_all_orders", client.cancel_all_orders, lambda a: client.list_orders() == [])
ask(
    "list_positions",
    client.list_positions,
    lambda a: [(each.symbol, each.qty) for each in a] == [(SHARE, "2")],
)
ask("get_position", lambda: client.get_position(SHARE), lambda a: a.side == "long")
ask(
    "close_position",
    lambda: client.close_position(SHARE),
    lambda a: a.side == "sell" and not client.list_positions(),
)
order()
ask("close_all_positions", client.close_all_positions, lambda a: len(a) == 1 and not client.list_positions())
ask("get_activities", lambda: client.get_activities("FILL"), lambda a: len(a) == 4)
control(CONTROL, "advance", to="close")
ask("get_portfolio_history", lambda: client.get_portfolio_history(period="1W"), lambda a: a.equity[-1] > 0)
ask(
    "get_bars",
    lambda: client.get_bars(SHARE, DAY, **SPAN),
    lambda a: a.df["close"].is_monotonic_increasing and len(a),
)
ask(
    "get_bars_iter",
    lambda: list(client.get_bars_iter(SHARE, DAY, **SPAN)),
    lambda a: all(b.h > b.l for b in a) and a,
)
ask("get_trades", lambda: client.get_trades(SHARE, **SPAN, limit=5), lambda a: len(a) == 5 and a[0].p > 90)
ask("get_trades_iter", lambda: list(client.get_trades_iter(SHARE, **SPAN, limit=5)), lambda a: len(a) == 5)
ask(
    "get_quotes",
    lambda: client.get_quotes(SHARE, **SPAN, limit=5),
    lambda a: len(a) == 5 and a[0].ap >= a[0].bp,
)
ask("get_quotes_iter", lambda: list(client.get_quotes_iter(SHARE, **SPAN, limit=5)), lambda a: len(a) == 5)
ask("get_latest_bar", lambda: client.get_latest_bar(SHARE), lambda a: a.c > 90)
ask("get_latest_bars", lambda: client.get_latest_bars([SHARE]), lambda a: a[SHARE].c > 90)
ask("get_latest_trade", lambda: client.get_latest_trade(SHARE), lambda a: a.p > 90)
ask("get_latest_trades", lambda: client.get_latest_trades([SHARE]), lambda a: a[SHARE].p > 90)
ask("get_latest_quote", lambda: client.get_latest_quote(SHARE), lambda a: a.ap >= a.bp)
ask("get_latest_quotes", lambda: client.get_latest_quotes([SHARE]), lambda a: a[SHARE].ap >= a[SHARE].bp)
ask("get_snapshot", lambda: client.get_snapshot(SHARE), lambda a: a.latest_trade.p > 90)
ask("get_snapshots", lambda: client.get_snapshots([SHARE]), lambda a: a[SHARE].daily_bar.c > 90)
ask("get_crypto_bars", lambda: client.get_crypto_bars(COIN, DAY, **SPAN), lambda a: len(a) == 5)
ask(
    "get_crypto_bars_iter",
    lambda: list(client.get_crypto_bars_iter(COIN, DAY, **SPAN)),
    lambda a: a and a[0].c > 90,
)
ask("get_crypto_trades", lambda: client.get_crypto_trades(COIN, **SPAN, limit=5), lambda a: len(a) == 5)
ask(
    "get_crypto_trades_iter",
    lambda: list(client.get_crypto_trades_iter(COIN, **SPAN, limit=5)),
    lambda a: len(a) == 5,
)
ask("get_crypto_quotes", lambda: client.get_crypto_quotes(COIN, **SPAN, limit=5), lambda a: len(a) == 5)
ask(
    "get_crypto_quotes_iter",
    lambda: list(client.get_crypto_quotes_iter(COIN, **SPAN, limit=5)),
    lambda a: len(a) == 5,
)
ask("get_latest_crypto_bars", lambda: client.get_latest_crypto_bars([COIN]), lambda a: a[COIN].c > 90)
ask("get_latest_crypto_trades", lambda: client.get_latest_crypto_trades([COIN]), lambda a: a[COIN].p > 90)
ask(
    "get_latest_crypto_quotes",
    lambda: client.get_latest_crypto_quotes([COIN]),
    lambda a: a[COIN].ap >= a[COIN].bp,
)
ask("get_crypto_snapshot", lambda: client.get_crypto_snapshot(COIN), lambda a: a[COIN].latest_trade.p > 90)
ask(
    "get_crypto_snapshots", lambda: client.get_crypto_snapshots([COIN]), lambda a: a[COIN].latest_trade.p > 90
)
refused("get_latest_crypto_orderbook", lambda: client.get_latest_crypto_orderbook(COIN), "does not model")
refused("get_latest_crypto_orderbooks", lambda: client.get_latest_crypto_orderbooks([COIN]), "does not model")
control(
    CONTROL, "news", articles=[{"headline": "up", "symbols": [SHARE], "created_at": "2026-02-25T12:00:00Z"}]
)
ask("get_news", lambda: client.get_news(SHARE), lambda a: a[0].headline == "up")
ask("get_news_iter", lambda: list(client.get_news_iter(SHARE)), lambda a: len(a) == 1)
made = ask("create_watchlist", lambda: client.create_watchlist("few", [SHARE]), lambda a: a.name == "few")
ask("get_watchlists", client.get_watchlists, lambda a: [each.name for each in a] == ["few"])
ask("get_watchlist", lambda: client.get_watchlist(made.id), lambda a: len(a.assets) == 1)
ask("get_watchlist_by_name", lambda: client.get_watchlist_by_name("few"), lambda a: a.id == made.id)
ask("add_to_watchlist", lambda: client.add_to_watchlist(made.id, COIN), lambda a: len(a.assets) == 2)
ask("delete_from_watchlist", lambda: client.delete_from_watchlist(made.id, COIN), lambda a: True)
ask("update_watchlist", lambda: client.update_watchlist(made.id, name="fewer"), lambda a: a.name == "fewer")
ask("delete_watchlist", lambda: client.delete_watchlist(made.id), lambda a: client.get_watchlists() == [])
