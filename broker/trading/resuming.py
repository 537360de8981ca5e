"""The way out of every halt: look at the account again, settle what it was about, lift it, and say so.

A halt that would begin again at the next look is not lifted; the message says what lifts it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from broker.halts import EVERYTHING, LOSSES, HaltCause
from broker.ids import FLAT, leg_of, parse_client_order_id
from broker.journal.journal import Journal
from broker.journal.records import DecisionRow, Halt, StoredOrder
from broker.orders import AT_BROKER, OrderState, OrderStep, is_known
from broker.port import Broker
from broker.trading.cash import BACK
from broker.trading.commands import checked_scope
from broker.trading.reconcile import TOLERANCE, Reconciler
from broker.trading.risk import loss_breach
from broker.trading.suspension import Suspension
from broker.values import Account, BrokerOrder, Fill, plain
from forewalk.errors import UsageError
from forewalk.settings.trading import RiskSettings


@dataclass(frozen=True)
class Wishes:
    """What a person wants besides.

    Attributes:
        adopt: take the broker's positions and orders over into the journal.
        new_peak: measure losses from now on.
        unsuspend: lift a suspension of the account that is not ours.
    """

    adopt: bool = False
    new_peak: bool = False
    unsuspend: bool = False


@dataclass(frozen=True)
class Day:
    """The session that it is, when the one before it closed, and how far a clock may be off."""

    session: date
    last_close: datetime
    max_skew_s: float


def resume(
    journal: Journal,
    broker: Broker,
    limits: RiskSettings,
    day_of: Callable[[datetime], Day],
    symbol: str | None,
    wishes: Wishes,
    wall: Callable[[], datetime] | None = None,
) -> list[str]:
    """Lift the halts of a symbol or of everything after a look at the account; return what was done, in words.

    Args:
        day_of: tells the session of a time of the broker's.
        wall: this machine's clock, None where time is virtual.

    Raises:
        UsageError: nothing of that scope is halted, or what halted it is still so.
        BrokerError: the broker does not answer; nothing is lifted.
    """
    scope = EVERYTHING if symbol is None else checked_scope(symbol)
    halts = [halt for halt in journal.halts.in_force() if halt.scope == scope]
    if not halts:
        scopes = sorted({halt.scope for halt in journal.halts.in_force()})
        raise UsageError(
            f"nothing of {symbol or 'everything'} is halted; halted: {', '.join(scopes) or 'nothing'}"
        )
    with broker.urgent():
        look = _Resuming(journal, broker, limits, day_of, wishes, wall)
        look.settle(symbol)
        problems = [text for halt in halts if (text := look.still(halt)) is not None]
        if problems:
            raise UsageError("; ".join(dict.fromkeys(problems)))
        look.lift(scope, halts)
    return look.said


def adopt(journal: Journal, broker: Broker, symbol: str | None, now: datetime) -> list[str]:
    """Take over what the broker shows, because a person says so: orders, executions, positions."""
    said = _adopt_orders(journal, broker, symbol, now)
    said += _adopt_executions(journal, symbol, now)
    positions, ledger = broker.positions(), journal.ledger.quantities()
    for name in sorted({symbol} if symbol else set(positions) | set(ledger)):
        position = positions.get(name)
        held = position.quantity if position is not None else Decimal(0)
        missing = held - ledger.get(name, Decimal(0))
        if missing:
            price = position.average_price if position is not None else Decimal(0)
            journal.ledger.adjust(name, missing, price, now, "adopted by a person")
            said.append(f"{name}: {plain(missing)} shares taken over, {plain(held)} held")
    return said


class _Resuming:
    """One resumption; `said` is what it did."""

    def __init__(
        self,
        journal: Journal,
        broker: Broker,
        limits: RiskSettings,
        day_of: Callable[[datetime], Day],
        wishes: Wishes,
        wall: Callable[[], datetime] | None,
    ) -> None:
        self._journal = journal
        self._broker = broker
        self._limits = limits
        self._wishes = wishes
        self._suspension = Suspension(journal, broker)
        self._account = broker.account()
        journal.file.bind_account(self._account.id)
        before = wall() if wall is not None else None
        self._now = broker.clock().now
        after = wall() if wall is not None else None
        self._day = day_of(self._now)
        self._skew_s = 0.0
        if before is not None and after is not None:
            ends = [(moment - self._now).total_seconds() for moment in (before, after)]
            self._skew_s = 0.0 if ends[0] <= 0 <= ends[1] else min(ends, key=abs)
        self.said = [f"the account: equity {self._account.equity:,.2f}, cash {self._account.cash:,.2f}"]

    def settle(self, symbol: str | None) -> None:
        """Read what happened, look for orders that nobody could find, and take over what is to be adopted."""
        flows = self._broker.cash_flows(self._now - BACK)
        for flow in self._journal.money.add_cash_flows(flows, self._now):
            self.said.append(f"booked: {flow.kind} of {plain(flow.amount)} dollars on {flow.on}")
        reconciler = Reconciler(self._journal, self._broker, (), time.monotonic, (0.0,), lambda *_: None)
        reconciler.find_waiting(self._now)
        reconciler.join_orders(self._now)
        reconciler.join_fills(self._now)
        for order in self._journal.orders.all({OrderState.NEEDS_HUMAN}):
            if symbol in (None, order.symbol):
                self._look_for(order)
        if self._wishes.adopt:
            self.said += adopt(self._journal, self._broker, symbol, self._now)
        if self._wishes.unsuspend and self._account.trade_suspended and not self._suspension.is_ours:
            self._broker.suspend(False)
            self._account = self._broker.account()
            self.said.append("the suspension of the account was lifted")

    def _look_for(self, order: StoredOrder) -> None:
        name = order.client_order_id
        found = self._broker.order_by_client_id(name)
        if found is not None and Reconciler.is_same(order, found):
            after = self._journal.orders.report(name, found, self._now)
            self.said.append(f"{name} was found: it is {after.state}")
            return
        why = "not at the broker" if found is None else "the broker has another order under this id"
        self._journal.orders.step(name, OrderStep.REFUSE, self._now, f"{why}; a person has looked")
        self.said.append(f"{name}: {why}; it is closed here")

    # would it begin again?

    def still(self, halt: Halt) -> str | None:
        """Return why a halt would begin again at the next look, and what lifts it; None where it would not."""
        if halt.scope == EVERYTHING:
            problem = self._account.problem(self._suspension.is_ours)
            if problem is not None:
                remedy = "; lift it at the broker, or: live resume --unsuspend"
                return problem + (remedy if "suspended" in problem else "; ask the broker")
        if halt.cause in LOSSES:
            return self._loss(halt)
        if halt.cause is HaltCause.CLOCK and abs(self._skew_s) > self._day.max_skew_s:
            return f"this machine's clock is {self._skew_s:+.1f} s off the broker's; set it (ntp)"
        if halt.cause in (HaltCause.POSITION, HaltCause.EXECUTIONS, HaltCause.ORDER, HaltCause.STATUS):
            return self._of_symbol(halt.scope)
        return None

    def _loss(self, halt: Halt) -> str | None:
        account, money = self._account, self._journal.money
        if self._wishes.new_peak:
            return None
        start = money.day_start(account.last_equity, self._day.session, self._day.last_close)
        peak = money.peak_equity(self._now, account.equity, account.cash)
        breach = loss_breach(account.equity, start, peak, self._limits)
        if breach is None:
            return None
        return f"{breach.rule}: {breach.text}, still; to measure losses from here on: live resume --new-peak"

    def _of_symbol(self, symbol: str) -> str | None:
        """Return what journal and broker disagree about in a symbol."""
        for order in self._broker.open_orders():
            stored = self._journal.orders.get(order.client_order_id)
            name = parse_client_order_id(order.client_order_id)
            if order.symbol != symbol:
                continue
            if stored is None and name is not None and name.book == self._journal.book:
                return f"order {order.id} at the broker is not in the journal; live resume {symbol} --adopt"
            if stored is not None and not Reconciler.is_same(stored, order):
                return f"order {order.id} is another one than the journal's; live resume {symbol} --adopt"
            if stored is not None and not is_known(order.status):
                return f"order {order.id} still has the status {order.status!r}; cancel it at the broker"
        position = self._broker.positions().get(symbol)
        held = Decimal(0) if position is None else position.quantity
        booked = self._journal.ledger.quantities().get(symbol, Decimal(0))
        if abs(held - booked) <= TOLERANCE and not self._journal.ledger.unbooked().get(symbol):
            return None
        return (
            f"the broker holds {plain(held)} {symbol}, the journal says {plain(booked)}; "
            f"if the broker is right: live resume {symbol} --adopt"
        )

    # lifting

    def lift(self, scope: str, halts: list[Halt]) -> None:
        """Lift the halts; what they had begun at the broker and is not done is given up."""
        if self._wishes.new_peak:
            account = self._account
            self._journal.money.new_measure(self._day.session, self._now, account.equity, account.cash)
            self.said.append(f"losses are measured from {account.equity:,.2f} on")
        for halt in halts:
            if halt.flatten and halt.confirmed_at is None:
                self.said.append("flattening was not finished; what is still held stays")
        others = [halt for halt in self._journal.halts.in_force() if halt.scope != scope]
        for order in self._journal.orders.all(AT_BROKER):
            wanted = any(halt.flatten and halt.covers(order.symbol) for halt in others)
            mine = scope in (EVERYTHING, order.symbol) and leg_of(order.client_order_id) == FLAT
            if mine and not wanted:
                self._journal.orders.want_cancel(order.client_order_id, self._now)
                self.said.append(f"{order.client_order_id} is taken back")
        self.said += [f"lifted: {_what(halt)}" for halt in self._journal.halts.lift(scope, self._now)]
        self.said += [f"still halted: {_what(halt)}" for halt in others]
        if not self._suspension.is_ours or any(halt.suspend for halt in others):
            return
        lifted = self._suspension.lift()
        self.said.append(
            "the broker takes orders again"
            if lifted
            else "the broker did not answer: the daemon asks it again"
        )


def _what(halt: Halt) -> str:
    return f"{'everything' if halt.scope == EVERYTHING else halt.scope}: {halt.reason}"


def _adopt_orders(journal: Journal, broker: Broker, symbol: str | None, now: datetime) -> list[str]:
    """Take over open orders that have a name of this book's and are not in the journal, or are of another size."""
    said = []
    for order in broker.open_orders():
        name = parse_client_order_id(order.client_order_id)
        if name is None or name.book != journal.book or symbol not in (None, order.symbol):
            continue
        stored = journal.orders.get(order.client_order_id)
        if stored is None:
            _decision_of(journal, order, name.session, broker.account(), now)
            journal.orders.take_over(order.client_order_id, order, "adopted by a person", now)
        elif (stored.symbol, stored.side) == (order.symbol, order.side) and stored.quantity != order.quantity:
            journal.orders.resize(order.client_order_id, order.quantity, now)
        else:
            continue
        said.append(f"order {order.client_order_id} taken over: {order.side} {plain(order.quantity)}")
    return said


def _decision_of(
    journal: Journal, order: BrokerOrder, session: date, account: Account, now: datetime
) -> None:
    at = order.submitted_at or now
    decision = DecisionRow(
        *(order.client_order_id, at, session, at, at, now, account.equity, account.cash, "", ""),
        kind="rebuilt",
        note="adopted by a person",
    )
    journal.decisions.record(decision, [], [], ask=False)


def _adopt_executions(journal: Journal, symbol: str | None, now: datetime) -> list[str]:
    """Book what the broker says to have filled of our orders and its list of executions does not show."""
    said = []
    booked = journal.ledger.booked()
    for order in journal.orders.all():
        missing = order.filled - booked.get(order.client_order_id, Decimal(0))
        if missing <= TOLERANCE or symbol not in (None, order.symbol) or order.broker_id is None:
            continue
        price = order.average_price or order.decided_price
        fill = Fill(
            f"adopted {order.client_order_id} {plain(order.filled)}",
            *(order.broker_id, order.symbol, order.side, missing, price, now - timedelta(microseconds=1)),
        )
        journal.ledger.add_fills([fill], now)
        said.append(
            f"{order.client_order_id}: {plain(missing)} shares booked without an execution of the list"
        )
    return said
