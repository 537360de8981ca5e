"""A net under every position: a stop order at the broker, good till cancelled, that is there when nobody else is.

It belongs to no decision and to no backtest. Of one symbol it is never at the broker together with another order of
the book: it is taken back before one is sent, and comes again once that one is over, so that a stop and an exit never
sell the same shares. It is for whole shares of what both the broker and the journal say is held.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from broker.errors import BrokerError, MustHalt
from broker.ids import SAFE, client_order_id, leg_of
from broker.journal.corporate import ANNOUNCED, UNADJUSTED
from broker.journal.journal import Journal
from broker.journal.records import DecisionRow, NewOrder, StoredOrder
from broker.orders import AT_BROKER, IN_DOUBT, WAITING, OrderState, OrderStep
from broker.port import Broker, Notify
from broker.trading.posting import Poster
from broker.trading.reconcile import Look, Reconciler
from broker.values import DIVIDEND, Position, RawPrice

VALID = timedelta(seconds=60)  # for being sent; at the broker it is good till cancelled
AGAIN_S = 60.0  # after a refusal
NEAR = Decimal("0.005")  # by how much a stop may be off before it is replaced
STEP = Decimal("0.1")  # of the distance, by which a trailing stop must rise to be moved
ZERO = Decimal(0)


class SafetyStops:
    """Keeps the stops of one book at `fraction` from the entry, or with `trail` from the best price seen.

    Args:
        fraction: loss at which a stop is met; None takes back what there is.
        monotonic: seconds that never go back.

    Attributes:
        releasing: whether an order waits for a stop to be taken back. acted: counts what was sent or taken back.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker,
        reconciler: Reconciler,
        notify: Notify,
        fraction: float | None,
        trail: bool,
        monotonic: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._reconciler = reconciler
        self._poster = Poster(journal, broker, reconciler, notify)
        self._fraction = None if fraction is None else Decimal(str(fraction))
        self._trail = trail
        self._monotonic = monotonic
        self._again: dict[str, float] = {}
        self.releasing = False
        self.acted = 0

    def step(self, look: Look, session: date, due: Collection[str]) -> None:
        """Take back what must go, and put down what is missing.

        Args:
            session: date that goes into ids. due: symbols of which an order is to be sent now.
        """
        self._drop_unsent(look.now)
        stops = [order for order in self._journal.orders.all(AT_BROKER) if is_safety(order)]
        if self._fraction is None and not stops:
            return
        others = {
            order.symbol for order in self._journal.orders.all(AT_BROKER | IN_DOUBT) if not is_safety(order)
        }
        busy = {*others, *due}
        self.releasing = any(order.symbol in due for order in stops)
        held = self._journal.ledger.quantities()
        self._send_again(busy, held, look)
        for symbol in sorted({*held, *(order.symbol for order in stops)}):
            mine = [order for order in stops if order.symbol == symbol]
            if symbol in look.doubtful and symbol not in busy:
                self._take_back([order for order in mine if _sells_too_much(order, look)], look.now)
            elif not any(order.symbol == symbol for order in self._in_doubt()):
                self._see_to(symbol, mine, held.get(symbol, ZERO), symbol in busy, look, session)

    def _in_doubt(self) -> list[StoredOrder]:
        return [order for order in self._journal.orders.all(IN_DOUBT) if is_safety(order)]

    def _send_again(self, busy: Collection[str], held: dict[str, Decimal], look: Look) -> None:
        """Send a stop that nobody can find once more under its id where it is still wanted, else let it go."""
        for order in self._in_doubt():
            if order.state != OrderState.UNKNOWN or not self._reconciler.doubts.may_resend(order):
                continue
            self.acted += 1
            size = self._size(order.symbol, held.get(order.symbol, ZERO), look)
            if order.symbol in busy or size != order.quantity or self._journal.halts.over(order.symbol):
                text = "not at the broker, and not needed any more"
                self._journal.orders.step(order.client_order_id, OrderStep.EXPIRE, look.now, text)
            else:
                self._poster.post(order, look.now)

    def _see_to(
        self, symbol: str, mine: list[StoredOrder], held: Decimal, busy: bool, look: Look, session: date
    ) -> None:
        size = self._size(symbol, held, look)
        if busy or not size:
            self._take_back(mine, look.now)
            return
        price = self._price(held, look.positions[symbol])
        left = [order for order in mine if not self._fits(order, size, price)]
        if left:
            self._take_back(left, look.now)
        elif not mine and price is not None and self._may_place(symbol, session):
            self._place(symbol, "sell" if held > 0 else "buy", size, price, look, session)

    # how much, and at what price

    def _size(self, symbol: str, held: Decimal, look: Look) -> Decimal:
        position = look.positions.get(symbol)
        if self._fraction is None or position is None or position.quantity * held <= 0:
            return ZERO
        return min(abs(held), abs(position.quantity)).to_integral_value(ROUND_DOWN)

    def _price(self, held: Decimal, position: Position) -> Decimal | None:
        """Return the price of the stop; None where the market is at it or past it already, or has no price."""
        assert self._fraction is not None
        last, entry, side = position.last_price, position.average_price, 1 if held > 0 else -1
        if last is None or last <= 0 or entry <= 0:
            return None
        best = (max if side > 0 else min)(last, entry) if self._trail else entry
        price = RawPrice(best * (1 - side * self._fraction)).rounded().value
        return price if side * (last - price) > 0 else None

    def _fits(self, order: StoredOrder, size: Decimal, price: Decimal | None) -> bool:
        """Whether a stop may stay: of the right size, and not too far off; one that trails never goes back."""
        if order.quantity - order.filled != size:
            return False
        if price is None or order.stop_price is None or self._fraction is None:
            return True
        if self._trail:
            rise = (price - order.stop_price) * (1 if order.side == "sell" else -1)
            return rise <= STEP * self._fraction * price
        return abs(price / order.stop_price - 1) <= NEAR

    # acting

    def _may_place(self, symbol: str, session: date) -> bool:
        if self._journal.halts.over(symbol) or self._monotonic() < self._again.get(symbol, 0.0):
            return False
        return not any(  # the shares of tomorrow are not those of today
            action.symbol == symbol and action.kind != DIVIDEND and action.ex_date <= session
            for action in self._journal.corporate.all((ANNOUNCED, UNADJUSTED))
        )

    def _place(
        self, symbol: str, side: str, size: Decimal, price: Decimal, look: Look, session: date
    ) -> None:
        name = self._record(symbol, side, size, price, look, session)
        order = self._journal.orders.get(name)
        assert order is not None
        self.acted += 1
        try:
            self._poster.post(order, look.now)
        except MustHalt:
            raise
        except BrokerError:  # of a look-up after the answer: it is in doubt, and looked up again
            return
        after = self._journal.orders.get(name)
        if after is not None and after.state == OrderState.REFUSED:
            self._again[symbol] = self._monotonic() + AGAIN_S

    def _record(
        self, symbol: str, side: str, size: Decimal, price: Decimal, look: Look, session: date
    ) -> str:
        book = self._journal.book
        prefix = client_order_id(book, session, symbol, SAFE, 0)[:-1]
        name = client_order_id(book, session, symbol, SAFE, self._journal.orders.next_number(prefix))
        last = look.positions[symbol].last_price or price
        order = NewOrder(
            name,
            symbol,
            side,
            size,
            "stop",
            "gtc",
            last,
            reduces=True,
            reason="safety stop",
            stop_price=price,
        )
        decision = DecisionRow(
            decision_id=name,
            asof=look.now,
            session=session,
            made_at=look.now,
            send_from=look.now,
            valid_until=look.now + VALID,
            equity=look.account.equity,
            cash=look.account.cash,
            model_id="",
            fingerprint="",
            kind="safety",
        )
        self._journal.decisions.record(decision, [], [order], ask=False)
        self._journal.orders.step(name, OrderStep.INTEND, look.now)
        return name

    def _take_back(self, stops: list[StoredOrder], now: datetime) -> None:
        for order in stops:
            if not order.cancel_wanted:
                self._journal.orders.want_cancel(order.client_order_id, now)
            self.acted += self._reconciler.canceller.ask([order.broker_id] if order.broker_id else [])

    def _drop_unsent(self, now: datetime) -> None:
        """A stop that was written down and never sent is made anew where it is still wanted."""
        for order in self._journal.orders.all(WAITING):
            if is_safety(order):
                self._journal.orders.step(
                    order.client_order_id, OrderStep.REFUSE, now, "never sent; made anew"
                )


def _sells_too_much(order: StoredOrder, look: Look) -> bool:
    """Whether a stop would turn the position around that the broker shows."""
    position = look.positions.get(order.symbol)
    shown = ZERO if position is None else position.quantity
    return shown * order.signed >= 0 or order.quantity - order.filled > abs(shown)


def is_safety(order: StoredOrder) -> bool:
    """Whether an order is the net's, which is none of the strategy's."""
    return leg_of(order.client_order_id) == SAFE
