"""The paper-trading daemon: the backtest's strategy on an Alpaca paper account.

`python -m engine.live` and `forewalk live` are the same code. Killing it at any instant is a way to stop it: the
next start reads the journal and the broker and goes on.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from broker.journal.journal import Journal
from broker.port import Broker
from forewalk.settings.sections import Settings

if TYPE_CHECKING:
    from broker.alpaca.client import AlpacaPaper
    from broker.journal.journal import Journal
    from broker.keys import Keys
    from engine.live.daemon import Daemon
    from engine.live.watch.notify import Watch
    from forewalk.settings.sections import Settings


def live(settings: Settings, once: bool = False, rebuild: bool = False, console: bool = True) -> None:
    """Trade until stopped; with `once` decide for the last closed bar, send what is due, and leave.

    A strategy of the user's own is first tried on bars that are made up, see `refuse_foresight`.

    Raises:
        ConfigError: settings, keys or host are wrong. ForewalkError: another daemon is running.
        LookaheadError: a strategy of the user's own decides by later bars.
        DataError: the journal cannot be used; the message says how to go on.
    """
    from engine.evaluation.foresight import refuse_foresight
    from engine.live.job import with_symbols

    if settings.strategy.is_own:
        refuse_foresight(with_symbols(settings))
    with opened(settings, console, patient=not once) as (daemon, watch):
        if rebuild:
            from engine.live.job import rebuilt

            count = rebuilt(daemon.journal, daemon.broker, daemon.symbols)
            watch.notify("rebuilt", "", f"{count} positions taken over from the broker")
        if once:
            run_once(daemon)
        else:
            run_for_ever(daemon, settings, watch)


@contextmanager
def opened(
    settings: Settings, console: bool, keys: Keys | None = None, patient: bool = False
) -> Iterator[tuple[Daemon, Watch]]:
    """Check everything that can be checked, take the locks, and build the daemon; let go of it all at the end.

    `patient` waits for a broker that cannot be reached instead of giving up.
    """
    from broker.failpoints import check_failpoint
    from broker.hosts import is_local
    from broker.keys import hide_in_tracebacks, read_keys
    from engine.live.job import with_symbols
    from engine.live.lock import account_lock, state_lock
    from engine.live.tradable import refuse_untradable
    from engine.live.watch.notify import Watch, start_log
    from forewalk.plugins.holding import sources_of

    check_failpoint()
    forbid_core_dumps()
    hide_in_tracebacks()
    settings = with_symbols(settings)
    sources_of(settings)  # code of the user's own that is not there ends it here

    refuse_untradable(settings)
    live = settings.live
    broker = paper_broker(settings, keys or read_keys(os.environ))
    state = live.state.expanduser()
    state.mkdir(parents=True, exist_ok=True)
    lock = state_lock(state)
    start_log(state / "log.jsonl", live.log_mb, console)
    watch = Watch(live.book, live.webhook)
    journal = open_journal(state, live.book)
    account = account_lock(first_account_id(broker, patient))
    daemon = build_daemon(settings, journal, broker, watch, virtual_time=is_local(broker.url))
    try:
        yield daemon, watch
    finally:
        daemon.stop()
        journal.close()
        account.release()
        lock.release()


def paper_broker(settings: Settings, keys: Keys) -> AlpacaPaper:
    """Return a client of the account; a host that is not the paper one is refused before any socket."""
    from broker.alpaca.client import AlpacaPaper

    live = settings.live
    return AlpacaPaper(keys, live.url, live.data_url, live.timeout_s, live.feed)


def broker_from_environment(settings: Settings) -> AlpacaPaper:
    """Return a client with the keys of the environment."""
    from broker.keys import read_keys

    return paper_broker(settings, read_keys(os.environ))


def enforce_halts(settings: Settings) -> str:
    """Tell the broker about the halts while no daemon runs; return what came of it, in words."""
    from broker.errors import BrokerError
    from engine.live.job import with_symbols
    from forewalk.errors import ConfigError

    try:
        with opened(with_symbols(settings), console=False) as (daemon, _watch):
            for _ in range(3):
                look = daemon.reconciler.sync()
                daemon.sender.enforce_halts(look, daemon.schedule.session_day(look.now).day)
                daemon.sender.send_due(look, daemon.outside(look))
            waiting = [halt for halt in daemon.journal.halts.in_force() if halt.confirmed_at is None]
    except (BrokerError, ConfigError) as problem:
        return f"local only, no daemon runs and the broker was not told: {problem}"
    return "not all is done yet; start the daemon" if waiting else "the broker has done it"


def open_journal(state: Path, book: str, readonly: bool = False) -> Journal:
    """Open the journal of a state folder."""
    from broker.journal.journal import Journal

    return Journal(state / "journal.db", book, readonly)


def first_account_id(broker: AlpacaPaper, patient: bool) -> str:
    """Ask whose account it is; wrong keys end the program here, with the broker's own words."""
    import logging

    from broker.errors import Unreachable

    wait_s = 1.0
    while True:
        try:
            return broker.account().id
        except Unreachable as problem:
            if not patient:
                raise
            wait_s = min(max(problem.after_s, 2 * wait_s), 60.0)
            logging.getLogger(__name__).warning("%s; trying again in %.0f s", problem, wait_s)
            time.sleep(wait_s)


def build_daemon(
    settings: Settings, journal: Journal, broker: AlpacaPaper, watch: Watch, virtual_time: bool
) -> Daemon:
    """Put the parts together. On a simulator's virtual time this machine's clock says nothing."""
    from datetime import UTC, datetime

    from engine.live.daemon import Daemon
    from engine.live.models.retrain import Retrainer
    from engine.live.models.tasks import do_task
    from engine.live.watch.daily import DailySummary, write_page
    from forewalk.compute.child import ModelProcess

    live = settings.live
    models = ModelProcess(live.inference_timeout_s, live.memory_mb, do_task)
    worker = ModelProcess(live.inference_timeout_s, live.memory_mb, do_task)
    retrainer = Retrainer(settings, journal, live.state.expanduser(), worker, watch.notify)
    summary = None
    if live.summary:
        writer = ModelProcess(live.inference_timeout_s, live.memory_mb, write_page)
        summary = DailySummary(settings, journal, live.state.expanduser(), writer, watch.notify)
    wall: Callable[[], datetime] | None = None if virtual_time else lambda: datetime.now(UTC)
    return Daemon(settings, journal, broker, watch.notify, models, retrainer, summary, wall=wall)


def run_once(daemon: Daemon) -> None:
    """Recover, decide for the last closed bar if that has not been done, send what may be sent now.

    Orders in doubt are looked up to the end, and the child processes that train a challenger or write the day's
    page are let finish when all else is done; nothing else is waited for.
    """
    from broker.errors import Unreachable
    from broker.orders import OrderState
    from engine.live.deciding.decider import raise_own_code

    quiet = 0
    while quiet < 2:  # the second look picks up what the first one sent
        before = (daemon.status.posts, daemon.status.last_decision)
        wait = daemon.step()
        if daemon.status.problem and daemon.status.state != "halted":
            raise Unreachable(daemon.status.problem)
        if daemon.journal.orders.all({OrderState.UNKNOWN}):
            time.sleep(min(wait, 1.0))
        elif before == (daemon.status.posts, daemon.status.last_decision):
            quiet += 1
    while daemon.status.broker_time is not None and daemon.work_aside(daemon.status.broker_time):
        time.sleep(0.05)
    raise_own_code(daemon.journal)


def run_for_ever(daemon: Daemon, settings: Settings, watch: Watch) -> None:
    """OrderStep until SIGTERM or SIGINT, woken early by the broker's stream of order events."""
    from broker.alpaca.stream import TradeHints
    from broker.keys import read_keys
    from engine.live.watch.health import serve_health

    stopping = threading.Event()
    hints = TradeHints(read_keys(os.environ), settings.live.url)

    def stop(number: int, frame: object) -> None:
        stopping.set()
        hints.wake()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if settings.live.port:
        serve_health(settings.live.port, daemon.status, watch.counts)
    hints.start()
    watch.notify("started", "", f"book {settings.live.book}, process {os.getpid()}")
    daemon.step()  # recovery, and whatever is due already
    daemon.prepare()
    while not stopping.is_set():
        wait = daemon.step()
        if stopping.is_set():
            break
        hints.drain()
        hints.wait(wait)
    watch.notify("stopped", "", "on request")


def forbid_core_dumps() -> None:
    """Leave no memory image behind: it would hold the keys."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def rebuilt(journal: Journal, broker: Broker, symbols: tuple[str, ...]) -> int:
    """Take over the broker's positions into a new journal; return how many."""
    account = broker.account()
    journal.file.bind_account(account.id)
    now = broker.clock().now
    held = {s: p for s, p in broker.positions().items() if s in symbols}
    ledger = journal.ledger.quantities()
    count = 0
    for symbol, position in held.items():
        missing = position.quantity - ledger.get(symbol, Decimal(0))
        if missing:
            journal.ledger.adjust(symbol, missing, position.average_price, now, "taken over from the broker")
            count += 1
    return count


def with_symbols(settings: Settings) -> Settings:
    """Return the settings with `data.symbols` filled in; DataError where the source cannot say which."""
    if settings.data.symbols:
        return settings
    from forewalk.data.loading import load_bars

    bars, _ = load_bars(settings.data)
    return settings.model_copy(update={"data": settings.data.model_copy(update={"symbols": bars.symbols})})
