"""What happened in a simulation: orders, trades, decisions and positions as tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from engine.simulation.strategies import decisions_of
from engine.simulation.tables import (
    DECISION_COLUMNS,
    ORDER_COLUMNS,
    POSITION_COLUMNS,
    TRADE_COLUMNS,
    Fill,
    RoundTrips,
    count_orders,
    equity_table,
)
from forewalk.data.cleaning.together import own_open_times
from forewalk.settings.sections import ExecutionSettings
from forewalk.types import Bars, Forecasts, SimulationResult
from strategies.indicator import backtrader_times

STATUS_WORDS = {
    bt.Order.Completed: "filled",
    bt.Order.Partial: "partial",
    bt.Order.Margin: "margin",
    bt.Order.Rejected: "rejected",
    bt.Order.Expired: "expired",
}


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
    trips: RoundTrips = field(default_factory=RoundTrips)
    slippage: float = 0.0
    pips: list[float] = field(
        default_factory=list
    )  # by which each fill of a currency pair missed the mid price


class Recorder(bt.Analyzer):
    """Writes down equity, orders, fills and round trips of any strategy."""

    def start(self) -> None:
        """Begin with empty books."""
        self.log = _Log(trips=RoundTrips(currencies=hasattr(self.strategy.broker, "is_pair")))
        self._seen: dict[int, _Filled] = {}

    def next(self) -> None:
        """Record the account at the close of the bar, after its fills."""
        broker = self.strategy.broker
        equity = broker.getvalue()
        gross, several = 0.0, hasattr(broker, "rate_now")
        for data, position in broker.positions.items():  # not `sum`, which newer Pythons round otherwise
            if position.size:
                worth = abs(position.size) * data.lines.close[0]
                gross += worth * broker.rate_now(data) if several else worth
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
            rate, off = rate_at_fill(self.strategy.broker, order.data), abs(price - _unslipped(order, price))
            self._book(order, size, price, fee - seen.fee, rate)
            self.log.slippage += abs(size) * off * rate
            pip = getattr(self.strategy.broker, "pip", None)
            if pip is not None and pip(order.data) > 0:
                self.log.pips.append(off / pip(order.data))
            self._seen[order.ref] = _Filled(order.executed.size, value, fee)
            row.update(
                filled_at=moment_of_fill(order, order.executed.dt),
                filled_quantity=abs(order.executed.size),
                fill_price=order.executed.price,
                fee=fee,
            )

    def _book(self, order: Any, size: float, price: float, fee: float, rate: float) -> None:
        data, bar = order.data, _bar(order.data, len(self.strategy))
        is_pair = getattr(self.strategy.broker, "is_pair", None)
        pair = is_pair is not None and is_pair(data)
        held = order.executed.psize
        at = moment_of_fill(order, data.datetime[0])
        self.log.trips.book(Fill(data._name, size, held, price, fee, at, bar, rate, pair))


def moment_of_fill(order: Any, time: float) -> float:
    """Return the time of the bar of a fill, negative where the fill was at its close and not at or after its open."""
    return -time if order.exectype == bt.Order.Close else time


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


def _bar(data: Any, number: int) -> int:
    """Return the number of a symbol's bar: counted by the closes of its own market where there are several."""
    return int(abs(data.own[0])) if "own" in data.lines.getlinealiases() else number


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
    row_of = {time: row for row, time in enumerate(backtrader_times(bars.timestamps).tolist())}
    opens = _opens(bars, {row["filled_at"] for row in log.orders.values()} | _trade_times(log))
    times, equity, cash, gross = np.array(log.equity, dtype=np.float64).reshape(-1, 4).T
    at_close = bars.timestamps[[row_of[time] for time in times.tolist()]]
    orders = pd.DataFrame(list(log.orders.values()), columns=ORDER_COLUMNS)
    orders = orders.astype({"quantity": float, "filled_quantity": float})
    orders["decided_at"] = _closed(orders["decided_at"], row_of, bars.timestamps)
    orders["filled_at"] = pd.to_datetime(_opened(orders, "filled_at", opens), utc=True)
    trades = pd.DataFrame(log.trips.closed, columns=TRADE_COLUMNS)
    for name in ("opened_at", "closed_at"):
        trades[name] = _opened(trades, name, opens)
    decisions = pd.DataFrame(decisions_of(strategy), columns=DECISION_COLUMNS)
    decisions["asof"] = _closed(decisions["asof"], row_of, bars.timestamps)
    return SimulationResult(
        equity=equity_table(at_close, equity, cash, gross, bars, forecasts, execution),
        orders=orders,
        trades=trades,
        decisions=decisions,
        open_positions=_open_positions(broker, strategy),
        counts={**count_orders(orders, log.slippage), **_received(broker), **_in_pips(log)},
    )


def _closed(times: pd.Series[Any], row_of: dict[float, int], timestamps: pd.DatetimeIndex) -> pd.Series[Any]:
    """Return the bars' own times of backtrader's; a `Timestamp` is made only of those that are asked for."""
    if times.empty:  # a strategy that never trades: the column is one of times all the same
        return pd.Series(timestamps[:0], name=times.name)
    return times.map({time: timestamps[row_of[time]] for time in times.unique() if time in row_of})


def _trade_times(log: _Log) -> set[Any]:
    return {row[name] for row in log.trips.closed for name in ("opened_at", "closed_at")}


def _opens(bars: Bars, asked: set[Any]) -> dict[str, dict[float, pd.Timestamp]]:
    """Return for each symbol when bars opened, by backtrader's time of their close; its negative is the close.

    Of the times that are asked for, as a `Timestamp` takes longer to make than a bar to step over.
    """
    times = backtrader_times(bars.timestamps)
    known: dict[int, dict[float, pd.Timestamp]] = {}
    found = {}
    for symbol, (rows, moments) in own_open_times(bars).items():
        if id(moments) not in known:
            own = [
                (at, time) for at, time in enumerate(times[rows].tolist()) if time in asked or -time in asked
            ]
            closed = {-time: bars.timestamps[rows[at]] for at, time in own}
            known[id(moments)] = {time: moments[at] for at, time in own} | closed
        found[symbol] = known[id(moments)]
    return found


def _opened(table: pd.DataFrame, name: str, opens: dict[str, dict[float, pd.Timestamp]]) -> pd.Series:
    """Return when the bars opened whose closes a column has, row by row."""
    clocks = {id(clock): clock for clock in opens.values()}
    if len(clocks) == 1:
        return table[name].map(next(iter(clocks.values())))
    moments = [opens[symbol].get(time) for symbol, time in zip(table["symbol"], table[name], strict=True)]
    return pd.to_datetime(pd.Series(moments, index=table.index, dtype=object), utc=True)


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
