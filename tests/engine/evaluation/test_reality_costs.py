from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.costs import (
    borrow_rows,
    break_even,
    capacity,
    cost_grid,
    delay_row,
    delayed,
    short_exposure,
    with_costs,
)
from engine.simulation.cerebro import simulate
from forewalk.settings.loading import settings_from

LONG = settings_from({"strategy": {"min_hold_bars": 0}, "execution": {"fractional": True}})
BOTH = settings_from(
    {"strategy": {"min_hold_bars": 0, "direction": "long_short"}, "execution": {"fractional": True}}
)


@pytest.fixture(scope="module")
def skilled(bars_of, forecasts_on):
    """Bars, and forecasts that know a part of the return from the next open on."""
    bars = bars_of(count=160)
    later = np.log(bars.close[2:] / bars.open[1:-1])[19:]
    mean = np.vstack([0.2 * later, np.zeros((1, 3))]) + np.random.default_rng(1).normal(0, 0.002, (140, 3))
    return bars, forecasts_on(bars, mean)


@given(st.floats(0, 30), st.floats(0, 30))
@settings(max_examples=10, deadline=None)
def test_more_costs_never_make_the_same_forecasts_earn_more(skilled, first, second):
    cheap, dear = sorted((first, second))
    rows = cost_grid(*skilled, BOTH, [0], [cheap, dear])
    assert rows[1].total_return <= rows[0].total_return + 1e-3


def test_a_row_of_the_grid_is_the_run_at_these_costs(skilled):
    row = cost_grid(*skilled, LONG, [2.0], [3.0])[0]
    changed = settings_from(
        {
            "strategy": {"min_hold_bars": 0},
            "execution": {"fractional": True, "fee_bps": 2, "slippage_bps": 3},
        }
    )
    equity = simulate(*skilled, changed).equity["equity"]
    assert row.total_return == equity.iloc[-1] / equity.iloc[0] - 1
    assert (row.fee_bps, row.slippage_bps, row.delay_bars) == (2, 3, 0)
    assert row.turnover_per_year > 0


def test_the_grid_has_a_row_for_every_pair(skilled):
    rows = cost_grid(*skilled, LONG, [0, 1], [0, 4, 10])
    assert [(row.fee_bps, row.slippage_bps) for row in rows] == [
        (0, 0), (0, 4), (0, 10), (1, 0), (1, 4), (1, 10),
    ]  # fmt: skip


@pytest.mark.parametrize("bars", [1, 3])
def test_a_delay_shifts_what_is_known(skilled, bars):
    forecasts = skilled[1]
    late = delayed(forecasts, bars)
    assert np.isnan(late.mean[:bars]).all()
    np.testing.assert_array_equal(late.p_up[bars:], forecasts.p_up[:-bars])
    assert late.timestamps.equals(forecasts.timestamps)


def test_skill_that_lasts_one_bar_is_lost_by_a_delay_of_one(skilled):
    prompt, late = cost_grid(*skilled, BOTH, [1], [4])[0], delay_row(*skilled, BOTH)
    assert prompt.total_return > 0.1
    assert late.total_return < 0.5 * prompt.total_return
    assert late.delay_bars == 1


def test_short_exposure_is_what_the_account_says(skilled):
    bars, forecasts = skilled
    result = simulate(bars, forecasts, BOTH)
    short = short_exposure(bars, result)
    assert short.max() > 1000
    equity = result.equity
    gross = equity["gross_exposure"] * equity["equity"]
    long = equity["equity"] - equity["cash"] + short
    np.testing.assert_allclose(long + short, gross, rtol=1e-6, atol=1e-3)


def test_borrowed_shares_are_charged_for_the_time_that_passes(skilled):
    bars, forecasts = skilled
    result = simulate(bars, forecasts, BOTH)
    free, dear = borrow_rows(bars, result, BOTH, [0.0, 300.0])
    times = result.equity["time"]
    years = (times.iloc[-1] - times.iloc[0]).total_seconds() / (365.25 * 86_400)
    charged = short_exposure(bars, result).sum() * 0.03 * years / len(times)
    assert (free.total_return - dear.total_return) * 100_000 == pytest.approx(charged)


def test_who_is_never_short_borrows_nothing(skilled):
    bars, forecasts = skilled
    result = simulate(bars, forecasts, LONG)
    assert (short_exposure(bars, result) == 0).all()
    rows = borrow_rows(bars, result, LONG, [0.0, 300.0])
    assert rows[0].total_return == rows[1].total_return


@pytest.mark.parametrize("against", ["cash", "benchmark"])
def test_at_the_break_even_cost_nothing_is_left(skilled, against):
    bars, forecasts = skilled
    found = break_even(bars, forecasts, BOTH, against)
    assert found.cost_bps == pytest.approx(found.first_order_bps, rel=0.5)

    def left(cost):
        table = simulate(bars, forecasts, with_costs(BOTH, cost, 0)).equity
        if against == "cash":
            return table["equity"].iloc[-1] - 100_000
        own, held = (table[name].pct_change().fillna(0).to_numpy() for name in ("equity", "benchmark"))
        return np.polyfit(held, own, 1)[1]  # the alpha

    assert left(found.cost_bps - 1) > 0 > left(found.cost_bps + 1)
    assert found.runs <= 13


def test_what_only_follows_its_market_up_has_nothing_to_pay_costs_from(bars_of, forecasts_on):
    bars = bars_of(count=160)
    rising = replace(bars, **{name: getattr(bars, name) * np.exp(0.002 * np.arange(160))[:, None]
                              for name in ("open", "high", "low", "close")})  # fmt: skip
    wobbling = 0.01 + 0.02 * np.sin(np.arange(140) / 5)[:, None] * np.ones(3)
    forecasts = forecasts_on(rising, wobbling)
    assert break_even(rising, forecasts, LONG).cost_bps > 50
    beyond = break_even(rising, forecasts, LONG, "benchmark").cost_bps
    assert beyond is None or beyond < 50


def test_what_loses_for_free_has_no_break_even(skilled, forecasts_on):
    bars, forecasts = skilled
    assert break_even(bars, forecasts_on(bars, -forecasts.mean), BOTH).cost_bps is None


def test_what_never_trades_has_no_break_even(skilled, forecasts_on):
    bars, forecasts = skilled
    assert break_even(bars, forecasts_on(bars, np.zeros_like(forecasts.mean)), LONG).cost_bps is None


def test_capacity_grows_with_the_share_and_is_where_a_fill_takes_it(skilled):
    bars, forecasts = skilled
    result = simulate(bars, forecasts, LONG)
    small, large = capacity(bars, result, [0.01, 0.02])
    assert large.money == pytest.approx(2 * small.money)
    assert small.money <= small.median_money
    assert small.fills == (result.orders["filled_quantity"] > 0).sum()


def test_the_capacity_of_a_single_fill_worked_by_hand(skilled):
    bars, forecasts = skilled
    result = simulate(bars, forecasts, LONG)
    first = result.orders.head(1).assign(filled_quantity=200.0)
    equity = result.equity.assign(equity=50_000.0)
    alone = type(result)(equity, first, *(pd.DataFrame(),) * 3, {})
    assert capacity(bars, alone, [0.01])[0].money == pytest.approx(50_000 * 0.01 * 1e6 / 200)


def test_without_a_fill_capacity_is_unknown(skilled, forecasts_on):
    bars, forecasts = skilled
    result = simulate(bars, forecasts_on(bars, np.zeros_like(forecasts.mean)), LONG)
    assert capacity(bars, result)[0].money is None
