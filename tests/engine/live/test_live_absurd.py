"""A user's strategy, feature or model that raises, hangs or wants the absurd: no decision, a halt, file and line."""

import pytest

from broker.halts import EVERYTHING, HaltCause
from broker.simulator.harness import Simulator
from engine.live.deciding.decider import own_code_halt
from engine.live.job import opened
from engine.live.models.tasks import do_task
from engine.live.rehearsal import KEYS, local_settings
from forewalk.compute.child import InferenceFailed, ModelProcess
from forewalk.data.loading import load_bars
from forewalk.errors import ConfigError, PluginError
from forewalk.settings.loading import load_settings
from helpers.own_code import write_module, write_project

pytestmark = pytest.mark.usefixtures("socket_enabled")

MINE = 'kind = "mine:Mine"'
LATER = "len(bars.timestamps) > 232"  # the bars of the evening; on those before it all is well
RAISE = 'raise RuntimeError("on purpose")'
# the deadline passes at this very line, and the code takes no notice of it as of any other error
HANG = """\
while True:
            try:
                signal.raise_signal(signal.SIGALRM)
            except Exception:
                pass"""
STRATEGY = """\
import signal
import backtrader as bt

class Mine(bt.Strategy):
    def next(self):
        if len(self) == len(self.data.array):
            {does}
"""
POLICY = """\
import numpy as np

def policy(outlook, positions, settings):
    return np.full(len(outlook.mean), {does})
"""
FEATURE = f"""\
import signal
import numpy as np

def busy(bars):
    values = np.log1p(bars.volume)
    if {LATER}:
        {{does}}
    return values
"""
MODEL = """\
import signal
import numpy as np
from models.arrays import ArrayForecaster

class Mine(ArrayForecaster):
    def fit(self, data):
        return {{"slope": np.zeros(1)}}

    def predict(self, arrays, panel, first, stop):
        mean = np.random.default_rng(0).normal(size=(stop - first, len(panel.symbols)))
        if len(panel) > 232:
            {does}
        return mean
"""
ORDERS = {
    "raises": (RAISE, "RuntimeError: on purpose"),
    "hangs": (HANG.replace("\n", "\n    "), "took longer than"),
    "no size": ("self.buy(size=float('nan'))", r"buy\(size=nan\)"),
    "infinite": ("self.sell(size=float('inf'))", r"sell\(size=inf\)"),
    "negative": ("self.buy(size=-5)", r"a size is not negative; sell\(size=5\)"),
    "a million million": ("self.buy(size=1e12)", "times the account's"),
    "ten times the account": ("self.order_target_percent(target=12.0)", r"1[12]\.\d times the account's"),
    "no price": ("self.buy(size=1, exectype=bt.Order.Limit, price=float('nan'))", "price nan"),
    "below nothing": ("self.sell(size=1, exectype=bt.Order.Stop, price=-3.0)", r"price -3\.0"),
    "unknown symbol": ("self.buy(data=self.getdatabyname('NOPE'), size=1)", "KeyError: 'NOPE'"),
}
WEIGHTS = {"infinite": ("np.inf", "infinite weight"), "absurd": ("1e9", "times the account's")}
FEATURES = {
    "raises": (RAISE, "RuntimeError: on purpose", 20),
    "hangs": (HANG, "took longer than", None),
    "not a number": ("values[-1] = np.nan", "nothing but NaN or infinity", 17),
    "infinite": ("values[-1] = np.inf", "nothing but NaN or infinity", 17),
    "another length": ("values = values[:-1]", "gave shape", 17),
}
MODELS = {
    "raises": (RAISE, "RuntimeError: on purpose", 12),
    "hangs": (HANG.replace("\n", "\n    "), "took longer than", None),
    "not a number": ("mean[-1] = np.nan", "gives no number for any symbol", 5),
    "infinite": ("mean[-1, 0] = np.inf", "infinite mean", 5),
    "absurd": ("mean[-1, 0] = -1e12", "more than risk.max_forecast", 5),
    "no spread": ("return mean, mean * 0.0", "std that is not above 0", 5),
}


class HereModels:
    """Does the tasks in this process, and tells of errors as the child does."""

    def __init__(self, timeout_s, memory_mb, work):
        self.work = work

    def while_waiting(self, call):
        pass

    def ask(self, task, timeout_s=None):
        try:
            return self.work(task)
        except PluginError:
            raise
        except (ValueError, TypeError, OSError) as error:
            raise InferenceFailed(f"{type(error).__name__}: {error}") from None

    def stop(self):
        pass


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    """One account for all, at an evening: nothing is ever ordered on it."""
    folder = tmp_path_factory.mktemp("prices")
    settings = load_settings(write_project(folder, rows=240), environment={})
    bars, _ = load_bars(settings.data)
    with Simulator(bars, start=bars.timestamps[-8].isoformat(), cash=1e5, market_fill="open") as simulator:
        simulator.control.advance(to="close", offset_seconds=65)
        yield simulator, bars


@pytest.fixture
def evening(simulator, tmp_path, monkeypatch):
    """Return a function that lets a daemon decide at the evening, with the user's file and these settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("forewalk.compute.child.ModelProcess", HereModels)

    def decide(text, **lines):
        path = write_module(tmp_path, "mine", text)
        limits = ["live.summary=false", "strategy.max_weight=0.3", "risk.max_weight=0.35"]
        settings = load_settings(write_project(tmp_path, **lines), limits, environment={})
        there = local_settings(settings, simulator[1], simulator[0].url, tmp_path / "state")
        with opened(there, console=False, keys=KEYS) as (daemon, watch):
            daemon.step()
            halts = [(halt.scope, halt.cause) for halt in daemon.journal.halts.in_force()]
            assert halts == [(EVERYTHING, HaltCause.STRATEGY)], daemon.status
            assert daemon.journal.decisions.last() is None
            assert not daemon.journal.orders.all()
            assert watch.counts["halt"] == 1
            return path, own_code_halt(daemon.journal)

    return decide


def says(reason, what, place):
    import re

    assert re.search(what, reason), reason
    assert place in reason


@pytest.mark.row(92)
@pytest.mark.parametrize("how", ORDERS)
def test_of_a_strategy(evening, how):
    does, what = ORDERS[how]
    path, reason = evening(STRATEGY.format(does=does), strategy='kind = "mine:Mine"')
    says(reason, what, f"{path} line {9 if how == 'hangs' else 7}, in next")


@pytest.mark.row(92)
@pytest.mark.parametrize("how", WEIGHTS)
def test_of_a_policy(evening, how):
    does, what = WEIGHTS[how]
    text = MODEL.format(does="pass") + POLICY.format(does=does)
    path, reason = evening(text, model=MINE, strategy='kind = "mine:policy"')
    says(reason, what, f"{path} line 16")


@pytest.mark.row(92)
@pytest.mark.parametrize("how", FEATURES)
def test_of_a_feature(evening, how):
    does, what, line = FEATURES[how]
    text = MODEL.format(does="pass") + FEATURE.format(does=does)
    path, reason = evening(text, features='extra = ["mine:busy"]', model=MINE)
    says(reason, what, f"{path} line {line}" if line else f"{path} line ")


@pytest.mark.row(92)
@pytest.mark.parametrize("how", MODELS)
def test_of_a_model(evening, how):
    does, what, line = MODELS[how]
    path, reason = evening(MODEL.format(does=does), model=MINE)
    says(reason, what, f"{path} line {line}" if line else str(path))


@pytest.mark.row(92)
def test_a_call_into_a_library_that_never_comes_back_halts_too_and_names_the_file(evening, monkeypatch):
    def work(task):
        if type(task).__name__ == "ForecastTask":
            raise InferenceFailed("the model process gave no answer within 60 s")
        return do_task(task)

    monkeypatch.setattr("engine.live.models.tasks.do_task", work)
    path, reason = evening(MODEL.format(does="pass"), model=MINE)
    says(reason, "gave no answer within 60 s", str(path))


@pytest.mark.row(92)
def test_a_hang_in_the_model_process_itself_is_told_with_its_line(evening, monkeypatch):
    monkeypatch.setattr("forewalk.compute.child.ModelProcess", ModelProcess)
    text = MODEL.format(does="pass") + FEATURE.format(does=FEATURES["hangs"][0])
    path, reason = evening(text, features='extra = ["mine:busy"]', model=MINE)
    says(reason, "took longer than", f"{path} line 22, in busy")


@pytest.mark.row(66)
def test_a_function_that_takes_something_else_is_a_setting_that_is_wrong(evening):
    with pytest.raises(ConfigError, match=r"does not take \(outlook, positions, settings\)"):
        evening("def policy(bars):\n    return 0\n", model="", strategy='kind = "mine:policy"')
