"""What an account bears besides its orders, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.policies import target_account
from engine.simulation.benchmark import equal_weight_benchmark
from engine.simulation.cerebro import simulate
from engine.simulation.money import fee_of, interest, years_between
from forewalk.settings.loading import settings_from
from helpers.making import make_bars
from helpers.small_panels import make_forecasts

FREE = {"fee_bps": 0.0, "slippage_bps": 0.0, "fractional": True, "max_volume_share": None}
money = st.floats(0, 1e9)


def run(bars, mean, direction="long_flat", **execution):
    """One decision on the first bar and none after it: what is bought is kept."""
    forecasts = make_forecasts(bars, np.full(bars.close.shape, mean), first=0)
    tree = {
        "strategy": {"direction": direction, "max_weight": 0.4, "max_gross": 0.4, "min_hold_bars": 10_000},
        "execution": {**FREE, **execution},
    }
    return simulate(bars, forecasts, settings_from(tree))


@given(cash=money, short=money, years=st.floats(0, 1), rate=st.floats(0, 0.2), borrow=st.floats(0, 0.5))
def test_borrowed_shares_never_earn_and_cash_never_loses_at_a_positive_rate(cash, short, years, rate, borrow):
    with_it, without = interest(cash, short, years, rate, borrow), interest(cash, 0.0, years, rate, borrow)
    assert with_it <= without
    assert without >= 0.0


@given(st.floats(0, 1e6), st.floats(0.01, 1e4), st.floats(0, 0.01), st.floats(0, 1), st.floats(0, 50))
def test_a_fee_is_at_least_the_least_one_and_grows_with_the_quantity(quantity, price, rate, share, least):
    fee = fee_of(quantity, price, rate, share, least)
    assert fee >= least
    assert fee_of(quantity + 1, price, rate, share, least) >= fee


def test_idle_cash_earns_by_the_days_that_pass_a_weekend_three_of_them():
    bars = make_bars(rows=6, symbols=1)  # Friday, Monday ...
    result = run(bars, -0.01, cash_yield=0.0365)
    equity = result.equity["equity"].to_numpy()
    days = (bars.timestamps[1:] - bars.timestamps[:-1]).total_seconds() / 86400
    np.testing.assert_allclose(equity[1:] / equity[:-1] - 1, 0.0365 * days / 365.25, rtol=1e-9)
    assert days[0] == 3.0
    assert result.counts["interest"] == pytest.approx(equity[-1] - equity[0])


def test_a_short_position_pays_for_its_shares_and_its_proceeds_earn_nothing():
    bars = make_bars(rows=8, symbols=1)
    plain = run(bars, -0.01, "long_short").equity
    charged = run(bars, -0.01, "long_short", borrow_bps_per_year=500.0, cash_yield=0.02).equity
    size = plain["cash"].to_numpy()[1] - 100_000.0  # proceeds
    shares = size / bars.open[1, 0]
    years = years_between(bars)
    cash = 100_000.0 + 100_000.0 * 0.02 * years[1] + size
    for t in range(2, 8):
        owed = shares * bars.close[t - 1, 0]
        cash += (cash - owed) * 0.02 * years[t] - owed * 0.05 * years[t]
        assert charged["cash"].to_numpy()[t] == pytest.approx(cash, rel=1e-9)


def test_fees_by_share_and_the_least_fee_are_paid_once_a_fill():
    bars = make_bars(rows=6, symbols=1)
    order = run(bars, 0.01, fee_per_share=0.01).orders.iloc[0]
    assert order["fee"] == pytest.approx(0.01 * order["filled_quantity"])
    assert run(bars, 0.01, fee_per_share=0.0001, fee_min=7.5).orders.iloc[0]["fee"] == 7.5


def test_half_the_spread_is_paid_on_the_way_in_and_on_the_way_out():
    bars = make_bars(rows=6, symbols=1)
    wide = bars.with_extras(spread=np.full(bars.close.shape, 0.2))
    result = run(wide, 0.01)
    assert result.orders.iloc[0]["fill_price"] == pytest.approx(bars.open[1, 0] + 0.1)
    assert result.counts["slippage_paid"] == pytest.approx(0.1 * result.orders.iloc[0]["filled_quantity"])
    short = run(wide, -0.01, "long_short")
    assert short.orders.iloc[0]["fill_price"] == pytest.approx(bars.open[1, 0] - 0.1)


@pytest.mark.parametrize(("mean", "direction"), [(0.01, "long_flat"), (-0.01, "long_short")])
def test_a_dividend_is_paid_for_what_was_held_at_the_close_before(mean, direction):
    bars = make_bars(rows=8, symbols=1)
    paid = np.zeros(bars.close.shape)
    paid[1] = paid[4] = 0.5  # the first one before anything is held
    plain, with_it = run(bars, mean, direction), run(bars.with_extras(dividend=paid), mean, direction)
    size = np.sign(mean) * plain.orders.iloc[0]["filled_quantity"]
    gain = with_it.equity["cash"].to_numpy() - plain.equity["cash"].to_numpy()
    np.testing.assert_allclose(gain, [0, 0, 0, 0, *[0.5 * size] * 4], atol=1e-7)
    assert with_it.counts["dividends"] == pytest.approx(0.5 * size)


def test_raw_prices_with_dividends_earn_what_adjusted_prices_do():
    """Buying and holding: the raw fall on the ex-date comes back as cash."""
    bars = make_bars(rows=30, symbols=1)
    fall = np.where(np.arange(30)[:, None] >= 15, 1.0, 0.0)
    raw = type(bars)(
        bars.timestamps, bars.symbols, bars.open - fall, bars.high - fall, bars.low - fall, bars.close - fall,
        bars.volume, extras={"dividend": np.where(np.arange(30)[:, None] == 15, 1.0, 0.0)},
    )  # fmt: skip
    execution = settings_from({"execution": FREE}).execution
    everyone = np.ones(bars.close.shape, bool)
    np.testing.assert_allclose(
        equal_weight_benchmark(raw, everyone, execution), equal_weight_benchmark(bars, everyone, execution)
    )


def test_baselines_earn_and_pay_by_the_same_terms():
    bars = make_bars(rows=12, symbols=1).with_extras(spread=np.full((12, 1), 0.1))
    execution = settings_from(
        {"execution": {**FREE, "cash_yield": 0.05, "borrow_bps_per_year": 100.0}}
    ).execution
    target = np.full((12, 1), np.nan)
    target[0] = -0.5
    equity = target_account(bars, target, execution).equity
    years = years_between(bars)
    shares = -0.5 * 100_000.0 / bars.close[0, 0]
    cash = 100_000.0 * (1 + 0.05 * years[1]) - shares * bars.open[1, 0] - abs(shares) * 0.05
    for t in range(2, 12):
        owed = -shares * bars.close[t - 1, 0]
        cash += interest(cash, owed, years[t], 0.05, 0.01)
        assert equity[t] == pytest.approx(cash + shares * bars.close[t, 0], rel=1e-12)
