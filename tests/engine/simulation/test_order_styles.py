"""Orders at the open, in an auction, or at a limit: filled where the bar allows it, with the cash of that moment."""

from dataclasses import replace
from decimal import Decimal

import backtrader as bt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.simulation.cerebro import build_cerebro, simulate
from engine.simulation.compiled.scope import unsupported
from engine.simulation.engines import simulate_again, simulate_reported
from forewalk.errors import ConfigError
from helpers.making import make_bars, make_settings
from helpers.small_panels import make_forecasts
from strategies.styles import limit_price

SLIPPAGE, BPS = 4e-4, 20.0
STYLES = ("market", "open_auction", "close_auction", "limit")


def styled(entry="market", exit_="market", bps=BPS, **strategy):
    return make_settings(
        strategy={"entry": 0.0, "exit": 0.0, "min_hold_bars": 0, **strategy},
        execution={
            "entry_style": entry,
            "exit_style": exit_,
            "limit_bps": bps,
            "fee_bps": 1.0,
            "slippage_bps": SLIPPAGE * 1e4,
            "fractional": True,
            "max_volume_share": None,
        },
    )


def wishes(bars, seed):
    """Forecasts that change their sign at random."""
    mean = np.random.default_rng(seed).normal(0, 0.01, bars.close.shape)
    return replace(make_forecasts(bars, mean, first=0), mean=mean)


def reference(bars, row, column, side, style, bps):
    """The independent reference: the price of an order decided at the close of `row` in the next bar, or None."""
    opened, close = bars.open[row + 1, column], bars.close[row + 1, column]
    if style in ("market", "open_auction"):
        return opened * (1 + side * SLIPPAGE)
    if style == "close_auction":
        return close * (1 + side * SLIPPAGE)
    limit = limit_price(bars.symbols[column], bars.close[row, column], side, bps)
    best = bars.low[row + 1, column] if side > 0 else bars.high[row + 1, column]
    if side * opened < side * limit:
        return side * min(side * opened * (1 + side * SLIPPAGE), side * limit)
    return limit if side * best < side * limit else None


@given(
    seed=st.integers(0, 10_000),
    entry=st.sampled_from(STYLES),
    exit_=st.sampled_from(STYLES),
    bps=st.sampled_from([0.0, 5.0, 50.0, -40.0]),
    direction=st.sampled_from(["long_flat", "long_short"]),
)
@hypothesis_settings(max_examples=25, deadline=None)
def test_every_order_is_filled_where_its_style_says_or_not_at_all(seed, entry, exit_, bps, direction):
    bars = make_bars(60, 2, seed=seed)
    orders = simulate(
        bars, wishes(bars, seed), styled(entry, exit_, bps, direction=direction, max_gross=0.4)
    ).orders
    rows = {time: row for row, time in enumerate(bars.timestamps)}
    assert len(orders) > 10
    for order in orders[orders["status"] != "pending"].to_dict("records"):
        row, column = rows[order["decided_at"]], bars.symbols.index(order["symbol"])
        style, side = (entry if order["reason"] == "entry" else exit_), 1 if order["side"] == "buy" else -1
        expected = reference(bars, row, column, side, style, bps)
        if expected is None:
            assert order["filled_quantity"] == 0.0
        elif order["status"] != "margin":
            assert order["fill_price"] == pytest.approx(expected, rel=1e-12)
            at_close = order["filled_at"] == bars.timestamps[row + 1]
            assert at_close == (style == "close_auction")


@given(
    close=st.floats(0.01, 5000.0),
    side=st.sampled_from([1, -1]),
    bps=st.floats(-500.0, 500.0),
    symbol=st.sampled_from(["AAPL", "BTC/USD"]),
)
def test_a_limit_is_never_beyond_its_collar_and_lies_on_the_grid(close, side, bps, symbol):
    price = limit_price(symbol, close, side, bps)
    exact = close * (1 + side * bps * 1e-4)
    tick = 1e-9 if "/" in symbol else 0.01 if exact >= 1 else 0.0001
    assert side * (exact - price) >= -1e-6 * tick - 1e-12 * exact
    assert abs(exact - price) <= tick * (1 + 1e-6) + 1e-12 * exact
    assert Decimal(repr(price)) % Decimal(repr(tick)) == 0


class Swap(bt.Strategy):
    """Holds all it can of the first symbol, then goes over to the second, the sale in the close or at the open."""

    params = (("close", False),)

    def next(self):
        if len(self) == 1:
            self.buy(data=self.datas[0], size=900)
        if len(self) == 3:
            self.sell(data=self.datas[0], size=900, exectype=bt.Order.Close if self.p.close else None)
            self.buy(data=self.datas[1], size=900)


@pytest.mark.parametrize(("close", "held"), [(False, [0, 900]), (True, [0, 0])])
def test_what_is_sold_at_the_close_does_not_pay_for_what_is_bought_at_the_open(close, held):
    bars = make_bars(6, 2, seed=3)
    level = np.full((6, 2), 100.0)
    bars = replace(bars, open=level, high=level + 1, low=level - 1, close=level)
    cerebro = build_cerebro(bars, styled().execution, Swap, {"close": close})
    (run,) = cerebro.run()
    assert [run.broker.getposition(data).size for data in run.datas] == held


class ForADay(bt.Strategy):
    """Asks at the first close for a price of the bar after, and for one that only a later bar has."""

    def next(self):
        if len(self) == 1:
            for price in (99.5, 95.0):
                self.buy(size=1, exectype=bt.Order.Limit, price=price, valid=bt.Order.DAY)


def test_a_day_order_is_good_for_the_next_bar_and_for_no_other():
    bars = make_bars(6, 1)
    level = np.full((6, 1), 100.0)
    low = level - 1.0
    low[2:] = 90.0
    bars = replace(bars, open=level, high=level + 1, low=low, close=level)
    cerebro = build_cerebro(bars, styled().execution, ForADay, {})
    (run,) = cerebro.run()
    assert run.broker.getposition(run.datas[0]).size == 1
    assert [order.status for order in run.broker.orders] == [bt.Order.Completed, bt.Order.Expired]


def test_orders_for_the_opening_auction_are_those_at_the_market_in_both_engines():
    pytest.importorskip("numba")
    bars = make_bars(80, 3)
    forecasts, auction = wishes(bars, 5), styled("open_auction", "open_auction")
    assert not unsupported(bars, auction)
    account = simulate_reported(bars, forecasts, auction)  # proves that the engines agree
    again = simulate_again(bars, forecasts, styled())
    assert len(account.orders) > 10
    np.testing.assert_array_equal(account.equity["equity"], again.equity["equity"])


@pytest.mark.parametrize("entry", STYLES)
@pytest.mark.parametrize("exit_", STYLES)
def test_the_compiled_account_fills_every_style_where_cerebro_does(entry, exit_):
    bars, settings = make_bars(80, 3), styled(entry, exit_)
    assert not unsupported(bars, settings)
    account = simulate_reported(bars, wishes(bars, 5), settings)  # proves that the engines agree
    kinds = {"market": "market", "open_auction": "market", "close_auction": "close", "limit": "limit"}
    assert set(account.orders["type"]) == {kinds[entry], kinds[exit_]}


def test_a_stop_loss_decided_at_the_close_goes_to_the_market_whatever_the_exits_do():
    bars = make_bars(80, 2, seed=1)
    forecasts = replace(wishes(bars, 1), mean=np.full(bars.close.shape, 0.01))
    orders = simulate(bars, forecasts, styled("market", "limit", stop_loss=0.01)).orders
    stops = orders[orders["reason"] == "stop_loss"]
    assert len(stops)
    assert set(stops["type"]) == {"market"}


@pytest.mark.parametrize("style", ["open_auction", "close_auction"])
def test_auctions_are_for_daily_bars(style):
    bars = replace(make_bars(60, 2), interval="1h")
    with pytest.raises(ConfigError, match="auctions are once a session"):
        simulate(bars, make_forecasts(bars, np.zeros(bars.close.shape), first=0), styled(style))
