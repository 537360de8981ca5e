"""Resting stop orders: filled at the stop or, past a gap, at the open; none is left behind a position."""

from __future__ import annotations

from dataclasses import replace

import backtrader as bt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.simulation.cerebro import build_cerebro, simulate
from engine.simulation.compiled.run import simulate_settings
from engine.simulation.compiled.scope import unsupported
from engine.simulation.strategies import strategy_params
from forewalk.errors import ConfigError
from helpers.making import make_bars, make_settings
from helpers.small_panels import make_forecasts
from strategies.signal import SignalStrategy

SLIPPAGE = 4e-4


def stopped(stop_loss, **strategy):
    return make_settings(
        strategy={"stop_loss": stop_loss, "stop_orders": True, "entry": 0.0, "exit": -9.0, **strategy},
        execution={"fee_bps": 0.0, "slippage_bps": SLIPPAGE * 1e4, "fractional": True},
    )


def wish(bars, mean):
    """Forecasts of one mean for all, from the first bar on."""
    return make_forecasts(bars, np.full(bars.close.shape, mean), first=0)


def first_stop(bars, bar, column, side, stop_loss):
    """The independent reference: (bar, price) at which a position opened at the open of `bar` is stopped."""
    entry = bars.open[bar, column] * (1 + side * SLIPPAGE)
    stop = entry * (1 - side * stop_loss)
    for later in range(bar + 1, len(bars)):
        opened = bars.open[later, column]
        if side * bars.close[later - 1, column] <= side * stop and later == bar + 1:
            return later, opened * (
                1 - side * SLIPPAGE
            )  # lost on the day of the entry: sold at the next open
        if side * opened <= side * stop:
            return later, opened * (1 - side * SLIPPAGE)
        if side * (bars.low if side > 0 else bars.high)[later, column] <= side * stop:
            return later, stop * (1 - side * SLIPPAGE)
    return None


@given(seed=st.integers(0, 10_000), loss=st.floats(0.005, 0.2), side=st.sampled_from([1, -1]))
@hypothesis_settings(max_examples=12, deadline=None)
def test_a_position_is_closed_at_the_stop_or_the_open_past_it(seed, loss, side):
    bars = make_bars(60, 2, seed=seed)
    settings = stopped(loss, direction="long_short")
    result = simulate(bars, wish(bars, 0.01 * side), settings)
    times = {time: row for row, time in enumerate(bars.timestamps)}
    for column, symbol in enumerate(bars.symbols):
        orders = result.orders[result.orders["symbol"] == symbol]
        entry = orders[orders["reason"] == "entry"].iloc[0]
        bar = times[entry["decided_at"]] + 1
        expected = first_stop(bars, bar, column, side, loss)
        sold = orders[(orders["reason"] == "stop_loss") & (orders["filled_quantity"] > 0)]
        if expected is None:
            assert sold.empty
            continue
        assert sold.iloc[0]["fill_price"] == pytest.approx(expected[1], rel=1e-12)
        trade = result.trades[result.trades["symbol"] == symbol].iloc[0]
        assert trade["bars_held"] == expected[0] - bar


class Watched(SignalStrategy):
    """Notes after each bar what is held and which orders rest, by symbol."""

    def next(self):
        super().next()
        self.seen = getattr(self, "seen", [])
        alive = [order for order in self.broker.orders if order.alive()]
        for column, data in enumerate(self.datas):
            mine = [order for order in alive if order.data is data]
            stops = [order.executed.remsize for order in mine if order.exectype == bt.Order.Stop]
            leaving = sum(order.size for order in mine if order.exectype != bt.Order.Stop)
            self.seen.append((self.broker.getposition(data).size, stops, leaving, column in self.stops))


@given(seed=st.integers(0, 10_000), loss=st.floats(0.002, 0.1), exit_=st.floats(-1.0, 1.0))
@hypothesis_settings(max_examples=12, deadline=None)
def test_as_many_shares_are_protected_as_are_held_and_none_beyond(seed, loss, exit_):
    bars = make_bars(80, 3, seed=seed)
    random = np.random.default_rng(seed)
    forecasts = replace(wish(bars, 0.0), mean=random.normal(0, 0.01, bars.close.shape))
    settings = stopped(loss, direction="long_short", exit=exit_, min_hold_bars=0, max_gross=0.6)
    params = strategy_params(Watched, forecasts, settings, bars)
    (run,) = build_cerebro(bars, settings.execution, Watched, params).run()
    assert any(stops for _, stops, _, _ in run.seen)
    for held, stops, others, known in run.seen:
        reduced = others if others * held < 0 else 0.0  # what is bought more is protected a bar later
        assert known == bool(stops)
        assert stops == ([-(held + reduced)] if held + reduced else [])


def test_stops_decided_at_the_close_stay_what_they_were():
    bars = make_bars(60, 2)
    plain = stopped(0.02)
    plain = plain.model_copy(update={"strategy": plain.strategy.model_copy(update={"stop_orders": False})})
    orders = simulate(bars, wish(bars, 0.01), plain).orders
    assert set(orders["type"]) == {"market"}
    assert "stop_loss" in set(orders["reason"])


def test_the_compiled_account_has_the_same_stops():
    bars, settings = make_bars(60, 2), stopped(0.02)
    forecasts = wish(bars, 0.01)
    assert not unsupported(bars, settings)
    swept, alone = simulate_settings(bars, forecasts, [settings]), simulate(bars, forecasts, settings)
    assert (alone.orders["type"] == "stop").any()
    np.testing.assert_array_equal(swept.equity[0], alone.equity["equity"])
    (row,) = swept.table.to_dict("records")
    for status in ("pending", "filled", "partial", "cancelled", "margin"):
        assert row[status] == alone.counts[status]


def test_a_stop_order_needs_a_price():
    with pytest.raises(ConfigError, match="stop_orders needs a stop_loss"):
        make_settings(strategy={"stop_orders": True})
