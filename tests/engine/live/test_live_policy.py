"""Backtest and daemon take their decisions from one strategy class, one policy function and the same settings."""

import pytest

import engine.live.deciding.decide
from engine.live.deciding.decide import run_strategy
from engine.simulation.cerebro import build_cerebro, simulate
from engine.simulation.orders import AccountState
from engine.simulation.strategies import load_strategy
from helpers.live_values import SYMBOLS, live_settings, random_forecasts, some_bars
from strategies.signal import SignalStrategy

POLICIES = [
    {},
    {"kind": "cross_section", "direction": "long_short", "top": 1, "hysteresis": 0},
    {"sizing": "volatility_target", "target_volatility": 0.2, "turnover_cap": None, "entry": 0.5},
    {"sizing": "constant_risk", "always_held": True, "tilt": 0.5},
]


def built_by_backtest(bars, forecasts, settings):
    """What the backtest gives to Cerebro: (execution settings, strategy, parameters)."""
    seen = []

    def build(span, execution, strategy, params, **more):
        seen.append((execution, strategy, params))
        return build_cerebro(span, execution, strategy, params, **more)

    simulate(bars, forecasts, settings, cerebro_builder=build)
    return seen[0]


def built_by_daemon(bars, forecasts, settings, monkeypatch):
    """The same of one live decision, with the strategy that the daemon loads when none is named."""
    seen = []

    def build(span, execution, strategy, params, **more):
        seen.append((execution, strategy, params))
        return build_cerebro(span, execution, strategy, params, **more)

    monkeypatch.setattr(engine.live.deciding.decide, "build_cerebro", build)
    strategy = load_strategy(settings)
    run_strategy(bars, forecasts, settings, strategy, AccountState(1e5), bars.timestamps[0])
    return seen[0]


@pytest.mark.parametrize("policy", POLICIES, ids=["per symbol", "cross section", "volatility", "risk"])
@pytest.mark.parametrize("fractional", [False, True])
def test_backtest_and_daemon_build_the_same_strategy_with_the_same_settings(policy, fractional, monkeypatch):
    bars = some_bars(30)
    forecasts = random_forecasts(bars)
    settings = live_settings(strategy=policy, execution={"fractional": fractional})
    past = built_by_backtest(bars, forecasts, settings)
    live = built_by_daemon(bars, forecasts, settings, monkeypatch)
    assert past[:2] == live[:2]
    assert past[2].keys() == live[2].keys()
    assert past[2]["settings"] is live[2]["settings"] is settings.strategy
    assert all(past[2][name] == live[2][name] for name in ("fractional", "bars_per_year"))


@pytest.mark.parametrize("policy", POLICIES, ids=["per symbol", "cross section", "volatility", "risk"])
def test_backtest_and_daemon_ask_the_one_policy_function_the_same_question_about_a_bar(policy, monkeypatch):
    bars = some_bars(30)
    forecasts = random_forecasts(bars)
    settings = live_settings(strategy=policy)
    asked = []
    decide = SignalStrategy.policy

    def listening(outlook, positions, with_settings):
        asked.append((outlook, with_settings))
        return decide(outlook, positions, with_settings)

    monkeypatch.setattr(SignalStrategy, "policy", staticmethod(listening))
    simulate(bars, forecasts, settings)
    past, asked[:] = asked[-1], []
    run_strategy(bars, forecasts, settings, load_strategy(settings), AccountState(1e5), bars.timestamps[0])
    live = asked[-1]
    assert past[1] is live[1] is settings.strategy
    for name in ("mean", "std", "close"):
        assert getattr(past[0], name).tolist() == getattr(live[0], name).tolist()
    assert past[0].horizon_years == live[0].horizon_years
    assert len(past[0].mean) == len(SYMBOLS)
