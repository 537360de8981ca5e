"""What must be so before anything is decided or sent: clocks, losses, the account, the calendar, whose orders.

A guard that finds something wrong halts, or says it; none of them decides or sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

from broker.journal.halts import EVERYTHING
from broker.journal.journal import Journal
from broker.journal.records import NewOrder
from broker.trading.reconcile import Look, Reconciler
from broker.trading.risk import loss_breach
from broker.values import CalendarDay, RawPrice
from engine.live.deciding.records import price_problem
from engine.live.schedule import calendar_problem, clock_problem, skew_problem
from forewalk.settings.sections import Settings


class Calendar(Protocol):
    """Where the broker's sessions and last trades come from; see `AlpacaPaper`."""

    def calendar(self, first: date, last: date) -> list[CalendarDay]:
        """Return the sessions from `first` to `last`."""
        ...

    def last_prices(self, symbols: Iterable[str]) -> dict[str, RawPrice]:
        """Return the last raw trades."""
        ...


class Guards:
    """The daemon's guards.

    Args:
        say: told of each thing once: (kind, text).
        wall: this machine's clock, None where time is virtual.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        broker: Calendar,
        reconciler: Reconciler,
        say: Callable[[str, str], None],
        wall: Callable[[], datetime] | None,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._broker = broker
        self._reconciler = reconciler
        self._say = say
        self._wall = wall
        self._calendar_checked: tuple[date, str | None] | None = None
        self.last_now: datetime | None = None

    def look(self, look: Look) -> None:
        """Check clocks, losses and the account's flags; name positions and orders that are not this book's."""
        self._name_foreign(look)
        self._check_clocks(look)
        self._check_losses(look)

    def stop(self, reason: str, now: datetime) -> None:
        """Halt the book, and say so."""
        self._reconciler.halt(EVERYTHING, reason, now)

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
            self._reconciler.halt(
                EVERYTHING, f"the broker's clock went back to {look.now:%Y-%m-%d %H:%M:%S}", look.now
            )
        self.last_now = look.now
        if self._wall is None:
            return
        skew = skew_problem(self._wall(), look.now, self._settings.live)
        if skew is not None:
            text, stop = skew
            if stop:
                self._reconciler.halt(
                    EVERYTHING, text.partition(";")[0].split(" is ")[0] + " is off the broker's", look.now
                )
            self._say("skew", text)

    def _check_losses(self, look: Look) -> None:
        breach = loss_breach(
            look.account.equity,
            look.account.last_equity,
            self._journal.money.peak_equity(),
            self._settings.risk,
        )
        if breach is not None and not any(
            halt.reason.startswith(breach.rule) for halt in self._journal.halts.in_force()
        ):
            self._reconciler.halt(breach.halts, f"{breach.rule}: {breach.text}", look.now)
        problem = look.account.problem()
        suspended_by_us = look.account.trade_suspended and self._journal.file.flag("suspended")
        if problem is not None and not suspended_by_us:
            self._reconciler.halt(EVERYTHING, f"account: {problem}", look.now)
