"""A daemon and a simulator, each a process of its own, and the questions that a test asks of both."""

import json
import logging
import multiprocessing
import os
import sys
from contextlib import closing, contextmanager
from decimal import Decimal
from multiprocessing import forkserver
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import tomli_w

from broker.ids import parse_client_order_id
from broker.journal import schema
from broker.journal.journal import Journal
from broker.orders import OrderState
from forewalk.sessions import session_closes, sessions_between
from forewalk.types import Bars
from helpers.waiting import PATIENCE_S, until

KEY_ID = "SIM-canary-key-4711"
SECRET = "canary-secret-0815-never-to-be-seen"
SYMBOLS = ("AAPL", "MSFT")
START = "2026-03-04T10:00:00-05:00"
forks = multiprocessing.get_context("forkserver")
# A server of its own: the one that all of this process share may run already, for the workers of an earlier test.
server = forkserver.ForkServer()


def start_fork_server():
    """Start the process that the daemons are forked from, with everything imported that they need."""
    server.set_forkserver_preload(["fault_preload"])
    here = Path(__file__).parent
    with pytest.MonkeyPatch.context() as patch:
        for folder in (here, here.parent):  # as pytest itself has them: of this folder, and of the helpers
            patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        server.ensure_running()


def plain_bars(symbols=SYMBOLS, first="2026-02-02", last="2026-04-30"):
    """The k-th session opens at 100 + k/10, falls and rises by two dollars, closes half a dollar higher."""
    dates = sessions_between("XNYS", pd.Timestamp(first), pd.Timestamp(last))
    level = 100 + np.arange(len(dates), dtype=float)[:, None] / 10 + np.zeros(len(symbols))
    volume = np.full(level.shape, 1e6)
    return Bars(session_closes("XNYS", dates), symbols, level, level + 2, level - 2, level + 0.5, volume)


class DaemonProcess:
    """`python -m engine.live ...`, forked from a server that has everything imported already."""

    def __init__(self, arguments, environment, output):
        self.output = output
        start_fork_server()
        self._process = forks.Process(target=run_command, args=(arguments, environment, str(output)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(forkserver, "connect_to_new_process", server.connect_to_new_process)
            self._process.start()
        self.pid = self._process.pid

    @property
    def alive(self):
        return self._process.is_alive()

    def wait(self, seconds=PATIENCE_S):
        """Return the exit code; -9 after a kill."""
        self._process.join(seconds)
        assert not self.alive, f"the daemon did not end within {seconds} s:\n{self.said()}"
        return self._process.exitcode

    def lives(self, seconds):
        """Let it live for so long; whether it still does."""
        self._process.join(seconds)
        return self.alive

    def kill(self, after_s=0.0):
        """Kill it after so many seconds, or find that it has ended before."""
        self._process.join(after_s)
        self._process.kill()
        return self.wait()

    def signal(self, number):
        os.kill(self.pid, number)

    def said(self):
        return self.output.read_text() if self.output.exists() else ""


def run_command(arguments, environment, output):
    """Be `python -m engine.live`; runs in the forked process."""
    # The server says nothing where the import fails, and then every daemon of every test imports everything itself.
    assert "fault_preload" in sys.modules, "import it by hand to see what is wrong with it"
    os.environ.clear()
    os.environ.update(environment)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.argv = ["engine.live", *arguments]
    if "TEST_DISK_FULL" in environment:
        fill_the_disk(environment["TEST_DISK_FULL"])
    if "TEST_DEBUG" in environment:
        log_everything()
    if "TEST_MIGRATIONS" in environment:
        know_later_tables(int(environment["TEST_MIGRATIONS"]))
    from engine.cli.app import run

    run("live")


# The three below replace names of the program in the forked process, which ends with the test: nothing is put back.


def fill_the_disk(when):
    """Let every transaction of this process find the disk full, as SQLite reports it; or ("open") SQLite itself."""
    from broker.journal import file as journal_file

    if when == "open":
        connect = journal_file.connect

        def cramped(*arguments):
            connection = connect(*arguments)
            connection.execute("PRAGMA max_page_count = 1")
            return connection

        journal_file.connect = cramped
        return

    @contextmanager
    def full(self):
        raise journal_file.JournalUnwritable(f"{self.path}: database or disk is full")
        yield

    journal_file.JournalFile.transaction = full


def know_later_tables(versions):
    """Let this process be of a later version, whose journal has been migrated that many times more."""
    from older_journals import newer

    from broker.journal import schema

    schema.MIGRATIONS = newer(versions)


def log_everything():
    """Let this process log at DEBUG."""
    from engine.live.watch import notify as live_watch

    start = live_watch.start_log

    def start_at_debug(*arguments):
        handler = start(*arguments)
        logging.getLogger().setLevel(logging.DEBUG)
        return handler

    live_watch.start_log = start_at_debug


class Scene:
    """One book on one simulated account; `settings` are sections of a configuration file."""

    def __init__(self, simulator, folder, **live):
        self.simulator = simulator
        self.control = simulator.control
        self.folder = folder
        self.state = folder / "state"
        self.runs = 0
        self.migrations = schema.MIGRATIONS  # of the program that the journal is of
        self.environment = {
            "APCA_API_KEY_ID": KEY_ID,
            "APCA_API_SECRET_KEY": SECRET,
            "PATH": os.environ["PATH"],
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(folder / "tmp"),
        }
        (folder / "tmp").mkdir(exist_ok=True)
        self.tree = {
            "data": {"symbols": list(SYMBOLS)},
            "risk": {"max_weight": 0.9, "max_gross": 0.9},
            "strategy": {"kind": "fault_strategies:Alternate"},
            "live": {
                "state": str(self.state),
                "url": simulator.url,
                "data_url": simulator.url,
                "lookup_s": [0.01, 0.01, 0.01],
                "poll_s": 0.05,
                "timeout_s": 30.0,
                "summary": False,
                **live,
            },
        }

    @property
    def book(self):
        return self.tree["live"].get("book", "paper")

    # running the daemon

    def start(self, *arguments, failpoint="", environment=None, strategy=None, **live):
        """Start a daemon and return its process; `strategy` is a kind, the others are of the section `live`."""
        self.runs += 1
        kind = {} if strategy is None else {"kind": strategy}
        tree = self.tree | {
            "live": self.tree["live"] | live,
            "strategy": self.tree.get("strategy", {}) | kind,
        }
        config = self.folder / f"config-{self.runs}.toml"
        config.write_text(tomli_w.dumps(tree))
        extra = {"FAILPOINT": failpoint} if failpoint else {}
        environment = self.environment | extra | (environment or {})
        output = self.folder / f"output-{self.runs}.txt"
        return DaemonProcess([*arguments, "--config", str(config)], environment, output)

    def once(self, failpoint="", environment=None, **live):
        """Run `--once` to its end and return the exit code."""
        process = self.start("--once", failpoint=failpoint, environment=environment, **live)
        code = process.wait()
        self.last_output = process.said()
        return code

    def command(self, *arguments, **live):
        """Run a sub-command and return (exit code, what it said)."""
        process = self.start(*arguments, **live)
        return process.wait(), process.said()

    def until(self, question, seconds=PATIENCE_S):
        """Ask again and again until the answer is true, and return it."""
        return until(question, seconds)

    # virtual time

    def after_close(self):
        return self.control.advance(to="close", offset_seconds=65)

    def after_open(self):
        return self.control.advance(to="open", offset_seconds=30)

    def decide_and_send(self, failpoint="", **live):
        """Let a bar close, decide; let the market open, send, see the fills; return the exit codes."""
        self.after_close()
        codes = [self.once(failpoint, **live)]
        self.after_open()
        return [*codes, self.once(failpoint, **live)]

    # what the journal says

    def journal(self):
        with patch.object(schema, "MIGRATIONS", self.migrations):
            return closing(Journal(self.state / "journal.db", self.book, readonly=True))

    def orders(self, *states):
        with self.journal() as journal:
            return journal.orders.all([OrderState(state) for state in states] if states else None)

    def states(self):
        return sorted(str(order.state) for order in self.orders())

    def ledger(self):
        with self.journal() as journal:
            return journal.ledger.quantities()

    def halts(self):
        with self.journal() as journal:
            return [(halt.scope, halt.reason) for halt in journal.halts.in_force()]

    def events(self, kind=None):
        with self.journal() as journal:
            return [event.text for event in journal.diary.events(kind)]

    def fills(self):
        with self.journal() as journal:
            return journal.ledger.fills()

    # what the simulator says

    def truth(self):
        return self.control.state()

    def broker_orders(self):
        """The book's orders at the simulator by client id; a name of its there twice fails at once."""
        found = {}
        for order in self.truth()["orders"]:
            name = parse_client_order_id(order["client_order_id"])
            if name is not None and name.book == self.book:
                assert order["client_order_id"] not in found
                found[order["client_order_id"]] = order
        return found

    def positions(self):
        return {s: Decimal(q) for s, q in self.truth()["positions"].items() if Decimal(q)}

    def posts(self):
        return [
            line for line in self.control.log() if (line["method"], line["path"]) == ("POST", "/v2/orders")
        ]

    # what must always hold

    def check(self, ledger_is_right=True):
        """Assert the invariants I1 to I9 as far as they can be seen from outside."""
        if not (self.state / "journal.db").exists():
            return
        stored = {order.client_order_id: order for order in self.orders()}
        for name, order in self.broker_orders().items():
            assert name in stored, f"I1: {name} is at the broker and not in the journal"
            assert len([p for p in self.posts() if accepted(p, name)]) <= 1, f"I3: {name} was accepted twice"
            assert (stored[name].symbol, stored[name].side) == (order["symbol"], order["side"])
        for order in stored.values():
            assert order.state != OrderState.REFUSED or order.reason, (
                f"I9: {order.client_order_id} has no reason"
            )
        if ledger_is_right:
            assert self.ledger() == self.positions(), "I5: ledger and positions differ"
        self.check_secrets()

    def check_secrets(self):
        """I8: neither key shows in any file that the daemon wrote."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert SECRET.encode() not in content, f"I8: the secret is in {path.name}"
                assert KEY_ID.encode() not in content, f"I8: the key id is in {path.name}"


def accepted(line, name):
    return isinstance(line["body"], dict) and line["body"].get("client_order_id") == name and line["accepted"]


def log_lines(scene):
    path = Path(scene.state) / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
