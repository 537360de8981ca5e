"""Strategies and policies of the user's own: by name, checked, and held to their own errors."""

import numpy as np
import pytest

from engine.evaluation.foresight import check_foresight
from engine.simulation.cerebro import simulate
from engine.simulation.strategies import load_strategy, needs_forecasts
from forewalk.errors import ConfigError, LookaheadError, PluginError
from forewalk.settings.loading import settings_from
from helpers.live_values import random_forecasts, some_bars
from helpers.own_code import write_module

BARS = some_bars(80)
FORECASTS = random_forecasts(BARS)
SIGNALS = settings_from({"strategy": {"kind": "per_symbol"}})
STRATEGIES = """\
import backtrader as bt
import numpy as np
from strategies.indicator import ForecastIndicator
from strategies.policy import Decision, decide
from strategies.signal import SignalStrategy

class Crossover(bt.Strategy):
    params = (("fast", 3), ("slow", 10))

    def __init__(self):
        self.decisions = "anything"
        self.up = {d: bt.ind.SMA(d.close, period=self.p.fast) > bt.ind.SMA(d.close, period=self.p.slow)
                   for d in self.datas}

    def next(self):
        for data in self.datas:
            self.order_target_percent(data, 0.3 if self.up[data][0] else 0.0)

class OnForecasts(bt.Strategy):
    params = (("table", None),)

    def __init__(self):
        self.forecast = [ForecastIndicator(data, table=self.p.table) for data in self.datas]

    def next(self):
        for data, forecast in zip(self.datas, self.forecast):
            self.order_target_percent(data, 0.3 if forecast.mean[0] > 0 else 0.0)

class Built(SignalStrategy):
    pass

class Tomorrow(bt.Strategy):
    def next(self):
        if self.datas[0].close[1] > self.datas[0].close[0]:
            self.buy(self.datas[0])

class Broken(bt.Strategy):
    def next(self):
        if len(self) > 5:
            self.no_such_thing()

class Listed(bt.Strategy):
    def next(self):
        [][3]

def same(outlook, positions, settings):
    return decide(outlook, positions, settings)

def weights(outlook, positions, settings):
    return np.where(outlook.mean > settings.params["above"], 0.2, 0.0)

def half(outlook, positions, settings):
    return np.zeros(1)

def endless(outlook, positions, settings):
    return np.full(3, np.inf)

def nothing(outlook, positions, settings):
    return None

def strange(outlook, positions, settings):
    return Decision(np.zeros(3), np.array([0, 0, 99]))

def broken(outlook, positions, settings):
    return outlook.mean / positions.no_such_field
"""


@pytest.fixture(autouse=True)
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_module(tmp_path, "mine", STRATEGIES)


def line_of(text):
    return next(number for number, line in enumerate(STRATEGIES.splitlines(), 1) if text in line)


def settings(kind, **params):
    return settings_from({"strategy": {"kind": kind, "params": params}})


def run(kind, **params):
    return simulate(BARS, FORECASTS, settings(kind, **params))


def test_a_policy_that_calls_ours_gives_our_account_bit_for_bit():
    ours = simulate(BARS, FORECASTS, SIGNALS)
    own = run("mine:same")
    assert own.equity.equals(ours.equity)
    assert own.orders.equals(ours.orders)
    assert own.decisions.equals(ours.decisions)


def test_a_subclass_of_our_strategy_gives_our_account_too():
    assert run("mine:Built").equity.equals(simulate(BARS, FORECASTS, SIGNALS).equity)


def test_a_policy_may_answer_with_weights_alone_and_has_its_parameters():
    result = run("mine:weights", above=0.0)
    assert set(result.decisions["target_weight"]) == {0.0, 0.2}
    assert not run("mine:weights", above=10.0).counts["filled"]


def test_any_backtrader_strategy_runs_and_takes_its_parameters():
    assert not needs_forecasts(load_strategy(settings("mine:Crossover")))
    quick, slow = run("mine:Crossover"), run("mine:Crossover", fast=5, slow=30)
    assert quick.counts["filled"] > slow.counts["filled"] > 0
    assert quick.decisions.empty


def test_a_strategy_with_a_table_gets_the_forecasts():
    assert needs_forecasts(load_strategy(settings("mine:OnForecasts")))
    bought = run("mine:OnForecasts").orders
    first = bought[bought["decided_at"] == BARS.timestamps[0]]
    assert set(first["symbol"]) == {
        symbol for symbol, mean in zip(BARS.symbols, FORECASTS.mean[0], strict=True) if mean > 0
    }


def test_a_parameter_that_the_class_does_not_have_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"no parameter 'fasd' \(strategy\.params\); did you mean 'fast'"):
        run("mine:Crossover", fasd=3)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("per_symbl", r"'per_symbl' is no policy; did you mean 'per_symbol'\? \(.*module:Name\)"),
        ("whatever", "there are per_symbol, cross_section"),
    ],
)
def test_a_kind_that_is_neither_built_in_nor_a_name_is_refused(kind, message):
    with pytest.raises(ConfigError, match=rf"strategy\.kind.*{message}"):
        settings(kind)


def test_parameters_without_a_strategy_of_ones_own_are_refused():
    with pytest.raises(ConfigError, match="params are for a policy of your own"):
        settings("per_symbol", above=1)


def test_what_is_neither_strategy_nor_function_is_refused():
    with pytest.raises(ConfigError, match=r"neither a backtrader\.Strategy nor a function"):
        run("mine:np")
    with pytest.raises(ConfigError, match=r"neither a backtrader\.Strategy nor a function"):
        run("mine:Decision")


def test_the_former_setting_says_where_it_went():
    with pytest.raises(ConfigError, match=r"live\.strategy is strategy\.kind now"):
        settings_from({"live": {"strategy": "mine:Crossover"}})


@pytest.mark.parametrize(
    ("kind", "message", "text"),
    [
        ("mine:half", r"shape \(1,\); give one target weight for each of 3 symbols", "def half"),
        ("mine:endless", "infinite weight", "def endless"),
        ("mine:nothing", "answered with NoneType", "def nothing"),
        ("mine:strange", r"reasons \[ ?0 99\]", "def strange"),
        ("mine:broken", "AttributeError.*no_such_field", "positions.no_such_field"),
        ("mine:Broken", "AttributeError.*no_such_thing", "self.no_such_thing"),
        ("mine:Listed", "IndexError", "[][3]"),
    ],
)
def test_what_goes_wrong_in_it_names_file_and_line(mine, kind, message, text):
    with pytest.raises(PluginError, match=message) as problem:
        run(kind)
    assert f"{mine} line {line_of(text)}" in str(problem.value)


def test_reading_a_bar_that_is_not_there_is_look_ahead(mine):
    with pytest.raises(LookaheadError, match="reads a bar that is not there") as problem:
        run("mine:Tomorrow")
    assert f"{mine} line {line_of('close[1]')}, in next" in str(problem.value)


def test_a_policy_sees_arrays_that_it_may_spoil_without_harm(tmp_path):
    text = "from strategies.policy import decide\n\ndef spoil(outlook, positions, settings):\n"
    text += "    answer = decide(outlook, positions, settings)\n"
    text += "    outlook.mean[:] = 9.0\n    positions.weight[:] = 9.0\n    return answer\n"
    write_module(tmp_path, "other", text)
    ours = simulate(BARS, FORECASTS, SIGNALS)
    spoilt = simulate(BARS, FORECASTS, settings("other:spoil"))
    assert spoilt.equity.equals(ours.equity)
    assert np.isfinite(FORECASTS.mean).all()


def test_fewer_bars_than_an_indicator_needs_give_an_idle_account_and_no_error():
    bars = some_bars(8)
    result = simulate(bars, random_forecasts(bars), settings("mine:Crossover"))
    assert len(result.equity) == 8
    assert result.orders.empty


def test_tables_of_a_strategy_that_never_trades_have_times_as_others_have(tmp_path):
    write_module(tmp_path, "still", "import backtrader as bt\n\n\nclass Idle(bt.Strategy):\n    pass\n")
    idle, busy = simulate(BARS, FORECASTS, settings("still:Idle")), simulate(BARS, FORECASTS, SIGNALS)
    assert idle.orders.empty
    for table, column in (("orders", "decided_at"), ("orders", "filled_at"), ("decisions", "asof")):
        own, other = (getattr(result, table)[column].dtype for result in (idle, busy))
        assert own.kind == other.kind == "M"
    assert check_foresight(BARS, FORECASTS, settings("still:Idle"), idle).problem is None
