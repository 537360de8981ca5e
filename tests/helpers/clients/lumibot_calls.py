"""Lumibot: every call of its Alpaca broker and data source that concerns shares and coins, over three sessions."""

import datetime
import logging
import os
import sys
import tempfile

from asking import addresses, ask, control

URL, _, CONTROL = addresses()
os.environ.update(IS_BACKTESTING="false", LUMIBOT_DISABLE_DOTENV="1")
os.chdir(tempfile.mkdtemp())  # it writes logs where it stands
kept, sys.stdout = sys.stdout, sys.stderr  # and says things that are no answers

from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient  # noqa: E402
from alpaca.trading.client import TradingClient  # noqa: E402
from lumibot.brokers import Alpaca  # noqa: E402
from lumibot.data_sources import AlpacaData  # noqa: E402
from lumibot.entities import Asset, Order  # noqa: E402

logging.disable(logging.CRITICAL)
sys.stdout = kept
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
    made = Order("tried", asset, quantity, side, quote=DOLLAR, **fields)
    return broker._submit_order(made)


def state(made):
    return broker._pull_broker_order(made.identifier).status.value


def open_ones():
    return [one for one in broker._pull_broker_all_orders() if one.status.value in ("new", "accepted")]


def held():
    return {position.asset.symbol: float(position.quantity) for position in broker._pull_positions(None)}


ask("get_timestamp", broker.get_timestamp, lambda a: a > 1.7e9)
ask("is_market_open", broker.api.get_clock, lambda a: a.is_open)
ask("get_time_to_close", broker.get_time_to_close, lambda a: a == 6 * 3600)
ask("get_time_to_open", broker.get_time_to_open, lambda a: a == 23.5 * 3600)
ask(
    "_get_balances_at_broker", lambda: broker._get_balances_at_broker(DOLLAR, None), lambda a: a[0] == 100_000
)
bought = ask("_submit_order market", order, lambda a: state(a) == "filled")
ask("_pull_broker_order", lambda: broker._pull_broker_order(bought.identifier), lambda a: a.filled_qty == "2")
ask("_parse_broker_order", lambda: broker._parse_broker_order(broker._pull_broker_order(bought.identifier), "tried"),
    lambda a: a.asset == SHARE and float(a.quantity) == 2)  # fmt: skip
ask("_pull_positions", held, lambda a: a == {"AAPL": 2.0})
resting = ask(
    "_submit_order limit", lambda: order(limit_price=50.0, time_in_force="gtc"), lambda a: state(a) == "new"
)
ask("_pull_broker_all_orders", broker._pull_broker_all_orders,
    lambda a: {str(one.id) for one in a} == {str(resting.identifier), str(bought.identifier)})  # fmt: skip
ask("_modify_order", lambda: broker._modify_order(resting, limit_price=51.0) or open_ones(),
    lambda a: [float(one.limit_price) for one in a] == [51.0])  # fmt: skip
(last,) = open_ones()
resting.set_identifier(str(last.id))
ask("cancel_order", lambda: broker.cancel_order(resting), lambda a: open_ones() == [])
stop = ask(
    "_submit_order stop",
    lambda: order("sell", stop_price=60.0, time_in_force="gtc"),
    lambda a: state(a) == "new",
)
broker.cancel_order(stop)
trail = ask(
    "_submit_order trailing",
    lambda: order("sell", trail_percent=5.0, time_in_force="gtc"),
    lambda a: state(a) == "new",
)
broker.cancel_order(trail)
ask("_submit_order coin", lambda: order(asset=COIN, quantity=0.5), lambda a: state(a) == "filled")
ask("get_quote", lambda: prices.get_quote(SHARE), lambda a: a.bid <= a.price <= a.ask)
ask("get_quote coin", lambda: prices.get_quote(COIN, DOLLAR), lambda a: a.bid <= a.price <= a.ask)
ask("get_last_price", lambda: prices.get_last_price(SHARE), lambda a: 90 < a < 130)
LATE = datetime.datetime.now() - datetime.datetime(
    2026, 3, 2
)  # its clock is the machine's, the simulator's is not
ask("get_historical_prices", lambda: prices.get_historical_prices(SHARE, 3, "day", timeshift=LATE),
    lambda a: len(a.df) == 3 and a.df["close"].is_monotonic_increasing)  # fmt: skip
for number in (1, 2, 3):  # what is held over night grows by one share a session
    control(CONTROL, "advance", to="close")
    control(CONTROL, "advance", to="open")
    control(CONTROL, "advance", seconds=60)
    before = held()["AAPL"]
    ask(
        f"session {number}: buys",
        order,
        lambda a, had=before: state(a) == "filled" and held()["AAPL"] == had + 2,
    )
    ask(
        f"session {number}: sells",
        lambda: order("sell", quantity=1),
        lambda a, had=before: held()["AAPL"] == had + 1,
    )
