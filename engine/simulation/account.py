"""The simulated account: backtrader's broker with costs that bite, and without the work that changes nothing."""

from __future__ import annotations

from typing import Any

import backtrader as bt

from engine.simulation.feeds import BARRED, STALE
from forewalk.settings.sections import ExecutionSettings

BPS = 1e-4


def simulated_broker(execution: ExecutionSettings) -> bt.brokers.BackBroker:
    """Return backtrader's broker with costs that are always charged: slippage is never capped at the range."""
    broker = SimulatedBroker()
    broker.setcash(execution.cash)
    broker.setcommission(commission=execution.fee_bps * BPS)
    broker.set_slippage_perc(
        execution.slippage_bps * BPS, slip_open=True, slip_match=True, slip_out=True, slip_limit=True
    )
    broker.set_filler(capacity_filler)
    return broker


def capacity_filler(order: Any, price: float, ago: int) -> float:
    """Fill what the bar's capacity allows; a stale or barred position may only be reduced."""
    remaining = float(abs(order.executed.remsize))
    capacity = float(order.data.capacity[ago])
    if capacity >= 0.0:
        return min(remaining, capacity)
    if order.data._broker_position_size() * order.executed.remsize >= 0:
        return 0.0
    return remaining if capacity == STALE else min(remaining, BARRED - capacity)


class SimulatedBroker(bt.brokers.BackBroker):
    """BackBroker for shares paid in full, whose feeds can tell the filler what is held.

    Shares bear no interest and have no daily settlement, so the two loops over all positions that `BackBroker`
    makes for these on every bar are left out. Orders, fills, cash and value are the same bit by bit
    (`tests/simulation`), and the bar costs what its orders cost.
    """

    def start(self) -> None:
        """Let each feed answer for its position."""
        super().start()
        for data in self.cerebro.datas:
            data._broker_position_size = lambda data=data: self.getposition(data).size

    def submit(self, order: Any, check: bool = True) -> Any:
        """Take an order; what it asks its parameters for again and again is put on itself."""
        given = order.p
        vars(order).update(data=given.data, owner=given.owner, parent=given.parent, transmit=given.transmit)
        return super().submit(order, check)

    def notify(self, order: Any) -> None:
        """Queue a snapshot of the order, as `Order.clone` makes it, without the detour through `copy`."""
        executed = order.executed
        executed.p1, executed.p2 = executed.p2, len(executed.exbits)
        snapshot = _twin(order)
        snapshot.executed = _twin(executed)
        self.notifs.append(snapshot)

    def next(self) -> None:
        """Check and execute the orders that wait, then value the account at the close."""
        while self._toactivate:
            self._toactivate.popleft().activate()
        self.check_submitted()
        self.pending.append(None)  # what is put back comes after it and waits for the next bar
        while (order := self.pending.popleft()) is not None:
            if order.expire():
                self.notify(order)
                self._ococheck(order)
                self._bracketize(order, cancel=True)
            elif not order.active():
                self.pending.append(order)
            else:
                self._attempt(order)
        self._get_value()

    def _attempt(self, order: Any) -> None:
        self._try_exec(order)
        if order.alive():
            self.pending.append(order)
        elif order.status == order.Completed:
            self._bracketize(order)


def _twin(value: Any) -> Any:
    copied = object.__new__(type(value))
    vars(copied).update(vars(value))
    return copied
