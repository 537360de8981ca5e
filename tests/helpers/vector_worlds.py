"""Random worlds: bars with holes, late starts, early ends and splits, forecasts with gaps and ties, all settings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from forewalk.data.meaning.actions import adjust_series
from forewalk.settings.loading import settings_from
from forewalk.types import Bars, Forecasts

WARM_UP = 3  # bars before the first forecast


def make_world(
    seed, bars=40, symbols=4, horizon=1, holes=0.1, move=0.03, reach=1.0, everywhere=False, members=False,
    extras=False, splits="none",
):  # fmt: skip
    """Bars and forecasts; `everywhere` also where a symbol has no bar or is no member of a universe.

    `members` lays that universe over the bars; `extras` pays dividends and has a spread. `splits` of shares stand in
    the prices as falls and rises ("untold"), or are applied to them as the loader does ("told").
    """
    random = np.random.default_rng(seed)
    rows = bars + WARM_UP
    times = pd.bdate_range("2015-01-02", periods=rows, tz="UTC") + pd.Timedelta(hours=21)
    close = 50 * np.exp(np.cumsum(random.normal(0, move, (rows, symbols)), axis=0))
    open_ = close * np.exp(random.normal(0, move / 2, (rows, symbols)))
    volume = random.integers(0, 4000, (rows, symbols)).astype(float)
    volume[:, random.random(symbols) < 0.2] = 0.0  # as currencies and indices report none
    row = np.arange(rows)[:, None]
    late = np.where(random.random(symbols) < 0.3, random.integers(0, rows // 2, symbols), 0)
    end = np.where(random.random(symbols) < 0.3, random.integers(rows // 2, rows, symbols), rows)
    missing = (random.random((rows, symbols)) < holes) | (row < late) | (row >= end)
    wick = np.exp(np.abs(np.random.default_rng([seed, 1]).normal(0, move / 2, (2, rows, symbols))))
    high, low = np.maximum(open_, close) * wick[0], np.minimum(open_, close) / wick[1]
    prices = (open_, high, low, close, volume)
    if splits != "none":
        prices = _split(prices, seed, told=splits == "told")
    fields = [np.where(missing, np.nan, values) for values in prices]
    history = Bars(times, tuple(f"S{s}" for s in range(symbols)), *fields)
    if members:
        belongs = np.cumsum(random.random((rows, symbols)) < 0.1, axis=0) % 2 == 0
        history = history.with_extras(member=belongs.astype(float))
        missing = missing | ~belongs
    if extras:
        paid = np.where(random.random((rows, symbols)) < 0.1, random.uniform(0, 2, (rows, symbols)), 0.0)
        spread = random.uniform(0, 0.5, (rows, symbols))
        spread[random.random((rows, symbols)) < 0.1] = np.nan
        level = prices[0] / 50  # no dividend or spread of many times the price
        history = history.with_extras(dividend=paid * level, spread=spread * level)
    silent = (random.random((bars, symbols)) < holes) | (missing[WARM_UP:] & (not everywhere))
    mean = random.normal(0, 0.01 * reach, (bars, symbols)).round(3)  # rounded: ties and exact zeros
    std = np.where(random.random((bars, symbols)) < 0.5, 0.02, random.uniform(0.01, 0.05, (bars, symbols)))
    return history, make_forecasts(times[WARM_UP:], history.symbols, mean, std, silent, horizon)


def _split(prices, seed, told):
    """Split shares now and then, 2:1, 3:2, 20:1 or together 1:10; `told` applies it forwards, as to a file."""
    random = np.random.default_rng([seed, 2])
    shape = prices[0].shape
    ratio = np.where(random.random(shape) < 0.05, random.choice([2.0, 1.5, 20.0, 0.1], shape), 1.0)
    shares = np.cumprod(ratio, axis=0)
    raw = [*(values / shares for values in prices[:4]), np.round(prices[4] * shares)]
    if not told:
        return raw
    columns = []
    for s in range(shape[1]):
        own = np.column_stack([values[:, s] for values in raw[:4]])
        known = adjust_series(own, raw[4][:, s], {"split": ratio[:, s]}, False, None, False, f"S{s}")
        columns.append(np.column_stack([known.prices, known.volume]))
    return list(np.array(columns).transpose(2, 1, 0))


def make_forecasts(times, symbols, mean, std, silent, horizon=1):
    mean, std, p_up = (np.where(silent, np.nan, values) for values in (mean, std, np.full(mean.shape, 0.5)))
    nothing = pd.DatetimeIndex([pd.NaT] * len(times), tz="UTC")
    return Forecasts(times, tuple(symbols), mean, std, p_up, horizon, ("",) * len(times), nothing)


worlds = st.builds(
    make_world,
    seed=st.integers(0, 2**32 - 1),
    bars=st.integers(2, 45),
    symbols=st.one_of(st.integers(1, 6), st.integers(7, 20)),
    horizon=st.sampled_from([1, 5]),
    holes=st.sampled_from([0.0, 0.1, 0.4]),
    move=st.sampled_from([0.01, 0.05, 0.3]),
    reach=st.sampled_from([0.2, 1.0, 5.0]),
    everywhere=st.booleans(),
    members=st.booleans(),
    extras=st.booleans(),
    splits=st.sampled_from(["none", "untold", "told"]),
)


def maybe(values):
    return st.one_of(st.none(), values)


strategies = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["per_symbol", "cross_section"]),
        "direction": st.sampled_from(["long_flat", "long_short"]),
        "entry": st.sampled_from([0.0, 0.02, 0.3, 1.0]),
        "min_gain_bps": st.sampled_from([0.0, 0.0, 20.0, 100.0]),
        "exit": st.sampled_from([-0.5, -0.1, 0.0, 0.1, 0.5]),
        "min_hold_bars": st.integers(0, 7),
        "stop_loss": maybe(st.sampled_from([0.01, 0.05, 0.5])),
        "take_profit": maybe(st.sampled_from([0.01, 0.08, 0.5])),
        "stop_orders": st.booleans(),
        "top": st.integers(1, 8),
        "hysteresis": st.integers(0, 8),
        "turnover_cap": maybe(st.sampled_from([0.05, 0.3, 1.0])),
        "sizing": st.sampled_from(["fixed_fraction", "volatility_target", "constant_risk"]),
        "always_held": st.booleans(),
        "tilt": st.sampled_from([0.0, 0.3, 2.0]),
        "smooth_std_bars": st.sampled_from([1, 1, 3, 21]),
        "trade_band": st.sampled_from([0.0, 0.05, 0.4]),
        "fraction": maybe(st.sampled_from([0.001, 0.1, 0.5, 2.0])),
        "target_volatility": st.sampled_from([0.01, 0.1, 1.0]),
        "max_weight": st.sampled_from([0.05, 0.25, 1.0, 3.0]),
        "max_gross": st.sampled_from([0.3, 0.95, 1.0, 2.5]),
    }
)
executions = st.fixed_dictionaries(
    {
        "cash": st.sampled_from([100.0, 5_000.0, 1e6]),
        "fee_bps": st.sampled_from([0.0, 1.0, 60.0, 2000.0]),
        "fee_per_share": st.sampled_from([0.0, 0.0, 0.005]),
        "fee_min": st.sampled_from([0.0, 0.0, 1.0, 30.0]),
        "cash_yield": st.sampled_from([0.0, 0.0, 0.05, -0.01]),
        "borrow_bps_per_year": st.sampled_from([0.0, 0.0, 50.0, 3000.0]),
        "margin_bps_per_year": st.sampled_from([0.0, 150.0, 2000.0]),
        "impact": st.sampled_from([0.0, 0.0, 1.0, 8.0]),
        "spread": st.sampled_from(["given", "estimated"]),
        "delisting_return": st.sampled_from([0.0, 0.0, -0.3, 0.2]),
        "slippage_bps": st.sampled_from([0.0, 4.0, 150.0]),
        "fractional": st.booleans(),
        "max_volume_share": maybe(st.sampled_from([0.001, 0.1, 1.0])),
        "volume_known": st.sampled_from(["before", "bar"]),
        "stale_exit_bars": st.integers(1, 12),
        "entry_style": st.sampled_from(["market", "market", "open_auction", "close_auction", "limit"]),
        "exit_style": st.sampled_from(["market", "market", "open_auction", "close_auction", "limit"]),
        "limit_bps": st.sampled_from([0.0, 25.0, 300.0, -40.0]),
    }
)


def _possible(strategy):
    """Leave out what the settings refuse to take together."""
    always = strategy["always_held"] and (strategy["kind"], strategy["direction"]) == (
        "per_symbol",
        "long_flat",
    )
    tilt = strategy["tilt"] if strategy["sizing"] == "constant_risk" else 0.0
    stops = strategy["stop_orders"] and strategy["stop_loss"] and strategy["sizing"] != "constant_risk"
    of_forecasts = ("entry", "exit", "min_gain_bps") if always else ()
    rest = {name: value for name, value in strategy.items() if name not in of_forecasts}
    return {**rest, "always_held": always, "tilt": tilt, "stop_orders": bool(stops)}


all_settings = st.builds(
    lambda strategy, execution: settings_from({"strategy": _possible(strategy), "execution": execution}),
    strategies,
    executions,
)


@pytest.fixture(scope="session")
def world_maker():
    return make_world
