"""ccxt: its unified calls for the exchange `alpaca`, which are about coins."""

import ccxt
from asking import addresses, ask, refused

URL, _, _ = addresses()
COIN = "BTC/USD"
client = ccxt.alpaca({"apiKey": "key", "secret": "secret", "enableRateLimit": False})
client.urls["api"] = {"trader": URL, "market": URL, "broker": URL}


def resting():
    return client.create_order(COIN, "limit", "buy", 1, 50)


ask("fetchTime", client.fetch_time, lambda a: a == client.parse8601("2026-03-02T15:00:00Z"))
ask(
    "fetchMarkets",
    client.load_markets,
    lambda a: a[COIN]["active"] and a[COIN]["precision"]["amount"] == 1e-9,
)
ask("fetchTicker", lambda: client.fetch_ticker(COIN), lambda a: a["last"] > 90)
ask("fetchTickers", lambda: client.fetch_tickers([COIN]), lambda a: a[COIN]["last"] > 90)
since = client.parse8601("2026-02-24T00:00:00Z")
ask(
    "fetchOHLCV",
    lambda: client.fetch_ohlcv(COIN, "1d", since, 3),
    lambda a: len(a) == 3 and a[1][4] == a[0][4] + 1,
)
ask("fetchTrades", lambda: client.fetch_trades(COIN, since, 5), lambda a: len(a) == 5 and a[0]["price"] > 90)
refused("fetchOrderBook", lambda: client.fetch_order_book(COIN), "does not model")
bought = ask(
    "createOrder", lambda: client.create_order(COIN, "market", "buy", 1.5), lambda a: a["symbol"] == COIN
)
ask(
    "fetchOrder",
    lambda: client.fetch_order(bought["id"]),
    lambda a: (a["status"], a["filled"]) == ("closed", 1.5),
)
ask(
    "createMarketBuyOrderWithCost",
    lambda: client.create_market_buy_order_with_cost(COIN, 50),
    lambda a: client.fetch_order(a["id"])["status"] == "closed",
)
ask(
    "createMarketSellOrderWithCost",
    lambda: client.create_market_sell_order_with_cost(COIN, 20),
    lambda a: client.fetch_order(a["id"])["status"] == "closed",
)
ask(
    "createTriggerOrder",
    lambda: client.create_order(COIN, "limit", "buy", 1, 200, {"triggerPrice": 190}),
    lambda a: a["triggerPrice"] == 190,
)
client.cancel_all_orders()
rests = resting()
ask(
    "editOrder",
    lambda: client.edit_order(rests["id"], COIN, "limit", "buy", 1, 51),
    lambda a: a["price"] == 51,
)
ask(
    "fetchOpenOrders", lambda: client.fetch_open_orders(COIN), lambda a: [each["price"] for each in a] == [51]
)
last = client.fetch_open_orders(COIN)[-1]
ask("cancelOrder", lambda: client.cancel_order(last["id"]), lambda a: client.fetch_open_orders(COIN) == [])
resting()
ask("cancelAllOrders", client.cancel_all_orders, lambda a: client.fetch_open_orders(COIN) == [])
ask("fetchOrders", lambda: client.fetch_orders(COIN), lambda a: len(a) == 7)
ask("fetchClosedOrders", lambda: client.fetch_closed_orders(COIN), lambda a: len(a) == 7)
ask(
    "fetchMyTrades",
    lambda: client.fetch_my_trades(COIN),
    lambda a: [each["side"] for each in a].count("sell") == 1,
)
ask(
    "fetchBalance",
    client.fetch_balance,
    lambda a: 1.5 < a["BTC"]["total"] < 2 and 99_000 < a["USD"]["free"] < 100_000,
)
refused("fetchDepositAddress", lambda: client.fetch_deposit_address("BTC"), "does not model")
refused("fetchDepositsWithdrawals", client.fetch_deposits_withdrawals, "does not model")
refused("fetchDeposits", client.fetch_deposits, "does not model")
refused("fetchWithdrawals", client.fetch_withdrawals, "does not model")
refused("withdraw", lambda: client.withdraw("BTC", 0.1, "address"), "does not model")
