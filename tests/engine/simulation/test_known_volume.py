"""How much may be filled at an open is told from bars that had closed before it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.simulation.cerebro import simulate
from engine.simulation.compiled.account import simulate_compiled
from engine.simulation.compiled.run import simulate_settings
from engine.simulation.engines import check_equal
from engine.simulation.feeds import fill_capacity
from engine.simulation.money import volume_before, with_frictions
from forewalk.settings.loading import settings_from
from helpers.making import make_bars
from helpers.vector_worlds import make_world, worlds

WINDOW = 21


def capped(known="before", share=0.1, **execution):
    return settings_from({"execution": {"max_volume_share": share, "volume_known": known, **execution}})


def other_volume(bars, row, seed):
    """Other volumes from `row` on, where there were any."""
    wild = np.random.default_rng(seed).integers(1, 9_999, bars.volume.shape)
    later = (np.arange(len(bars))[:, None] >= row) & (bars.volume > 0)
    return replace(bars, volume=np.where(later, wild, bars.volume))


@settings(max_examples=50)
@given(seed=st.integers(0, 9999), row=st.integers(1, 59))
def test_the_capacity_of_a_bar_does_not_know_how_much_was_traded_on_it(seed, row):
    bars, _ = make_world(seed, bars=60, symbols=4)
    told, again = (fill_capacity(each, capped().execution) for each in (bars, other_volume(bars, row, seed)))
    np.testing.assert_array_equal(told[: row + 1], again[: row + 1])


@settings(max_examples=20)
@given(seed=st.integers(0, 9999), row=st.integers(4, 59))
def test_no_fill_knows_how_much_was_traded_on_its_bar(seed, row):
    bars, forecasts = make_world(seed, bars=60, symbols=4)
    runs = [
        simulate_compiled(each, forecasts, capped(share=0.01, cash=1e6))
        for each in (bars, other_volume(bars, row, seed))
    ]
    fills = [run.orders[run.orders["filled_at"] <= bars.timestamps[row]] for run in runs]
    np.testing.assert_array_equal(*(f[["fill_price", "filled_quantity"]].to_numpy(np.float64) for f in fills))
    np.testing.assert_array_equal(*(run.equity["equity"].to_numpy()[: row - 2] for run in runs))


@settings(max_examples=50)
@given(seed=st.integers(0, 9999))
def test_it_is_the_mean_of_the_symbols_own_twenty_one_bars_before(seed):
    bars, _ = make_world(seed, bars=60, symbols=3)
    found = volume_before(bars)
    for column in range(3):
        seen = []
        for row in range(len(bars)):
            expected = np.mean(seen[-WINDOW:]) if any(seen) else np.nan
            np.testing.assert_allclose(found[row, column], expected, rtol=1e-12)
            if bars.present[row, column]:
                seen.append(bars.volume[row, column])


@settings(max_examples=50)
@given(world=worlds, share=st.sampled_from([0.001, 0.01, 0.1]), fractional=st.booleans())
def test_both_engines_fill_the_same_where_the_cap_bites(world, share, fractional):
    cut = capped(share=share, fractional=fractional, cash=1e6)
    expected, compiled = simulate(*world, cut), simulate_compiled(*world, cut)
    check_equal(expected, compiled)
    assert expected.counts == compiled.counts


def test_a_grid_of_both_is_each_alone():
    bars, forecasts = make_world(3, bars=60, symbols=5)
    grid = [capped(known, share=0.01, cash=1e6) for known in ("before", "bar", "before")]
    together = simulate_settings(bars, forecasts, grid).equity
    alone = [simulate_compiled(bars, forecasts, each).equity["equity"] for each in grid]
    np.testing.assert_array_equal(together, alone)
    assert (together[0] != together[1]).any()


def test_a_bar_in_which_nothing_was_traded_fills_nothing():
    bars = make_bars(rows=40, symbols=1)
    volume = bars.volume.copy()
    volume[30] = 0.0
    capacity = fill_capacity(replace(bars, volume=volume), capped().execution)[:, 0]
    assert capacity[30] == 0.0
    assert capacity[29] > 0.0
    assert capacity[31] == np.floor(0.1 * volume[10:31].mean())


@pytest.mark.parametrize("known", ["before", "bar"])
def test_a_currency_is_not_capped(known):
    bars = make_bars(rows=40, symbols=1)
    silent = replace(bars, volume=np.zeros(bars.volume.shape))
    assert np.isinf(fill_capacity(silent, capped(known).execution)).all()


def test_the_first_fill_of_a_run_knows_the_bars_before_the_run():
    bars = make_bars(rows=60, symbols=2)
    execution = capped().execution
    whole = fill_capacity(with_frictions(bars, execution), execution)
    span = with_frictions(bars, execution).since(bars.timestamps[40])
    np.testing.assert_array_equal(fill_capacity(span, execution), whole[40:])
