"""Strategies for the fault tests: every bar brings orders, and what they are follows from bars and positions."""

import os

import backtrader as bt


class Alternate(bt.Strategy):
    """Buy ten shares of what is flat, sell what is held: two symbols, an order each on every bar."""

    params = (("size", 10),)

    def next(self):
        for data in self.datas:
            held = self.getposition(data).size
            if held == 0:
                self.buy(data=data, size=self.p.size)
            else:
                self.sell(data=data, size=held)


class AlternateAll(bt.Strategy):
    """Buy ten of what is flat, sell all of what is held: two symbols, an order each on every bar."""

    def next(self):
        for data in self.datas:
            held = self.getposition(data).size
            if held == 0:
                self.buy(data=data, size=10)
            else:
                self.close(data=data)


class BuyOnce(bt.Strategy):
    """Buy ten shares of the first symbol and keep them."""

    def next(self):
        if not self.getposition(self.datas[0]).size:
            self.buy(data=self.datas[0], size=10)


class ShortAndBack(bt.Strategy):
    """Sell so many shares of the first symbol short, buy them back at the next bar, and so on."""

    params = (("size", 4),)

    def next(self):
        held = self.getposition(self.datas[0]).size
        if held:
            self.close(data=self.datas[0])
        else:
            self.sell(data=self.datas[0], size=self.p.size)


class Contrary(bt.Strategy):
    """Sell fourteen shares short of what is flat, buy back what is short."""

    def next(self):
        for data in self.datas:
            if self.getposition(data).size:
                self.close(data=data)
            else:
                self.sell(data=data, size=14)


class LeaveLater(bt.Strategy):
    """Buy ten shares of the first symbol once; two bars after the fill sell them and say at what they were bought."""

    def __init__(self):
        self.entry = None
        self.bar = 0

    def notify_order(self, order):
        if order.status == order.Completed and order.isbuy():
            self.entry, self.bar = order.executed.price, len(self)

    def next(self):
        held = self.getposition(self.datas[0]).size
        if self.entry is None:
            self.buy(data=self.datas[0], size=10)
        elif held and len(self) - self.bar >= 2:
            self.sell(data=self.datas[0], size=held, reason=f"bought at {self.entry:.2f}")


class RestingLimit(bt.Strategy):
    """Keep a limit order far below the market, good till cancelled, and take it back two bars later."""

    def __init__(self):
        self.order = None
        self.placed = 0

    def next(self):
        if self.order is None:
            self.order = self.buy(
                data=self.datas[0], size=10, exectype=bt.Order.Limit, price=self.datas[0].close[0] - 15
            )
            self.placed = len(self)
        elif self.order.alive() and len(self) - self.placed >= 2:
            self.cancel(self.order)

    def notify_order(self, order):
        if order.status == order.Rejected:
            self.order = None


class CancelOnce(bt.Strategy):
    """Place a resting limit order of each symbol and take all back `after` bars later: said once, never again."""

    params = (("after", 2),)

    def __init__(self):
        self.resting = []
        self.placed = 0

    def next(self):
        if not self.resting:
            self.placed = len(self)
            self.resting = [
                self.buy(data=data, size=10, exectype=bt.Order.Limit, price=data.close[0] - 15)
                for data in self.datas
            ]
        elif len(self) - self.placed == self.p.after:
            for order in self.resting:
                self.cancel(order)

    def notify_order(self, order):
        if order.status == order.Rejected:
            self.resting = []


class Shorter(bt.Strategy):
    """Sell what it does not have."""

    def next(self):
        if not self.getposition(self.datas[0]).size:
            self.sell(data=self.datas[0], size=10)


class Greedy(bt.Strategy):
    """Want far more than any limit allows."""

    def next(self):
        self.buy(data=self.datas[0], size=5_000)


class Idle(bt.Strategy):
    """Never trade."""


class Forgetful(bt.Strategy):
    """Decide by the process it runs in: not repeatable."""

    def next(self):
        self.buy(data=self.datas[0], size=1 + os.getpid() % 7_919)
