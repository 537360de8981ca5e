"""Strategies of the user's own that read later bars are found by running them again; honest ones are left alone."""

from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest

from engine.evaluation import foresight
from engine.evaluation.foresight import check_foresight, refuse_foresight
from engine.evaluation.verdict import verdict_sentence
from engine.live.job import live
from engine.simulation.cerebro import simulate
from forewalk.errors import LookaheadError, PluginError
from forewalk.settings.loading import settings_from
from helpers.judged_runs import make_judged
from helpers.live_values import random_forecasts, some_bars
from helpers.own_code import write_module

BARS = some_bars(80)
FORECASTS = random_forecasts(BARS)
STRATEGIES = """\
import backtrader as bt
import itertools
import numpy as np

class Trend(bt.Strategy):
    def __init__(self):
        self.up = {d: d.close > bt.ind.SMA(d.close, period=10) for d in self.datas}

    def next(self):
        for data in self.datas:
            self.order_target_percent(data, 0.3 if self.up[data][0] else 0.0)

class Tomorrow(bt.Strategy):
    def next(self):
        data = self.datas[0]
        if len(self) + 1 < data.buflen():
            self.order_target_percent(data, 0.9 if data.close[1] > data.close[0] else 0.0)

class Best(bt.Strategy):
    def next(self):
        data = self.datas[0]
        self.order_target_percent(data, 0.9 if data.close[0] < np.mean(data.close.array) else 0.0)

class Until(bt.Strategy):
    def next(self):
        self.order_target_percent(self.datas[0], 0.5 if len(self) % 7 < self.datas[0].buflen() % 7 else 0.0)

counter = itertools.count()

class Moody(bt.Strategy):
    def next(self):
        if next(counter) % 3 == 0:
            self.buy(size=1)

class Endless(bt.Strategy):
    def next(self):
        while True:
            pass

class Broken(bt.Strategy):
    def next(self):
        self.no_such_thing()

def weights(outlook, positions, settings):
    return np.where(outlook.mean > 0, 0.2, 0.0)
"""


@pytest.fixture(autouse=True)
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_module(tmp_path, "mine", STRATEGIES)


def settings(kind, **live):
    own = {"kind": f"mine:{kind}"} if kind else {}
    return settings_from({"strategy": own, "data": {"symbols": ["A", "B", "C"]}, "live": live})


def check(kind):
    chosen = settings(kind)
    return check_foresight(BARS, FORECASTS, chosen, simulate(BARS, FORECASTS, chosen))


@pytest.mark.parametrize("kind", ["Trend", "weights"])
def test_an_honest_strategy_gives_the_same_orders(kind):
    found = check(kind)
    assert found.problem is None
    assert found.orders > 10
    assert found.cuts == tuple(f"{BARS.timestamps[row]:%Y-%m-%d}" for row in (20, 40, 60))


@pytest.mark.parametrize("kind", ["Tomorrow", "Best", "Until", "Moody"])
def test_one_that_reads_later_bars_or_has_moods_is_found(kind):
    assert check(kind).problem is not None


def test_the_projects_own_strategy_is_not_run_again():
    assert check_foresight(BARS, FORECASTS, settings(""), None) is None


def test_the_daemon_does_not_start_with_a_strategy_that_reads_later_bars():
    with pytest.raises(LookaheadError, match="mine:Tomorrow"):
        live(settings("Tomorrow"))


@pytest.mark.parametrize("kind", ["", "Trend", "weights", "Broken"])
def test_what_is_honest_or_fails_otherwise_may_start(kind):
    assert refuse_foresight(settings(kind)) is None  # and raises nothing


def test_what_has_passed_is_not_tried_again_until_something_that_it_can_see_is_another(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(
        foresight, "simulate", lambda *given, **how: tried.append(1) or simulate(*given, **how)
    )

    def starts(state=tmp_path / "state", **live):
        tried.clear()
        refuse_foresight(settings("Trend", **live), state)
        return bool(tried)

    assert starts()
    assert not starts()
    assert not starts(inference_timeout_s=7.0)  # nothing that a strategy can see
    assert starts(state=tmp_path / "another")
    monkeypatch.setattr(foresight, "code_version", lambda: {"sha256": "of another version"})
    assert starts()
    assert not starts()
    (tmp_path / "state" / foresight.PASSED).write_bytes(b"\xff damaged")
    assert starts()
    monkeypatch.setattr(foresight, "source_of", lambda *name: SimpleNamespace(sha256="of changed files"))
    assert starts()


@pytest.mark.parametrize("kind", ["Tomorrow", "Broken"])
def test_nothing_is_noted_of_what_did_not_pass(kind, tmp_path):
    for _ in range(2):
        with suppress(LookaheadError):
            refuse_foresight(settings(kind), tmp_path / "state")
        assert not (tmp_path / "state").exists()


def test_where_nothing_can_be_noted_it_is_tried_at_each_start(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert refuse_foresight(settings("Trend"), tmp_path / "file") is None


def test_one_that_never_comes_back_is_refused_with_the_remedy():
    with pytest.raises(PluginError, match=r"longer than 2 s.* raise live\.inference_timeout_s"):
        refuse_foresight(settings("Endless", inference_timeout_s=2.0))


def test_the_verdict_says_what_was_found():
    metrics = make_judged(("A", "B", "C", "D", "E"), bars=520).evidence.metrics
    bad = verdict_sentence(replace(metrics, own_strategy=check("Tomorrow")), settings("Tomorrow"))
    good = verdict_sentence(replace(metrics, own_strategy=check("Trend")), settings("Trend"))
    assert bad.startswith("Your own strategy decides by what it cannot know, or not the same way twice: ")
    assert "gave the same" not in bad
    assert "orders bar by bar and with histories that end on" in good
