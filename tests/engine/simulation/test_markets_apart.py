"""One account over markets that close at different times: whose close decides, and at which open it is filled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.simulation.cerebro import simulate
from engine.simulation.compiled.scope import unsupported
from forewalk.data.cleaning.together import by_day, each_market
from forewalk.sessions import bar_open_times
from forewalk.types import BAR_FIELDS, Forecasts
from helpers.making import make_settings
from helpers.market_panels import WORLD, market_bars, together, world


def forecasts_of(bars, seed=1, first=40):
    """Random forecasts wherever a symbol has a bar, from row `first` on."""
    generator = np.random.default_rng(seed)
    there = bars.present[first:]
    mean = np.where(there, generator.normal(0.0, 0.01, there.shape), np.nan)
    rows = len(there)
    return Forecasts(
        timestamps=bars.timestamps[first:], symbols=bars.symbols, mean=mean, std=np.where(there, 0.02, np.nan),
        p_up=np.where(there, 0.5, np.nan), horizon_bars=1, model_ids=("made-up",) * rows,
        trained_until=pd.DatetimeIndex([bars.timestamps[0]] * rows),
    )  # fmt: skip


def settings_of(**more):
    return make_settings(execution__fractional=True, strategy__entry=0.2, **more)


@pytest.mark.parametrize("direction", ["long_flat", "long_short"])
def test_a_symbol_is_decided_on_at_its_own_close_and_filled_at_its_own_next_open(direction):
    bars = by_day(world(last="2019-12-31"))
    run = simulate(bars, forecasts_of(bars), settings_of(strategy__direction=direction))
    orders = run.orders[run.orders["status"] == "filled"]
    markets = {symbol: own for _, own in each_market(bars) for symbol in own.symbols}
    assert set(orders["symbol"]) == set(bars.symbols)
    for order in orders.itertuples():
        own = markets[order.symbol]
        row = own.timestamps.get_loc(order.decided_at)
        assert order.filled_at == bar_open_times(own)[row + 1] >= order.decided_at


@pytest.mark.parametrize(("stale", "hole"), [(5, 0), (2, 6), (8, 6)])
def test_one_market_in_a_panel_is_traded_as_it_is_alone(stale, hole):
    """Also where a share has no bars for some sessions: a price grows old by closes of its own market."""
    alone = with_hole(market_bars("XTKS", WORLD["XTKS"], last="2019-12-31"), hole)
    bars = by_day(together(alone, market_bars("24/7", WORLD["24/7"], last="2019-12-31")))
    said = forecasts_of(alone)
    first = int(np.flatnonzero(np.isfinite(bars.extras["closed_at"][:, 0]))[40])
    told = forecasts_of(bars, first=first)
    mean = np.full(told.mean.shape, np.nan)
    rows = np.flatnonzero(np.isfinite(bars.extras["closed_at"][first:, 0]))
    mean[rows, :2] = said.mean
    told = replace(told, mean=mean, std=np.where(np.isfinite(mean), 0.02, np.nan))
    sizing = {"strategy__sizing": "fixed_fraction", "strategy__fraction": 0.2}
    settings = settings_of(execution__stale_exit_bars=stale, **sizing)
    beside, by_itself = simulate(bars, told, settings), simulate(alone, said, settings)
    assert len(by_itself.orders) > 50
    columns = ["decided_at", "symbol", "side", "quantity", "status", "filled_at", "fill_price", "fee"]
    pd.testing.assert_frame_equal(beside.orders[columns], by_itself.orders[columns], check_dtype=False)
    trades = ["symbol", "bars_held", "pnl"]
    pd.testing.assert_frame_equal(beside.trades[trades], by_itself.trades[trades])


def with_hole(bars, sessions):
    """Take the second symbol's bars away for some sessions in which it would be held."""
    prices = {name: np.array(getattr(bars, name)) for name in BAR_FIELDS}
    for values in prices.values():
        values[70 : 70 + sessions, 1] = np.nan
    return replace(bars, **prices)


def test_what_is_held_or_ordered_never_exceeds_the_gross_limit_by_more_than_prices_move():
    bars = by_day(world(last="2019-12-31"))
    run = simulate(bars, forecasts_of(bars), settings_of(strategy__max_gross=0.9, strategy__min_hold_bars=1))
    assert run.equity["gross_exposure"].max() < 0.9 * 1.15
    assert run.equity["gross_exposure"].max() > 0.5


def test_the_account_has_a_row_for_each_day():
    bars = by_day(world(last="2019-12-31"))
    said = forecasts_of(bars)
    run = simulate(bars, said, settings_of())
    assert pd.DatetimeIndex(run.equity["time"]).equals(said.timestamps)


def test_results_do_not_depend_on_bulk_loading():
    bars = by_day(world(last="2019-09-30"))
    said, settings = forecasts_of(bars), settings_of()
    bulk = simulate(bars, said, settings)
    slow = simulate(bars, said, settings, runonce=False, preload=False)
    assert len(bulk.orders)
    pd.testing.assert_frame_equal(bulk.equity, slow.equity)
    pd.testing.assert_frame_equal(bulk.orders, slow.orders)


def test_compiled_code_says_that_it_does_not_know_such_panels():
    assert (
        unsupported(by_day(world(last="2019-03-29")), make_settings())
        == "markets that close at different times"
    )
