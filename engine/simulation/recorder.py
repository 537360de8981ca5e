"""What happened in a simulation: orders, trades, decisions and positions as tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from engine.simulation.benchmark import benchmark_of
from engine.simulation.strategies import decisions_of
from forewalk.sessions import bar_open_times
from forewalk.settings.sections import ExecutionSettings
from forewalk.types import Bars, Forecasts, SimulationResult
from strategies.indicator import backtrader_times

ORDER_COLUMNS = [
    "decided_at",
    "symbol",
    "side",
    "quantity",
    "type",
    "status",
    "reason",
    "filled_at",
    "filled_quantity",
    "fill_price",
    "fee",
]


TRADE_COLUMNS = [
    "symbol",
    "side",
    "quantity",
    "opened_at",
    "closed_at",
    "entry_price",
    "exit_price",
    "bars_held",
    "fees",
    "pnl",
    "return",
]


DECISION_COLUMNS = ["asof", "symbol", "target_weight", "forecast_mean", "forecast_std", "reason"]


STATUS_WORDS = {
    bt.Order.Completed: "filled",
    bt.Order.Partial: "partial",
    bt.Order.Margin: "margin",
    bt.Order.Rejected: "rejected",
    bt.Order.Expired: "expired",
}


POSITION_COLUMNS = ["symbol", "quantity", "entry_price", "last_price", "value", "unrealised"]


@dataclass
class _RoundTrip:
    """A position from flat to flat, as it builds up."""

    side: int
    opened_at: pd.Timestamp
    opened_bar: int
    quantity: float = 0.0
    bought: float = 0.0
    closed: float = 0.0
    sold: float = 0.0
    fees: float = 0.0
    paid: float = 0.0  # what was bought, in the account's currency
    gain: float = 0.0  # what was made of what is closed, in the account's currency, before fees


@dataclass(frozen=True)
class _Filled:
    """How much of an order had been filled when it was last heard of."""

    size: float = 0.0
    value: float = 0.0
    fee: float = 0.0


NOTHING = _Filled()


@dataclass
class _Log:
    equity: list[tuple[float, float, float, float]] = field(default_factory=list)
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    trades: list[dict[str, Any]] = field(default_factory=list)
    slippage: float = 0.0
    pips: list[float] = field(
        default_factory=list
    )  # of each fill of a currency pair: worse than the mid price by


class Recorder(bt.Analyzer):
    """Writes down equity, orders, fills and round trips of any strategy."""

    def start(self) -> None:
        """Begin with empty books."""
        self.log = _Log()
        self._seen: dict[int, _Filled] = {}
        self._trips: dict[str, _RoundTrip] = {}

    def next(self) -> None:
        """Record the account at the close of the bar, after its fills."""
        broker = self.strategy.broker
        equity = broker.getvalue()
        gross = sum(
            abs(position.size) * data.close[0] * rate_now(broker, data)
            for data, position in broker.positions.items()
            if position.size
        )
        self.log.equity.append(
            (self.strategy.datetime[0], equity, broker.getcash(), gross / equity if equity else 0.0)
        )

    def stop(self) -> None:
        """Add the orders of the last bar, which no further bar could fill."""
        for order in getattr(self.strategy.broker, "orders", ()):
            if order.ref not in self.log.orders:
                self.log.orders[order.ref] = {**_order_row(order), "status": "pending"}

    def prenext(self) -> None:
        """Record also before the strategy's minimum period."""
        self.next()

    def notify_order(self, order: Any) -> None:
        """Update the order's row; book what is newly filled."""
        row = self.log.orders.get(order.ref)
        if row is None:
            row = self.log.orders[order.ref] = _order_row(order)
        row["status"] = _status(order)
        if not order.executed.size:
            return
        seen = self._seen.get(order.ref, NOTHING)
        size = order.executed.size - seen.size
        if size:
            value, fee = order.executed.price * order.executed.size, order.executed.comm
            price = (value - seen.value) / size
            self._book(order.data, size, order.executed.psize, price, fee - seen.fee)
            rate, off = rate_at_fill(self.strategy.broker, order.data), abs(price - _unslipped(order, price))
            self.log.slippage += abs(size) * off * rate
            pip = getattr(self.strategy.broker, "pip", None)
            if pip is not None and pip(order.data) > 0:
                self.log.pips.append(off / pip(order.data))
            self._seen[order.ref] = _Filled(order.executed.size, value, fee)
            row.update(
                filled_at=order.executed.dt,
                filled_quantity=abs(order.executed.size),
                fill_price=order.executed.price,
                fee=fee,
            )

    def _book(self, data: Any, size: float, now: float, price: float, fee: float) -> None:
        """Book a fill of `size` after which `now` was held; a bar may have several of one symbol."""
        name, before, rate = data._name, now - size, rate_at_fill(self.strategy.broker, data)
        closed = min(abs(size), abs(before)) if before * size < 0 else 0.0
        part = closed / abs(
            size
        )  # of the fee: a fill that reverses a position ends one round trip, begins another
        if closed:
            self._reduce(data, closed, price, fee * part, rate)
        if now and now * size > 0:
            trip = self._trips.setdefault(
                name, _RoundTrip(1 if now > 0 else -1, data.datetime[0], len(self.strategy))
            )
            added = min(abs(size), abs(now))
            trip.quantity += added
            trip.bought += added * price
            trip.paid += added * price * rate
            trip.fees += fee * (1.0 - part)

    def _reduce(self, data: Any, quantity: float, price: float, fee: float, rate: float) -> None:
        name, trip = data._name, self._trips[data._name]
        pair = getattr(self.strategy.broker, "is_pair", None)
        if pair is not None and pair(data):  # settled in its profit: that is converted, not the whole
            trip.gain += trip.side * quantity * (price - trip.bought / trip.quantity) * rate
        else:
            trip.gain += trip.side * quantity * (price * rate - trip.paid / trip.quantity)
        trip.closed += quantity
        trip.sold += quantity * price
        trip.fees += fee
        if trip.quantity - trip.closed > 1e-9:
            return
        entry, leave = trip.bought / trip.quantity, trip.sold / trip.closed
        several = pair is not None
        pnl = (trip.gain if several else trip.side * (trip.sold - trip.bought)) - trip.fees
        self.log.trades.append(
            {
                "symbol": name,
                "side": "long" if trip.side > 0 else "short",
                "quantity": trip.quantity,
                "opened_at": trip.opened_at,
                "closed_at": self.strategy.datetime[0],
                "entry_price": entry,
                "exit_price": leave,
                "bars_held": len(self.strategy) - trip.opened_bar,
                "fees": trip.fees,
                "pnl": pnl,
                "return": pnl / (trip.paid if several else trip.bought),
            }
        )
        del self._trips[name]


def _unslipped(order: Any, filled: float) -> float:
    """Price at which an order would have been filled without slippage.

    A market order at the open; a stop at its trigger or, past a gap, the open; a limit order has no slippage, and
    how far its price lies from the open is no cost.
    """
    opened, trigger = order.data.open[0], order.created.price
    if order.exectype == bt.Order.Market:
        return float(opened)
    if order.exectype == bt.Order.Close:
        return float(order.data.close[0])
    if order.exectype in (bt.Order.Stop, bt.Order.StopTrail) and trigger:
        return float(max(opened, trigger) if order.isbuy() else min(opened, trigger))
    return filled


def rate_now(broker: Any, data: Any) -> float:
    """Return the account's money for one unit of a symbol's price at this close; 1 in an account of one currency."""
    return broker.rate_now(data) if hasattr(broker, "rate_now") else 1.0


def rate_at_fill(broker: Any, data: Any) -> float:
    """Return the same when the fills of this bar were booked."""
    return broker.rate_at_fill(data) if hasattr(broker, "rate_at_fill") else 1.0


def _order_row(order: Any) -> dict[str, Any]:
    return {
        "decided_at": order.created.dt,
        "symbol": order.data._name,
        "side": "buy" if order.isbuy() else "sell",
        "quantity": abs(order.created.size),
        "type": order.getordername().lower(),
        "status": "",
        "reason": order.info.get("reason", ""),
        "filled_at": None,
        "filled_quantity": 0.0,
        "fill_price": np.nan,
        "fee": 0.0,
    }


def _status(order: Any) -> str:
    if order.status == order.Canceled:
        return "partial" if order.executed.size else "cancelled"
    return STATUS_WORDS.get(order.status, "pending")


def event_tables(
    strategy: Any, broker: Any, bars: Bars, forecasts: Forecasts, execution: ExecutionSettings
) -> SimulationResult:
    """Return what the recorder of a finished Cerebro saw, as tables with the bars' own UTC times."""
    log: _Log = strategy.analyzers.recorder.log
    closes = dict(zip(backtrader_times(bars.timestamps).tolist(), bars.timestamps, strict=True))
    opens = dict(zip(closes, bar_open_times(bars), strict=True))
    equity = pd.DataFrame(log.equity, columns=["time", "equity", "cash", "gross_exposure"])
    equity["time"] = equity["time"].map(closes)
    equity["benchmark"] = benchmark_of(bars, forecasts, execution)[-len(equity) :]
    orders = pd.DataFrame(list(log.orders.values()), columns=ORDER_COLUMNS)
    orders = orders.astype({"quantity": float, "filled_quantity": float})
    orders["decided_at"] = orders["decided_at"].map(closes)
    orders["filled_at"] = pd.to_datetime(orders["filled_at"].map(opens), utc=True)
    trades = pd.DataFrame(log.trades, columns=TRADE_COLUMNS)
    trades["opened_at"], trades["closed_at"] = trades["opened_at"].map(opens), trades["closed_at"].map(opens)
    decisions = pd.DataFrame(decisions_of(strategy), columns=DECISION_COLUMNS)
    decisions["asof"] = decisions["asof"].map(closes)
    return SimulationResult(
        equity=equity,
        orders=orders,
        trades=trades,
        decisions=decisions,
        open_positions=_open_positions(broker, strategy),
        counts={**count_orders(orders, log.slippage), **_received(broker), **_in_pips(log)},
    )


def _in_pips(log: _Log) -> dict[str, float]:
    """Return by how many pips a fill of a currency pair was worse than the mid price, on average."""
    return {"pips_per_fill": float(np.mean(log.pips))} if log.pips else {}


def _received(broker: Any) -> dict[str, float]:
    """Return the interest and dividends that an account was paid, where it bears any."""
    sums = {name: float(getattr(broker, name, 0.0)) for name in ("interest", "dividends")}
    return {name: value for name, value in sums.items() if value}


def _open_positions(broker: Any, strategy: Any) -> pd.DataFrame:
    rows = []
    for data in strategy.datas:
        position, price = broker.getposition(data), data.close[0]
        if position.size:
            rate = rate_now(broker, data)
            gain = position.size * (price - position.price) * rate
            row = (data._name, position.size, position.price, price, position.size * price * rate, gain)
            rows.append(row)
    return pd.DataFrame(rows, columns=POSITION_COLUMNS)


def count_orders(orders: pd.DataFrame, slippage: float) -> dict[str, float]:
    """Return how many orders ended how, and what was paid in fees and slippage (money)."""
    counts: dict[str, float] = {"orders": len(orders)}
    for status in ("filled", "partial", "cancelled", "margin", "rejected", "expired", "pending"):
        counts[status] = int((orders["status"] == status).sum())
    counts["fees_paid"] = float(orders["fee"].sum())
    counts["slippage_paid"] = slippage
    return counts
