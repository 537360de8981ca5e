"""What the recorder books: fees of reversed positions once, and as slippage only what slipped."""

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from engine.simulation.cerebro import simulate
from forewalk.types import Forecasts
from helpers.making import make_bars, make_settings


class Scripted(bt.Strategy):
    """Places what `script` says at each bar: (side, size, kind of order, price over the close)."""

    params = (("script", ()),)

    def next(self):
        for bar, size, kind, factor in SCRIPTS[self.p.script]:
            if len(self) == bar:
                place = self.buy if size > 0 else self.sell
                price = None if kind == bt.Order.Market else self.data.close[0] * factor
                place(size=abs(size), exectype=kind, price=price)


SCRIPTS = {
    "reverse": ((5, 10, bt.Order.Market, 1), (10, -30, bt.Order.Market, 1), (20, 20, bt.Order.Market, 1)),
    "stop": ((5, 10, bt.Order.Market, 1), (6, -10, bt.Order.Stop, 0.995)),
    "limit": ((5, 10, bt.Order.Limit, 0.99),),
}


def run(script, **execution):
    bars = make_bars(rows=60, symbols=1)
    nothing = Forecasts(
        timestamps=bars.timestamps,
        symbols=bars.symbols,
        mean=np.full(bars.close.shape, 0.001),
        std=np.full(bars.close.shape, 0.01),
        p_up=np.full(bars.close.shape, 0.5),
        horizon_bars=1,
        model_ids=("m",) * len(bars),
        trained_until=bars.timestamps - pd.Timedelta(days=1),
    )
    settings = make_settings(**{f"execution__{name}": value for name, value in execution.items()})
    kind = type(f"Scripted{script}", (Scripted,), {"params": (("script", script),)})
    return bars, simulate(bars, nothing, settings, strategy=kind)


def test_the_fees_of_a_reversed_position_are_booked_once():
    _, result = run("reverse", fee_bps=50.0, slippage_bps=0.0, borrow_bps_per_year=0.0)
    assert [trade["side"] for _, trade in result.trades.iterrows()] == ["long", "short"]
    assert result.trades["fees"].sum() == pytest.approx(result.counts["fees_paid"])
    gained = result.equity["equity"].iloc[-1] - 100_000.0
    assert result.trades["pnl"].sum() == pytest.approx(gained)


@pytest.mark.parametrize("script", ["reverse", "stop", "limit"])
def test_without_slippage_none_is_counted_however_far_a_trigger_lies_from_the_open(script):
    _, result = run(script, fee_bps=0.0, slippage_bps=0.0)
    assert (result.orders["filled_quantity"] > 0).any()
    assert result.counts["slippage_paid"] == pytest.approx(0.0, abs=1e-9)


def test_slippage_of_a_market_order_is_its_distance_from_the_open():
    bars, result = run("reverse", fee_bps=0.0, slippage_bps=20.0)
    rows = [5, 10, 20]  # filled at the open after the decision
    expected = sum(0.002 * bars.open[row, 0] * size for row, size in zip(rows, (10, 30, 20), strict=True))
    assert result.counts["slippage_paid"] == pytest.approx(expected)
