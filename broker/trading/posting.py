"""One POST and the writing down of its answer; what sends orders and what closes positions use the same."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from broker.errors import MustHalt, OutcomeUnknown, RateLimited, Refused
from broker.failpoints import reach
from broker.halts import HaltCause
from broker.journal.journal import Journal
from broker.journal.records import StoredOrder
from broker.orders import AT_BROKER, OrderStep
from broker.port import Broker, Notify
from broker.trading.reconcile import Reconciler
from broker.values import OrderRequest

log = logging.getLogger(__name__)


def may_be_extended(kind: str, time_in_force: str) -> bool:
    """Whether the broker lets such an order be filled outside of the session: a limit order of the day."""
    return (kind, time_in_force) == ("limit", "day")


class Poster:
    """Sends orders that the journal has as intents, each once.

    Args:
        extended_hours: whether limit orders of the day may be filled outside of the session.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker,
        reconciler: Reconciler,
        notify: Notify,
        extended_hours: bool = False,
    ) -> None:
        self._journal = journal
        self._broker = broker
        self._reconciler = reconciler
        self._notify = notify
        self._extended_hours = extended_hours

    def post(self, order: StoredOrder, now: datetime) -> bool:
        """POST once and write the answer down; False where the outcome is not known."""
        name = order.client_order_id
        self._journal.orders.submitting(name, now)
        self._reconciler.doubts.begin_anew(name)
        reach("before_post")
        try:
            answer = self._broker.submit(self._request(order))
        except Refused as no:
            reach("after_post")
            self._refused(order, no, now)
            return True
        except RateLimited as busy:
            self._journal.orders.not_accepted(name, now, str(busy))
            return False
        except OutcomeUnknown as lost:
            self._journal.orders.step(name, OrderStep.LOSE, now, str(lost))
            log.warning("unknown outcome: %s", lost)
            return False
        except MustHalt as stop:
            self._journal.orders.step(name, OrderStep.REFUSE, now, str(stop))
            raise
        reach("after_post")
        if not self._reconciler.is_same(order, answer):
            self._journal.orders.step(name, OrderStep.LOSE, now, "the answer is about another order")
            text = f"{name}: the broker answered with another order"
            self._reconciler.halt(order.symbol, HaltCause.ORDER, text, now)
            return False
        self._journal.orders.report(name, answer, now)
        reach("after_ack_commit")
        return True

    def _request(self, order: StoredOrder) -> OrderRequest:
        extended = self._extended_hours and may_be_extended(order.kind, order.time_in_force)
        return replace(order.request(), extended_hours=extended)

    def _refused(self, order: StoredOrder, no: Refused, now: datetime) -> None:
        name = order.client_order_id
        if no.is_duplicate_id:  # it exists: the look-ups of doubt adopt it, or ask where it is another order
            self._journal.orders.step(name, OrderStep.LOSE, now, "the broker has an order with this id")
            found = self._broker.order_by_client_id(name)
            current = self._journal.orders.get(name)
            if found is not None and current is not None:
                self._reconciler.adopt(current, found, now)
            return
        self._journal.orders.step(name, OrderStep.REFUSE, now, str(no))
        self._notify("refused", order.symbol, f"{name}: {no}")
        existing = no.body.get("existing_order_id")
        own = self._journal.orders.of_broker(str(existing)) if existing else None
        if own is not None and own.state in AT_BROKER and not own.parent:
            self._journal.orders.want_cancel(own.client_order_id, now)
