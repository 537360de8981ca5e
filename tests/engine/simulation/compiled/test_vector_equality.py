"""The compiled simulation equals the Cerebro run: order by order, and the equity bar by bar, to the last bit."""

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from engine.simulation.cerebro import simulate
from engine.simulation.compiled.account import simulate_compiled
from engine.simulation.compiled.run import simulate_settings
from engine.simulation.engines import check_equal
from forewalk.compute.pool import Processes
from forewalk.settings.loading import settings_from
from forewalk.types import Bars
from helpers.vector_worlds import all_settings, make_forecasts, make_world, worlds


def assert_equal_runs(bars, forecasts, settings):
    """Hold every table of both engines equal, bit for bit; return the orders."""
    expected = simulate(bars, forecasts, settings)
    compiled = simulate_compiled(bars, forecasts, settings)
    for name in ("equity", "orders", "trades", "decisions", "open_positions"):
        left, right = getattr(expected, name), getattr(compiled, name)
        assert list(left.columns) == list(right.columns)
        for column in left:
            numbers = right[column].dtype == np.float64
            one = left[column].astype(np.float64) if numbers else left[column]
            pd.testing.assert_series_equal(one, right[column], check_dtype=False, check_exact=True)
    assert expected.counts == compiled.counts
    check_equal(expected, compiled)
    return compiled.orders


@hypothesis.settings(max_examples=100)
@given(world=worlds, settings=all_settings)
def test_every_order_and_every_bar_is_that_of_the_cerebro_run(world, settings):
    assert_equal_runs(*world, settings)


CASES = {
    "per symbol, long or flat": {},
    "per symbol, long and short": {"strategy": {"direction": "long_short", "min_hold_bars": 0}},
    "by rank, long and short": {"strategy": {"kind": "cross_section", "direction": "long_short", "top": 3}},
    "by rank with hysteresis": {"strategy": {"kind": "cross_section", "top": 4, "hysteresis": 3}},
    "capped turnover": {
        "strategy": {"kind": "cross_section", "top": 5, "turnover_cap": 0.2, "hysteresis": 0}
    },
    "stops": {"strategy": {"stop_loss": 0.02, "take_profit": 0.03}},
    "volatility target": {"strategy": {"sizing": "volatility_target", "target_volatility": 0.3}},
    "constant risk": {
        "strategy": {"sizing": "constant_risk", "target_volatility": 0.3, "always_held": True, "tilt": 0.5},
        "execution": {"fractional": True},
    },
    "constant risk by rank, long and short": {
        "strategy": {
            "kind": "cross_section",
            "top": 3,
            "direction": "long_short",
            "hysteresis": 4,
            "sizing": "constant_risk",
            "turnover_cap": 0.3,
        }
    },
    "fractions of shares": {"execution": {"fractional": True}},
    "borrowed money is refused": {"strategy": {"max_gross": 3.0, "max_weight": 1.0, "fraction": 0.4}},
    "fees beyond the cash": {
        "strategy": {"max_gross": 1.0, "max_weight": 1.0},
        "execution": {"fee_bps": 900},
    },
    "a small share of the volume": {"execution": {"max_volume_share": 0.01, "cash": 1e6}},
    "a share of the volume of the bar itself": {
        "execution": {"max_volume_share": 0.01, "cash": 1e6, "volume_known": "bar"}
    },
    "no cap on the volume": {"execution": {"max_volume_share": None}},
    "resting stops": {"strategy": {"stop_loss": 0.02, "stop_orders": True, "direction": "long_short"}},
    "resting stops that a bar fills in part": {
        "strategy": {"stop_loss": 0.02, "stop_orders": True, "entry": 0.0, "exit": -9.0},
        "execution": {"max_volume_share": 0.01, "cash": 1e5},
    },
    "limits": {"execution": {"entry_style": "limit", "exit_style": "limit", "limit_bps": 10.0}},
    "in at the close, out at a limit": {
        "strategy": {"stop_loss": 0.02, "stop_orders": True},
        "execution": {"entry_style": "close_auction", "exit_style": "limit", "limit_bps": -30.0},
    },
    "positions trimmed": {"strategy": {"max_weight": 0.1, "max_gross": 0.4, "min_hold_bars": 40}},
}


@pytest.mark.parametrize("tree", CASES.values(), ids=CASES)
@pytest.mark.parametrize("symbols", [1, 9, 150])
def test_each_rule_is_equal_over_few_and_many_symbols(tree, symbols):
    bars, forecasts = make_world(symbols, bars=120 if symbols < 100 else 40, symbols=symbols, move=0.04)
    orders = assert_equal_runs(bars, forecasts, settings_from(tree))
    assert len(orders) > 5 or symbols == 1  # one symbol cannot be both the best and the worst


WITNESSES = {
    ("margin", "entry"): CASES["borrowed money is refused"],
    ("partial", "entry"): CASES["a small share of the volume"],
    ("cancelled", "no_forecast"): {},
    ("filled", "stop_loss"): CASES["stops"],
    ("filled", "take_profit"): CASES["stops"],
    ("filled", "limit"): CASES["positions trimmed"],
    ("filled", "exit"): CASES["by rank with hysteresis"],
    ("filled", "resize"): CASES["constant risk"],
    ("pending", "entry"): {"strategy": {"min_hold_bars": 0}},
    ("stop", "filled"): CASES["resting stops"],
    ("stop", "cancelled"): CASES["resting stops"],
    ("stop", "pending"): CASES["resting stops"],
    ("stop", "partial"): CASES["resting stops that a bar fills in part"],
    ("limit", "filled"): CASES["limits"],
    ("limit", "cancelled"): CASES["limits"],
    ("close", "filled"): CASES["in at the close, out at a limit"],
}


@pytest.mark.parametrize(("what", "tree"), WITNESSES.items(), ids=["-".join(key) for key in WITNESSES])
def test_the_random_worlds_reach_every_way_an_order_can_end(what, tree):
    found = set()
    for seed in range(16):
        orders = simulate_compiled(*make_world(seed, bars=80, symbols=9), settings_from(tree)).orders
        found |= set(zip(orders["status"], orders["reason"], strict=True))
        found |= set(zip(orders["type"], orders["status"], strict=True))
    assert what in found


def test_a_stop_that_no_bar_takes_whole_rests_until_it_is_filled():
    bars, forecasts = make_world(1, bars=40, symbols=1, holes=0.0)
    level = np.full(bars.close.shape, 50.0)
    low = np.where(np.arange(len(bars))[:, None] < 20, level, 44.0)  # through the stop, and back by the close
    volume = np.where(low < level, 1000.0, 1e6)
    bars = Bars(bars.timestamps, bars.symbols, level, level, low, level, volume)
    mean = np.full((40, 1), 0.02)
    forecasts = make_forecasts(forecasts.timestamps, bars.symbols, mean, mean, np.zeros((40, 1), bool))
    tree = {"stop_loss": 0.1, "stop_orders": True, "entry": 0.0, "sizing": "fixed_fraction", "fraction": 0.02}
    orders = assert_equal_runs(
        bars, forecasts, settings_from({"strategy": tree, "execution": {"max_volume_share": 0.01}})
    )
    (stop,) = orders[orders["type"] == "stop"].to_dict("records")[:1]
    assert (stop["status"], stop["filled_quantity"]) == ("filled", stop["quantity"])
    assert stop["quantity"] > 10.0  # more than a bar of these takes


def test_a_position_of_a_delisted_symbol_is_closed_at_its_last_price():
    bars, forecasts = make_world(1, bars=40, symbols=2, holes=0.0)
    gone = np.arange(len(bars))[:, None] >= [99, 20]
    fields = [np.where(gone, np.nan, getattr(bars, name)) for name in ("open", "high", "low", "close")]
    bars = Bars(bars.timestamps, bars.symbols, *fields, np.where(gone, np.nan, 1e6))
    mean = np.full((40, 2), 0.02)
    forecasts = make_forecasts(forecasts.timestamps, bars.symbols, mean, mean, gone[3:])
    orders = assert_equal_runs(bars, forecasts, settings_from({"execution": {"stale_exit_bars": 4}}))
    last = orders[(orders["symbol"] == "S1") & (orders["status"] == "filled")].iloc[-1]
    assert (last["reason"], last["fill_price"]) == ("no_forecast", pytest.approx(bars.close[19, 1] * 0.9996))


def test_a_forecast_before_the_first_price_enters_nothing():
    bars, forecasts = make_world(1, bars=20, symbols=1, holes=0.0)
    late = np.arange(len(bars))[:, None] < 10
    fields = [
        np.where(late, np.nan, getattr(bars, name)) for name in ("open", "high", "low", "close", "volume")
    ]
    bars = Bars(bars.timestamps, bars.symbols, *fields)
    mean = np.full((20, 1), 0.02)
    forecasts = make_forecasts(forecasts.timestamps, bars.symbols, mean, mean, np.zeros((20, 1), bool))
    orders = assert_equal_runs(bars, forecasts, settings_from({}))
    assert orders["decided_at"].min() == bars.timestamps[10]


@hypothesis.settings(max_examples=20)
@given(world=worlds)
def test_a_grid_is_its_settings_one_by_one(world):
    trees = [{"strategy": {"entry": entry}} for entry in (0.0, 0.1, 0.5)]
    trees += [{"strategy": {"kind": "cross_section", "top": top}} for top in (1, 3)]
    trees += [{"execution": {"fractional": True}}, {"execution": {"max_volume_share": 0.01}}]
    grid = [settings_from(tree) for tree in trees]
    together = simulate_settings(*world, grid, Processes(2))
    alone = [simulate_compiled(*world, settings) for settings in grid]
    assert np.array_equal(together.equity, [one.equity["equity"] for one in alone])
    for status in ("pending", "filled", "partial", "cancelled", "margin"):
        assert together.table[status].tolist() == [one.counts[status] for one in alone]
