"""The tables of a simulation, whichever engine made it: their columns, round trips, counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.simulation.benchmark import benchmark_of
from forewalk.settings.sections import ExecutionSettings
from forewalk.types import Bars, FloatArray, Forecasts

FLAT = 1e-9  # shares that may be left of a closed position

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

DECISION_COLUMNS = ["asof", "symbol", "target_weight", "forecast_mean", "forecast_std", "reason"]

POSITION_COLUMNS = ["symbol", "quantity", "entry_price", "last_price", "value", "unrealised"]

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


@dataclass
class _RoundTrip:
    """A position from flat to flat, as it builds up."""

    side: int
    opened_at: Any
    opened_bar: int
    quantity: float = 0.0
    bought: float = 0.0
    closed: float = 0.0
    sold: float = 0.0
    fees: float = 0.0
    paid: float = 0.0  # what was bought, in the account's currency
    gain: float = 0.0  # what was made of what is closed, in the account's currency, before fees


@dataclass(frozen=True)
class Fill:
    """A fill as round trips are made of it.

    Attributes:
        symbol: its symbol. size: signed quantity. now: what is held after it. price: per unit.
        fee: money. at: when its bar opened. bar: number of its bar.
        rate: the account's money for one unit of the price.
        pair: whether the symbol is a currency pair, of which only the profit is settled.
    """

    symbol: str
    size: float
    now: float
    price: float
    fee: float
    at: Any
    bar: int
    rate: float = 1.0
    pair: bool = False


class RoundTrips:
    """Books fills in the order in which they happened; `closed` are the rows of TRADE_COLUMNS so far.

    `currencies` says that an account has more than one: then profits are those converted at the time.
    """

    def __init__(self, currencies: bool = False) -> None:
        self.closed: list[dict[str, Any]] = []
        self._currencies = currencies
        self._open: dict[str, _RoundTrip] = {}

    def book(self, fill: Fill) -> None:
        """Book a fill; a bar may have several of one symbol, and one may turn a position round."""
        size, now, before = fill.size, fill.now, fill.now - fill.size
        closed = min(abs(size), abs(before)) if before * size < 0 else 0.0
        part = closed / abs(size)  # of the fee: a reversal ends one round trip and begins another
        if closed:
            self._reduce(fill, closed, fill.fee * part)
        if now and now * size > 0:
            trip = self._open.setdefault(fill.symbol, _RoundTrip(1 if now > 0 else -1, fill.at, fill.bar))
            added = min(abs(size), abs(now))
            trip.quantity += added
            trip.bought += added * fill.price
            trip.paid += added * fill.price * fill.rate
            trip.fees += fill.fee * (1.0 - part)

    def _reduce(self, fill: Fill, quantity: float, fee: float) -> None:
        trip = self._open[fill.symbol]
        if fill.pair:  # settled in its profit: that is converted, not the whole
            trip.gain += trip.side * quantity * (fill.price - trip.bought / trip.quantity) * fill.rate
        else:
            trip.gain += trip.side * quantity * (fill.price * fill.rate - trip.paid / trip.quantity)
        trip.closed += quantity
        trip.sold += quantity * fill.price
        trip.fees += fee
        if trip.quantity - trip.closed > FLAT:
            return
        self.closed.append(self._row(trip, fill))
        del self._open[fill.symbol]

    def _row(self, trip: _RoundTrip, last: Fill) -> dict[str, Any]:
        gain = trip.gain if self._currencies else trip.side * (trip.sold - trip.bought)
        pnl = gain - trip.fees
        paid = trip.paid if self._currencies else trip.bought
        return {
            "symbol": last.symbol,
            "side": "long" if trip.side > 0 else "short",
            "quantity": trip.quantity,
            "opened_at": trip.opened_at,
            "closed_at": last.at,
            "entry_price": trip.bought / trip.quantity,
            "exit_price": trip.sold / trip.closed,
            "bars_held": last.bar - trip.opened_bar,
            "fees": trip.fees,
            "pnl": pnl,
            "return": pnl / paid if paid else math.nan,  # adopted at no price
        }


def equity_table(
    times: pd.DatetimeIndex,
    equity: FloatArray,
    cash: FloatArray,
    gross_exposure: FloatArray,
    span: Bars,
    forecasts: Forecasts,
    execution: ExecutionSettings,
) -> pd.DataFrame:
    """Return the account at each close of the last bars of `span` beside the benchmark's value."""
    benchmark = benchmark_of(span, forecasts, execution)[len(span) - len(equity) :]
    table = {
        "time": times,
        "equity": equity,
        "cash": cash,
        "gross_exposure": gross_exposure,
        "benchmark": benchmark,
    }
    return pd.DataFrame(table)


def count_orders(orders: pd.DataFrame, slippage: float) -> dict[str, float]:
    """Return how many orders ended how, and what was paid in fees and slippage (money)."""
    counts: dict[str, float] = {"orders": len(orders)}
    for status in ("filled", "partial", "cancelled", "margin", "rejected", "expired", "pending"):
        counts[status] = int((orders["status"] == status).sum())
    counts["fees_paid"] = float(orders["fee"].sum())
    counts["slippage_paid"] = slippage
    return counts
