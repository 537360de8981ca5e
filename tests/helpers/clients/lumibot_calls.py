"""Lumibot: what its Alpaca broker and data source ask of an account, over three sessions."""

import contextlib
import datetime
import logging
import os
import sys
import tempfile

from asking import addresses, ask, control

URL, _, CONTROL = addresses()
os.environ.update(IS_BACKTESTING="false")
os.chdir(tempfile.mkdtemp())  # it writes logs where it stands

with contextlib.redirect_stdout(sys.stderr):  # and says things that are no answers
    from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
    from alpaca.trading.client import TradingClient
    from lumibot.brokers import Alpaca
    from lumibot.data_sources import AlpacaData
    from lumibot.entities import Asset, Order

logging.disable(logging.CRITICAL)
PAIR = ("key", "secret")
CONFIG = {
    "API_KEY": "key",
    "API_SECRET": "secret",
    "PAPER": True,
    "TRADING_CLIENT": TradingClient(*PAIR, paper=True, url_override=URL),
    "STOCK_CLIENT": StockHistoricalDataClient(*PAIR, url_override=URL),
    "CRYPTO_CLIENT": CryptoHistoricalDataClient(*PAIR, url_override=URL),
}
prices = AlpacaData(CONFIG)
broker = Alpaca(CONFIG, data_source=prices, connect_stream=False, start_orders_thread=False)
SHARE, DOLLAR = Asset("AAPL"), Asset("USD", asset_type=Asset.AssetType.FOREX)
COIN = Asset("BTC", asset_type=Asset.AssetType.CRYPTO)


def order(side="buy", asset=SHARE, quantity=2, **fields):
    return broker.submit_order(Order("tried", asset, quantity, side, quote=DOLLAR, **fields))


def state(made):
    return broker.api.get_order_by_id(made.identifier).status.value


def rests(made):
    return state(made) == "new"


def open_ones():
    return [one for one in broker.api.get_orders() if one.status.value in ("new", "accepted")]


def held():
    broker.sync_positions(None)
    return {each.asset.symbol: float(each.quantity) for each in broker.get_tracked_positions()}


ask("get_timestamp", broker.get_timestamp, lambda a: a > 1.7e9)
ask("get_time_to_close", broker.get_time_to_close, lambda a: a == 6 * 3600)
ask("get_time_to_open", broker.get_time_to_open, lambda a: a == 23.5 * 3600)
ask("submit_order market", order, lambda a: state(a) == "filled")
ask("sync_positions", held, lambda a: a == {"AAPL": 2.0})
resting = ask("submit_order limit", lambda: order(limit_price=50.0, time_in_force="gtc"), rests)
ask("modify_order", lambda: broker.modify_order(resting, limit_price=51.0) or open_ones(),
    lambda a: [float(one.limit_price) for one in a] == [51.0])  # fmt: skip
(moved,) = open_ones()
resting.set_identifier(str(moved.id))
ask("cancel_order", lambda: broker.cancel_order(resting), lambda a: open_ones() == [])
stop = ask("submit_order stop", lambda: order("sell", stop_price=60.0, time_in_force="gtc"), rests)
broker.cancel_order(stop)
trail = ask("submit_order trailing", lambda: order("sell", trail_percent=5.0, time_in_force="gtc"), rests)
broker.cancel_order(trail)
ask("submit_order coin", lambda: order(asset=COIN, quantity=0.5), lambda a: state(a) == "filled")
ask("get_quote", lambda: prices.get_quote(SHARE), lambda a: a.bid <= a.price <= a.ask)
ask("get_quote coin", lambda: prices.get_quote(COIN, DOLLAR), lambda a: a.bid <= a.price <= a.ask)
ask("get_last_price", lambda: prices.get_last_price(SHARE), lambda a: 90 < a < 130)
LATE = datetime.datetime.now() - datetime.datetime(2026, 3, 2)  # its clock is the machine's
ask("get_historical_prices", lambda: prices.get_historical_prices(SHARE, 3, "day", timeshift=LATE),
    lambda a: len(a.df) == 3 and a.df["close"].is_monotonic_increasing)  # fmt: skip
for number in (1, 2, 3):  # what is held over night grows by one share a session
    control(CONTROL, "advance", to="close")
    control(CONTROL, "advance", to="open")
    control(CONTROL, "advance", seconds=60)
    had = held()["AAPL"]
    ask(f"session {number}: buys", order, lambda a, had=had: held()["AAPL"] == had + 2)
    ask(
        f"session {number}: sells",
        lambda: order("sell", quantity=1),
        lambda a, had=had: held()["AAPL"] == had + 1,
    )
