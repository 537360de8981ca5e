"""From a closed bar to a decision in the journal: fetch, ask the models, run the strategy, write down."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from broker.errors import BrokerError
from broker.halts import EVERYTHING, HaltCause
from broker.ids import decision_id
from broker.journal.file import JournalUnwritable
from broker.journal.journal import Journal
from broker.orders import OrderState
from broker.port import Notify
from broker.trading.reconcile import Look
from engine.live.bars import FreshBars, LiveBars
from engine.live.columns import with_live_columns
from engine.live.deciding.corporate import CorporateActions
from engine.live.deciding.decide import StrategyRun, repeat_problem, run_strategy
from engine.live.deciding.foretold import ForecastWriter
from engine.live.deciding.past import account_state, replay_start
from engine.live.deciding.records import decision_records, doubts_of
from engine.live.deciding.texts import keep_known, with_live_texts
from engine.live.guards import Guards
from engine.live.models.own_code import SEEN_BY_MODELS
from engine.live.models.retrain import Retrainer
from engine.live.models.tasks import ForecastTask, checked_forecasts
from engine.live.schedule import Schedule, Window
from engine.live.watch.status import Status
from engine.simulation.orders import AbsurdOrder
from engine.simulation.strategies import load_strategy, needs_forecasts, needs_whole_history
from forewalk.compute.child import InferenceFailed, ModelProcess
from forewalk.data.membership import in_universe
from forewalk.errors import DataError, ForewalkError, LookaheadError, PluginError
from forewalk.plugins.failures import OverTime, time_limit
from forewalk.plugins.holding import sources_of
from forewalk.plugins.sources import Source
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts

PATIENCE = timedelta(seconds=300)  # to wait for the bars of all symbols before deciding without some


class Decider:
    """Makes the decisions of one book, each once.

    Args:
        models: asked for forecasts; None for a strategy that needs none. retrainer: knows the champions.
        say: told of each thing once: (kind, text).
        monotonic: seconds that never go back.

    Attributes:
        untidy: whether a run of Cerebro has left objects behind that know each other.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        schedule: Schedule,
        bars: LiveBars,
        corporate: CorporateActions,
        guards: Guards,
        models: ModelProcess | None,
        retrainer: Retrainer | None,
        status: Status,
        notify: Notify,
        say: Callable[[str, str], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._schedule = schedule
        self._bars = bars
        self._corporate = corporate
        self._guards = guards
        self._models = models
        self._retrainer = retrainer
        self._status = status
        self._notify = notify
        self._say = say
        self._monotonic = monotonic
        self._symbols = settings.data.symbols
        self._plugins = sources_of(settings)
        self._strategy: type[Any] | None = None
        with suppress(PluginError):  # the decision meets it again, and halts
            self._chosen()
        self._may_queue = settings.live.send == "after_close"
        self._foretold = ForecastWriter(settings, say)
        self._kept: set[str] = set()
        self.untidy = False

    def decide_if_due(self, look: Look) -> None:
        """Decide for the last closed bar, unless that has been done, is too late, or an order is in doubt."""
        window = self._schedule.last_closed(look.now)
        if own_code_halt(self._journal) is not None:
            return  # until a person has mended it and resumes
        if window is None or self._journal.decisions.get(decision_id(self._settings.live.book, window.asof)):
            return
        if look.now > window.valid_until:
            last = self._journal.decisions.last()
            if last is not None and last.asof < window.asof:
                self._say("missed", f"the bar of {window.asof:%Y-%m-%d %H:%M} UTC was not acted on in time")
            return
        if (
            self._journal.orders.all({OrderState.SUBMITTING, OrderState.UNKNOWN})
            or look.doubtful - self._halted()
        ):
            self._say("waiting", f"{window.asof:%Y-%m-%d %H:%M}: deciding when no order is in doubt")
            return
        try:
            began = self._monotonic()
            self._decide(window, look)
            self._status.decide_seconds = self._monotonic() - began
        except InferenceFailed as problem:
            self._halt_own_models(problem, look.now)
            self._say("model", f"{window.asof:%Y-%m-%d %H:%M}: no decision: {problem}")
        except BrokerError:
            raise
        except JournalUnwritable:
            raise
        except (PluginError, LookaheadError, AbsurdOrder) as problem:
            whose = "your own code: " if self._plugins else ""
            self._guards.stop(HaltCause.STRATEGY, f"{whose}{problem}", look.now)
            self._say("no_decision", f"{window.asof:%Y-%m-%d %H:%M}: {problem}")
        except ForewalkError as problem:
            self._say("no_decision", f"{window.asof:%Y-%m-%d %H:%M}: {problem}")

    def _halt_own_models(self, problem: InferenceFailed, now: datetime) -> None:
        """Halt where a model process with the user's own code in it hung or died; ours is asked again."""
        own = [source for source in self._plugins if source.setting in SEEN_BY_MODELS]
        if own:
            names = ", ".join(f"{source} ({_files(source)})" for source in own)
            self._guards.stop(HaltCause.STRATEGY, f"your own code: {problem}, which ran {names}", now)

    def _chosen(self) -> type[Any]:
        """Return the strategy; one of the user's own is imported once, unless that failed."""
        if self._strategy is None:
            self._strategy = load_strategy(self._settings)
        return self._strategy

    def _halted(self) -> set[str]:
        halts = self._journal.halts.in_force()
        everything = any(halt.scope == EVERYTHING for halt in halts)
        return set(self._symbols) if everything else {halt.scope for halt in halts}

    def _decide(self, window: Window, look: Look) -> None:
        fresh = self.fetched(window)
        patience = min(PATIENCE, (window.valid_until - window.asof) / 2)
        if fresh.missing and look.now < window.asof + patience:
            self._say("waiting", f"{window.asof:%Y-%m-%d %H:%M}: no bar yet of {', '.join(fresh.missing)}")
            return
        if len(fresh.missing) == len(self._symbols):
            raise DataError("no symbol has its bar: no decision")
        bars = fresh.bars
        run, forecasts = self.considered(bars, look)
        self._keep_differences(run.differences, look.now)
        problem = repeat_problem(run, bars, self._journal.decisions.last())
        if problem is not None:
            raise DataError(problem)
        for symbol, problem in fresh.problems.items():
            self._say("stale_data", f"{window.asof:%Y-%m-%d %H:%M} {symbol}: {problem}")
        doubts = doubts_of(fresh.problems, forecasts, self._settings)
        if forecasts is not None:
            self._foretold.write(bars, forecasts, look.now)
        ledger = self._journal.ledger.quantities()
        decision, targets, orders = decision_records(
            run,
            bars,
            forecasts,
            doubts,
            window,
            self._settings,
            look.account,
            ledger,
            look.now,
            self._may_queue,
        )
        ask = self._settings.live.approve
        wrong = self._guards.adjusted_prices(orders)
        kept = self._journal.decisions.record(
            decision, targets, orders, ask, run.cancelled, wrong, last_closes(bars)
        )
        if not kept:
            return
        with suppress(OSError):  # what is missing shows in the parity
            keep_known(bars, self._settings)
        for order in orders:
            if order.client_order_id in wrong:
                self._notify("refused", order.symbol, wrong[order.client_order_id])
        self._status.last_decision = window.asof
        self._notify("decision", "", f"{window.asof:%Y-%m-%d %H:%M}: {len(orders)} orders")

    def considered(self, bars: Bars, look: Look) -> tuple[StrategyRun, Forecasts | None]:
        """Ask the models and run the strategy over the bars known now; nothing is written down."""
        first = replay_start(self._journal, bars, self._settings.live.replay_bars)
        strategy = self._chosen()
        if needs_whole_history(strategy):
            first = bars.timestamps[0]
        before = bars.timestamps.searchsorted(first) - (self._settings.strategy.smooth_std_bars - 1)
        told_from = bars.timestamps[max(0, int(before))]
        forecasts = self._forecasts(bars, told_from) if needs_forecasts(strategy) else None
        splits = self._corporate.past_splits(bars.timestamps[-1].to_pydatetime())
        state = account_state(self._journal, look.account.cash, first.to_pydatetime(), splits)
        self.untidy = True
        try:
            with time_limit(self._settings.live.inference_timeout_s) if self._plugins else nullcontext():
                return run_strategy(bars, forecasts, self._settings, strategy, state, first), forecasts
        except OverTime as problem:
            raise PluginError(f"strategy.kind = {self._settings.strategy.kind!r} {problem}") from None

    def fetched(self, window: Window) -> FreshBars:
        """Return the bars until the window's, with the universe and the user's own columns where there are any."""
        known = self._corporate.rescaled(self._journal.decisions.last_closes(), window.asof)
        fresh = self._bars.fetch(window.asof, known, self._settings.risk.max_jump)
        fresh = replace(fresh, bars=in_universe(fresh.bars, self._settings.data))
        return with_live_texts(with_live_columns(fresh, self._settings), self._settings, self._say)

    def _forecasts(self, bars: Bars, first: pd.Timestamp) -> Forecasts | None:
        if self._models is None or self._retrainer is None:
            return None
        files = self._retrainer.champions(bars)
        task = ForecastTask(bars, self._settings, files, first, self._plugins)
        if not self._plugins:
            return checked_forecasts(self._models.ask(task), bars)
        # the child itself says where the user's code hangs; what it takes to start is not counted
        return checked_forecasts(self._models.ask(task, 2 * self._settings.live.inference_timeout_s), bars)

    def _keep_differences(self, differences: list[tuple[datetime, str]], now: datetime) -> None:
        for asof, what in differences:
            text = f"{asof:%Y-%m-%d %H:%M} {what}"
            if text not in self._kept:
                self._kept.add(text)
                self._journal.diary.note(now, "replay", text)


def _files(source: Source) -> str:
    return ", ".join(path for _, path in source.files) or source.file


def own_code_halt(journal: Journal) -> str | None:
    """Return why the user's own code has halted the book, None where it has not."""
    halts = journal.halts.in_force()
    return next((halt.reason for halt in halts if halt.cause is HaltCause.STRATEGY), None)


def raise_own_code(journal: Journal) -> None:
    """Raise PluginError where the user's own code has halted the book: who waits for the result must see it."""
    reason = own_code_halt(journal)
    if reason is not None:
        raise PluginError(f"{reason}; mend it, then `live resume`")


def last_closes(bars: Bars) -> dict[str, float]:
    """Return the close of the last bar by symbol, of those that have one."""
    return {
        symbol: float(bars.close[-1, column])
        for column, symbol in enumerate(bars.symbols)
        if bars.present[-1, column]
    }
