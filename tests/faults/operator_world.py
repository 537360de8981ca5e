"""A daemon and an account in this process, without a socket: for long sequences of what an operator does."""

import itertools
import shutil
import tempfile
from contextlib import closing
from datetime import date
from pathlib import Path

from broker.books.shared import book_share
from broker.errors import Unreachable
from broker.failpoints import told
from broker.ids import FLAT, leg_of, parse_client_order_id
from broker.journal.journal import Journal
from broker.simulator.loading import synthetic_bars
from broker.trading import commands
from broker.trading.resuming import Day, Wishes, resume
from broker.values import CalendarDay
from engine.live.daemon import Daemon
from engine.live.job import rebuilt, run_once
from forewalk.errors import ForewalkError
from forewalk.settings.loading import settings_from
from helpers.world_broker import WorldBroker

SYMBOLS = ("AAPL", "MSFT")
SESSIONS = 40
BARS = synthetic_bars(SYMBOLS, first="2024-01-02", sessions=SESSIONS)
START = "2024-01-04T10:00:00-05:00"
MOST_STEPS = 500  # of one run of `--once`: far more than any takes, unless it hangs


class Died(BaseException):
    """The process is gone."""


class OperatorBroker(WorldBroker):
    """The account, with market data that may be down, and an eye on what is sent."""

    def __init__(self):
        super().__init__(BARS, START, cash=100_000)
        self.data_down = False
        self.before_submit = lambda request: None

    def submit(self, request):
        self.before_submit(request)
        return super().submit(request)

    def calendar(self, first, last):
        days = self.call("GET", "/v2/calendar", query={"start": first.isoformat(), "end": last.isoformat()})
        hours = [(date.fromisoformat(day["date"]), day["open"], day["close"]) for day in days]
        from datetime import time

        return [CalendarDay(d, time.fromisoformat(o), time.fromisoformat(c)) for d, o, c in hours]

    def bars(self, symbols, interval, first, last, adjustment):
        self.data()
        query = {
            "symbols": ",".join(symbols),
            "timeframe": "1Day",
            "start": first.isoformat(),
            "end": last.isoformat(),
            "adjustment": adjustment,
            "limit": "10000",
            "sort": "asc",
        }
        found = self.call("GET", "/v2/stocks/bars", query=query)["bars"]
        return {symbol: found.get(symbol, []) for symbol in symbols}

    def last_prices(self, symbols):
        self.data()
        return super().last_prices(symbols)

    def corporate_actions(self, symbols, first, last):
        self.data()
        return []

    def data(self):
        if self.data_down:
            raise Unreachable("the market data host is down")


class Operator:
    """One book and whoever looks after it; each command and each run of the daemon is a process of its own.

    With `broker` and `live` it is one of several on an account.
    """

    def __init__(
        self, approve=False, on_breach="exits_only", broker=None, strategy="Alternate", folder=None, **live
    ):
        self.folder = Path(folder or tempfile.mkdtemp(prefix="operator-"))
        self.broker = broker or OperatorBroker()
        if broker is None:
            self.broker.before_submit = self.judge
        limits = {"max_weight": 0.9, "max_gross": 0.9, "on_breach": on_breach, "allow_short": bool(live)}
        self.settings = settings_from(
            {
                "data": {"symbols": list(SYMBOLS), "start": "2024-01-02"},
                "strategy": {"kind": f"fault_strategies:{strategy}"},
                "risk": limits,
                "live": {
                    "state": str(self.folder),
                    "lookup_s": [0.5, 1.0, 2.0],
                    "once_deadline_s": 60.0,
                    "approve": approve,
                    "summary": False,
                    **live,
                },
            }
        )
        self.book = self.settings.live.book
        self.active = False
        self.time = 0.0
        self.dies_in = None
        self.lost_names = set()  # of journals that were lost
        self.daemon = None
        self.told = told(self.reach)
        self.told.__enter__()

    # time and death

    def reach(self, name):
        if self.dies_in is not None and self.active:
            self.dies_in -= 1
            if self.dies_in < 0:
                self.dies_in = None
                raise Died(name)

    def passes(self, seconds):
        self.time += max(seconds, 0.001)

    def advance(self, **how):
        self.broker.command("advance", **how)
        self.time += 600.0

    # processes

    def process(self, work):
        """Do something in a process of its own: it may die, fail, or be refused, but it ends.

        No two processes run in the same microsecond: what one writes down is dated before what the next does.
        """
        self.broker.command("advance", seconds=1)
        self.active = True
        try:
            with closing(Journal(self.folder / "journal.db", self.book)) as journal:
                return work(journal)
        except (Died, ForewalkError) as end:
            return end
        finally:
            self.active = False

    def account(self, journal):
        """The account as this book sees it."""
        live = self.settings.live
        return book_share(self.broker, journal, live.share, [folder / "journal.db" for folder in live.beside])

    def daemon_of(self, journal):
        clock = lambda: self.time  # noqa: E731
        return Daemon(
            self.settings, journal, self.account(journal), lambda *_: None, monotonic=clock, wall=None
        )

    def once(self, rebuild=False):
        steps = itertools.count()

        def sleep(seconds):
            assert next(steps) < MOST_STEPS, "--once hangs"
            self.passes(seconds)

        def work(journal):
            daemon = self.daemon_of(journal)
            if rebuild:
                rebuilt(daemon)
            run_once(daemon, sleep, lambda: self.time)
            return

        return self.process(work)

    def lose_the_journal(self):
        self.lost_names |= set(self.stored())
        for path in self.folder.glob("journal.db*"):
            path.unlink()

    def stop(self, symbol, flatten, suspend=True, foreign_too=False):
        def work(journal):
            commands.halt(journal, symbol, "by hand", self.broker.now(), flatten, suspend, foreign_too)
            daemon = self.daemon_of(journal)
            for _ in range(6):
                daemon.attend_switch()
                self.passes(daemon.switch.next_s() or 0.0)

        return self.process(work)

    def resume(self, symbol, **wishes):
        def work(journal):
            schedule = self.daemon_of(journal).schedule

            def day_of(now):
                return Day(schedule.session_day(now).day, schedule.previous_close(now), 30.0)

            account = self.account(journal)
            return resume(journal, account, self.settings.risk, day_of, symbol, Wishes(**wishes), wall=None)

        return self.process(work)

    def answer(self, yes):
        """Approve or reject the first order that waits."""

        def work(journal):
            for name in [n for n, o in self.stored(journal).items() if str(o.state) == "await_approval"][:1]:
                if yes:
                    commands.approve(journal, name, None, self.broker.now())
                else:
                    commands.reject(journal, name, self.broker.now())

        return self.process(work)

    # looking

    def stored(self, journal=None):
        if journal is None:
            return self.process(self.stored)
        return {order.client_order_id: order for order in journal.orders.all()}

    def halts(self):
        return self.process(lambda journal: journal.halts.in_force())

    def ledger(self):
        return self.process(lambda journal: journal.ledger.quantities())

    def judge(self, request):
        """I6: under a halt nothing is sent but what closes, and exits where the halt lets them pass."""
        if leg_of(request.client_order_id) == FLAT:
            return
        for halt in self.halts():
            if halt.covers(request.symbol):
                assert halt.allow_exits, f"{request.client_order_id} under {halt.reason}"
                held = self.broker.held().get(request.symbol, 0)
                signed = request.quantity if request.side == "buy" else -request.quantity
                assert held * signed < 0, f"{request.client_order_id} is no exit under {halt.reason}"

    def ours(self):
        """Orders at the broker that have a name of this book's."""
        names = ((name, parse_client_order_id(name)) for name in self.broker.accepted())
        own = {name for name, parsed in names if parsed is not None and parsed.book == self.book}
        return {name: order for name, order in self.broker.accepted().items() if name in own}

    def close(self):
        self.told.__exit__(None, None, None)
        shutil.rmtree(self.folder)
