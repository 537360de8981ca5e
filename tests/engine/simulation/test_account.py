import gc

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.simulation.account import simulated_broker
from engine.simulation.cerebro import rare_collections
from engine.simulation.feeds import PanelFeed, feed_columns
from engine.simulation.recorder import Recorder
from helpers.making import make_bars, make_settings

EXECUTION = make_settings(execution__max_volume_share=None, execution__cash=20_000.0).execution


class RandomOrders(bt.Strategy):
    """Orders of some kinds, and cancellations; what becomes of them is written down."""

    params = (("seed", 0), ("kinds", ()))

    def __init__(self):
        self.generator = np.random.default_rng(self.p.seed)
        self.notices = []

    def next(self):
        draw = self.generator
        for data in self.datas:
            kind, size, price = draw.choice(self.p.kinds), int(draw.integers(1, 60)), data.close[0]
            away = price * (1 + draw.normal(0, 0.01))
            trade = self.buy if draw.random() < 0.5 else self.sell
            if kind == "market":
                trade(data, size=size, note="market")
            elif kind == "limit":
                trade(data, size=size, exectype=bt.Order.Limit, price=away, valid=pd.Timedelta(days=3))
            elif kind == "stop":
                trade(data, size=size, exectype=bt.Order.Stop, price=away)
            elif kind == "bracket":
                self.buy_bracket(data, size=size, price=away, stopprice=price * 0.9, limitprice=price * 1.1)
            elif kind == "oco":
                first = self.sell(data, size=size, exectype=bt.Order.Limit, price=price * 1.1)
                self.sell(data, size=size, exectype=bt.Order.Stop, price=price * 0.9, oco=first)
            elif kind == "cancel" and self.broker.pending:
                self.cancel(self.broker.pending[0])

    def notify_order(self, order):
        done = order.executed
        self.notices.append((order.status, order.size, done.size, done.price, done.comm, done.pnl, done.dt))


def account_of(bars, seed, broker, feeds, kinds=("market", "cancel", "none")):
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.setbroker(broker)
    for symbol, feed in zip(bars.symbols, feeds, strict=True):
        cerebro.adddata(feed, name=symbol)
    cerebro.addstrategy(RandomOrders, seed=seed, kinds=kinds)
    cerebro.addanalyzer(Recorder, _name="recorder")
    (strategy,) = cerebro.run()
    return strategy.notices, strategy.analyzers.recorder.log.equity


def stock_broker(execution=EXECUTION):
    broker = bt.brokers.BackBroker()
    broker.setcash(execution.cash)
    broker.setcommission(commission=execution.fee_bps * 1e-4)
    broker.set_slippage_perc(
        execution.slippage_bps * 1e-4, slip_open=True, slip_match=True, slip_out=True, slip_limit=True
    )
    return broker


def stock_feed(bars, symbol):
    frame = bars.frame(symbol)
    frame.index = frame.index.tz_localize(None)
    return bt.feeds.PandasData(dataname=frame, openinterest=None)


@hypothesis_settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_every_notice_and_every_value_is_that_of_backtraders_own_broker_and_feed(seed):
    bars = make_bars(rows=60, symbols=2, seed=seed % 7)
    own = [PanelFeed(columns=columns) for columns in feed_columns(bars, EXECUTION)]
    stock = [stock_feed(bars, symbol) for symbol in bars.symbols]
    ours = account_of(bars, seed, simulated_broker(EXECUTION), own)
    theirs = account_of(bars, seed, stock_broker(), stock)
    assert len(ours[0]) > 60
    assert ours == theirs


RICH = make_settings(
    execution__max_volume_share=None,
    execution__cash=1e9,
    execution__slippage_bps=0.0,
    execution__fee_bps=0.0,
).execution


@pytest.mark.parametrize("kind", ["limit", "stop", "bracket", "oco"])
@hypothesis_settings(max_examples=6)
@given(seed=st.integers(0, 10_000))
def test_other_kinds_are_filled_as_backtrader_fills_them_but_for_slippage_and_who_comes_first(kind, seed):
    """Without slippage, which backtrader adds beyond a limit, and with cash for all whichever comes first."""
    bars = make_bars(rows=60, symbols=2, seed=seed % 7)
    own = [PanelFeed(columns=columns) for columns in feed_columns(bars, RICH)]
    stock = [stock_feed(bars, symbol) for symbol in bars.symbols]
    kinds = (kind, "none", "none")
    ours, our_equity = account_of(bars, seed, simulated_broker(RICH), own, kinds)
    theirs, their_equity = account_of(bars, seed, stock_broker(RICH), stock, kinds)

    def filled(notices):  # profits of one bar depend on who comes first
        return sorted(
            (status, size, done, price, at) for status, size, done, price, _, _, at in notices if done
        )

    assume(len(filled(ours)) > 5)  # few of these orders are filled in some worlds
    assert filled(ours) == filled(theirs)
    np.testing.assert_allclose([row[1] for row in our_equity], [row[1] for row in their_equity], rtol=1e-12)


def test_a_notice_is_a_snapshot_that_later_fills_do_not_change():
    broker = simulated_broker(EXECUTION)
    bars = make_bars(rows=20, symbols=1)
    account_of(bars, 1, broker, [PanelFeed(columns=columns) for columns in feed_columns(bars, EXECUTION)])
    order = next(order for order in broker.orders if order.executed.size)
    broker.notify(order)
    snapshot = broker.notifs[-1]
    order.executed.size += 1
    order.status = order.Expired
    assert (snapshot.ref, snapshot.executed.size + 1) == (order.ref, order.executed.size)
    assert snapshot.status != order.Expired


def test_garbage_is_collected_at_pythons_own_pace_again_after_a_run():
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before
