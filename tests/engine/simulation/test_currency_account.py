"""An account over several currencies, against closed forms: profit at the rate of the same bar, costs in pips."""

from __future__ import annotations

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.simulation.benchmark import benchmark_of
from engine.simulation.cerebro import build_cerebro, simulate
from engine.simulation.compiled.run import simulate_settings
from engine.simulation.compiled.scope import unsupported
from forewalk.instruments import account_bars, with_currencies
from forewalk.settings.loading import settings_from
from helpers.currency_panels import make_pairs
from helpers.small_panels import make_forecasts

FREE = {"fee_bps": 0.0, "slippage_bps": 0.0, "fractional": True, "max_volume_share": None}


class Holds(bt.Strategy):
    """Opens `units` of the first symbol at once, and closes them at the close of bar `until`."""

    params = (("units", 1000.0), ("until", 10))

    def next(self):
        if len(self) == 1:
            trade = self.buy if self.p.units > 0 else self.sell
            trade(data=self.datas[0], size=abs(self.p.units))
        if len(self) == self.p.until:
            self.close(data=self.datas[0])


def account(bars, units, until=10, **execution):
    """Cash and value at each close, and the broker."""
    values = []

    class Watched(Holds):
        def next(self):
            super().next()
            values.append((self.broker.getcash(), self.broker.getvalue()))

    terms = settings_from({"execution": {**FREE, **execution}}).execution
    cerebro = build_cerebro(bars, terms, Watched, {"units": units, "until": until})
    cerebro.run()
    return np.array(values), cerebro.broker


PANELS = {
    "quoted in the account's currency": ("EURUSD",),
    "the account's currency is the base": ("USDJPY",),
    "a cross, converted by a pair of the panel": ("EURGBP", "GBPUSD"),
    "a cross, converted over a third currency": ("EURJPY", "EURUSD"),
    "gold": ("XAUUSD",),
}


@pytest.mark.parametrize("symbols", PANELS.values(), ids=PANELS)
@pytest.mark.parametrize("units", [1000.0, -700.0])
def test_a_position_in_a_pair_is_worth_its_profit_at_the_rate_of_the_bar(symbols, units):
    units = units / 100 if symbols == ("XAUUSD",) else units
    bars = make_pairs(*symbols, rows=20)
    values, _ = account(bars, units)
    entry, leave = bars.open[1, 0], bars.open[10, 0]
    rate_open, rate_close = bars.extras["rate_open"][:, 0], bars.extras["rate_close"][:, 0]
    open_profit = units * (bars.close[:, 0] - entry) * rate_close
    expected = 100_000.0 + np.where(np.arange(20) < 10, open_profit, units * (leave - entry) * rate_open[10])
    np.testing.assert_allclose(values[1:, 1], expected[1:], rtol=1e-12)
    np.testing.assert_allclose(values[1:10, 0], 100_000.0, rtol=1e-12)  # nothing is paid for a pair
    assert values[-1, 0] == pytest.approx(values[-1, 1])


def test_a_long_dollar_yen_earns_a_share_of_the_new_price_not_of_the_old():
    """From 100 to 110 a long dollar earns 9.1 %, not 10 %: the profit is in yen, and a yen is worth less by then."""
    bars = make_pairs("USDJPY", rows=4, move=1e-9)
    prices = np.array([[100.0], [100.0], [110.0], [110.0]])
    bars = with_currencies(
        type(bars)(bars.timestamps, bars.symbols, *[prices] * 4, np.zeros((4, 1)), calendar="FX")
    )
    values, _ = account(bars, 1000.0, until=3)
    assert values[-1, 1] - 100_000.0 == pytest.approx(1000.0 * (1 - 100 / 110))


def test_a_share_in_another_currency_is_paid_for_at_the_rate_of_the_moment():
    bars = make_pairs("SHARE", "GBPUSD", rows=20, currencies={"SHARE": "GBP"})
    values, _ = account(bars, 100.0)
    rate_open, rate_close = bars.extras["rate_open"][:, 0], bars.extras["rate_close"][:, 0]
    paid = 100.0 * bars.open[1, 0] * rate_open[1]
    np.testing.assert_allclose(values[1:10, 0], 100_000.0 - paid, rtol=1e-12)
    np.testing.assert_allclose(
        values[1:10, 1], 100_000.0 - paid + 100.0 * (bars.close[:, 0] * rate_close)[1:10], rtol=1e-12
    )
    assert values[-1, 1] == pytest.approx(100_000.0 - paid + 100.0 * bars.open[10, 0] * rate_open[10])


def test_a_spread_in_pips_costs_half_of_it_a_fill_in_the_accounts_currency():
    bars = make_pairs("USDJPY", rows=20)
    free, _ = account(bars, 1000.0)
    paid, _ = account(bars, 1000.0, spread_pips=3.0)
    cost = (
        1000.0 * 3 * 0.01 * bars.extras["rate_open"][10, 0]
    )  # both halves are booked with the profit, in yen
    assert free[-1, 1] - paid[-1, 1] == pytest.approx(cost)


def test_a_spread_of_the_data_goes_before_the_assumed_one():
    bars = make_pairs("EURUSD", rows=20)
    known = np.full((20, 1), np.nan)
    known[1] = 0.0010
    values, _ = account(bars.with_extras(spread=known), 1000.0, spread_pips=2.0)
    free, _ = account(bars, 1000.0)
    assert free[-1, 1] - values[-1, 1] == pytest.approx(1000.0 * (0.0005 + 0.0001))


def test_fees_are_a_share_of_the_value_in_the_accounts_currency():
    bars = make_pairs("USDJPY", rows=20)
    values, _ = account(bars, 1000.0, fee_bps=10.0)
    free, _ = account(bars, 1000.0)
    assert (free - values)[5, 0] == pytest.approx(1000.0 * 10e-4)  # a thousand dollars were bought


def test_rollover_is_a_yearly_rate_on_the_value_by_the_days_that_pass():
    bars = make_pairs("AUDUSD", rows=20)
    long, _ = account(bars, 1000.0, rollover={"AUDUSD": 0.03})
    short, _ = account(bars, -1000.0, rollover={"AUDUSD": 0.03})
    days = np.diff(bars.timestamps.as_unit("us").asi8) / 86_400e6
    expected = (1000.0 * bars.close[1:9, 0] * 0.03 * days[1:9] / 365.25).sum()
    assert long[9, 0] - 100_000.0 == pytest.approx(expected)
    assert short[9, 0] - 100_000.0 == pytest.approx(-expected)


def test_more_than_the_leverage_allows_is_refused():
    bars = make_pairs("EURUSD", rows=20)
    units = 100_000.0 / bars.open[1, 0]
    for factor, filled in ((0.99, True), (1.01, False)):
        _, broker = account(bars, units * factor)
        assert (broker.orders[0].status == bt.Order.Completed) == filled
    _, broker = account(bars, units * 4, leverage=5.0)
    assert broker.orders[0].status == bt.Order.Completed


def test_backtraders_own_sizing_by_percent_means_a_percent_of_the_account():
    bars = make_pairs("USDJPY", rows=6)

    class Percent(bt.Strategy):
        def next(self):
            self.order_target_percent(self.datas[0], 0.5)

    cerebro = build_cerebro(bars, settings_from({"execution": FREE}).execution, Percent, {})
    cerebro.run()
    position = cerebro.broker.getposition(cerebro.datas[0]).size
    assert position == pytest.approx(50_000.0, rel=0.05)  # dollars


panels = st.sampled_from([("EURUSD", "USDJPY"), ("EURGBP", "GBPUSD", "USDJPY"), ("SHARE", "EURUSD")])


def partly_closed(run):
    """Whether a position still open was made smaller: that part's profit is in no table of trades yet."""
    ended = run.trades.groupby("symbol")["closed_at"].max()
    sides = zip(run.open_positions["symbol"], run.open_positions["quantity"], strict=True)
    for symbol, quantity in sides:
        fills = run.orders[run.orders["symbol"] == symbol].dropna(subset="filled_at")
        of_it = fills[fills["filled_at"] > ended.get(symbol, fills["filled_at"].min() - pd.Timedelta(1))]
        if of_it["side"].eq("sell" if quantity > 0 else "buy").any():
            return True
    return False


@hypothesis_settings(max_examples=25)
@given(panels, st.integers(0, 99), st.sampled_from(["long_flat", "long_short"]), st.booleans())
def test_the_account_of_the_policy_adds_up(symbols, seed, direction, fractional):
    """Value = cash + open profit; the trades' profits and the open ones add up to what was made."""
    known = {"currencies": {"SHARE": "EUR"}} if "SHARE" in symbols else {}
    bars = make_pairs(*symbols, rows=40, seed=seed, **known)
    forecasts = make_forecasts(bars, np.random.default_rng(seed).normal(0, 0.01, bars.close.shape), first=0)
    execution = {"fee_bps": 2.0, "slippage_bps": 1.0, "spread_pips": 2.0, "fractional": fractional}
    tree = {"strategy": {"direction": direction, "entry": 0.0, "min_hold_bars": 2}, "execution": execution}
    run = simulate(bars, forecasts, settings_from(tree))
    made = run.equity["equity"].iloc[-1] - 100_000.0
    open_profit = run.open_positions["unrealised"].sum()
    shares = run.open_positions["symbol"].eq("SHARE").any()  # its entry was paid at another rate than today's
    fees = run.orders["fee"].sum() - run.trades["fees"].sum()  # of what is still open
    if not shares and not partly_closed(run):
        interest = run.counts.get("interest", 0.0)  # borrowed shares are paid for
        assert made == pytest.approx(run.trades["pnl"].sum() + open_profit - fees + interest, abs=1e-6)
    assert (run.equity["gross_exposure"] < 1.2).all()


def test_a_weight_is_one_of_the_accounts_value_whatever_the_price_of_a_unit():
    bars = make_pairs("USDJPY", "EURUSD", rows=10)
    forecasts = make_forecasts(bars, np.full(bars.close.shape, 0.01), first=0)
    tree = {"strategy": {"max_weight": 0.3, "max_gross": 0.6}, "execution": FREE}
    run = simulate(bars, forecasts, settings_from(tree))
    bought = run.orders.set_index("symbol")["quantity"]
    assert bought["USDJPY"] == pytest.approx(30_000.0)
    assert bought["EURUSD"] == pytest.approx(30_000.0 / bars.close[0, 1])


def test_costs_are_told_in_pips_and_in_the_accounts_currency():
    bars = make_pairs("USDJPY", rows=10)
    forecasts = make_forecasts(bars, np.full(bars.close.shape, 0.01), first=0)
    run = simulate(bars, forecasts, settings_from({"execution": {**FREE, "spread_pips": 3.0}}))
    assert run.counts["pips_per_fill"] == pytest.approx(1.5)
    paid = run.orders["filled_quantity"].iloc[0] * 0.015 * bars.extras["rate_open"][1, 0]
    assert run.counts["slippage_paid"] == pytest.approx(paid)


def test_the_benchmark_of_pairs_alone_is_cash_and_of_shares_beside_them_the_shares():
    execution = settings_from({"execution": FREE}).execution
    pairs = make_pairs("USDJPY", "EURUSD", rows=20)
    both = make_pairs("SHARE", "EURUSD", rows=20, currencies={"SHARE": "EUR"})
    likes = [make_forecasts(bars, np.full(bars.close.shape, 0.01), first=0) for bars in (pairs, both)]
    assert (benchmark_of(pairs, likes[0], execution) == 100_000.0).all()
    worth = both.close[:, 0] * both.extras["rate_close"][:, 0]
    start = both.open[1, 0] * both.extras["rate_open"][1, 0]
    np.testing.assert_allclose(benchmark_of(both, likes[1], execution)[1:], 100_000.0 * worth[1:] / start)


def test_baselines_settle_a_pair_at_each_close():
    bars = make_pairs("USDJPY", rows=12)
    account = account_bars(bars)
    made = account.close[1:, 0] / account.close[:-1, 0] - 1
    rate = bars.extras["rate_close"][:, 0]
    expected = (bars.close[1:, 0] / bars.close[:-1, 0] - 1) * rate[1:] / rate[:-1]
    np.testing.assert_allclose(made, expected)
    assert "pair" not in account.extras
    assert account_bars(account) is account


def test_the_compiled_account_leaves_currencies_to_cerebro_and_sweeps_agree_with_it():
    bars = make_pairs("USDJPY", "EURUSD", rows=30)
    forecasts = make_forecasts(bars, np.random.default_rng(3).normal(0, 0.01, bars.close.shape), first=0)
    settings = [settings_from({"execution": {"spread_pips": pips}}) for pips in (0.0, 5.0)]
    assert "currency pairs" in unsupported(bars, settings[0])
    found = simulate_settings(bars, forecasts, settings)
    for each, equity, fees in zip(settings, found.equity, found.table["filled"], strict=True):
        run = simulate(bars, forecasts, each)
        np.testing.assert_array_equal(equity, run.equity["equity"].to_numpy())
        assert fees == run.counts["filled"]
