"""The message about the day: once after each session's close, what was traded and whether book and broker agree."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal

from broker.halts import EVERYTHING
from broker.journal.journal import Journal
from broker.orders import OrderState
from broker.trading.reconcile import Look
from broker.values import plain
from engine.live.schedule import sessions_around
from forewalk.settings.sections import Settings

KIND = "reconciliation"
DONE = "reconciled"  # the key under which the journal keeps the last session that was told
LATE = timedelta(minutes=30)  # after the close it is written even where nothing was decided


class DayReport:
    """Writes the message into the outbox, once a session, also over restarts."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._done: date | None = None

    def step(self, look: Look) -> bool:
        """Write it where it is due; whether it was."""
        if not self._settings.live.alerts.reconciliation:
            return False
        session = self._due(look.now)
        if session is None:
            return False
        day, begin, end = session
        text = "\n".join(lines(self._journal, look, day, begin, end))
        self._journal.outbox.add_once(look.now, DONE, day.isoformat(), KIND, text)
        self._done = day
        return True

    def _due(self, now: datetime) -> tuple[date, datetime, datetime] | None:
        delay = timedelta(seconds=self._settings.live.close_delay_s)
        closed = [s for s in sessions_around(self._settings.data.exchange, now) if s.close + delay <= now]
        if len(closed) < 2 or (self._done is not None and closed[-1].day <= self._done):
            return None
        last = self._journal.decisions.last()
        if last is None or (last.session < closed[-1].day and now < closed[-1].close + LATE):
            return None
        if self._done is None:
            kept = self._journal.file.value(DONE)
            self._done = date.min if kept is None else date.fromisoformat(kept)
        day = closed[-1].day
        return (day, closed[-2].close, closed[-1].close) if day > self._done else None


def lines(journal: Journal, look: Look, day: date, begin: datetime, end: datetime) -> list[str]:
    """Return the message: money, orders, fills, book against broker, halts, alarms, what waits for a person.

    Args:
        begin, end: closes of the session before and of this one, UTC.
    """
    account = look.account
    change = account.equity / account.last_equity - 1 if account.last_equity else Decimal(0)
    orders = [order for order in journal.orders.all() if begin <= order.send_from < end]
    fills = [fill for fill, _ in journal.ledger.fills() if begin <= fill.at < look.now]
    spent = {
        side: sum((fill.quantity * fill.price for fill in fills if fill.side == side), Decimal(0))
        for side in ("buy", "sell")
    }
    states = Counter(str(order.state) for order in orders)
    alarms = Counter(alarm.kind for alarm in journal.outbox.alarms() if begin <= alarm.at)
    waiting = journal.orders.all({OrderState.NEEDS_HUMAN, OrderState.AWAIT_APPROVAL})
    halts = [
        f"{'everything' if halt.scope == EVERYTHING else halt.scope}: {halt.reason}"
        for halt in journal.halts.in_force()
    ]
    return [
        f"Session {day}, book {journal.book}",
        f"equity      {account.equity:,.2f} dollars ({change:+.2%} since the close before), cash {account.cash:,.2f}",
        f"orders      {len(orders)}{_counted(states)}",
        f"fills       {len(fills)}, bought for {spent['buy']:,.2f}, sold for {spent['sell']:,.2f}",
        *agreement(journal, look),
        f"halts       {'; '.join(halts) or 'none'}",
        f"alarms      {alarms.total()}{_counted(alarms)}",
        f"for you     {', '.join(order.client_order_id for order in waiting) or 'nothing'}",
    ]


def agreement(journal: Journal, look: Look) -> list[str]:
    """Return whether the book's positions are the broker's, each difference named, and what is not the book's."""
    ours = journal.ledger.quantities()
    theirs = {symbol: position.quantity for symbol, position in look.positions.items()}
    differ = [
        f"DIFFERENT   {symbol}: {plain(held)} in the book, {plain(theirs.get(symbol, Decimal(0)))} at the broker"
        for symbol, held in sorted(ours.items())
        if held != theirs.get(symbol, Decimal(0))
    ]
    foreign = [
        f"NOT OURS    {symbol}: {plain(held)} at the broker"
        for symbol, held in sorted(theirs.items())
        if symbol not in ours
    ]
    held = ", ".join(f"{plain(quantity)} {symbol}" for symbol, quantity in sorted(ours.items()) if quantity)
    return [f"positions   {held or 'none'}", *(differ or ["            book and broker agree"]), *foreign]


def _counted(counts: Counter[str]) -> str:
    return f" ({', '.join(f'{count} {name}' for name, count in sorted(counts.items()))})" if counts else ""
