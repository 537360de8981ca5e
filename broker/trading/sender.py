"""From a decided order to one POST: intent, gate, POST, answer.

Nothing is sent that the journal has not promised before, and nothing that the risk gate has not passed a moment
ago with what the journal says at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from broker.failpoints import reach
from broker.halts import EVERYTHING, HaltCause
from broker.ids import FLAT, SAFE, leg_of
from broker.journal.journal import Journal
from broker.journal.records import StoredOrder
from broker.orders import AT_BROKER, IN_DOUBT, WAITING, OrderState, OrderStep
from broker.port import Broker, Notify
from broker.trading.posting import Poster, may_be_extended
from broker.trading.reconcile import Look, Reconciler
from broker.trading.risk import Ask, Breach, Facts, check
from broker.trading.suspension import is_ours
from broker.values import Asset
from forewalk.settings.trading import RiskSettings

READS = 12  # requests that are kept for the look that follows a round of orders


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


def no_limit(symbol: str, side: str) -> None:
    """Say that an order may be as large as it is: the account is the book's alone."""


class Sender:
    """Sends the orders of one journal.

    Args:
        may_queue: whether orders may go to a closed market, to wait there for the open.
        dry_run: refuse every order instead of sending it.
        over: asked before each order whether to stop sending for now.
        extended_hours: whether limit orders of the day may be filled outside of the session.
        most: how much one order of a symbol and side may be over on a shared account, None for no limit.

    Attributes:
        held_back: whether the request budget kept orders from being sent.
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
        over: Callable[[], bool] = lambda: False,
        extended_hours: bool = False,
        most: Callable[[str, str], Decimal | None] = no_limit,
    ) -> None:
        self.journal = journal
        self.broker = broker
        self.reconciler = reconciler
        self.limits = limits
        self._notify = notify
        self._may_queue = may_queue
        self._dry_run = dry_run
        self._over = over
        self.held_back = False
        self._extended_hours = extended_hours
        self._most = most
        self._poster = Poster(journal, broker, reconciler, notify, extended_hours)
        self._assets: dict[str, Asset | None] = {}
        self._assets_of: date | None = None

    def send_due(self, look: Look, outside: Outside) -> int:
        """Send what may be sent now, reductions first, and return how many POSTs there were.

        Stops at the first order whose outcome is unknown: it may have changed what the next may do. Stops where
        the request budget is used up too; the next look goes on.
        """
        self.held_back = False
        self.expire(look.now)
        waiting = [
            order for order in self.journal.orders.all(WAITING) if order.state != OrderState.AWAIT_APPROVAL
        ]
        unknown = [o for o in self.journal.orders.all({OrderState.UNKNOWN}) if not _sends_itself(o)]
        doubtful = [order for order in unknown if self.reconciler.doubts.may_resend(order)]
        due = [order for order in (*doubtful, *waiting) if self._is_time(order, look, outside)]
        if not due:
            return 0
        others = {order.symbol for order in look.open_orders if order.symbol}
        prices = self._prices({*self.reconciler.symbols, *look.positions, *others})
        self._read_assets({order.symbol for order in due}, outside.session)
        sent = 0
        leaving = {order.symbol for order in self.journal.orders.all(AT_BROKER) if order.cancel_wanted}
        for order in sorted(due, key=lambda order: (order.state != OrderState.UNKNOWN, not order.reduces)):
            doubted = order.symbol in look.doubtful | leaving
            if doubted and order.state != OrderState.UNKNOWN:
                continue
            if self._over():
                break
            if self.broker.room() <= READS:
                self.held_back = True
                break
            posted, clear = self._send_one(order, look, outside, prices)
            sent += posted
            if not clear:
                break
        return sent

    def due_symbols(self, look: Look, outside: Outside) -> set[str]:
        """Return the symbols of which an order is to be sent now."""
        waiting = self.journal.orders.all(WAITING - {OrderState.AWAIT_APPROVAL})
        return {
            order.symbol
            for order in waiting
            if look.now <= order.valid_until and self._is_time(order, look, outside)
        }

    def expire(self, now: datetime) -> None:
        """Let go of orders that were not sent while they were valid."""
        for order in self.journal.orders.all(WAITING):
            if now > order.valid_until:
                self.journal.orders.step(
                    order.client_order_id, OrderStep.EXPIRE, now, "not sent while it was valid"
                )

    def _is_time(self, order: StoredOrder, look: Look, outside: Outside) -> bool:
        if _sends_itself(order):
            return False
        if self._outside_session(order):
            return look.now >= order.send_from
        if self._may_queue and order.time_in_force != "cls":
            return True
        return look.now >= order.send_from and look.clock.is_open and outside.session_open

    def _outside_session(self, order: StoredOrder) -> bool:
        extended = self._extended_hours and may_be_extended(order.kind, order.time_in_force)
        return order.time_in_force == "opg" or extended

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
        most = self._most(current.symbol, current.side) if not current.posts else None
        if most is not None and most < current.quantity:
            if most <= 0:
                return False, True  # orders of other books hold what it could be sent over; it waits
            current = self.journal.orders.cut(current, most, look.now)
        return True, self._poster.post(current, look.now)

    def _refuse(self, order: StoredOrder, breaches: list[Breach], now: datetime) -> None:
        reason = "; ".join(f"{breach.rule}: {breach.text}" for breach in breaches)
        step = OrderStep.EXPIRE if order.state == OrderState.UNKNOWN else OrderStep.REFUSE
        self.journal.orders.step(order.client_order_id, step, now, reason)
        self._notify("refused", order.symbol, f"{order.client_order_id}: {reason}")
        for breach in breaches:
            if breach.halts is HaltCause.ACCOUNT:
                self.reconciler.halt(EVERYTHING, breach.halts, f"{breach.rule}: {breach.text}", now)

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
            time_in_force=order.time_in_force,
            outside_session=self._outside_session(order),
        )

    def _facts(
        self, order: StoredOrder, look: Look, outside: Outside, prices: Mapping[str, Decimal]
    ) -> Facts:
        ledger = self.journal.ledger.quantities()
        target = self.journal.decisions.target(order.decision_id, order.symbol)
        halts = self.journal.halts.over(order.symbol)
        account, money = look.account, self.journal.money
        return Facts(
            now=look.now,
            market_open=look.clock.is_open and outside.session_open,
            may_queue=self._may_queue,
            account=account,
            asset=self._assets.get(order.symbol),
            held={symbol: position.quantity for symbol, position in look.positions.items()} | ledger,
            pending=self._pending(order, look),
            prices={symbol: p.last_price for symbol, p in look.positions.items() if p.last_price}
            | dict(prices),
            halt=next((halt.reason for halt in sorted(halts, key=lambda h: h.allow_exits)), None),
            halt_allows_exits=all(halt.allow_exits for halt in halts),
            posted_today=self.journal.orders.posts_since(outside.session_start),
            day_start_equity=money.day_start(account.last_equity, outside.session, outside.session_start),
            peak_equity=money.peak_equity(look.now, account.equity, account.cash),
            bar_problem=target.bar_problem if target else None,
            model_problem=target.model_problem if target else None,
            foreign_sides=frozenset(o.side for o in look.foreign if o.symbol == order.symbol),
            configured=frozenset(self.reconciler.symbols),
            suspension_is_ours=is_ours(self.journal),
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

    def _read_assets(self, symbols: set[str], session: date) -> None:
        """Read the assets once a session; flags that change within a session show as refusals."""
        if self._assets_of != session:
            self._assets, self._assets_of = {}, session
        missing = sorted(symbols - self._assets.keys())
        if missing:
            self._assets |= self.broker.assets(missing)

    def _prices(self, symbols: set[str]) -> dict[str, Decimal]:
        found = self.broker.last_prices(sorted(symbols))
        return {symbol: price.value for symbol, price in found.items()}


def _sends_itself(order: StoredOrder) -> bool:
    """Whether an order is the kill switch's or the net's, which send their own."""
    return leg_of(order.client_order_id) in (FLAT, SAFE)
