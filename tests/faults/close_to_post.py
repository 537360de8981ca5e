"""From a bar's close to the last POST: `python tests/faults/close_to_post.py [SYMBOLS] [SESSIONS]`.

The whole daemon with an LSTM of three seeds, over six years of daily bars, orders sent as soon as they are decided
(`live.send = "after_close"`). A session's time begins when the daemon looks at the closed bar and ends with the
answer to its last POST; what was spent waiting for the broker, a simulator on this machine, is shown apart.
"""

import logging
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from requests.adapters import HTTPAdapter

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from broker.keys import Keys  # noqa: E402
from broker.simulator.harness import Simulator  # noqa: E402
from broker.simulator.loading import synthetic_bars  # noqa: E402
from engine.live.job import opened  # noqa: E402
from engine.live.models.files import fit_live  # noqa: E402
from forewalk.compute.child import ModelProcess  # noqa: E402
from forewalk.settings.loading import settings_from  # noqa: E402

HISTORY = 1500  # bars before the first session
KEYS = Keys("SIM-key-4711", "sim-secret-0815")


@dataclass
class Stopwatch:
    """Seconds spent in the broker's answers and in the model process, and when the last POST was answered."""

    broker_s: float = 0.0
    model_s: float = 0.0
    posts: int = 0
    last_post: float = 0.0

    @contextmanager
    def running(self):
        """Measure the requests and the questions of this process's daemon; the simulator is in another."""
        send, ask = HTTPAdapter.send, ModelProcess.ask

        def timed_send(adapter, request, *more, **how):
            began = time.perf_counter()
            try:
                return send(adapter, request, *more, **how)
            finally:
                now = time.perf_counter()
                self.broker_s += now - began
                if request.method == "POST":
                    self.posts, self.last_post = self.posts + 1, now

        def timed_ask(*arguments):
            began = time.perf_counter()
            answer = ask(*arguments)
            self.model_s += time.perf_counter() - began
            return answer

        HTTPAdapter.send, ModelProcess.ask = timed_send, timed_ask
        try:
            yield
        finally:
            HTTPAdapter.send, ModelProcess.ask = send, ask


def settings_for(symbols, folder):
    """Half of the symbols long, half short: all are ordered in the first session, a fifth of them in the others."""
    return settings_from(
        {
            "data": {"symbols": list(symbols)},
            "model": {"max_epochs": 6},
            "folds": {"train_bars": 1000},
            "strategy": {
                "kind": "cross_section",
                "top": len(symbols) // 2,
                "direction": "long_short",
                "hysteresis": 0,
                "min_hold_bars": 0,
            },
            "risk": {
                "max_weight": 0.9,
                "max_gross": 3.0,
                "max_drawdown": 0.9,
                "max_daily_loss": 0.9,
                "allow_short": True,
            },
            "live": {
                "state": str(folder / "state"),
                "run": str(folder / "run"),
                "send": "after_close",
                "summary": False,
            },
        }
    )


@contextmanager
def daemon_on(bars, settings, folder):
    """Train a model on the history, start a simulator and the daemon, and let it look once, as it does all day."""
    (folder / "run" / "models").mkdir(parents=True)
    model = fit_live(bars.until(bars.timestamps[HISTORY - 1]), settings, "fold-00")
    model.save(folder / "run" / "models" / "fold-00.safetensors")
    with Simulator(
        bars, start=bars.timestamps[HISTORY].isoformat(), cash=1_000_000, market_fill="open"
    ) as simulator:
        live = settings.live.model_copy(update={"url": simulator.url, "data_url": simulator.url})
        with opened(settings.model_copy(update={"live": live}), console=False, keys=KEYS) as (daemon, _):
            simulator.control.advance(to="open", offset_seconds=3600)  # too late for the bar before
            daemon.step()
            assert daemon.journal.decisions.last() is None
            daemon.prepare()
            yield simulator, daemon


def measure(simulator, daemon, sessions):
    """Yield (orders, seconds, of which the broker's, of which the model's) for each session."""
    for _ in range(sessions):
        simulator.control.advance(to="close", offset_seconds=65)
        watch = Stopwatch()
        with watch.running():
            began = time.perf_counter()
            daemon.step()
            total = (watch.last_post or time.perf_counter()) - began
        yield watch.posts, total, watch.broker_s, watch.model_s
        simulator.control.advance(to="open", offset_seconds=60)
        for _ in range(3):
            daemon.step()


def main(symbols=50, sessions=10):
    """Print one line a session and the medians."""
    logging.disable(logging.WARNING)
    names = tuple(f"S{first}{second}" for first in "ABCDEFGHIJ" for second in "ABCDEFGHIJ")[:symbols]
    bars = synthetic_bars(names, first="2018-01-02", sessions=HISTORY + sessions + 3, seed=1)
    rows = []
    print("session  orders  close to last POST  without the broker's time  of which the model")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with daemon_on(bars, settings_for(names, folder), folder) as (simulator, daemon):
            for number, (posts, total, broker, model) in enumerate(measure(simulator, daemon, sessions), 1):
                rows.append((total, total - broker, model))
                print(f"{number:7}  {posts:6}  {total:16.3f} s  {total - broker:23.3f} s  {model:16.3f} s")
    whole, own, model = np.median(rows, axis=0)
    print(f" median          {whole:16.3f} s  {own:23.3f} s  {model:16.3f} s")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
