# %% [markdown]
# # Paper trading on the simulator
#
# `fw.Simulator` is Alpaca's paper API on this machine: no account, no keys, a clock that moves when you say so.

# %%
import os

import backtrader as bt

import forewalk as fw

os.environ.setdefault("APCA_API_KEY_ID", "PKSIMULATOR")
os.environ.setdefault("APCA_API_SECRET_KEY", "simulator")
simulator = fw.Simulator("sample", start="2012-01-03T10:00:00-05:00")
account = fw.paper_account(simulator.url)
account.account()

# %% [markdown]
# Any backtrader strategy can be asked what it wants now. This one holds what is above its average of 50 days.


# %%
class Above(bt.Strategy):
    def __init__(self):
        self.above = {data: data.close > bt.ind.SMA(data.close, period=50) for data in self.datas}

    def next(self):
        for data in self.datas:
            self.order_target_percent(data, 0.4 if self.above[data][0] else 0.0)


orders = fw.orders_now(Above, ["AAPL", "IBM"], account)
for order in orders:
    print(order.side, order.quantity, order.symbol)
    account.submit(order)

# %% [markdown]
# Asked again about the same bar it wants nothing more: the account knows these orders.

# %%
print(fw.orders_now(Above, ["AAPL", "IBM"], account))

# %%
account.positions()
simulator.stop()

# %% [markdown]
# Day by day, with limits, a journal that survives being killed, and a button that stops everything, there is the daemon:
# `forewalk live --config examples/paper.toml --simulator`.
