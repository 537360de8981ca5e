"""The paper-trading daemon: the backtest's strategy on an Alpaca paper account.

`python -m engine.live` and `forewalk live` are the same code. Killing it at any instant is a way to stop it: the
next start reads the journal and the broker and goes on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from datetime import datetime

    from broker.alpaca.client import AlpacaPaper
    from broker.journal.journal import Journal
    from broker.keys import Keys
    from broker.trading.resuming import Wishes
    from engine.live.daemon import Daemon
    from engine.live.watch.notify import Watch
    from forewalk.settings.sections import Settings

SLICE_S = 1.0  # between two looks whether a person has said something
SWITCH_S = 10.0  # how long a command waits for the broker to do what a halt asks for
FEW = 60  # requests left in this minute's budget, below which no hint of the stream brings a look


def live(settings: Settings, once: bool = False, rebuild: bool = False, console: bool = True) -> None:
    """Trade until stopped; with `once` decide for the last closed bar, send what is due, and leave.

    A strategy of the user's own is first tried on bars that are made up, see `refuse_foresight`.

    Raises:
        ConfigError: settings, keys or host are wrong. ForewalkError: another daemon is running.
        LookaheadError: a strategy of the user's own decides by later bars.
        DataError: the journal cannot be used; the message says how to go on.
    """
    from forewalk.errors import ConfigError, ForewalkError, LookaheadError, PluginError

    try:
        _live(settings, once, rebuild, console)
    except (ConfigError, LookaheadError, PluginError):
        if (settings.live.state.expanduser() / "journal.db").exists():
            with contextlib.suppress(ForewalkError):  # what keeps a book from trading keeps no position open
                carry_out_halts(settings)
        raise


def _live(settings: Settings, once: bool, rebuild: bool, console: bool) -> None:
    from engine.evaluation.foresight import refuse_foresight
    from engine.live.watch.alarms.opening import beating

    if settings.strategy.is_own:
        refuse_foresight(with_symbols(settings), settings.live.state.expanduser())
    with opened(settings, console, patient=not once) as (daemon, watch):
        if rebuild:
            for line in rebuilt(daemon):
                watch.notify("rebuilt", "", line)
        with beating(settings.live, daemon.status.looks, once):
            if once:
                run_once(daemon)
            else:
                run_for_ever(daemon, settings, watch)


@contextlib.contextmanager
def opened(
    settings: Settings, console: bool, keys: Keys | None = None, patient: bool = False, bare: bool = False
) -> Iterator[tuple[Daemon, Watch]]:
    """Check everything that can be checked, take the locks, and build the daemon; let go of it all at the end.

    `patient` waits for a broker that cannot be reached instead of giving up. With `bare` the daemon is for carrying
    out halts only: no code of one's own, no source of data, no rule of what can be traded, no wrong channel stops it.
    """
    from broker.failpoints import check_failpoint
    from broker.hosts import is_local
    from broker.keys import forbid_core_dumps, hide_in_tracebacks, read_keys
    from engine.live.lock import account_lock, state_lock
    from engine.live.tradable import checked_tradable, without_own_code
    from engine.live.watch.alarms.opening import channels_of, telling
    from engine.live.watch.notify import Watch, start_log

    check_failpoint()
    forbid_core_dumps()
    hide_in_tracebacks()
    settings = without_own_code(settings) if bare else checked_tradable(with_symbols(settings))
    live = settings.live
    channels = channels_of(live, os.environ, forgiving=bare)
    broker = paper_broker(settings, keys or read_keys(os.environ))
    state = live.state.expanduser()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    port = urlsplit(broker.url).port if is_local(broker.url) else None  # of a simulator
    with contextlib.ExitStack() as held:
        held.callback(state_lock(state).release)
        start_log(state / "log.jsonl", live.log_mb, console)
        watch = Watch(live.book)
        journal = held.enter_context(contextlib.closing(open_journal(state, live.book)))
        account = journal.file.account or first_account_id(broker, patient)
        held.enter_context(account_lock(account, live.book, live.is_shared, port))
        held.enter_context(telling(live, journal, watch, channels))
        daemon = build_daemon(settings, journal, broker, watch, virtual_time=port is not None)
        held.callback(daemon.stop)
        yield daemon, watch


def paper_broker(settings: Settings, keys: Keys) -> AlpacaPaper:
    """Return a client of the account; a host that is not the paper one is refused before any socket."""
    from broker.alpaca.client import ALPACA_PER_MINUTE, AlpacaPaper
    from broker.alpaca.coins import AlpacaCoins
    from broker.hosts import is_local
    from forewalk.sessions import AROUND_THE_CLOCK

    live = settings.live
    per_minute = live.requests_per_minute
    if per_minute is None:
        per_minute = 0 if is_local(live.url) else ALPACA_PER_MINUTE // (1 + len(live.beside))
    plain = (keys, live.url, live.data_url, live.timeout_s, live.feed, per_minute)
    if settings.data.exchange == AROUND_THE_CLOCK:
        return AlpacaCoins(settings.data.symbols, *plain)
    return AlpacaPaper(*plain)


def broker_from_environment(settings: Settings) -> AlpacaPaper:
    """Return a client with the keys of the environment; a simulator on this machine needs none."""
    from broker.hosts import is_local
    from broker.keys import read_keys

    return paper_broker(settings, read_keys(os.environ, local=is_local(settings.live.url)))


def as_book(broker: AlpacaPaper, settings: Settings, journal: Journal) -> AlpacaPaper:
    """Return the account as the book of the settings sees it: the whole of it, or its part of a shared one."""
    from broker.books.shared import book_share

    journals = [folder.expanduser() / "journal.db" for folder in settings.live.beside]
    return book_share(broker, journal, settings.live.share, journals)


def carry_out_halts(settings: Settings) -> list[str]:
    """Tell the broker about the halts while no daemon runs; return what came of it, in words.

    What takes time is tried again for a few seconds; the rest is left to the daemon or the next `--once`.
    """
    from broker.errors import BrokerError
    from forewalk.errors import ConfigError

    try:
        with opened(settings, console=False, bare=True) as (daemon, _watch):
            end = time.monotonic() + SWITCH_S
            daemon.attend_switch()
            while daemon.switch.busy and time.monotonic() < end:
                time.sleep(min(daemon.switch.next_s() or 0.0, 1.0))
                daemon.attend_switch()
            with contextlib.suppress(BrokerError):
                daemon.reconciler.sync()  # book what was filled
            remains = daemon.journal.halts.remains()
            busy = daemon.switch.busy
    except (BrokerError, ConfigError) as problem:
        return [f"local only, no daemon runs and the broker was not told: {problem}"]
    said = [f"{row.kind}: {row.symbol or 'everything'}: {row.text}" for row in remains]
    if busy and any(not row.symbol for row in remains):
        return [*said, "local only so far: it is tried again by the daemon or the next `--once`"]
    if busy:
        return [*said, "not all is done yet: start the daemon, or run `--once`; it goes on until all is done"]
    return [*said, "the broker has done it"]


def resume_book(settings: Settings, journal: Journal, symbol: str | None, wishes: Wishes) -> list[str]:
    """Lift halts after a look at the account; see `broker.trading.resuming.resume`."""
    from datetime import UTC, datetime

    from broker.hosts import is_local
    from broker.trading.resuming import Day, resume
    from engine.live.schedule import Schedule

    broker = as_book(broker_from_environment(settings), settings, journal)
    schedule = Schedule(settings.data.exchange, settings.data.bar_length, settings.live)

    def day_of(now: datetime) -> Day:
        session = schedule.session_day(now).day
        return Day(session, schedule.previous_close(now), settings.live.halt_skew_s)

    wall = None if is_local(broker.url) else lambda: datetime.now(UTC)
    return resume(journal, broker, settings.risk, day_of, symbol, wishes, wall)


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
    from engine.live.watch.alarms.day import DayReport
    from engine.live.watch.daily import DailySummary, write_page
    from forewalk.compute.child import ModelProcess

    live, state = settings.live, settings.live.state.expanduser()
    models = ModelProcess(live.inference_timeout_s, live.memory_mb, do_task)
    worker = ModelProcess(live.inference_timeout_s, live.memory_mb, do_task)
    retrainer = Retrainer(settings, journal, state, worker, watch.notify)
    summary = None
    if live.summary:
        writer = ModelProcess(live.inference_timeout_s, live.memory_mb, write_page)
        summary = DailySummary(settings, journal, state, writer, watch.notify, bars=lambda: retrainer.bars)
    wall: Callable[[], datetime] | None = None if virtual_time else lambda: datetime.now(UTC)
    more = (models, retrainer, summary, DayReport(settings, journal))
    return Daemon(settings, journal, as_book(broker, settings, journal), watch.notify, *more, wall=wall)


def rebuilt(daemon: Daemon) -> list[str]:
    """Make a new journal from what the broker knows; return what was taken over, in words."""
    from broker.ids import ORDERS_PER_BAR, OrderName
    from broker.trading.rebuild import rebuild

    def bar_of(name: OrderName) -> datetime | None:
        if name.leg != "m":
            return None
        return daemon.schedule.bar_of(name.session, name.sequence // ORDERS_PER_BAR)

    said = rebuild(daemon.journal, daemon.broker, daemon.symbols, bar_of)
    daemon.journal.allocation.forget()  # the book is given its share anew, beside what it holds now
    return said or ["nothing to take over"]


def run_once(
    daemon: Daemon,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Recover, decide for the last closed bar if that has not been done, send what may be sent now.

    Orders in doubt are looked up and positions closed, until `live.once_deadline_s` has passed. The child processes
    that train a challenger or write the day's page are let finish when all else is done.

    Args:
        sleep, monotonic: how time passes; the daemon's own `monotonic` is the same.

    Raises:
        Unreachable: the broker did not answer, or not all was done in time; the next run goes on.
    """
    from broker.errors import Unreachable
    from broker.orders import OrderState
    from engine.live.deciding.decider import raise_own_code

    deadline_s = daemon.settings.live.once_deadline_s
    daemon.deadline = monotonic() + deadline_s
    quiet = 0
    while quiet < 2:  # the second look picks up what the first one sent
        before = daemon.progress()
        wait = daemon.step()
        limited = daemon.status.state == "limited" or daemon.sender.held_back
        if daemon.status.problem and daemon.status.state not in ("halted", "limited"):
            raise Unreachable(daemon.status.problem)
        unknown = daemon.journal.orders.all({OrderState.UNKNOWN})
        undone = bool(unknown) or limited or daemon.switch.acts_soon or daemon.stops.releasing
        if undone and monotonic() >= daemon.deadline:
            names = ", ".join(order.client_order_id for order in unknown[:3])
            what = (
                f"not known what became of {names}" if names else daemon.status.problem or "closing positions"
            )
            text = f"not done within live.once_deadline_s = {deadline_s:g} s; {what}; the next run goes on"
            raise Unreachable(text)
        if undone:
            sleep(min(wait, 1.0))
        elif before == daemon.progress():
            quiet += 1
    while daemon.status.broker_time is not None and daemon.work_aside(daemon.status.broker_time):
        time.sleep(0.05)
    raise_own_code(daemon.journal)


def run_for_ever(daemon: Daemon, settings: Settings, watch: Watch) -> None:
    """Step until SIGTERM or SIGINT, woken early by the broker's stream of order events."""
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
    with watch.ending():
        daemon.step()  # recovery, and whatever is due already
        daemon.prepare()
        while not stopping.is_set():
            wait_until = time.monotonic() + daemon.step()
            hints.drain()
            if hints.problem:
                daemon.say_once("stream", hints.problem)
            while not stopping.is_set() and (left := wait_until - time.monotonic()) > 0:
                heard = hints.wait(min(left, SLICE_S))
                if daemon.attend() or (heard and daemon.broker.room() > FEW):
                    break  # a person has said something, or something has happened at the broker
    watch.notify("stopped", "", "on request")


def with_symbols(settings: Settings) -> Settings:
    """Return the settings with `data.symbols` filled in; DataError where the source cannot say which."""
    if settings.data.symbols:
        return settings
    from forewalk.data.loading import load_bars

    bars, _ = load_bars(settings.data)
    return settings.model_copy(update={"data": settings.data.model_copy(update={"symbols": bars.symbols})})
