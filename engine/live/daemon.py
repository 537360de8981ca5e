"""The daemon's loop. One `step` looks at the broker, goes on with what is unfinished, decides, sends.

A step may be repeated at any time and may be cut off at any point: what it has done is in the journal and at the
broker, and the next step (of this process or another) begins with reading both. Start-up is the first step.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import pandas as pd

from broker.errors import BrokerError, MustHalt, Unreachable
from broker.ids import checked_symbol, decision_id
from broker.journal.file import JournalUnwritable
from broker.journal.journal import EVERYTHING, Journal
from broker.journal.records import NewOrder
from broker.orders import State
from broker.port import Broker, Notify
from broker.trading.reconcile import Look, Reconciler
from broker.trading.risk import loss_breach
from broker.trading.sender import Outside, Sender
from broker.values import CalendarDay
from engine.live.bars import BarFeed, FreshBars, LiveBars
from engine.live.deciding.actions import ActionFeed, CorporateActions
from engine.live.deciding.decide import Step, repeat_problem, run_strategy
from engine.live.deciding.past import account_state, replay_start
from engine.live.deciding.records import Doubts, decision_records, model_problems, price_problem
from engine.live.models.retrain import Retrainer
from engine.live.models.tasks import ForecastTask, checked_forecasts
from engine.live.schedule import Schedule, Window, calendar_problem, clock_problem, skew_problem
from engine.live.watch.daily import DailySummary
from engine.live.watch.status import Status
from engine.simulation.cerebro import load_strategy
from forewalk.compute.child import InferenceFailed, ModelProcess
from forewalk.errors import DataError, ForewalkError
from forewalk.sessions import exchange_zone
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts

log = logging.getLogger(__name__)

PATIENCE = timedelta(seconds=300)  # to wait for the bars of all symbols before deciding without some
MAX_BACKOFF_S = 60.0


class PaperBroker(Broker, BarFeed, ActionFeed, Protocol):
    """A broker that has bars, corporate actions and a calendar too."""

    def calendar(self, first: date, last: date) -> list[CalendarDay]:
        """Return the sessions from `first` to `last`."""
        ...


class Daemon:
    """Trades one book on one account.

    Args:
        settings: all of them; `data.symbols` are the symbols traded.
        broker: the account. models: asked for forecasts; None for a strategy that needs none.
        retrainer: trains challengers. summary: writes the day's page. Both may be None.
        notify: told of everything a person may want to hear of.
        monotonic: seconds that never go back. wall: this machine's clock, None where time is virtual.
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
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] | None = lambda: datetime.now(UTC),
    ) -> None:
        live = settings.live
        self.settings = settings
        self.journal = journal
        self.broker = broker
        self.status = Status()
        self.symbols = tuple(checked_symbol(symbol) for symbol in settings.data.symbols)
        self.schedule = Schedule(settings.data.calendar, settings.data.interval, live)
        self.strategy = load_strategy(live.strategy)
        self._notify = notify
        self._models = models
        self._retrainer = retrainer
        self._summary = summary
        self._monotonic = monotonic
        self._wall = wall
        self._bars = LiveBars(broker, self.symbols, self.schedule, settings.data.start, live.adjustment)
        self._may_queue = live.send == "after_close"
        self.reconciler = Reconciler(journal, broker, self.symbols, monotonic, live.lookup_s, notify)
        zone, adjusted = exchange_zone(settings.data.calendar), live.adjustment != "raw"
        self._actions = CorporateActions(journal, broker, self.reconciler, zone, adjusted, notify, monotonic)
        self.sender = Sender(
            journal, broker, self.reconciler, settings.risk, notify, self._may_queue, live.dry_run
        )
        self._calendar_checked: tuple[date, str | None] | None = None
        self._last_now: datetime | None = None
        self._said: set[str] = set()
        self._backoff_s = 0.0
        self._untidy = False
        self._marked = ""

    # the loop's one step

    def step(self) -> float:
        """Do whatever is due and return the seconds until the next look; never raises for the broker's faults."""
        self.status.steps += 1
        try:
            wait = self._step()
        except Unreachable as problem:
            return self._failed("unreachable", str(problem), problem.after_s)
        except MustHalt as problem:
            self._halt_everything(str(problem))
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
        look = self.reconciler.sync()
        self._note_look(look)
        self._check_clocks(look)
        self._check_losses(look)
        session = self.schedule.session_day(look.now)
        self._actions.step(look, session)
        self.sender.enforce_halts(look, session.day)
        self._decide_if_due(look)
        self._actions.stop_orders(session.day, look.now)
        problem = self._time_problem(look)
        if problem is None:
            self.status.posts += self.sender.send_due(look, self.outside(look))
        else:
            self.sender.expire(look.now)
            self._say_once("no_trading", problem)
        self._tidy()
        self.work_aside(look.now)
        self._mark(look)
        return self._wait_s(look)

    def work_aside(self, now: datetime) -> bool:
        """Go on with what child processes do beside the trading; return whether one of them is at work."""
        aside = [work for work in (self._retrainer, self._summary) if work is not None]
        for work in aside:
            work.step(now)
        return any(work.busy for work in aside)

    def _wait_s(self, look: Look) -> float:
        waits = [self.settings.live.poll_s, max(self.schedule.next_event_s(look.now), 0.05)]
        lookup = self.reconciler.next_lookup_s()
        return min([*waits, lookup] if lookup is not None else waits)

    def _failed(self, kind: str, problem: str, after_s: float) -> float:
        self.status.failures += 1
        self.status.state, self.status.problem = kind, problem
        self._say_once(kind, problem)
        self._backoff_s = min(
            max(after_s, 2 * self._backoff_s, min(1.0, self.settings.live.poll_s)), MAX_BACKOFF_S
        )
        lookup = self.reconciler.next_lookup_s()
        return self._backoff_s if lookup is None else max(min(self._backoff_s, lookup), after_s)

    def _halt_everything(self, reason: str) -> None:
        try:
            self.reconciler.halt(EVERYTHING, reason, self._last_now or datetime.now(UTC))
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
                fresh = self._fetched(window)
                self._considered(fresh.bars, look)
        except ForewalkError as problem:
            log.info("not prepared for the next bar: %s", problem)
        self._tidy()
        gc.freeze()  # what is there now stays: no later collection has to walk it

    def _tidy(self) -> None:
        """Free what a run of Cerebro leaves behind: its objects know each other, and would pile up for many bars."""
        if self._untidy:
            gc.collect()
            self._untidy = False

    # looking

    def _note_look(self, look: Look) -> None:
        status = self.status
        status.last_sync = status.broker_time = look.now
        status.equity, status.cash = float(look.account.equity), float(look.account.cash)
        status.positions = {symbol: float(p.quantity) for symbol, p in sorted(look.positions.items())}
        status.halts = [f"{halt.scope}: {halt.reason}" for halt in self.journal.halts()]
        unlisted = sorted(set(look.positions) - set(self.symbols))
        if unlisted:
            self._say_once("foreign_position", f"positions that are not this book's: {', '.join(unlisted)}")
        for order in look.foreign:
            self._say_once(
                "foreign_order", f"{order.side} {order.quantity} {order.symbol} ({order.client_order_id})"
            )

    def _check_clocks(self, look: Look) -> None:
        limit = timedelta(seconds=self.settings.live.halt_skew_s)
        if self._last_now is not None and look.now < self._last_now - limit:
            self.reconciler.halt(
                EVERYTHING, f"the broker's clock went back to {look.now:%Y-%m-%d %H:%M:%S}", look.now
            )
        self._last_now = look.now
        if self._wall is None:
            return
        skew = skew_problem(self._wall(), look.now, self.settings.live)
        if skew is not None:
            text, stop = skew
            if stop:
                self.reconciler.halt(
                    EVERYTHING, text.partition(";")[0].split(" is ")[0] + " is off the broker's", look.now
                )
            self._say_once("skew", text)

    def _check_losses(self, look: Look) -> None:
        breach = loss_breach(
            look.account.equity, look.account.last_equity, self.journal.peak_equity(), self.settings.risk
        )
        if breach is not None and not any(
            halt.reason.startswith(breach.rule) for halt in self.journal.halts()
        ):
            self.reconciler.halt(breach.halts, f"{breach.rule}: {breach.text}", look.now)
        problem = look.account.problem()
        suspended_by_us = look.account.trade_suspended and self.journal.flag("suspended")
        if problem is not None and not suspended_by_us:
            self.reconciler.halt(EVERYTHING, f"account: {problem}", look.now)

    def _mark(self, look: Look) -> None:
        """Keep the equity once a session and state of the market, so that the journal stays small."""
        session = self.schedule.session_day(look.now)
        key = f"{session.day} {look.clock.is_open} {self.journal.last_fill_at()}"
        if key != self._marked:
            self._marked = key
            self.journal.mark_equity(session.day, look.now, look.account.equity, look.account.cash)

    # deciding

    def _decide_if_due(self, look: Look) -> None:
        window = self.schedule.last_closed(look.now)
        if window is None or self.journal.decision(decision_id(self.settings.live.book, window.asof)):
            return
        if look.now > window.valid_until:
            last = self.journal.last_decision()
            if last is not None and last.asof < window.asof:
                self._say_once(
                    "missed", f"the bar of {window.asof:%Y-%m-%d %H:%M} UTC was not acted on in time"
                )
            return
        if self.journal.orders({State.SUBMITTING, State.UNKNOWN}) or look.doubtful - self._halted():
            self._say_once("waiting", f"{window.asof:%Y-%m-%d %H:%M}: deciding when no order is in doubt")
            return
        try:
            began = self._monotonic()
            self._decide(window, look)
            self.status.decide_seconds = self._monotonic() - began
        except InferenceFailed as problem:
            self._say_once("model", f"{window.asof:%Y-%m-%d %H:%M}: no decision: {problem}")
        except BrokerError:
            raise
        except JournalUnwritable:
            raise
        except ForewalkError as problem:
            self._say_once("no_decision", f"{window.asof:%Y-%m-%d %H:%M}: {problem}")

    def _halted(self) -> set[str]:
        halts = self.journal.halts()
        everything = any(halt.scope == EVERYTHING for halt in halts)
        return set(self.symbols) if everything else {halt.scope for halt in halts}

    def _decide(self, window: Window, look: Look) -> None:
        fresh = self._fetched(window)
        patience = min(PATIENCE, (window.valid_until - window.asof) / 2)
        if fresh.missing and look.now < window.asof + patience:
            self._say_once(
                "waiting", f"{window.asof:%Y-%m-%d %H:%M}: no bar yet of {', '.join(fresh.missing)}"
            )
            return
        if len(fresh.missing) == len(self.symbols):
            raise DataError("no symbol has its bar: no decision")
        bars = fresh.bars
        step, forecasts = self._considered(bars, look)
        self._keep_differences(step.differences, look.now)
        problem = repeat_problem(step, bars, self.journal.last_decision())
        if problem is not None:
            raise DataError(problem)
        doubts = Doubts(fresh.problems, model_problems(forecasts, self.symbols, self.settings.risk))
        ledger = self.journal.ledger()
        decision, targets, orders = decision_records(
            step,
            bars,
            forecasts,
            doubts,
            window,
            self.settings,
            look.account,
            ledger,
            look.now,
            self._may_queue,
        )
        ask = self.settings.live.approve
        wrong = self._adjusted_prices(orders)
        kept = self.journal.record_decision(
            decision, targets, orders, ask, step.cancelled, wrong, last_closes(bars)
        )
        if not kept:
            return
        for order in orders:
            if order.client_order_id in wrong:
                self._notify("refused", order.symbol, wrong[order.client_order_id])
        self.status.last_decision = window.asof
        self._notify("decision", "", f"{window.asof:%Y-%m-%d %H:%M}: {len(orders)} orders")

    def _considered(self, bars: Bars, look: Look) -> tuple[Step, Forecasts | None]:
        """Ask the models and run the strategy over the bars known now; nothing is written down."""
        first = replay_start(self.journal, bars, self.settings.live.replay_bars)
        forecasts = self._forecasts(bars, first)
        if forecasts is None:
            first = bars.timestamps[0]
        splits = self._actions.past_splits(bars.timestamps[-1].to_pydatetime())
        state = account_state(self.journal, look.account, first.to_pydatetime(), splits)
        self._untidy = True
        return run_strategy(bars, forecasts, self.settings, self.strategy, state, first), forecasts

    def _fetched(self, window: Window) -> FreshBars:
        known = self._actions.rescaled(self.journal.last_closes(), window.asof)
        return self._bars.fetch(window.asof, known, self.settings.risk.max_jump)

    def _forecasts(self, bars: Bars, first: pd.Timestamp) -> Forecasts | None:
        if self._models is None or self._retrainer is None:
            return None
        files = self._retrainer.champions(bars)
        task = ForecastTask(bars, self.settings, files, first)
        return checked_forecasts(self._models.ask(task), bars)

    def _keep_differences(self, differences: list[tuple[datetime, str]], now: datetime) -> None:
        for asof, what in differences:
            text = f"{asof:%Y-%m-%d %H:%M} {what}"
            if f"differs {text}" not in self._said:
                self._said.add(f"differs {text}")
                self.journal.note(now, "replay", text)

    def _adjusted_prices(self, orders: Sequence[NewOrder]) -> dict[str, str]:
        """Return why orders with prices of their own must not be sent; BrokerError leaves the bar undecided."""
        priced = [o for o in orders if o.limit_price or o.stop_price or o.take_profit]
        if not priced:
            return {}
        trades = self.broker.last_prices([order.symbol for order in priced])
        problems = {}
        for order in priced:
            trade = trades.get(order.symbol)
            problem = price_problem(order, None if trade is None else trade.value)
            if problem is not None:
                problems[order.client_order_id] = problem
        return problems

    # time

    def _time_problem(self, look: Look) -> str | None:
        """Return why now is no time to trade: broker and calendar disagree."""
        calendar = self.settings.data.calendar
        problem = clock_problem(calendar, look.clock)
        if problem is not None:
            return problem
        if self._calendar_checked is None or self._calendar_checked[0] != look.now.date():
            days = self.broker.calendar(
                look.now.date() - timedelta(days=1), look.now.date() + timedelta(days=8)
            )
            self._calendar_checked = (look.now.date(), calendar_problem(calendar, look.now, days))
        return self._calendar_checked[1]

    def outside(self, look: Look) -> Outside:
        """Return what the gate must know and neither journal nor broker does."""
        session = self.schedule.session_day(look.now)
        start = self.schedule.previous_close(look.now)
        open_now = self.schedule.session_at(look.now) is not None
        return Outside(open_now, start, session.day)

    def _say_once(self, kind: str, text: str) -> None:
        if f"{kind} {text}" in self._said:
            return
        if len(self._said) > 10_000:
            self._said.clear()
        self._said.add(f"{kind} {text}")
        self._notify(kind, "", text)
        if kind in ("missed", "no_decision", "no_trading", "model", "skew"):
            try:
                self.journal.note(self._last_now or datetime.now(UTC), kind, text)
            except JournalUnwritable as problem:
                log.error("%s", problem)

    # ending

    def stop(self) -> None:
        """Leave open orders alone or cancel them, as configured; bounded in time."""
        if self.settings.live.on_stop == "cancel":
            now = self._last_now or datetime.now(UTC)
            try:
                for order in self.journal.orders({State.ACKED, State.PARTIAL}):
                    self.journal.want_cancel(order.client_order_id, now)
                self.reconciler.sync()
            except (BrokerError, JournalUnwritable) as problem:
                log.warning("open orders were left as they are: %s", problem)
        for child in (self._models, self._retrainer, self._summary):
            if child is not None:
                child.stop()


def last_closes(bars: Bars) -> dict[str, float]:
    """Return the close of the last bar by symbol, of those that have one."""
    return {
        symbol: float(bars.close[-1, column])
        for column, symbol in enumerate(bars.symbols)
        if bars.present[-1, column]
    }
