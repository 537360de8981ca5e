"""One compiled account with everything that happened: the tables of a Cerebro run, equal to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.simulation.compiled.inputs import account_terms, make_panel, make_rules, terms_of
from engine.simulation.compiled.run import NO_PATH, STATUSES, run_accounts
from engine.simulation.compiled.types import DIVIDENDS, INTEREST, LOG
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

Log = npt.NDArray[Any]  # records of LOG


def simulate_compiled(bars: Bars, forecasts: Forecasts, settings: Settings) -> SimulationResult:
    """Do what `engine.simulation.cerebro.simulate` does for the built-in policies, in compiled code.

    Raises:
        ConfigError: the policy is the user's own.
    """
    bars, forecasts = traded(bars, forecasts, settings.data.trade_as)
    forecasts = smoothed(forecasts, settings.strategy.smooth_std_bars)
    span = with_frictions(bars, settings.execution).since(forecasts.timestamps[0])
    path = np.empty((2, len(span)))
    equity, totals, log, open_, close = _run(span, forecasts, settings, path)
    orders = _orders(log[log["quantity"] != 0], span)
    trips, held, slippage = _fills(log[log["filled"] != 0], open_, span)
    received = {"interest": float(totals[INTEREST]), "dividends": float(totals[DIVIDENDS])}
    return SimulationResult(
        equity=equity_table(span.timestamps, equity, path[0], path[1], span, forecasts, settings.execution),
        orders=orders,
        trades=pd.DataFrame(trips.closed, columns=TRADE_COLUMNS),
        decisions=_decisions(log, span, forecasts),
        open_positions=_positions(held, close[-1], span),
        counts={**count_orders(orders, slippage), **{name: sum for name, sum in received.items() if sum}},
    )


def equity_and_orders(
    bars: Bars, forecasts: Forecasts, settings: Settings
) -> tuple[pd.DatetimeIndex, FloatArray, pd.DataFrame]:
    """Return times, account values, [T], and orders of `simulate_compiled`, and spare the other tables."""
    bars, forecasts = traded(bars, forecasts, settings.data.trade_as)
    forecasts = smoothed(forecasts, settings.strategy.smooth_std_bars)
    span = with_frictions(bars, settings.execution).since(forecasts.timestamps[0])
    equity, _, log, _, _ = _run(span, forecasts, settings, NO_PATH)
    return span.timestamps, equity, _orders(log[log["quantity"] != 0], span)


def _run(
    span: Bars, forecasts: Forecasts, settings: Settings, path: FloatArray
) -> tuple[FloatArray, FloatArray, Log, FloatArray, FloatArray]:
    """Return account values [T], totals, log, and the opens and closes [T, S] that the account saw."""
    panel = make_panel(span, forecasts, settings.execution, settings.strategy.kind == "cross_section")
    log = np.empty(span.close.size, LOG)  # pages that nobody writes to cost nothing
    terms = terms_of(account_terms(span))
    outputs, targets = run_accounts(panel, make_rules([settings], len(span.symbols)), terms, path, log)
    return outputs.equity[0], outputs.totals[0], log[:targets], panel["open"], panel["close"]


def _orders(log: Log, span: Bars) -> pd.DataFrame:
    filled = log["filled"] != 0
    size = np.where(filled, log["filled"], 1.0)
    row = np.where(filled, log["filled_at"], 0)
    table = {
        "decided_at": span.timestamps[log["decided"]],
        "symbol": np.array(span.symbols, dtype=object)[log["symbol"]],
        "side": np.where(log["quantity"] > 0, "buy", "sell").astype(object),
        "quantity": np.abs(log["quantity"]),
        "type": "market",
        "status": np.array(STATUSES, dtype=object)[log["status"]],
        "reason": np.array(REASONS, dtype=object)[log["reason"]],
        "filled_at": bar_open_times(span)[row].where(filled),
        "filled_quantity": np.abs(log["filled"]),
        "fill_price": np.where(filled, size * log["price"] / size, np.nan),  # as an order averages its fills
        "fee": log["fee"],
    }
    return pd.DataFrame(table, columns=ORDER_COLUMNS)


def _fills(
    log: Log, open_: FloatArray, span: Bars
) -> tuple[RoundTrips, dict[int, tuple[float, float]], float]:
    """Book the fills; return the round trips, what is held of which column at which price, and the slippage."""
    trips, held, slippage = RoundTrips(), dict[int, tuple[float, float]](), 0.0
    opens = bar_open_times(span)
    columns = (log[name].tolist() for name in ("symbol", "filled_at", "filled", "price", "fee", "held"))
    for s, bar, size, paid, fee, now in zip(*columns, strict=True):
        price = size * paid / size * size / size  # the recorder takes it from an order's average
        trips.book(Fill(span.symbols[s], size, now, price, fee, opens[bar], bar))
        slippage += abs(size) * abs(price - open_[bar, s])
        if now == size:
            held[s] = now, paid
        elif now:
            before, average = held[s]
            held[s] = now, (average * before + size * paid) / now if size * before > 0 else average
        else:
            held.pop(s)
    return trips, held, float(slippage)


def _decisions(log: Log, span: Bars, forecasts: Forecasts) -> pd.DataFrame:
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


def _positions(held: dict[int, tuple[float, float]], close: FloatArray, span: Bars) -> pd.DataFrame:
    rows = []
    for s in sorted(held):
        size, entry = held[s]
        last = float(close[s])
        rows.append((span.symbols[s], size, entry, last, size * last, size * (last - entry)))
    return pd.DataFrame(rows, columns=POSITION_COLUMNS)
