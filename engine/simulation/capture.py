"""A backtrader broker that holds a real account and captures the last bar's orders instead of filling them.

Given to `engine.simulation.cerebro.build_cerebro(broker=...)`, it turns the Cerebro of the backtest into one step
of live trading. On the bars before the last one it replays what really happened: the orders that the strategy makes
there are matched with those it made at the time, and it is told of the executions that they really had. So whatever a
strategy remembers (entry bar, entry price, a trailing stop, a reference to its order) is rebuilt by its own code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import backtrader as bt

from engine.simulation.orders import AbsurdOrder, AccountState, CapturedOrder, PastFill, PastOrder
from forewalk.errors import ForewalkError

DUST = 1e-6  # shares
ABSURD_TIMES = 10.0  # the account's worth; beyond 6 times a broker lets a position only be closed
EXECUTION_TYPES = {
    bt.Order.Market: "market",
    bt.Order.Close: "market",
    bt.Order.Limit: "limit",
    bt.Order.Stop: "stop",
    bt.Order.StopLimit: "stop_limit",
}


class CaptureError(ForewalkError):
    """The strategy cannot be traded live: it makes an order no one can send, or its past does not add up."""


class CaptureBroker(bt.brokers.BackBroker):
    """Give it to a Cerebro over the bars known now; after `run`, read `captured`, `cancelled`, `differences`.

    Args:
        account: what is held, and the orders behind it.
        closes: UTC close of each bar of the feeds, in order.

    Attributes:
        captured: orders of the last bar, in the order in which the strategy made them.
        cancelled: client_order_ids of working orders that it cancelled at the last bar.
        differences: (bar, text) where the strategy, asked again, decided otherwise than it did at the time.
    """

    def __init__(self, account: AccountState, closes: Sequence[datetime]) -> None:
        super().__init__()
        self.account = account
        self.closes = list(closes)
        self.captured: list[CapturedOrder] = []
        self.cancelled: list[str] = []
        self.differences: list[tuple[datetime, str]] = []
        self._bar = -1
        self._waiting: list[_Replayed] = [_Replayed(order) for order in account.past]
        self._bound: dict[int, _Replayed] = {}
        self._unmatched: list[Any] = []

    def start(self) -> None:
        """Begin with the opening positions."""
        super().start()
        self.set_checksubmit(False)
        self._by_name = {data._name: data for data in self.cerebro.datas}
        opening = [
            PastOrder("", None, symbol, quantity, (PastFill(quantity, price, self.closes[0]),))
            for symbol, (quantity, price) in self.account.opening.items()
            if symbol in self._by_name and quantity
        ]
        worth = sum(fill.quantity * fill.price for order in opening for fill in order.fills)
        self.set_cash(self.account.cash_at.get(self.closes[0], self.account.cash) + worth)
        self._waiting = [*map(_Replayed, opening), *self._waiting]  # told of like any other execution

    def next(self) -> None:
        """Tell the strategy what happened since the last bar; on the last one, make the account the real one."""
        self._bar += 1
        for order in self._unmatched:
            order.reject(self)
            self.notify(order)
        self._unmatched = []
        for replayed in self._waiting:
            if (
                replayed.order is None
                and self._bar
                and replayed.past.decided_at == self.closes[self._bar - 1]
            ):
                past = replayed.past
                text = f"{past.symbol}: made an order over {past.quantity:g} then, none now"
                self.differences.append((self.closes[self._bar - 1], text))
            self._replay(replayed)
        self._waiting = [replayed for replayed in self._waiting if not replayed.over]
        close = self.closes[self._bar]
        if self.is_last:
            self.cash = self.account.cash
            self._check_positions()
        else:
            self.cash = self.account.cash_at.get(close, self.cash)
        self._get_value()

    @property
    def is_last(self) -> bool:
        """Whether the bar that the strategy sees is the one to decide on."""
        return self._bar == len(self.closes) - 1

    # what the strategy does

    def transmit(self, order: Any, check: bool = True) -> Any:
        """Take an order: capture it at the last bar, else find the one that was made at the time."""
        order.submit(self)
        order.accept(self)
        self.orders.append(order)
        self.pending.append(order)
        self.notify(order)
        if self.is_last:
            if order.parent is None:
                self.captured.append(self._captured(order))
        elif order.parent is None:
            self._match(order)
        return order

    def cancel(self, order: Any, bracket: bool = False) -> bool:
        """Cancel: at the last bar a working order's cancellation is captured; in the past nothing happens."""
        if not order.alive():
            return False
        replayed = self._bound.get(order.ref)
        if not self.is_last:
            return False
        if replayed is not None:
            self.cancelled.append(replayed.past.client_order_id)
        order.cancel()
        self.notify(order)
        return True

    # the past

    def _match(self, order: Any) -> None:
        close = self.closes[self._bar]
        sign = 1 if order.isbuy() else -1
        for replayed in self._waiting:
            past = replayed.past
            same = (past.decided_at, past.symbol) == (close, order.data._name) and past.quantity * sign > 0
            if same and replayed.order is None:
                replayed.order = order
                self._bound[order.ref] = replayed
                if abs(abs(past.quantity) - abs(order.size)) > DUST:
                    self._differ(order, f"wanted {abs(past.quantity):g} then, {abs(order.size):g} now")
                    _resize(order, past.quantity)
                return
        self._unmatched.append(order)
        if close in self.account.cash_at:
            self._differ(order, "made no such order then")

    def _differ(self, order: Any, what: str) -> None:
        side = "buy" if order.isbuy() else "sell"
        self.differences.append((self.closes[self._bar], f"{side} {order.data._name}: {what}"))

    def _replay(self, replayed: _Replayed) -> None:
        """Book the executions that fell into the bar that has just closed."""
        past = replayed.past
        while replayed.done < len(past.fills) and self._is_over(past.fills[replayed.done].at):
            if past.symbol in self._by_name:
                self._book(self._order_of(replayed), past.fills[replayed.done])
            replayed.done += 1
        if replayed.done < len(past.fills):
            return
        order = replayed.order
        if order is not None and not order.alive():
            replayed.over = True
        elif past.ended_at is not None and self._is_over(past.ended_at):
            replayed.over = True
            if order is not None:
                order.cancel()
                self.notify(order)

    def _is_over(self, at: datetime) -> bool:
        return at <= self.closes[self._bar] or self.is_last

    def _order_of(self, replayed: _Replayed) -> Any:
        """Return the strategy's own order, or one made for it where it does not know of any."""
        if replayed.order is None:
            past = replayed.past
            kind = bt.order.BuyOrder if past.quantity > 0 else bt.order.SellOrder
            order = kind(
                owner=self.cerebro.runningstrats[0],
                data=self._by_name[past.symbol],
                size=abs(past.quantity),
                exectype=bt.Order.Market,
            )
            order.addinfo(reason="not asked for")
            order.submit(self)
            order.accept(self)
            self.orders.append(order)
            replayed.order = order
        return replayed.order

    def _book(self, order: Any, fill: PastFill) -> None:
        """Change position and cash as the execution did, without asking whether the cash suffices: it did."""
        position = self.positions[order.data]
        info = self.getcommissioninfo(order.data)
        entry = position.price
        bar = order.data.datetime.datetime()
        size, price, opened, closed = position.update(fill.quantity, fill.price, bar)
        pnl = info.profitandloss(-closed, entry, fill.price)
        self.cash -= fill.quantity * fill.price
        order.execute(
            order.data.datetime[0],
            fill.quantity,
            fill.price,
            closed,
            info.getvaluesize(-closed, entry),
            0.0,
            opened,
            info.getvaluesize(opened, fill.price),
            0.0,
            info.margin,
            pnl,
            size,
            price,
        )
        order.addcomminfo(info)
        self.notify(order)

    def _check_positions(self) -> None:
        for data in self.cerebro.datas:
            replayed = self.positions[data].size
            quantity, _ = self.account.positions.get(data._name, (0.0, 0.0))
            if abs(replayed - quantity) > DUST:
                raise CaptureError(
                    f"the journal's executions add up to {replayed:g} {data._name}, but {quantity:g} are held; "
                    "no order is made from a past that does not add up"
                )

    # the present

    def _captured(self, order: Any) -> CapturedOrder:
        name = order.data._name
        self._refuse_absurd(order)
        if order.exectype not in EXECUTION_TYPES:
            raise CaptureError(
                f"{name}: orders of type {order.getordername()} cannot be sent; "
                "use Market, Close, Limit, Stop, StopLimit or a bracket"
            )
        if self._ocos[order.ref] != order.ref:
            raise CaptureError(f"{name}: one-cancels-other orders cannot be sent; use a bracket")
        kind = EXECUTION_TYPES[order.exectype]
        profit, loss = self._legs(order)
        held, size = self.positions[order.data].size, order.size
        return CapturedOrder(
            symbol=name,
            side="buy" if order.isbuy() else "sell",
            quantity=abs(size),
            kind=kind,
            time_in_force=self._time_in_force(order, kind),
            close=order.data.close[0],
            reduces=held * size < 0 and abs(size) <= abs(held) + DUST,
            reason=order.info.get("reason", ""),
            limit_price={"limit": order.price, "stop_limit": order.pricelimit}.get(kind),
            stop_price=order.price if kind in ("stop", "stop_limit") else None,
            take_profit=profit,
            stop_loss=loss,
        )

    def _refuse_absurd(self, order: Any) -> None:
        """Raise AbsurdOrder for what nobody can mean; what a limit of the book's forbids is left to the gate."""
        children = [child for child in self._pchildren[order.ref] if child.ref != order.ref]
        prices = [order.price, order.pricelimit, *(child.price for child in children)]
        wrong = next((p for p in prices if p is not None and not (math.isfinite(p) and p >= 0)), None)
        if not math.isfinite(order.size) or wrong is not None:
            value = f"price {wrong}" if wrong is not None else f"size {order.size}"
            raise AbsurdOrder(f"{order.data._name}: an order with {value}")
        held, worth = self.positions[order.data].size, self.getvalue()
        closes = held * order.size < 0 and abs(order.size) <= abs(held) + DUST
        asked = abs(order.size) * order.data.close[0]
        if not closes and asked > ABSURD_TIMES * worth > 0:
            raise AbsurdOrder(
                f"{order.data._name}: an order over {abs(order.size):g} worth {asked:,.0f}, "
                f"{asked / worth:,.1f} times the account's {worth:,.0f}"
            )

    def _legs(self, order: Any) -> tuple[float | None, float | None]:
        """Return the prices of a bracket's limit and stop; both None for a plain order."""
        children = [child for child in self._pchildren[order.ref] if child.ref != order.ref]
        if not children:
            return None, None
        profit = [child.price for child in children if child.exectype == bt.Order.Limit]
        loss = [child.price for child in children if child.exectype == bt.Order.Stop]
        if len(children) != 2 or not profit or not loss:
            raise CaptureError(
                f"{order.data._name}: a bracket has one Limit and one Stop order, no other legs"
            )
        return float(profit[0]), float(loss[0])

    @staticmethod
    def _time_in_force(order: Any, kind: str) -> str:
        if order.exectype == bt.Order.Close:
            return "cls"
        if order.info.get("style") == "open_auction":
            return "opg"
        if kind == "market" or order.p.valid == bt.Order.DAY or order.info.get("style") == "limit":
            return "day"
        if order.p.valid is None:
            return "gtc"
        raise CaptureError(
            f"{order.data._name}: valid={order.p.valid!r} cannot be sent; use None or Order.DAY"
        )


@dataclass(eq=False)
class _Replayed:
    """A past order on its way through the replay."""

    past: PastOrder
    order: Any = None
    done: int = 0  # executions told so far
    over: bool = False


def _resize(order: Any, quantity: float) -> None:
    """Make the strategy's order the one that was sent at the time, so that its executions complete it."""
    order.size = order.created.size = quantity
    order.created.remsize = order.executed.remsize = quantity


def positions_after(fills: Sequence[tuple[str, PastFill]]) -> dict[str, tuple[float, float]]:
    """Return signed quantity and average price per symbol after executions, by backtrader's own arithmetic."""
    held: dict[str, Any] = {}
    for symbol, fill in sorted(fills, key=lambda item: item[1].at):
        held.setdefault(symbol, bt.Position()).update(fill.quantity, fill.price)
    return {symbol: (position.size, position.price) for symbol, position in held.items() if position.size}
