"""How much money a strategy bears, and positions of symbols that stopped trading."""

from dataclasses import replace

import numpy as np
import pytest

from engine.evaluation.sizes import FAILURE, at_size, delistings, size_rows
from engine.simulation.cerebro import simulate
from forewalk.settings.loading import settings_from

FREE = {"fractional": True, "fee_bps": 0.0, "max_volume_share": None}
LONG = settings_from({"strategy": {"min_hold_bars": 0}, "execution": FREE})


@pytest.fixture(scope="module")
def skilled(bars_of, forecasts_on):
    """Bars, and forecasts that know a part of the return from the next open on."""
    bars = bars_of(count=160)
    later = np.log(bars.close[2:] / bars.open[1:-1])[19:]
    mean = np.vstack([0.2 * later, np.zeros((1, 3))]) + np.random.default_rng(1).normal(0, 0.002, (140, 3))
    return bars, forecasts_on(bars, mean)


def test_ten_thousand_times_the_money_pays_a_hundred_times_the_impact(skilled):
    bars, forecasts = skilled
    quiet = bars.with_extras(spread=np.zeros(bars.close.shape))
    small, large = size_rows(quiet, forecasts, LONG, (1e3, 1e7))
    assert large.cost_bps / small.cost_bps == pytest.approx(100, rel=0.2)
    assert large.total_return < small.total_return


def test_a_row_is_the_run_with_that_money_and_those_costs(skilled):
    row = size_rows(*skilled, LONG, (5e5,))[0]
    tree = {**FREE, "cash": 5e5, "slippage_bps": 0, "spread": "estimated", "impact": 1.0}
    run = simulate(*skilled, settings_from({"strategy": {"min_hold_bars": 0}, "execution": tree}))
    equity = run.equity["equity"]
    assert row.total_return == equity.iloc[-1] / equity.iloc[0] - 1
    orders = run.orders
    traded = (orders["fill_price"] * orders["filled_quantity"]).sum()
    assert row.cost_bps == pytest.approx(run.counts["slippage_paid"] / traded * 1e4)
    assert row.filled == 1.0


def test_an_account_too_large_for_the_volume_is_not_filled(skilled):
    capped = settings_from(
        {"strategy": {"min_hold_bars": 0}, "execution": {**FREE, "max_volume_share": 0.01}}
    )
    small, large = size_rows(*skilled, capped, (1e3, 1e11))
    assert small.filled > 0.99 > 0.1 > large.filled


def test_an_impact_of_ones_own_is_kept():
    own = settings_from({"execution": {"impact": 0.4}})
    assert at_size(own, 1e6).execution.impact == 0.4
    assert at_size(LONG, 1e6).execution.impact == 1.0


def test_positions_of_symbols_that_stopped_trading_are_counted_and_priced(bars_of, forecasts_on):
    bars = bars_of(count=120)
    there = np.arange(120)[:, None] < [120, 60, 120]
    names = ("open", "high", "low", "close", "volume")
    bars = replace(bars, **{name: np.where(there, getattr(bars, name), np.nan) for name in names})
    mean = np.where(there[20:], 0.01, np.nan)
    forecasts = forecasts_on(bars, mean)
    run = simulate(bars, forecasts, LONG)
    found = delistings(bars, forecasts, LONG, run.orders)
    assert (found.positions, found.assumed) == (1, FAILURE)
    equity = run.equity["equity"].to_numpy()
    assert found.total_return < equity[-1] / equity[0] - 1 - 0.02
    whole = bars_of(count=120)
    calm = forecasts_on(whole, np.full((100, 3), 0.01))
    assert delistings(whole, calm, LONG, simulate(whole, calm, LONG).orders) is None
