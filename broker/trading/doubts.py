"""Orders whose outcome is unknown: looked up, then adopted, sent once more, let go, or left to a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from broker.failpoints import reach
from broker.halts import HaltCause
from broker.ids import FLAT, SAFE, leg_of
from broker.journal.journal import Journal
from broker.journal.records import StoredOrder
from broker.orders import OrderState, OrderStep
from broker.port import Broker
from broker.values import BrokerOrder

LOOK_BACK = timedelta(seconds=60)


class Doubts:
    """Keeps the look-ups of one journal's orders in doubt.

    Args:
        monotonic: seconds that never go back; pauses are measured with it.
        pauses_s: between two look-ups of one order.
        adopt: joins what the broker says of an order. halt: stops a symbol.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker,
        monotonic: Callable[[], float],
        pauses_s: Sequence[float],
        adopt: Callable[[StoredOrder, BrokerOrder, datetime], None],
        halt: Callable[[str, HaltCause, str, datetime], None],
    ) -> None:
        self._journal = journal
        self._broker = broker
        self._monotonic = monotonic
        self._pauses_s = tuple(pauses_s)
        self._adopt = adopt
        self._halt = halt
        self._lookups: dict[str, tuple[int, float]] = {}  # id -> (look-ups done, next one not before)

    def resolve(self, now: datetime) -> None:
        """Look up the orders that are due."""
        unknown = self._journal.orders.all({OrderState.UNKNOWN})
        names = {order.client_order_id for order in unknown}
        self._lookups = {name: state for name, state in self._lookups.items() if name in names}
        for order in unknown:
            name = order.client_order_id
            done, due = self._lookups.setdefault(name, (0, self._monotonic() + self._pauses_s[0]))
            if self._monotonic() < due:
                continue
            reach("before_lookup")
            found = self._broker.order_by_client_id(name)
            reach("after_lookup")
            if found is not None:
                self._adopt(order, found, now)
            elif done + 1 < len(self._pauses_s):
                self._lookups[name] = (done + 1, self._monotonic() + self._pauses_s[done + 1])
            else:
                self._conclude(order, now)

    def next_s(self) -> float | None:
        """Return in how many seconds an order is to be looked up; None where none is."""
        due = [moment for _, moment in self._lookups.values()]
        return max(0.0, min(due) - self._monotonic()) if due else None

    def may_resend(self, order: StoredOrder) -> bool:
        """Whether all look-ups are done and have found nothing, so that the same id may be sent once more."""
        done, due = self._lookups.get(order.client_order_id, (0, float("inf")))
        return done + 1 >= len(self._pauses_s) and self._monotonic() >= due and order.posts <= 1

    def begin_anew(self, client_order_id: str) -> None:
        """Forget the look-ups of an order that is sent once more."""
        self._lookups.pop(client_order_id, None)

    def _conclude(self, order: StoredOrder, now: datetime) -> None:
        """Every look-up said 404: search the list too, then let it go, ask, or leave it to be sent once more."""
        since = (order.posted_at or now) - LOOK_BACK
        listed = {found.client_order_id: found for found in self._broker.orders_since(since)}
        name = order.client_order_id
        if name in listed:
            self._adopt(order, listed[name], now)
        elif now > order.valid_until:
            self._journal.orders.step(
                name, OrderStep.EXPIRE, now, "the broker never had it, and its time is over"
            )
        elif order.posts > 1 and leg_of(name) in (FLAT, SAFE):  # they are tried again
            self._journal.orders.step(name, OrderStep.EXPIRE, now, "sent twice, found never")
        elif order.posts > 1:
            self._journal.orders.step(name, OrderStep.GIVE_UP, now, "sent twice, found never")
            text = (
                f"{name} was sent twice and is nowhere to be found; look at the account, then `live resume`"
            )
            self._halt(order.symbol, HaltCause.LOST_ORDER, text, now)
