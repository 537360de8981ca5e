"""Your own backtrader strategy on an Alpaca paper account: once a day while the market is open, e.g. from cron.
Keys come from APCA_API_KEY_ID and APCA_API_SECRET_KEY; with a URL as argument it trades `python -m broker.simulator`.
"""

import os
import sys
from datetime import timedelta
from decimal import Decimal

import backtrader as bt

from broker.alpaca.client import AlpacaPaper
from broker.ids import client_order_id
from broker.keys import read_keys
from broker.values import OrderRequest
from engine.live.bars import LiveBars
from engine.live.schedule import Schedule
from engine.simulation.capture import CaptureBroker
from engine.simulation.cerebro import build_cerebro
from engine.simulation.orders import AccountState
from forewalk.settings.loading import load_settings
from forewalk.settings.trading import LiveSettings

SYMBOLS = ("AAPL", "MSFT")


class Crossover(bt.Strategy):
    def __init__(self):
        self.above = {d: bt.ind.SMA(d.close, period=10) > bt.ind.SMA(d.close, period=50) for d in self.datas}

    def next(self):
        for data in self.datas:
            self.order_target_percent(data, 0.4 if self.above[data][0] else 0.0)


url = sys.argv[1:] * 2 or ["https://paper-api.alpaca.markets", "https://data.alpaca.markets"]
alpaca = AlpacaPaper(read_keys(os.environ), *url)
schedule = Schedule("XNYS", "1d", LiveSettings())
asof = schedule.last_closed(alpaca.clock().now).asof
start = str(asof.date() - timedelta(days=400))
bars = LiveBars(alpaca, SYMBOLS, schedule, start, "all").fetch(asof, {}, max_jump=0.5).bars
held = {s: (float(p.quantity), float(p.average_price)) for s, p in alpaca.positions().items() if s in SYMBOLS}
account = AccountState(float(alpaca.account().cash), held, opening=held)
broker = CaptureBroker(account, [moment.to_pydatetime() for moment in bars.timestamps])
build_cerebro(bars, load_settings(environment={}).execution, Crossover, {}, broker=broker).run()
for order in broker.captured:  # run twice a day it trades once: the id is the same
    name = client_order_id("own", asof.date(), order.symbol, "m", 0)
    request = OrderRequest(name, order.symbol, order.side, Decimal(str(order.quantity)))
    print(alpaca.submit(request))
