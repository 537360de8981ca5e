"""A daemon in this process against a simulator in another: for long runs, where starting it each time is too slow."""

from contextlib import closing

from broker.alpaca.client import AlpacaPaper
from broker.journal.journal import Journal
from broker.keys import Keys
from engine.live.daemon import Daemon

KEYS = Keys("SIM-key-4711", "sim-secret-0815")


class TableModels:
    """Answers with the rows of a table of forecasts from the first bar wanted to the bar asked about."""

    def __init__(self, forecasts):
        self._forecasts = forecasts

    def ask(self, task):
        from dataclasses import replace

        f = self._forecasts
        stop = int(f.timestamps.searchsorted(task.bars.timestamps[-1], side="right"))
        start = min(int(f.timestamps.searchsorted(task.first)), stop - 1)
        rows = slice(start, stop)
        return replace(
            f,
            timestamps=f.timestamps[rows],
            mean=f.mean[rows],
            std=f.std[rows],
            p_up=f.p_up[rows],
            model_ids=f.model_ids[rows],
            trained_until=f.trained_until[rows],
        )

    def while_waiting(self, call):
        pass

    def stop(self):
        pass


class NoTraining:
    """Stands in for the retrainer: the table is the only model there is."""

    busy = False

    def while_waiting(self, call):
        pass

    def champions(self, bars):
        return ()

    def step(self, now):
        pass

    def stop(self):
        pass


class Desk:
    """One book, with a daemon that can be thrown away and made anew at any time."""

    def __init__(self, settings, simulator, folder, forecasts):
        live = settings.live.model_copy(
            update={"url": simulator.url, "data_url": simulator.url, "state": folder, "lookup_s": (0.0, 0.0)}
        )
        self.settings = settings.model_copy(update={"live": live})
        self.simulator = simulator
        self.path = folder / "journal.db"
        self.forecasts = forecasts
        self.heard = []
        self.daemon = None
        self.restart()

    def restart(self):
        if self.daemon is not None:
            self.daemon.journal.close()
        self.daemon = Daemon(
            self.settings,
            Journal(self.path, "paper"),
            AlpacaPaper(KEYS, self.simulator.url, self.simulator.url, timeout_s=5.0),
            lambda *what: self.heard.append(what),
            TableModels(self.forecasts),
            NoTraining(),
            wall=None,
        )

    def settle(self, most=12):
        """Step until two looks in a row change nothing; a look that fails changes nothing either."""
        quiet = 0
        for _ in range(most):
            before = self.mark()
            self.daemon.step()
            quiet = quiet + 1 if before == self.mark() and not self.daemon.status.problem else 0
            if quiet == 2:
                return

    def mark(self):
        journal = self.daemon.journal
        return (
            [str(o.state) for o in journal.orders.all()],
            len(journal.ledger.fills()),
            journal.decisions.last(),
        )

    def session(self, between=lambda: None):
        """One bar closes and is decided on, the market opens, orders are sent and filled."""
        self.simulator.control.advance(to="close", offset_seconds=65)
        self.settle()
        self.simulator.control.advance(to="open", offset_seconds=30)
        between()
        self.settle()

    def journal(self):
        return closing(Journal(self.path, "paper", readonly=True))
