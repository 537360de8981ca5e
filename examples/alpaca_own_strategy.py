"""Your own backtrader strategy on an Alpaca paper account: once a day while the market is open, e.g. from cron.
Keys come from APCA_API_KEY_ID and APCA_API_SECRET_KEY; with a URL as argument it trades `python -m broker.simulator`.
"""

import sys

import backtrader as bt

import forewalk as fw


class Crossover(bt.Strategy):
    def __init__(self):
        self.above = {d: bt.ind.SMA(d.close, period=10) > bt.ind.SMA(d.close, period=50) for d in self.datas}

    def next(self):
        for data in self.datas:
            self.order_target_percent(data, 0.4 if self.above[data][0] else 0.0)


account = fw.paper_account(*sys.argv[1:])
for order in fw.orders_now(Crossover, ["AAPL", "MSFT"], account):  # run twice a day it trades once
    print(account.submit(order))
