"""The daemon with code of the user's own: it trades it like the backtest, and halts the book where it fails."""

import numpy as np
import pytest

from broker.simulator.harness import Simulator
from engine.live.deciding.decider import own_code_halt
from engine.live.job import opened, run_once
from engine.live.models.own_code import FILE, TrainedWith
from engine.live.rehearsal import KEYS, local_settings, settle, simulated
from forewalk.data.loading import load_bars
from forewalk.errors import ConfigError, PluginError
from forewalk.plugins.holding import sources_of
from forewalk.settings.loading import load_settings
from helpers.making import make_bars
from helpers.own_code import price_table, write_module, write_project

pytestmark = pytest.mark.usefixtures("socket_enabled")

WHOLE = """\
import numpy as np
from models.arrays import ArrayForecaster, learning_cells

def busy(bars):
    return np.log1p(bars.volume)

class Ridge(ArrayForecaster):
    def fit(self, data):
        x, y = learning_cells(data, data.train)
        return {"slope": np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)}

    def predict(self, arrays, panel, first, stop):
        return panel.values[first:stop] @ arrays["slope"]

def policy(outlook, positions, settings):
    return np.where(outlook.mean > np.nanmedian(outlook.mean), 0.3, 0.0)
"""
BROKEN = """\
import backtrader as bt
from pathlib import Path

class Mine(bt.Strategy):
    def next(self):
        if len(self) == len(self.data.array):
            with Path("calls").open("a") as file:
                file.write("x")
            raise RuntimeError("on purpose")
"""
WORKS = BROKEN.replace('raise RuntimeError("on purpose")', "self.buy(size=1)")
ENDLESS = BROKEN.replace('raise RuntimeError("on purpose")', "while True: pass")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def book(here):
    """Return a function that opens a daemon on a simulator at the evening of a bar."""
    write_project(here, rows=240, strategy='kind = "mine:Mine"')
    settings = load_settings(here / "config.toml", ["live.summary=false"], environment={})
    bars, _ = load_bars(settings.data)
    with Simulator(bars, start=bars.timestamps[-8].isoformat(), cash=1e5, market_fill="open") as simulator:

        def open_daemon(**live):
            there = local_settings(settings, bars, simulator.url, here / "state")
            there = there.model_copy(update={"live": there.live.model_copy(update=live)})
            return opened(there, console=False, keys=KEYS)

        yield open_daemon, simulator.control


def evening(control):
    control.advance(to="close", offset_seconds=65)


def calls(here):
    path = here / "calls"
    return len(path.read_text()) if path.exists() else 0


def test_everything_of_ones_own_is_traded_by_the_simulated_daemon(here):
    bars = make_bars(240, 2)
    table = price_table(bars).assign(score=np.random.default_rng(1).normal(size=480))
    write_module(here, "mine", WHOLE)
    write_project(
        here,
        table=table,
        features='extra = ["mine:busy"]\ncolumns = ["score"]',
        model='kind = "mine:Ridge"',
        strategy='kind = "mine:policy"',
    )
    settings = load_settings(here / "config.toml", ["live.summary=false"], environment={})
    rows = simulated(settings, 3, here / "state", lambda row: None)
    assert len(rows) == 3
    assert any(row.fills for row in rows)
    assert (here / "state" / "models" / FILE).exists()


def test_an_exception_halts_the_book_once_and_is_not_run_into_again(here, book):
    open_daemon, control = book
    path = write_module(here, "mine", BROKEN)
    with open_daemon() as (daemon, watch):
        evening(control)
        for _ in range(4):
            daemon.step()
        reason = own_code_halt(daemon.journal)
        assert "RuntimeError: on purpose" in reason
        assert f"{path} line 9, in next" in reason
        assert calls(here) == 1
        assert watch.counts["halt"] == 1  # what a webhook is told of
        assert daemon.journal.decisions.last() is None
        assert daemon.status.state == "halted"
    with open_daemon() as (daemon, watch):  # a restart does not run into it either
        for _ in range(3):
            daemon.step()
        assert calls(here) == 1
        with pytest.raises(PluginError, match=r"on purpose.*live resume"):
            run_once(daemon)
        write_module(here, "mine", WORKS)
        daemon.journal.halts.lift("*", daemon.status.broker_time)
    with open_daemon() as (daemon, watch):  # mended and resumed
        settle(daemon)
        assert own_code_halt(daemon.journal) is None
        assert daemon.journal.decisions.last() is not None


def test_a_strategy_that_never_comes_back_is_stopped_and_halts_the_book(here, book):
    open_daemon, control = book
    write_module(here, "mine", ENDLESS)
    with open_daemon(inference_timeout_s=2.0) as (daemon, _):
        evening(control)
        daemon.step()
        assert "took longer than 2 s" in own_code_halt(daemon.journal)


def test_a_module_that_cannot_be_imported_halts_and_one_that_is_not_there_stops_the_start(here, book):
    open_daemon, control = book
    with pytest.raises(ConfigError, match="no module 'mine'"), open_daemon():
        pass
    path = write_module(here, "mine", "x = 1 / 0\n")
    with open_daemon() as (daemon, _):
        evening(control)
        daemon.step()
        assert f"{path} line 1" in own_code_halt(daemon.journal)


def test_models_trained_with_another_source_are_not_asked(here):
    write_module(here, "mine", WHOLE)
    settings = load_settings(
        write_project(here, features='extra = ["mine:busy"]', strategy='kind = "mine:policy"'), environment={}
    )
    TrainedWith(here / "models", sources_of(settings)).check()
    TrainedWith(here / "models", sources_of(settings)).check()
    write_module(here, "mine", WHOLE + "\n# edited\n")
    with pytest.raises(PluginError, match=r"features\.extra = 'mine:busy': the source is not what it was"):
        TrainedWith(here / "models", sources_of(settings)).check()
