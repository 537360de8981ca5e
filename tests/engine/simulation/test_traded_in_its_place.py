"""`data.trade_as`: an index is forecast and its fund is bought."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from engine.evaluation.cautions import cautions
from engine.evaluation.policies import policy_baselines
from engine.live.deciding.decide import run_strategy
from engine.live.deciding.records import doubts_of
from engine.simulation.cerebro import simulate
from engine.simulation.compiled.account import simulate_compiled
from engine.simulation.compiled.run import simulate_settings
from engine.simulation.engines import check_equal
from engine.simulation.orders import AccountState
from forewalk.errors import ConfigError
from forewalk.instruments import refuse_proxies, traded
from forewalk.settings.loading import settings_from
from helpers.making import make_bars
from helpers.small_panels import make_forecasts
from helpers.vector_worlds import all_settings, worlds
from strategies.signal import SignalStrategy

PROXY = {"^RUI": "IWB"}


def panel():
    """An index, its fund and a stock, each with forecasts of its own."""
    symbols = ("^RUI", "IWB", "AAPL")
    bars = replace(make_bars(rows=120, symbols=3), symbols=symbols)
    return bars, replace(make_forecasts(bars), symbols=symbols)


def trading(trade_as, **sections):
    return settings_from({"data": {"trade_as": trade_as}, **sections})


def without_index(bars, forecasts):
    """The fund and the stock alone, the fund with the forecasts of the index."""
    columns = [0, 2]
    told = {name: getattr(forecasts, name)[:, columns] for name in ("mean", "std", "p_up")}
    return bars.select(["IWB", "AAPL"]), replace(forecasts, symbols=("IWB", "AAPL"), **told)


def test_the_account_is_that_of_the_fund_on_the_forecasts_of_the_index():
    whole = simulate(*panel(), trading(PROXY))
    check_equal(whole, simulate(*without_index(*panel()), settings_from({})))
    assert set(whole.orders["symbol"]) == {"IWB", "AAPL"}


def test_the_policies_beside_it_hold_the_fund_alone():
    settings = trading(PROXY)
    found = policy_baselines(*traded(*panel(), PROXY), settings, 1)
    expected = policy_baselines(*without_index(*panel()), settings, 1)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


@hypothesis_settings(max_examples=12)
@given(world=worlds, settings=all_settings)
def test_cerebro_the_compiled_account_and_the_sweep_agree(world, settings):
    bars, forecasts = world
    if len(bars.symbols) < 2:
        return
    proxy = dict([bars.symbols[:2]])
    settings = settings.model_copy(update={"data": settings.data.model_copy(update={"trade_as": proxy})})
    whole = simulate(bars, forecasts, settings)
    check_equal(whole, simulate_compiled(bars, forecasts, settings))
    (swept,) = simulate_settings(bars, forecasts, [settings]).equity
    np.testing.assert_array_equal(swept, whole.equity["equity"])
    assert bars.symbols[0] not in set(whole.orders["symbol"])


def test_nothing_is_decided_while_the_index_has_no_forecast():
    bars, forecasts = panel()
    mean = np.array(forecasts.mean)
    mean[:, 0] = np.nan
    run = simulate(bars, replace(forecasts, mean=mean), trading(PROXY))
    assert set(run.orders["symbol"]) <= {"AAPL"}


def test_the_daemon_orders_what_the_backtest_orders_at_the_same_bar():
    bars, forecasts = panel()
    settings = trading(PROXY)
    orders = simulate(bars, forecasts, settings).orders
    asof = pd.Timestamp(orders["decided_at"].iloc[0])
    known = bars.until(asof)
    rows = int(forecasts.timestamps.searchsorted(asof, side="right"))
    told = replace(
        forecasts,
        timestamps=forecasts.timestamps[:rows],
        model_ids=forecasts.model_ids[:rows],
        trained_until=forecasts.trained_until[:rows],
        **{name: getattr(forecasts, name)[:rows] for name in ("mean", "std", "p_up")},
    )
    state = AccountState(settings.execution.cash)
    run = run_strategy(known, told, settings, SignalStrategy, state, told.timestamps[0])
    first = orders[orders["decided_at"] == asof]
    assert {(order.symbol, order.quantity) for order in run.orders} == set(
        zip(first["symbol"], first["quantity"].astype(float), strict=True)
    )


def test_the_daemon_does_not_trade_the_fund_on_an_index_it_cannot_trust():
    _, forecasts = panel()
    settings = settings_from({"data": {"symbols": list(forecasts.symbols), "trade_as": PROXY}})
    assert doubts_of({"^RUI": "bar missing"}, forecasts, settings).bars["IWB"].endswith("bar missing")
    mean = np.array(forecasts.mean)
    mean[-1, 1] = np.nan  # the fund's own forecast, which nobody uses
    assert "IWB" not in doubts_of({}, replace(forecasts, mean=mean), settings).models
    mean[-1, 0] = np.nan
    assert "^RUI" in doubts_of({}, replace(forecasts, mean=mean), settings).models["IWB"]


def test_what_is_forecast_and_what_is_traded_is_said_before_the_results():
    bars, _ = panel()
    first = cautions(bars, trading(PROXY), 60)[0]
    assert first.startswith("^RUI is forecast and IWB is traded")
    assert not any("cannot be bought" in line for line in cautions(bars, trading(PROXY), 60))


@pytest.mark.parametrize(
    ("trade_as", "words"),
    [
        ({"^RUI": "SPY"}, "SPY has no bars here"),
        ({"^GSPC": "IWB"}, r"\^GSPC has no bars here"),
        ({"^RUI": "IWB", "AAPL": "IWB"}, "both as IWB"),
        ({"AAPL": "^RUI"}, "an index, which cannot be bought"),
        ({"IWB": "IWB"}, "as itself"),
        ({"^RUI": "IWB", "IWB": "AAPL"}, "one step"),
    ],
)
def test_a_proxy_that_cannot_be_traded_is_refused(trade_as, words):
    with pytest.raises(ConfigError, match=words):
        refuse_proxies(("^RUI", "IWB", "AAPL"), trade_as)


def test_a_fund_that_closes_before_its_index_would_trade_on_what_nobody_knows_yet():
    with pytest.raises(ConfigError, match="close at different hours"):
        refuse_proxies(("^GSPC", "VUSA.L"), {"^GSPC": "VUSA.L"}, ("XNYS", "XLON"))
