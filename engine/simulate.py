"""One Cerebro: bulk-loaded feeds, next-open fills, costs that bite, and everything that happened as tables.

The backtest runs it over the out-of-sample span; the daemon runs the same Cerebro one bar longer each time
with a broker that captures orders; the leak audit runs it over doctored data.
"""

from __future__ import annotations

import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from engine.config import ExecutionSettings, Settings
from engine.evaluation.benchmark import equal_weight_benchmark
from engine.sessions import bar_open_times, bars_per_year
from engine.types import Bars, FloatArray, Forecasts, SimulationResult
from strategies.indicator import ForecastTable, backtrader_times
from strategies.signal import SignalStrategy

STALE = -1.0  # capacity of a bar so long without a price that a position may be closed at the last one
BPS = 1e-4

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
POSITION_COLUMNS = ["symbol", "quantity", "entry_price", "last_price", "value", "unrealised"]


class PanelFeed(bt.feed.DataBase):
    """One symbol's columns as a feed, aligned to the panel's bars and filled in bulk.

    A bar the symbol does not have carries its last close (0 before the first) and capacity 0: nothing fills.
    `capacity` is the largest quantity a fill may take, `STALE` after `stale_exit_bars` bars without a price.
    """

    lines = ("capacity",)
    params = (("columns", None),)

    # The bar is the tick: per-bar copies of the prices into tick_* attributes are not needed.
    tick_open = tick_high = tick_low = tick_close = tick_volume = tick_last = None

    def _tick_nullify(self) -> None:
        pass

    def _tick_fill(self, force: bool = False) -> None:
        pass

    def start(self) -> None:
        """Begin at the first bar."""
        super().start()
        self._row = 0

    def preload(self) -> None:
        """Fill every line at once instead of bar by bar."""
        for name, values in self.p.columns.items():
            getattr(self.lines, name).array = array.array("d", values.tobytes())
        self.openinterest.array = array.array("d", bytes(8 * len(self.p.columns["close"])))
        self._row = len(self.p.columns["close"])
        self.home()

    def _load(self) -> bool:
        if self._row >= len(self.p.columns["close"]):
            return False
        for name, values in self.p.columns.items():
            getattr(self.lines, name)[0] = values[self._row]
        self.openinterest[0] = 0.0
        self._row += 1
        return True


def capacity_filler(order: Any, price: float, ago: int) -> float:
    """Fill what the bar's capacity allows; a stale position may only be reduced."""
    remaining = float(abs(order.executed.remsize))
    capacity = float(order.data.capacity[ago])
    if capacity == STALE:
        position = order.data._broker_position_size()
        return remaining if position * order.executed.remsize < 0 else 0.0
    return min(remaining, capacity)


def feed_columns(bars: Bars, execution: ExecutionSettings) -> list[dict[str, FloatArray]]:
    """Return, for each symbol, the lines of its feed over all bars; each value depends on the past only."""
    times = backtrader_times(bars.timestamps)
    capacity = fill_capacity(bars, execution)
    columns = []
    for s in range(len(bars.symbols)):
        last_close = _carried(bars.close[:, s])
        missing = ~bars.present[:, s]
        prices = {
            name: np.where(missing, last_close, getattr(bars, name)[:, s])
            for name in ("open", "high", "low", "close")
        }
        volume = np.where(missing, 0.0, np.nan_to_num(bars.volume[:, s]))
        lines = {"datetime": times, **prices, "volume": volume, "capacity": capacity[:, s]}
        columns.append({name: np.ascontiguousarray(values) for name, values in lines.items()})
    return columns


def fill_capacity(bars: Bars, execution: ExecutionSettings) -> FloatArray:
    """Return the quantity that may be filled on each bar, [T, S]: see `PanelFeed`.

    A symbol that has never reported volume so far (a currency, an index) is not capped.
    """
    volume = np.nan_to_num(bars.volume)
    if execution.max_volume_share is None:
        capacity = np.full(volume.shape, np.inf)
    else:
        capacity = volume * execution.max_volume_share
        if not execution.fractional:
            capacity = np.floor(capacity)
        capacity[~np.logical_or.accumulate(volume > 0, axis=0)] = np.inf
    capacity[~bars.present] = 0.0
    row = np.arange(len(bars))[:, None]
    last_seen = np.maximum.accumulate(np.where(bars.present, row, -1), axis=0)
    capacity[(last_seen >= 0) & (row - last_seen > execution.stale_exit_bars)] = STALE
    return capacity


def _carried(close: FloatArray) -> FloatArray:
    last = np.maximum.accumulate(np.where(np.isfinite(close), np.arange(len(close)), -1))
    return np.where(last >= 0, close[np.maximum(last, 0)], 0.0)


def build_cerebro(
    bars: Bars,
    execution: ExecutionSettings,
    strategy: type[bt.Strategy],
    strategy_params: Mapping[str, Any],
    broker: bt.BrokerBase | None = None,
    runonce: bool = True,
    preload: bool = True,
) -> bt.Cerebro:
    """Wire feeds, broker, strategy and recorder; every run of this project goes through here.

    `broker` replaces the simulated account, for the daemon. Results do not depend on `runonce` or `preload`.
    """
    cerebro = bt.Cerebro(stdstats=False, runonce=runonce, preload=preload)
    cerebro.setbroker(broker if broker is not None else simulated_broker(execution))
    for symbol, columns in zip(bars.symbols, feed_columns(bars, execution), strict=True):
        cerebro.adddata(PanelFeed(columns=columns), name=symbol)
    cerebro.addstrategy(strategy, **strategy_params)
    cerebro.addanalyzer(Recorder, _name="recorder")
    return cerebro


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


class SimulatedBroker(bt.brokers.BackBroker):
    """BackBroker whose feeds can tell the filler what is held."""

    def start(self) -> None:
        """Let each feed answer for its position."""
        super().start()
        for data in self.cerebro.datas:
            data._broker_position_size = lambda data=data: self.getposition(data).size


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


@dataclass
class _Filled:
    """How much of an order had been filled when it was last heard of."""

    size: float = 0.0
    value: float = 0.0
    fee: float = 0.0


@dataclass
class _Log:
    equity: list[tuple[float, float, float, float]] = field(default_factory=list)
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    trades: list[dict[str, Any]] = field(default_factory=list)
    slippage: float = 0.0


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
            abs(position.size) * data.close[0] for data, position in broker.positions.items() if position.size
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
        row = self.log.orders.setdefault(order.ref, _order_row(order))
        row["status"] = _status(order)
        seen = self._seen.setdefault(order.ref, _Filled())
        size = order.executed.size - seen.size
        if size:
            value, fee = order.executed.price * order.executed.size, order.executed.comm
            price = (value - seen.value) / size
            self._book(order.data, size, price, fee - seen.fee)
            self.log.slippage += abs(size) * abs(price - order.data.open[0])
            self._seen[order.ref] = _Filled(order.executed.size, value, fee)
            row.update(
                filled_at=order.executed.dt,
                filled_quantity=abs(order.executed.size),
                fill_price=order.executed.price,
                fee=fee,
            )

    def _book(self, data: Any, size: float, price: float, fee: float) -> None:
        name, now = data._name, self.strategy.broker.getposition(data).size
        before = now - size
        if before and before * size < 0:
            self._reduce(name, min(abs(size), abs(before)), price, fee)
        if now and now * size > 0:
            trip = self._trips.setdefault(
                name, _RoundTrip(1 if now > 0 else -1, data.datetime[0], len(self.strategy))
            )
            added = min(abs(size), abs(now))
            trip.quantity += added
            trip.bought += added * price
            trip.fees += fee

    def _reduce(self, name: str, quantity: float, price: float, fee: float) -> None:
        trip = self._trips[name]
        trip.closed += quantity
        trip.sold += quantity * price
        trip.fees += fee
        if trip.quantity - trip.closed > 1e-9:
            return
        entry, leave = trip.bought / trip.quantity, trip.sold / trip.closed
        pnl = trip.side * (trip.sold - trip.bought) - trip.fees
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
                "return": pnl / trip.bought,
            }
        )
        del self._trips[name]


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
    words = {
        order.Completed: "filled",
        order.Partial: "partial",
        order.Margin: "margin",
        order.Rejected: "rejected",
        order.Expired: "expired",
    }
    return words.get(order.status, "pending")


def simulate(
    bars: Bars,
    forecasts: Forecasts,
    settings: Settings,
    strategy: type[bt.Strategy] = SignalStrategy,
    runonce: bool = True,
    preload: bool = True,
    cerebro_builder: Callable[..., bt.Cerebro] | None = None,
) -> SimulationResult:
    """Run a strategy over the span of the forecasts and return what happened.

    Args:
        bars: the whole history; only the bars from the first forecast on are used.
        forecasts: rows aligned with the last `len(forecasts)` bars.
        strategy: `SignalStrategy`, or any backtrader strategy with a `table` parameter (a ForecastTable).
        cerebro_builder: called instead of `build_cerebro`, with its arguments; for comparisons.
    """
    span = bars.since(forecasts.timestamps[0])
    table = ForecastTable(forecasts)
    params: dict[str, Any] = {"table": table}
    if issubclass(strategy, SignalStrategy):
        params["settings"] = settings.strategy
        params["fractional"] = settings.execution.fractional
        params["bars_per_year"] = bars_per_year(bars.calendar, bars.interval)
    build = cerebro_builder or build_cerebro
    cerebro = build(span, settings.execution, strategy, params, runonce=runonce, preload=preload)
    (finished,) = cerebro.run()
    return _tables(finished, cerebro.broker, span, forecasts, settings.execution)


def _tables(
    strategy: Any, broker: Any, bars: Bars, forecasts: Forecasts, execution: ExecutionSettings
) -> SimulationResult:
    log: _Log = strategy.analyzers.recorder.log
    closes = dict(zip(backtrader_times(bars.timestamps).tolist(), bars.timestamps, strict=True))
    opens = dict(zip(closes, bar_open_times(bars), strict=True))
    equity = pd.DataFrame(log.equity, columns=["time", "equity", "cash", "gross_exposure"])
    equity["time"] = equity["time"].map(closes)
    members = np.logical_or.accumulate(np.isfinite(forecasts.mean), axis=0)
    equity["benchmark"] = equal_weight_benchmark(bars, members, execution)[-len(equity) :]
    orders = pd.DataFrame(list(log.orders.values()), columns=ORDER_COLUMNS)
    orders = orders.astype({"quantity": float, "filled_quantity": float})
    orders["decided_at"] = orders["decided_at"].map(closes)
    orders["filled_at"] = pd.to_datetime(orders["filled_at"].map(opens), utc=True)
    trades = pd.DataFrame(log.trades, columns=TRADE_COLUMNS)
    trades["opened_at"], trades["closed_at"] = trades["opened_at"].map(opens), trades["closed_at"].map(opens)
    decisions = pd.DataFrame(getattr(strategy, "decisions", []), columns=DECISION_COLUMNS)
    decisions["asof"] = decisions["asof"].map(closes)
    return SimulationResult(
        equity=equity,
        orders=orders,
        trades=trades,
        decisions=decisions,
        open_positions=_open_positions(broker, strategy),
        counts=_counts(orders, log.slippage),
    )


def _open_positions(broker: Any, strategy: Any) -> pd.DataFrame:
    rows = []
    for data in strategy.datas:
        position, price = broker.getposition(data), data.close[0]
        if position.size:
            gain = position.size * (price - position.price)
            row = (data._name, position.size, position.price, price, position.size * price, gain)
            rows.append(row)
    return pd.DataFrame(rows, columns=POSITION_COLUMNS)


def _counts(orders: pd.DataFrame, slippage: float) -> dict[str, float]:
    counts: dict[str, float] = {"orders": len(orders)}
    for status in ("filled", "partial", "cancelled", "margin", "rejected", "expired", "pending"):
        counts[status] = int((orders["status"] == status).sum())
    counts["fees_paid"] = float(orders["fee"].sum())
    counts["slippage_paid"] = slippage
    return counts
