"""One compiled account with everything that happened: the tables of a Cerebro run, equal to the last bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.simulation.compiled.inputs import account_terms, make_panel, make_rules, terms_of
from engine.simulation.compiled.run import NO_PATH, STATUSES, run_accounts
from engine.simulation.compiled.types import (
    AT_CLOSE,
    AT_LIMIT,
    AT_STOP,
    BOOKED,
    DIVIDENDS,
    FILLS,
    INTEREST,
    KINDS,
    LOG,
)
from engine.simulation.money import with_frictions
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
from forewalk.instruments import traded
from forewalk.sessions import bar_open_times
from forewalk.settings.sections import Settings
from forewalk.types import Bars, FloatArray, Forecasts, SimulationResult
from strategies.policy import REASONS
from strategies.risk import smoothed

Records = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class _Account:
    """What the compiled code wrote down: account values [T], totals, log, fills and book; the panel that it saw."""

    equity: FloatArray
    totals: FloatArray
    log: Records
    fills: Records
    book: Records
    panel: Records

    @property
    def ordered(self) -> Records:
        """The rows of the log with an order."""
        ordered: Records = self.log[self.log["quantity"] != 0]
        return ordered


def simulate_compiled(bars: Bars, forecasts: Forecasts, settings: Settings) -> SimulationResult:
    """Do what `engine.simulation.cerebro.simulate` does for the built-in policies, in compiled code.

    Raises:
        ConfigError: the policy is the user's own.
    """
    bars, forecasts = traded(bars, forecasts, settings.data.trade_as)
    forecasts = smoothed(forecasts, settings.strategy.smooth_std_bars)
    span = with_frictions(bars, settings.execution).since(forecasts.timestamps[0])
    path = np.empty((2, len(span)))
    account = _run(span, forecasts, settings, path)
    orders = _orders(account.ordered, span)
    trips, slippage = _fills(account, span)
    received = {"interest": account.totals[INTEREST], "dividends": account.totals[DIVIDENDS]}
    counts = {**count_orders(orders, slippage), **{name: float(sum) for name, sum in received.items() if sum}}
    return SimulationResult(
        equity=equity_table(
            span.timestamps, account.equity, path[0], path[1], span, forecasts, settings.execution
        ),
        orders=orders,
        trades=pd.DataFrame(trips.closed, columns=TRADE_COLUMNS),
        decisions=_decisions(account.log[account.log["kind"] != AT_STOP], span, forecasts),
        open_positions=_positions(account.book, account.panel["close"][-1], span),
        counts=counts,
    )


def equity_and_orders(
    bars: Bars, forecasts: Forecasts, settings: Settings
) -> tuple[pd.DatetimeIndex, FloatArray, pd.DataFrame]:
    """Return times, account values, [T], and orders of `simulate_compiled`, and spare the other tables."""
    bars, forecasts = traded(bars, forecasts, settings.data.trade_as)
    forecasts = smoothed(forecasts, settings.strategy.smooth_std_bars)
    span = with_frictions(bars, settings.execution).since(forecasts.timestamps[0])
    account = _run(span, forecasts, settings, NO_PATH)
    return span.timestamps, account.equity, _orders(account.ordered, span)


def _run(span: Bars, forecasts: Forecasts, settings: Settings, path: FloatArray) -> _Account:
    panel = make_panel(span, forecasts, settings.execution, settings.strategy.kind == "cross_section")
    rows = (1 + settings.strategy.stop_orders) * span.close.size
    log, fills = np.empty(rows, LOG), np.empty(rows, FILLS)  # pages that nobody writes to cost nothing
    terms = terms_of(account_terms(span, settings))
    outputs, targets, book = run_accounts(
        panel, make_rules([settings], len(span.symbols)), terms, path, log, fills
    )
    totals = outputs.totals[0]
    return _Account(outputs.equity[0], totals, log[:targets], fills[: int(totals[BOOKED])], book, panel)


def _orders(log: Records, span: Bars) -> pd.DataFrame:
    filled = log["filled"] != 0
    row = np.where(filled, log["filled_at"], 0)
    opened, closed = bar_open_times(span)[row], span.timestamps[row]
    table = {
        "decided_at": span.timestamps[log["decided"]],
        "symbol": np.array(span.symbols, dtype=object)[log["symbol"]],
        "side": np.where(log["quantity"] > 0, "buy", "sell").astype(object),
        "quantity": np.abs(log["quantity"]),
        "type": np.array(KINDS, dtype=object)[log["kind"]],
        "status": np.array(STATUSES, dtype=object)[log["status"]],
        "reason": np.array(REASONS, dtype=object)[log["reason"]],
        "filled_at": opened.where(log["kind"] != AT_CLOSE, closed).where(filled),
        "filled_quantity": np.abs(log["filled"]),
        "fill_price": np.where(filled, log["price"], np.nan),
        "fee": log["fee"],
    }
    return pd.DataFrame(table, columns=ORDER_COLUMNS)


def _fills(account: _Account, span: Bars) -> tuple[RoundTrips, float]:
    """Book the fills as the recorder does; return the round trips and the slippage."""
    trips, slippage, seen = RoundTrips(), 0.0, dict[int, tuple[float, float, float]]()
    opens, open_, close = bar_open_times(span), account.panel["open"], account.panel["close"]
    columns = (account.fills[name].tolist() for name in ("row", "bar", "filled", "price", "fee", "held"))
    for row, bar, done, average, paid, now in zip(*columns, strict=True):
        order = account.log[row]
        s, kind = int(order["symbol"]), int(order["kind"])
        before, value, fee = seen.get(row, (0.0, 0.0, 0.0))  # what the order had been filled with
        size = done - before
        if not size:
            continue
        price = (average * done - value) / size
        seen[row] = done, average * done, paid
        at = span.timestamps[bar] if kind == AT_CLOSE else opens[bar]
        trips.book(Fill(span.symbols[s], size, now, price, paid - fee, at, bar))
        fair = float((close if kind == AT_CLOSE else open_)[bar, s])
        if kind == AT_STOP:
            asked = float(order["asked"])
            fair = max(fair, asked) if size > 0 else min(fair, asked)
        slippage += abs(size) * abs(price - (price if kind == AT_LIMIT else fair))
    return trips, float(slippage)


def _decisions(log: Records, span: Bars, forecasts: Forecasts) -> pd.DataFrame:
    log = log[np.lexsort((log["symbol"], log["decided"]))]
    row, column = log["decided"], log["symbol"]
    table = {
        "asof": span.timestamps[row],
        "symbol": np.array(span.symbols, dtype=object)[column],
        "target_weight": log["target"],
        "forecast_mean": forecasts.mean[row, column],
        "forecast_std": forecasts.std[row, column],
        "reason": np.array(REASONS, dtype=object)[log["reason"]],
    }
    return pd.DataFrame(table, columns=DECISION_COLUMNS)


def _positions(book: Records, close: FloatArray, span: Bars) -> pd.DataFrame:
    rows = []
    for s in np.flatnonzero(book["size"]).tolist():
        size, entry, last = float(book["size"][s]), float(book["price"][s]), float(close[s])
        rows.append((span.symbols[s], size, entry, last, size * last, size * (last - entry)))
    return pd.DataFrame(rows, columns=POSITION_COLUMNS)
