"""What must be so before anything is decided or sent: clocks, losses, the account, the calendar, whose orders.

A guard that finds something wrong halts, or says it; none of them decides or sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

from broker.halts import EVERYTHING, HaltCause
from broker.journal.journal import Journal
from broker.journal.records import NewOrder
from broker.port import Notify
from broker.trading.cash import CashFeed, read_cash_flows
from broker.trading.reconcile import Look, Reconciler
from broker.trading.risk import Breach, loss_breach
from broker.trading.suspension import is_ours
from broker.values import CalendarDay, RawPrice
from engine.live.deciding.records import price_problem
from engine.live.schedule import Schedule, calendar_problem, clock_problem, skew_problem
from forewalk.settings.sections import Settings


class Outlook(CashFeed, Protocol):
    """Where the broker's sessions, last trades and cash flows come from; see `AlpacaPaper`."""

    def calendar(self, first: date, last: date) -> list[CalendarDay]:
        """Return the sessions from `first` to `last`."""
        ...

    def last_prices(self, symbols: Iterable[str]) -> dict[str, RawPrice]:
        """Return the last raw trades."""
        ...


class Guards:
    """The daemon's guards.

    Args:
        say: told of each thing once: (kind, text). notify: told of every cash flow.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        broker: Outlook,
        reconciler: Reconciler,
        schedule: Schedule,
        say: Callable[[str, str], None],
        notify: Notify,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._broker = broker
        self._reconciler = reconciler
        self._schedule = schedule
        self._say = say
        self._notify = notify
        self._calendar_checked: tuple[date, str | None] | None = None
        self.last_now: datetime | None = None

    def look(self, look: Look) -> None:
        """Check clocks, losses and the account's flags; name positions and orders that are not this book's."""
        self._name_foreign(look)
        self._check_clocks(look)
        self._check_losses(look)

    def stop(self, cause: HaltCause, reason: str, now: datetime) -> None:
        """Halt the book, and say so."""
        self._reconciler.halt(EVERYTHING, cause, reason, now)

    def time_problem(self, look: Look) -> str | None:
        """Return why now is no time to trade: broker and calendar disagree."""
        calendar = self._settings.data.exchange
        problem = clock_problem(calendar, look.clock)
        if problem is not None:
            return problem
        if self._calendar_checked is None or self._calendar_checked[0] != look.now.date():
            days = self._broker.calendar(
                look.now.date() - timedelta(days=1), look.now.date() + timedelta(days=8)
            )
            self._calendar_checked = (look.now.date(), calendar_problem(calendar, look.now, days))
        return self._calendar_checked[1]

    def adjusted_prices(self, orders: Sequence[NewOrder]) -> dict[str, str]:
        """Return why orders with prices of their own must not be sent; BrokerError leaves the bar undecided."""
        priced = [o for o in orders if o.limit_price or o.stop_price or o.take_profit]
        if not priced:
            return {}
        trades = self._broker.last_prices([order.symbol for order in priced])
        problems = {}
        for order in priced:
            trade = trades.get(order.symbol)
            problem = price_problem(order, None if trade is None else trade.value)
            if problem is not None:
                problems[order.client_order_id] = problem
        return problems

    def _name_foreign(self, look: Look) -> None:
        unlisted = sorted(set(look.positions) - set(self._reconciler.symbols))
        if unlisted:
            self._say("foreign_position", f"positions that are not this book's: {', '.join(unlisted)}")
        for order in look.foreign:
            self._say(
                "foreign_order", f"{order.side} {order.quantity} {order.symbol} ({order.client_order_id})"
            )

    def _check_clocks(self, look: Look) -> None:
        limit = timedelta(seconds=self._settings.live.halt_skew_s)
        if self.last_now is not None and look.now < self.last_now - limit:
            text = f"the broker's clock went back to {look.now:%Y-%m-%d %H:%M:%S}"
            self._reconciler.halt(EVERYTHING, HaltCause.CLOCK, text, look.now)
        self.last_now = look.now
        skew = None if look.skew_s is None else skew_problem(look.skew_s, self._settings.live)
        if skew is not None:
            text, stop = skew
            if stop:
                self._reconciler.halt(EVERYTHING, HaltCause.CLOCK, text, look.now)
            self._say("skew", text)

    def _check_losses(self, look: Look) -> None:
        halted = {halt.cause for halt in self._journal.halts.in_force()}
        breach = self._breach(look)
        if breach is not None and breach.halts not in halted:
            read_cash_flows(self._journal, self._broker, look.now, self._notify)  # was it a withdrawal?
            breach = self._breach(look)
            if breach is not None and breach.halts is not None:
                self._halt_on(breach.halts, f"{breach.rule}: {breach.text}", look.now)
        problem = look.account.problem(is_ours(self._journal))
        if problem is not None:
            self._reconciler.halt(EVERYTHING, HaltCause.ACCOUNT, f"account: {problem}", look.now)

    def _breach(self, look: Look) -> Breach | None:
        account, money = look.account, self._journal.money
        session = self._schedule.session_day(look.now).day
        start = money.day_start(account.last_equity, session, self._schedule.previous_close(look.now))
        peak = money.peak_equity(look.now, account.equity, account.cash)
        return loss_breach(account.equity, start, peak, self._settings.risk)

    def _halt_on(self, cause: HaltCause, text: str, now: datetime) -> None:
        """Halt as `risk.on_breach` says; what would enter or add is taken back, exits and stops stay there."""
        mode = self._settings.risk.on_breach
        asks = {"flatten": True} if mode == "flatten" else {"keep_exits": True}
        exits = mode == "exits_only"
        self._reconciler.halt(EVERYTHING, cause, text, now, cancel=True, allow_exits=exits, **asks)
