"""Closing one symbol: how much, when again, and what stands in the way.

The one rule that no order of it can break: it makes a position smaller and never turns it around. Its quantity is at
most what the broker shows to be held and free at that moment, and there is one such order of a symbol at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from broker.errors import BrokerError, MustHalt
from broker.ids import FLAT, checked_symbol, client_order_id, leg_of, parse_client_order_id
from broker.journal.journal import Journal
from broker.journal.records import DecisionRow, NewOrder, StoredOrder
from broker.orders import AT_BROKER, OrderState, OrderStep
from broker.port import Broker, Notify
from broker.trading.posting import Poster
from broker.trading.reconcile import TOLERANCE, Reconciler
from broker.trading.suspension import Suspension
from broker.values import BrokerOrder, Position, plain
from forewalk.errors import ConfigError

PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)  # between two attempts to close a symbol
DOUBT_S = 60.0  # how long an order of unknown outcome holds up the closing of its symbol
VALID = timedelta(days=7)
AT_WORK, CLOSING, BLOCKER, LEFT = "at work", "closing", "blocker", "left"
OURS = "ours"
ZERO = Decimal(0)
T = TypeVar("T")
Remains = list[tuple[str, str, str]]  # (symbol, kind, text)


@dataclass(frozen=True)
class Shown:
    """What the broker shows; None where it could not be read."""

    positions: dict[str, Position] | None
    orders: tuple[BrokerOrder, ...] | None

    def open(self, symbol: str) -> list[BrokerOrder]:
        """Return the open orders of a symbol."""
        return [order for order in self.orders or () if order.symbol == symbol]


class Closer:
    """Closes the book's part of positions, or all of them.

    Args:
        monotonic: seconds that never go back.
        dry_run: say what would be closed, and send nothing.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker,
        reconciler: Reconciler,
        suspension: Suspension,
        notify: Notify,
        monotonic: Callable[[], float],
        dry_run: bool = False,
    ) -> None:
        self._journal = journal
        self._broker = broker
        self._reconciler = reconciler
        self._suspension = suspension
        self._poster = Poster(journal, broker, reconciler, notify)
        self._monotonic = monotonic
        self._dry_run = dry_run
        self._attempts: dict[str, tuple[int, float, str]] = {}  # symbol -> (attempts, not again before, why)
        self._doubted: dict[str, float] = {}  # our id of an order -> in doubt since

    def own_quantities(self) -> dict[str, Decimal]:
        """Return what the book holds by what the broker says of its orders, booked or not."""
        own = self._journal.ledger.quantities()
        for symbol, quantity in self._journal.ledger.unbooked().items():
            own[symbol] = own.get(symbol, ZERO) + quantity
        return own

    def close(
        self, symbol: str, foreign_too: bool, shown: Shown, now: datetime, session: date
    ) -> tuple[Remains, bool]:
        """Close a symbol as far as that can be done now; return what remains, and whether an order was sent.

        Args:
            foreign_too: close the whole position, not only this book's part of it.
        """
        waits = self._waits(symbol, shown, now)
        if waits is not None:
            return [(symbol, *waits)], False
        held = self._held(symbol, shown)
        own = self.own_quantities().get(symbol, ZERO)
        wanted = held if foreign_too else part_of(own, held)
        if abs(wanted) <= TOLERANCE:
            self._attempts.pop(symbol, None)
            return [], False
        free = self._free(symbol, held, shown)
        if free <= TOLERANCE:
            return [(symbol, BLOCKER, self._holders(symbol, shown))], False
        attempts, due, why = self._attempts.get(symbol, (0, float("-inf"), ""))
        if self._monotonic() < due:
            return [(symbol, BLOCKER if why else CLOSING, why or "being closed")], False
        if self._dry_run:
            return [(symbol, BLOCKER, f"live.dry_run is set: {plain(wanted)} shares would be closed")], False
        size = min(abs(wanted), free)
        if foreign_too and held != own:
            text = "taken over to be closed"
            self._journal.ledger.adjust(symbol, held - own, _price(symbol, shown), now, text)
        why = self._attempt(symbol, "sell" if wanted > 0 else "buy", size, shown, now, session)
        pause = PAUSES_S[min(attempts, len(PAUSES_S) - 1)]
        self._attempts[symbol] = (attempts + 1, self._monotonic() + pause, why)
        return [(symbol, BLOCKER if why else CLOSING, why or "being closed")], True

    # what must be waited for

    def _waits(self, symbol: str, shown: Shown, now: datetime) -> tuple[str, str] | None:
        """Return (kind, text) of what must end before the symbol may be closed (again), None where nothing must."""
        for found in shown.open(symbol):
            if self._is_closing(found):
                state = f"{found.status}, {plain(found.filled)} of {plain(found.quantity)} filled"
                return AT_WORK, f"closing order {found.id} is at the broker: {state}"
        unknown = [o for o in self._journal.orders.all({OrderState.UNKNOWN}) if o.symbol == symbol]
        for order in unknown:
            if leg_of(order.client_order_id) == FLAT and self._reconciler.doubts.may_resend(order):
                self._send_again(order, shown, now)
        known = {order.id for order in shown.orders or ()}
        unread = [
            order
            for order in self._journal.orders.all(AT_BROKER)
            if order.symbol == symbol and shown.orders is not None and order.broker_id not in known
        ]
        doubtful = [*unknown, *unread]
        for order in doubtful:  # after that, what is shown to be free says enough
            since = self._doubted.setdefault(order.client_order_id, self._monotonic())
            if self._monotonic() - since < DOUBT_S:
                return CLOSING, f"what became of order {order.client_order_id} is not known yet"
        return None

    def _is_closing(self, order: BrokerOrder) -> bool:
        name = parse_client_order_id(order.client_order_id)
        return name is not None and (name.book, name.leg) == (self._journal.book, FLAT)

    # how much

    def _held(self, symbol: str, shown: Shown) -> Decimal:
        """Return the signed quantity that the broker shows; the book's own where it shows none at all."""
        if shown.positions is None:
            return self.own_quantities().get(symbol, ZERO)
        position = shown.positions.get(symbol)
        return ZERO if position is None else position.quantity

    def _free(self, symbol: str, held: Decimal, shown: Shown) -> Decimal:
        if shown.positions is None:
            return abs(held)
        position = shown.positions.get(symbol)
        return ZERO if position is None else abs(position.available)

    def _holders(self, symbol: str, shown: Shown) -> str:
        """Name the open orders that hold the shares."""
        orders = [
            f"order {order.id} ({whose(self._journal, order)}: {order.side} {plain(order.quantity)}, {order.status})"
            for order in shown.open(symbol)
        ]
        if not orders:
            return "the broker shows no share to be free, and no order that holds one"
        foreign = any(whose(self._journal, order) != OURS for order in shown.open(symbol))
        remedy = f"; `live flatten {symbol} --all` cancels what is not ours" if foreign else ""
        return f"the shares are held by {', '.join(orders)}{remedy}"

    # sending

    def _attempt(
        self, symbol: str, side: str, size: Decimal, shown: Shown, now: datetime, session: date
    ) -> str:
        """Send one closing order; return why it did not go through, "" where the broker has it."""
        try:
            name = self._record(symbol, side, size, shown, now, session)
        except ConfigError:  # no ticker that an id of ours can hold: an option, a coin
            return self._close_by_broker(symbol)
        order = self._journal.orders.get(name)
        assert order is not None
        self._post(order, now)
        after = self._journal.orders.get(name)
        assert after is not None
        if after.state == OrderState.REFUSED:
            return f"refused: {after.reason}; it is tried again"
        return ""

    def _record(
        self, symbol: str, side: str, size: Decimal, shown: Shown, now: datetime, session: date
    ) -> str:
        """Write the order down with a decision of its own, under an id that no order ever had."""
        book = self._journal.book
        prefix = client_order_id(book, session, checked_symbol(symbol), FLAT, 0)[:-1]
        number = self._journal.orders.next_number(prefix)
        name = client_order_id(book, session, symbol, FLAT, number)
        price = _price(symbol, shown)
        order = NewOrder(name, symbol, side, size, "market", "day", price, reduces=True, reason="flatten")
        mark = self._journal.money.last_mark()
        decision = DecisionRow(
            decision_id=name,
            asof=now,
            session=session,
            made_at=now,
            send_from=now,
            valid_until=now + VALID,
            equity=mark.equity if mark else ZERO,
            cash=mark.cash if mark else ZERO,
            model_id="",
            fingerprint="",
            kind="flatten",
        )
        self._journal.decisions.record(decision, [], [order], ask=False)
        self._journal.orders.step(name, OrderStep.INTEND, now)
        return name

    def _post(self, order: StoredOrder, now: datetime) -> None:
        try:
            self._poster.post(order, now)
        except MustHalt:
            raise
        except BrokerError:  # of a look-up after the answer: the order is in doubt, and looked up again
            return
        after = self._journal.orders.get(order.client_order_id)
        if (
            after is not None
            and after.state == OrderState.REFUSED
            and "rejected by user request" in after.reason
        ):
            if self._suspension.is_ours:
                self._suspension.lift()
            else:
                self._suspension.lift_of_another()

    def _send_again(self, order: StoredOrder, shown: Shown, now: datetime) -> None:
        """Send a closing order that nobody can find once more under its id, if that much is still held and free."""
        held = self._held(order.symbol, shown)
        if held * order.signed < 0 and order.quantity <= self._free(order.symbol, held, shown) + TOLERANCE:
            self._post(order, now)
        else:
            text = "not at the broker, and not needed any more"
            self._journal.orders.step(order.client_order_id, OrderStep.EXPIRE, now, text)

    def _close_by_broker(self, symbol: str) -> str:
        try:
            self._broker.close_position(symbol)
        except MustHalt:
            raise
        except BrokerError as problem:
            return f"refused: {problem}; it is tried again"
        return ""


def whose(journal: Journal, order: BrokerOrder) -> str:
    """Say whose an order at the broker is: "ours", another book's, or not this program's."""
    if journal.orders.get(order.client_order_id) or journal.orders.of_broker(order.id):
        return OURS
    name = parse_client_order_id(order.client_order_id)
    if name is None:
        return "not this program's"
    return OURS if name.book == journal.book else f"of book {name.book}"


def foreign_things(journal: Journal, broker: Broker, symbol: str | None) -> list[str]:
    """Name what flattening everything would take beyond the book's own: orders and (parts of) positions."""
    own = journal.ledger.quantities()
    lines = [
        f"  order {order.id} ({whose(journal, order)}): {order.side} {plain(order.quantity)} {order.symbol}"
        for order in broker.open_orders()
        if symbol in (None, order.symbol) and whose(journal, order) != OURS
    ]
    for name, position in sorted(broker.positions().items()):
        rest = position.quantity - part_of(own.get(name, ZERO), position.quantity)
        if symbol in (None, name) and abs(rest) > TOLERANCE:
            lines.append(f"  {plain(rest)} shares of {name}")
    return lines


def tried(call: Callable[[], T]) -> T | None:
    """Return what a call to the broker returns, None where it does not work; refused keys are raised."""
    try:
        return call()
    except MustHalt:
        raise
    except BrokerError:
        return None


def part_of(own: Decimal, held: Decimal) -> Decimal:
    """Return what of a position is the book's: nothing where the signs differ, never more than is held."""
    if own * held <= 0:
        return ZERO
    return min(own, held, key=abs)


def _price(symbol: str, shown: Shown) -> Decimal:
    position = (shown.positions or {}).get(symbol)
    if position is None:
        return Decimal(1)
    return position.last_price or position.average_price or Decimal(1)
