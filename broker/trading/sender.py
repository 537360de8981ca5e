"""From a decided order to one POST: intent, gate, POST, answer; and the kill switch.

Nothing is sent that the journal has not promised before, and nothing that the risk gate has not passed a moment
ago with what the journal says at that moment.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from broker.errors import MustHalt, OutcomeUnknown, RateLimited, Refused
from broker.failpoints import reach
from broker.ids import client_order_id, decision_id, parse_client_order_id
from broker.journal.halts import EVERYTHING
from broker.journal.journal import Journal
from broker.journal.records import DecisionRow, Halt, NewOrder, StoredOrder
from broker.orders import AT_BROKER, IN_DOUBT, WAITING, OrderState, OrderStep
from broker.port import Broker, Notify
from broker.trading.reconcile import TOLERANCE, Look, Reconciler
from broker.trading.risk import Ask, Breach, Facts, check
from broker.values import Asset
from forewalk.settings.trading import RiskSettings

log = logging.getLogger(__name__)
FLAT = "flat"  # leg of the kill switch's orders


@dataclass(frozen=True)
class Outside:
    """What the gate needs and neither journal nor broker knows.

    Attributes:
        session_open: whether the calendar says that the market is open at this moment.
        session_start: when the current session day began, UTC; orders are counted from there.
        session: its date.
    """

    session_open: bool
    session_start: datetime
    session: date


class Sender:
    """Sends the orders of one journal.

    Args:
        may_queue: whether orders may go to a closed market, to wait there for the open.
        dry_run: refuse every order instead of sending it.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker,
        reconciler: Reconciler,
        limits: RiskSettings,
        notify: Notify,
        may_queue: bool = False,
        dry_run: bool = False,
    ) -> None:
        self.journal = journal
        self.broker = broker
        self.reconciler = reconciler
        self.limits = limits
        self._notify = notify
        self._may_queue = may_queue
        self._dry_run = dry_run
        self._assets: dict[str, tuple[date, Asset | None]] = {}

    def send_due(self, look: Look, outside: Outside) -> int:
        """Send what may be sent now, reductions first, and return how many POSTs there were.

        Stops at the first order whose outcome is unknown: it may have changed what the next may do.
        """
        self.expire(look.now)
        waiting = [
            order for order in self.journal.orders.all(WAITING) if order.state != OrderState.AWAIT_APPROVAL
        ]
        doubtful = [o for o in self.journal.orders.all({OrderState.UNKNOWN}) if self.reconciler.may_resend(o)]
        due = [order for order in (*doubtful, *waiting) if self._is_time(order, look, outside)]
        if not due:
            return 0
        others = {order.symbol for order in look.open_orders if order.symbol}
        prices = self._prices({*self.reconciler.symbols, *look.positions, *others})
        sent = 0
        leaving = {order.symbol for order in self.journal.orders.all(AT_BROKER) if order.cancel_wanted}
        for order in sorted(due, key=lambda order: (order.state != OrderState.UNKNOWN, not order.reduces)):
            doubted = order.symbol in look.doubtful | leaving and order.state != OrderState.UNKNOWN
            if doubted and not _flattens(order):
                continue
            posted, clear = self._send_one(order, look, outside, prices)
            sent += posted
            if not clear:
                break
        return sent

    def expire(self, now: datetime) -> None:
        """Let go of orders that were not sent while they were valid."""
        for order in self.journal.orders.all(WAITING):
            if now > order.valid_until:
                self.journal.orders.step(
                    order.client_order_id, OrderStep.EXPIRE, now, "not sent while it was valid"
                )

    def _is_time(self, order: StoredOrder, look: Look, outside: Outside) -> bool:
        if _flattens(order) or self._may_queue:
            return True
        return look.now >= order.send_from and look.clock.is_open and outside.session_open

    def _send_one(
        self, order: StoredOrder, look: Look, outside: Outside, prices: Mapping[str, Decimal]
    ) -> tuple[bool, bool]:
        """Return whether it was POSTed, and whether the next may follow."""
        name = order.client_order_id
        if order.state == OrderState.DECIDED:
            self.journal.orders.step(name, OrderStep.INTEND, look.now)
            reach("after_intent_commit")
        current = self.journal.orders.get(name)
        assert current is not None
        breaches = check(self._ask(current, prices), self._facts(current, look, outside, prices), self.limits)
        if self._dry_run:
            breaches = [*breaches, Breach("dry_run", "live.dry_run is set: nothing is sent")]
        if breaches:
            self._refuse(current, breaches, look.now)
            return False, True
        self.journal.orders.submitting(name, look.now)
        self.reconciler.resent(name)
        reach("before_post")
        return True, self._post(current, look.now)

    def _post(self, order: StoredOrder, now: datetime) -> bool:
        """POST once and write the answer down; False where the outcome is not known."""
        name = order.client_order_id
        try:
            answer = self.broker.submit(order.request())
        except Refused as no:
            reach("after_post")
            self._refused(order, no, now)
            return True
        except RateLimited as busy:
            self.journal.orders.not_accepted(name, now, str(busy))
            return False
        except OutcomeUnknown as lost:
            self.journal.orders.step(name, OrderStep.LOSE, now, str(lost))
            log.warning("unknown outcome: %s", lost)
            return False
        except MustHalt as stop:
            self.journal.orders.step(name, OrderStep.REFUSE, now, str(stop))
            raise
        reach("after_post")
        if not self.reconciler.is_same(order, answer):
            self.journal.orders.step(name, OrderStep.LOSE, now, "the answer is about another order")
            self.reconciler.halt(order.symbol, f"{name}: the broker answered with another order", now)
            return False
        self.journal.orders.report(name, answer, now)
        reach("after_ack_commit")
        return True

    def _refused(self, order: StoredOrder, no: Refused, now: datetime) -> None:
        name = order.client_order_id
        if no.is_duplicate_id:  # it exists: the doubt's look-ups adopt it, or halt where it is another order
            self.journal.orders.step(name, OrderStep.LOSE, now, "the broker has an order with this id")
            found = self.broker.order_by_client_id(name)
            if found is not None:
                self.reconciler.adopt(order, found, now)
            return
        self.journal.orders.step(name, OrderStep.REFUSE, now, str(no))
        self._notify("refused", order.symbol, f"{name}: {no}")
        existing = no.body.get("existing_order_id")
        own = self.journal.orders.of_broker(str(existing)) if existing else None
        if own is not None and own.state in AT_BROKER:
            self.journal.orders.want_cancel(own.client_order_id, now)

    def _refuse(self, order: StoredOrder, breaches: list[Breach], now: datetime) -> None:
        reason = "; ".join(f"{breach.rule}: {breach.text}" for breach in breaches)
        step = OrderStep.EXPIRE if order.state == OrderState.UNKNOWN else OrderStep.REFUSE
        self.journal.orders.step(order.client_order_id, step, now, reason)
        self._notify("refused", order.symbol, f"{order.client_order_id}: {reason}")
        for breach in breaches:
            if breach.halts:
                self.reconciler.halt(breach.halts, f"{breach.rule}: {breach.text}", now)

    # facts for the gate

    def _ask(self, order: StoredOrder, prices: Mapping[str, Decimal]) -> Ask:
        return Ask(
            symbol=order.symbol,
            side=order.side,
            quantity=order.quantity,
            kind=order.kind,
            state=order.state,
            posts=order.posts,
            price=prices.get(order.symbol),
            decided_price=order.decided_price,
            send_from=order.send_from,
            valid_until=order.valid_until,
            flattens=_flattens(order),
        )

    def _facts(
        self, order: StoredOrder, look: Look, outside: Outside, prices: Mapping[str, Decimal]
    ) -> Facts:
        ledger = self.journal.ledger.quantities()
        target = self.journal.decisions.target(order.decision_id, order.symbol)
        return Facts(
            now=look.now,
            market_open=look.clock.is_open and outside.session_open,
            may_queue=self._may_queue or _flattens(order),
            account=look.account,
            asset=self._asset(order.symbol, outside.session),
            held={symbol: position.quantity for symbol, position in look.positions.items()} | ledger,
            pending=self._pending(order, look),
            prices={symbol: p.last_price for symbol, p in look.positions.items() if p.last_price}
            | dict(prices),
            halt=self.journal.halts.reason(order.symbol),
            posted_today=self.journal.orders.posts_since(outside.session_start),
            day_start_equity=look.account.last_equity,
            peak_equity=self.journal.money.peak_equity(),
            bar_problem=target.bar_problem if target else None,
            model_problem=target.model_problem if target else None,
            foreign_sides=frozenset(o.side for o in look.foreign if o.symbol == order.symbol),
            configured=frozenset(self.reconciler.symbols),
        )

    def _pending(self, order: StoredOrder, look: Look) -> dict[str, Decimal]:
        """Signed open quantity per symbol: our orders at the broker or in doubt, and foreign ones."""
        pending: dict[str, Decimal] = {}
        for other in self.journal.orders.all(AT_BROKER | IN_DOUBT):
            if other.client_order_id != order.client_order_id:
                left = other.signed - (other.filled if other.side == "buy" else -other.filled)
                pending[other.symbol] = pending.get(other.symbol, Decimal(0)) + left
        for foreign in look.foreign:
            left = foreign.quantity - foreign.filled
            signed = left if foreign.side == "buy" else -left
            pending[foreign.symbol] = pending.get(foreign.symbol, Decimal(0)) + signed
        return pending

    def _asset(self, symbol: str, session: date) -> Asset | None:
        """Return the asset as it was this session; flags that change within a session show as refusals."""
        known = self._assets.get(symbol)
        if known is None or known[0] != session:
            known = self._assets[symbol] = (session, self.broker.asset(symbol))
        return known[1]

    def _prices(self, symbols: set[str]) -> dict[str, Decimal]:
        found = self.broker.last_prices(sorted(symbols))
        return {symbol: price.value for symbol, price in found.items()}

    # the kill switch

    def enforce_halts(self, look: Look, session: date) -> None:
        """Do what halts ask for and have not got yet: cancel, then flatten, then suspend at the broker.

        Every part can be done twice, so a restart simply goes on. A halt is confirmed when all is done.
        """
        halts = self.journal.halts.in_force()
        for halt in halts:
            if halt.confirmed_at is None:
                done = self._cancelled(halt, look.now) and self._flattened(halt, look, session)
                if done and (not halt.suspend or self._suspended(look.now)):
                    self.journal.halts.confirm(halt.id, look.now)
        lifted = self.journal.file.flag("suspended") and not any(halt.suspend for halt in halts)
        if lifted and not self.broker.suspend(False):
            self.journal.file.set_flag("suspended", False)

    def _cancelled(self, halt: Halt, now: datetime) -> bool:
        if not (halt.cancel or halt.flatten or halt.suspend):
            return True
        for order in self._of(halt, WAITING):
            if not _flattens(order):
                self.journal.orders.step(order.client_order_id, OrderStep.REFUSE, now, f"halt: {halt.reason}")
        alive = [order for order in self._of(halt, AT_BROKER) if not _flattens(order)]
        for order in alive:
            if not order.cancel_wanted:
                self.journal.orders.want_cancel(order.client_order_id, now)
        reach("after_broker_cancel_all")
        return not alive

    def _flattened(self, halt: Halt, look: Look, session: date) -> bool:
        if not halt.flatten:
            return True
        held = {
            symbol: quantity
            for symbol, quantity in self.journal.ledger.quantities().items()
            if halt.scope in (EVERYTHING, symbol) and abs(quantity) > TOLERANCE
        }
        if held:
            self._order_flattening(halt, held, look, session)
        return not held

    def _order_flattening(self, halt: Halt, held: Mapping[str, Decimal], look: Look, session: date) -> None:
        book = self.journal.book
        orders = []
        for symbol, quantity in sorted(held.items()):
            position = look.positions.get(symbol)
            price = position.last_price if position and position.last_price else Decimal(1)
            orders.append(
                NewOrder(
                    client_order_id(book, session, symbol, FLAT, halt.id),
                    symbol,
                    "sell" if quantity > 0 else "buy",
                    abs(quantity),
                    "market",
                    "day",
                    decided_price=price,
                    reduces=True,
                    reason=f"flatten: {halt.reason}",
                )
            )
        account = look.account
        decision = DecisionRow(
            decision_id=f"{decision_id(book, halt.at)}-halt-{halt.id}-{session:%Y%m%d}",
            asof=look.now,
            session=session,
            made_at=look.now,
            send_from=look.now,
            valid_until=max(look.clock.next_close, look.now),
            equity=account.equity,
            cash=account.cash,
            model_id="",
            fingerprint="",
            kind="flatten",
            note=f"halt {halt.id}: {halt.reason}",
        )
        self.journal.decisions.record(decision, [], orders, ask=False)

    def _suspended(self, now: datetime) -> bool:
        confirmed = self.broker.suspend(True)
        if confirmed:
            self.journal.file.set_flag("suspended", True)
            self.journal.diary.note(now, "suspended", "the broker confirms suspend_trade")
        return confirmed

    def _of(self, halt: Halt, states: frozenset[OrderState]) -> list[StoredOrder]:
        return [
            order for order in self.journal.orders.all(states) if halt.scope in (EVERYTHING, order.symbol)
        ]


def _flattens(order: StoredOrder) -> bool:
    name = parse_client_order_id(order.client_order_id)
    return name is not None and name.leg == FLAT
