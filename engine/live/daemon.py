"""The daemon's loop. One `step` looks at the broker, goes on with what is unfinished, decides, sends.

A step may be repeated at any time and may be cut off at any point: what it has done is in the journal and at the
broker, and the next step (of this process or another) begins with reading both. Start-up is the first step.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from broker.books.shared import SharedAccount
from broker.errors import BrokerError, MustHalt, RateLimited, Unreachable
from broker.halts import EVERYTHING, HaltCause
from broker.ids import checked_symbol
from broker.journal.file import JournalUnwritable
from broker.journal.journal import Journal
from broker.orders import OrderState
from broker.port import Broker, Notify
from broker.trading.killswitch import KillSwitch
from broker.trading.reconcile import Look, Reconciler
from broker.trading.safety import SafetyStops
from broker.trading.sender import Outside, Sender, no_limit
from broker.values import CalendarDay
from engine.live.bars import BarFeed, LiveBars
from engine.live.deciding.corporate import ActionFeed, CorporateActions
from engine.live.deciding.decider import Decider
from engine.live.deciding.indices import feed_of
from engine.live.deciding.texts import TextPoller
from engine.live.guards import Guards
from engine.live.models.retrain import Retrainer
from engine.live.schedule import Schedule
from engine.live.watch.alarms.day import DayReport
from engine.live.watch.daily import DailySummary
from engine.live.watch.status import Status
from forewalk.compute.child import ModelProcess
from forewalk.errors import ForewalkError
from forewalk.sessions import exchange_zone
from forewalk.settings.sections import Settings

log = logging.getLogger(__name__)

MAX_BACKOFF_S = 60.0


class PaperBroker(Broker, BarFeed, ActionFeed, Protocol):
    """A broker that has bars, corporate actions and a calendar too."""

    def calendar(self, first: date, last: date) -> list[CalendarDay]:
        """Return the sessions from `first` to `last`."""
        ...


class Daemon:
    """Trades one book on one account.

    Args:
        settings: all of them; `data.traded` are the symbols traded.
        broker: the account. models: asked for forecasts; None for a strategy that needs none.
        retrainer: trains challengers. summary: writes the day's page. day: tells of the day. All may be None.
        notify: told of everything a person may want to hear of.
        monotonic: seconds that never go back. wall: this machine's clock, None where time is virtual.

    Attributes:
        deadline: when to stop sending orders, by `monotonic`.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        broker: PaperBroker,
        notify: Notify,
        models: ModelProcess | None = None,
        retrainer: Retrainer | None = None,
        summary: DailySummary | None = None,
        day: DayReport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] | None = lambda: datetime.now(UTC),
    ) -> None:
        live = settings.live
        self.settings = settings
        self.journal = journal
        self.broker = broker
        self.status = Status()
        self.symbols = tuple(checked_symbol(symbol) for symbol in settings.data.traded)
        self.schedule = Schedule(settings.data.exchange, settings.data.bar_length, live)
        self._notify = notify
        self._models = models
        self._retrainer = retrainer
        self._summary = summary
        self._day = day
        self._monotonic = monotonic
        self._wall = wall
        self.deadline = float("inf")
        self.reconciler = Reconciler(journal, broker, self.symbols, monotonic, live.lookup_s, notify, wall)
        self.switch = KillSwitch(journal, broker, self.reconciler, notify, monotonic, live.dry_run)
        zone, adjusted = exchange_zone(settings.data.exchange), live.adjustment != "raw"
        self._corporate = CorporateActions(
            journal, broker, self.reconciler, zone, adjusted, notify, monotonic
        )
        self.sender = Sender(
            *(journal, broker, self.reconciler, settings.risk, notify),
            may_queue=live.send == "after_close",
            dry_run=live.dry_run,
            over=lambda: monotonic() >= self.deadline,
            extended_hours=live.extended_hours,
            most=broker.most if isinstance(broker, SharedAccount) else no_limit,
        )
        net = None if live.dry_run else live.broker_stops
        self.stops = SafetyStops(
            journal, broker, self.reconciler, notify, net, live.broker_stops_trail, monotonic
        )
        self._guards = Guards(
            settings, journal, broker, self.reconciler, self.schedule, self.say_once, notify
        )
        feed, data = feed_of(broker, settings), settings.data
        bars = LiveBars(feed, data.symbols, self.schedule, data.start, live.adjustment)
        self.decider = Decider(
            *(settings, journal, self.schedule, bars, self._corporate, self._guards, models, retrainer),
            *(self.status, notify, self.say_once, monotonic),
        )
        self._texts = TextPoller(settings, self.say_once)
        self._said: set[str] = set()
        self._backoff_s = 0.0
        self._marked = ""
        self._changes = journal.file.changes()
        for child in (models, retrainer):
            if child is not None:
                child.while_waiting(self.attend)

    # the loop's one step

    def step(self) -> float:
        """Do whatever is due and return the seconds until the next look; never raises for the broker's faults."""
        self.status.steps += 1
        try:
            wait = self._step()
        except RateLimited as problem:
            return self._failed("limited", str(problem), problem.after_s)
        except Unreachable as problem:
            return self._failed("unreachable", str(problem), problem.after_s)
        except MustHalt as problem:
            self._halt_everything(problem.cause, str(problem))
            return self._failed("halted", str(problem), self.settings.live.poll_s)
        except JournalUnwritable as problem:
            return self._failed("journal", str(problem), self.settings.live.poll_s)
        except BrokerError as problem:
            return self._failed("refused", str(problem), self.settings.live.poll_s)
        self._backoff_s = 0.0
        self.status.problem = ""
        self.status.state = "halted" if self.status.halts else "running"
        return wait

    def _step(self) -> float:
        self._pull_switch()
        look = self.reconciler.sync()
        self._note_look(look)
        self._guards.look(look)
        session = self.schedule.session_day(look.now)
        self._corporate.step(look, session)
        self.decider.decide_if_due(look)
        self._corporate.stop_orders(session.day, look.now)
        problem = self._guards.time_problem(look)
        if problem is None:
            outside = self.outside(look)
            self.stops.step(look, outside.session, self.sender.due_symbols(look, outside))
            self.status.posts += self.sender.send_due(look, outside)
        else:
            self.sender.expire(look.now)
            self.say_once("no_trading", problem)
        self._tidy()
        self.work_aside(look.now)
        self._mark(look)
        if self._day is not None:
            self._day.step(look)
        return self._wait_s(look)

    def _pull_switch(self) -> None:
        """Do what halts ask for, before and without anything else."""
        now = self._guards.last_now or self._time_known()
        if self.switch.busy:
            try:
                with self.broker.urgent():
                    now = self.broker.clock().now
            except MustHalt:
                raise
            except BrokerError as problem:
                log.info("the kill switch goes by the time that is known here: %s", problem)
        self.switch.step(now, self.schedule.session_day(now).day)

    def _time_known(self) -> datetime:
        """Return this machine's time, but none that lies before what the journal knows; that where time is virtual.

        What is booked at a time before a decision would have been known to it, and the strategy would not repeat
        itself.
        """
        mark, last = self.journal.money.last_mark(), self.journal.decisions.last()
        known = [] if mark is None else [mark.at]
        known += [] if last is None else [last.made_at]
        moments = [at + timedelta(microseconds=1) for at in known]
        if self._wall is not None or not known:
            moments.append(datetime.now(UTC) if self._wall is None else self._wall())
        return max(moments)

    def attend(self) -> bool:
        """See to the kill switch while something else takes its time; return whether another process has written.

        Called in between, so it must not fail: what does is met again by the next step.
        """
        changes = self.journal.file.changes()
        changed, self._changes = changes != self._changes, changes
        if self.switch.busy and (changed or self.switch.next_s() == 0.0):
            try:
                self._pull_switch()
            except (BrokerError, JournalUnwritable) as problem:
                log.warning("the kill switch: %s", problem)
        return changed

    def progress(self) -> tuple[object, ...]:
        """Return what changes while a run of `--once` gets on."""
        return self.status.posts, self.status.last_decision, self.switch.busy, self.stops.acted

    def attend_switch(self) -> None:
        """See to the kill switch alone; what does not work shows in what remains."""
        try:
            self._pull_switch()
        except MustHalt as problem:
            self._halt_everything(problem.cause, str(problem))

    def work_aside(self, now: datetime) -> bool:
        """Go on with what child processes do beside the trading; return whether one of them is at work."""
        aside = [work for work in (self._texts, self._retrainer, self._summary) if work is not None]
        for work in aside:
            work.step(now)
        return any(work.busy for work in aside)

    def _wait_s(self, look: Look) -> float:
        waits = [self.settings.live.poll_s, max(self.schedule.next_event_s(look.now), 0.05)]
        soon = (self.reconciler.doubts.next_s(), self.switch.next_s())
        if self.stops.releasing:
            waits.append(0.5)
        if self.sender.held_back:
            waits.append(self.broker.wait_s() + 0.05)
        return min([*waits, *(wait for wait in soon if wait is not None)])

    def _failed(self, kind: str, problem: str, after_s: float) -> float:
        self.status.failures += 1
        self.status.state, self.status.problem = kind, problem
        self.say_once(kind, problem)
        self._backoff_s = min(
            max(after_s, 2 * self._backoff_s, min(1.0, self.settings.live.poll_s)), MAX_BACKOFF_S
        )
        soon = (self.reconciler.doubts.next_s(), self.switch.next_s())
        waits = [self._backoff_s, *(wait for wait in soon if wait is not None)]
        return max(min(waits), min(after_s, self._backoff_s if self.switch.next_s() is None else 0.0))

    def _halt_everything(self, cause: HaltCause, reason: str) -> None:
        try:
            self.reconciler.halt(EVERYTHING, cause, reason, self._guards.last_now or datetime.now(UTC))
        except JournalUnwritable as problem:
            log.error("the halt cannot be written down: %s", problem)

    def prepare(self) -> None:
        """Do before a bar closes what its decision would else wait for: history, models, imports, a trial run.

        The first model is trained here where there is none. Decides and sends nothing. What fails is only logged:
        the decision itself will meet it again and say so.
        """
        try:
            look = self.reconciler.sync()
            window = self.schedule.last_closed(look.now)
            if window is not None:
                fresh = self.decider.fetched(window)
                self.decider.considered(fresh.bars, look)
        except ForewalkError as problem:
            log.info("not prepared for the next bar: %s", problem)
        self._tidy()
        gc.freeze()  # what is there now stays: no later collection has to walk it

    def _tidy(self) -> None:
        """Free what a run of Cerebro leaves behind: its objects know each other, and would pile up for many bars."""
        if self.decider.untidy:
            gc.collect()
            self.decider.untidy = False

    # looking

    def _note_look(self, look: Look) -> None:
        status = self.status
        status.last_sync = status.broker_time = look.now
        status.equity, status.cash = float(look.account.equity), float(look.account.cash)
        status.positions = {symbol: float(p.quantity) for symbol, p in sorted(look.positions.items())}
        status.halts = [f"{halt.scope}: {halt.reason}" for halt in self.journal.halts.in_force()]

    def _mark(self, look: Look) -> None:
        """Keep the equity once a session and state of the market, so that the journal stays small."""
        session = self.schedule.session_day(look.now)
        key = f"{session.day} {look.clock.is_open} {self.journal.ledger.last_fill_at()}"
        if key != self._marked:
            self._marked = key
            self.journal.money.mark_equity(session.day, look.now, look.account.equity, look.account.cash)

    def outside(self, look: Look) -> Outside:
        """Return what the gate must know and neither journal nor broker does."""
        session = self.schedule.session_day(look.now)
        start = self.schedule.previous_close(look.now)
        open_now = self.schedule.session_at(look.now) is not None
        return Outside(open_now, start, session.day)

    def say_once(self, kind: str, text: str) -> None:
        """Tell of something, once in the life of this process."""
        if f"{kind} {text}" in self._said:
            return
        if len(self._said) > 10_000:
            self._said.clear()
        self._said.add(f"{kind} {text}")
        self._notify(kind, "", text)
        if kind in ("missed", "no_decision", "no_trading", "model", "skew"):
            try:
                self.journal.diary.note(self._guards.last_now or datetime.now(UTC), kind, text)
            except JournalUnwritable as problem:
                log.error("%s", problem)

    # ending

    def stop(self) -> None:
        """Leave open orders alone or cancel them, as configured; bounded in time."""
        if self.settings.live.on_stop == "cancel":
            now = self._guards.last_now or datetime.now(UTC)
            try:
                for order in self.journal.orders.all({OrderState.ACKED, OrderState.PARTIAL}):
                    self.journal.orders.want_cancel(order.client_order_id, now)
                self.reconciler.sync()
            except (BrokerError, JournalUnwritable) as problem:
                log.warning("open orders were left as they are: %s", problem)
        for child in (self._models, self._retrainer, self._summary):
            if child is not None:
                child.stop()
