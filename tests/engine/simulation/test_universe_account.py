"""An account in a universe: who may be entered, who is left, and what a delisting is booked at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from engine.evaluation.policies import equal_weight_targets, momentum_targets, target_account
from engine.simulation.benchmark import equal_weight_benchmark, members_of
from engine.simulation.cerebro import simulate
from engine.simulation.feeds import BARRED, STALE, fill_capacity
from forewalk.settings.loading import settings_from
from helpers.making import make_bars
from helpers.small_panels import make_forecasts
from helpers.vector_worlds import all_settings, worlds

FREE = {
    "fee_bps": 0.0,
    "borrow_bps_per_year": 0,
    "margin_bps_per_year": 0,
    "slippage_bps": 0.0,
    "fractional": True,
    "max_volume_share": None,
}


def in_universe(bars, *spans):
    """Bars with members: (column, first row, stop row) each."""
    member = np.zeros(bars.close.shape)
    for column, first, stop in spans:
        member[first:stop, column] = 1.0
    return bars.with_extras(member=member)


def always_up(bars):
    """Forecasts that like every member on every bar."""
    mean = np.where(bars.present & bars.member, 0.01, np.nan)
    return make_forecasts(bars, mean, first=0)


@hypothesis_settings(max_examples=40)
@given(world=worlds, settings=all_settings)
def test_nothing_is_entered_that_is_no_member(world, settings):
    bars, forecasts = world
    if bars.member is None:
        return
    orders = simulate(bars, forecasts, settings).orders
    filled = orders[(orders["filled_quantity"] > 0) & (orders["reason"] == "entry")]
    rows = bars.timestamps.get_indexer(filled["decided_at"])
    columns = np.array([bars.symbols.index(symbol) for symbol in filled["symbol"]], int)
    assert bars.member[rows, columns].all()


def test_a_symbol_that_leaves_is_sold_at_the_next_open():
    bars = in_universe(make_bars(rows=60, symbols=2), (0, 0, 30), (1, 0, 60))
    run = simulate(bars, always_up(bars), settings_from({"execution": FREE}))
    (trade,) = run.trades.to_dict("records")
    assert trade["symbol"] == "S00"
    assert trade["exit_price"] == pytest.approx(bars.open[31, 0])


@pytest.mark.parametrize("loss", [0.0, -0.6])
def test_a_delisted_position_is_booked_at_the_last_price_on_the_day_after_it_left(loss):
    plain = make_bars(rows=60, symbols=2, missing=[(slice(30, None), 0)])
    prices = {name: np.array(getattr(plain, name)) for name in ("open", "high", "low", "close")}
    volume = np.array(plain.volume)
    if loss:  # as `with_universe` writes it
        for values in prices.values():
            values[30, 0] = plain.close[29, 0] * (1 + loss)
        volume[30, 0] = 0.0
    bars = in_universe(
        type(plain)(plain.timestamps, plain.symbols, **prices, volume=volume), (0, 0, 30), (1, 0, 60)
    )
    run = simulate(bars, always_up(bars), settings_from({"execution": FREE}))
    (trade,) = run.trades.to_dict("records")
    assert trade["exit_price"] == pytest.approx(plain.close[29, 0] * (1 + loss))
    assert run.open_positions["symbol"].tolist() == ["S01"]


def test_a_member_without_a_bar_waits_and_one_that_left_does_not():
    bars = make_bars(rows=12, symbols=2, missing=[(slice(5, None), 0), (slice(5, None), 1)])
    bars = in_universe(bars, (0, 0, 12), (1, 0, 5))
    execution = settings_from({"execution": {"stale_exit_bars": 4}}).execution
    capacity = fill_capacity(bars, execution)
    assert capacity[5:, 0].tolist() == [0.0, 0.0, 0.0, 0.0, STALE, STALE, STALE]
    assert capacity[5:, 1].tolist() == [STALE] * 7


def test_what_is_no_member_may_be_reduced_as_far_as_the_volume_goes_and_not_entered():
    bars = in_universe(make_bars(rows=6, symbols=1), (0, 0, 3))
    execution = settings_from({"execution": {"max_volume_share": 0.1, "volume_known": "bar"}}).execution
    capacity = fill_capacity(bars, execution)[:, 0]
    allowed = np.floor(bars.volume[:, 0] * 0.1)
    assert (
        capacity[:4].tolist() == allowed[:4].tolist()
    )  # bar 3 fills what was decided on bar 2, the last one
    assert (BARRED - capacity[4:]).tolist() == allowed[4:].tolist()


def test_the_benchmark_holds_the_members_in_equal_parts_and_no_one_else():
    bars = in_universe(make_bars(rows=60, symbols=3), (0, 0, 20), (1, 0, 60), (2, 40, 60))
    execution = settings_from({"execution": FREE}).execution
    members = members_of(bars, always_up(bars))
    values = equal_weight_benchmark(bars, members, execution)
    growth = values[1:] / values[:-1]
    returns = bars.close[1:] / bars.close[:-1]
    np.testing.assert_allclose(growth[21:39], returns[21:39, 1], rtol=1e-12)  # one member only
    both = 0.5 * (bars.close[41] / bars.open[41])[[1, 2]].sum()
    assert values[41] == pytest.approx(values[40] * bars.open[41, 1] / bars.close[40, 1] * both)


def test_the_benchmark_sells_what_is_delisted_at_its_last_price():
    bars = in_universe(make_bars(rows=30, symbols=1, missing=[(slice(20, None), 0)]), (0, 0, 20))
    execution = settings_from({"execution": FREE}).execution
    values = equal_weight_benchmark(bars, bars.member, execution)
    assert (values[20:] == values[19]).all()


def test_policies_without_a_model_leave_with_the_symbol():
    bars = in_universe(
        make_bars(rows=300, symbols=2, missing=[(slice(280, None), 0)]), (0, 0, 280), (1, 0, 300)
    )
    momentum = momentum_targets(bars, bars.member, 1.0, span_bars=20)
    equal = equal_weight_targets(bars.member, 1.0)
    assert (momentum[280, 0], equal[280, 0]) == (0.0, 0.0)
    account = target_account(bars, equal, settings_from({"execution": FREE}).execution)
    held = np.diff(account.equity[282:293]) / np.diff(bars.close[282:293, 1])
    np.testing.assert_allclose(held, held[0], rtol=1e-9)  # shares of the other one, and no more
