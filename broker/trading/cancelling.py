"""Cancellations: asked for again and again with growing pauses, until the broker shows the order's end."""

from __future__ import annotations

from collections.abc import Callable, Collection

from broker.errors import BrokerError, MustHalt
from broker.failpoints import reach
from broker.port import Broker

MOST = 10_000  # orders that are remembered
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


class Canceller:
    """Asks for cancellations by the broker's order id; one that hangs keeps no other waiting.

    Args:
        monotonic: seconds that never go back.
    """

    def __init__(self, broker: Broker, monotonic: Callable[[], float]) -> None:
        self._broker = broker
        self._monotonic = monotonic
        self._asked: dict[str, tuple[int, float]] = {}  # broker id -> (times asked, not again before)

    def ask(self, broker_ids: Collection[str]) -> int:
        """Ask for those that are due and return how many were; a refusal is answered by reading the order again."""
        return sum(self._ask(broker_id, broker_id) for broker_id in broker_ids if self._is_due(broker_id))

    def ask_all(self, broker_ids: Collection[str]) -> int:
        """Ask for the cancellation of every open order of the account, which these are, by one request."""
        due = [broker_id for broker_id in broker_ids if self._is_due(broker_id)]
        if not due or not self._ask(due[0], None):
            return 0
        for broker_id in due[1:]:
            self._note(broker_id)
        return len(due)

    def _is_due(self, broker_id: str) -> bool:
        return self._monotonic() >= self._asked.get(broker_id, (0, float("-inf")))[1]

    def _note(self, broker_id: str) -> None:
        if len(self._asked) > MOST:
            self._asked.clear()
        times = self._asked.get(broker_id, (0, 0.0))[0]
        self._asked[broker_id] = (times + 1, self._monotonic() + PAUSES_S[min(times, len(PAUSES_S) - 1)])

    def _ask(self, noted: str, broker_id: str | None) -> bool:
        self._note(noted)
        reach("before_cancel")
        try:
            if broker_id is None:
                self._broker.cancel_all()
            else:
                self._broker.cancel(broker_id)
        except MustHalt:
            raise
        except BrokerError:
            return False
        reach("after_cancel")
        return True
