"""What a run knew, value by value and stage by stage, each with the moment at which it was known.

In a panel of several markets the rows are days, and a value was known at the close of its own market in that day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from engine.audit.compare import NEVER, Block, Values
from engine.audit.pipeline import Prepared, training_digest
from forewalk.data.cleaning.together import in_time, markets_of, own_open_times
from forewalk.sessions import microseconds
from forewalk.types import BAR_FIELDS, CLOSED_AT, Bars, Forecasts, IntArray, SimulationResult


def prepared_blocks(prepared: Prepared) -> Iterator[Block]:
    """Yield what was known before training."""
    bars, panel, labels = prepared.bars, prepared.panel, prepared.labels
    for name in BAR_FIELDS:
        yield from _by_market("cleaning", name, bars, getattr(bars, name))
    for name, values in bars.extras.items():
        yield from _by_market("cleaning", name, bars, values)
    for column, name in enumerate(panel.names):
        yield from _by_market("features", name, bars, panel.values[:, :, column])
    yield from _by_market("features", "scale", bars, panel.scale)
    yield from _by_market("features", "eligible", bars, panel.eligible)
    ends = np.where(labels.end.isna(), NEVER, microseconds(labels.end))
    yield Block("labels", "return", bars.symbols, ends, labels.returns)
    yield Block("labels", "scaled return", bars.symbols, ends, labels.scaled)
    if labels.scores is not None:
        yield Block("labels", "rank", bars.symbols, ends, labels.scores)
    yield from _fold_blocks(prepared)


def _by_market(stage: str, name: str, bars: Bars, values: Values, rounded: bool = False) -> Iterator[Block]:
    """Yield the values of the last bars, [rows, S], known at the close of their market."""
    first = len(bars) - len(values)
    for market in markets_of(bars):
        late = market.rows >= first
        symbols = tuple(bars.symbols[column] for column in market.columns)
        called = f"{name} of {market.calendar}" if CLOSED_AT in bars.extras else name
        cells = values[np.ix_(market.rows[late] - first, market.columns)]
        yield Block(stage, called, symbols, market.closes[late], cells, rounded)


def _fold_blocks(prepared: Prepared) -> Iterator[Block]:
    if not prepared.folds:
        return
    rows = [
        (f.train[0], f.train[-1], len(f.train), f.valid[0], f.valid[-1], len(f.valid), f.test[0])
        for f in prepared.folds
    ]
    names = (
        "train first",
        "train last",
        "train rows",
        "valid first",
        "valid last",
        "valid rows",
        "test first",
    )
    begin = microseconds(pd.DatetimeIndex([fold.valid_from for fold in prepared.folds]))
    end = microseconds(pd.DatetimeIndex([fold.trained_until for fold in prepared.folds]))
    ids = tuple(fold.model_id for fold in prepared.folds)
    yield Block("folds", "window", names, begin, np.array(rows, np.int64), rows=ids)
    yield Block("folds", "trained_until", ("time",), begin, end[:, None], rows=ids)
    yield from _training_blocks(prepared, end)


def _training_blocks(prepared: Prepared, end: IntArray) -> Iterator[Block]:
    """Yield how much each fold's forecaster is given, sums of it that tell where and how much, and its digest."""
    sizes = [
        (len(data.panel), len(data.train), len(data.valid), int(np.isfinite(data.target).sum()))
        for data in prepared.training
    ]
    sums = [
        (float(np.nansum(data.target)), float(np.nansum(data.panel.values, dtype=np.float64)))
        for data in prepared.training
    ]
    digests = [[training_digest(data)] for data in prepared.training]
    ids = tuple(data.model_id for data in prepared.training)
    for name, columns, values in (
        ("number of", ("rows", "train rows", "valid rows", "labels"), np.array(sizes, np.int64)),
        ("sum of", ("labels", "features"), np.array(sums)),
        ("data", ("sha256",), np.array(digests)),
    ):
        yield Block("training", name, columns, end, values, needs_later_bars=True, rows=ids)


def result_blocks(bars: Bars, forecasts: Forecasts, simulation: SimulationResult) -> Iterator[Block]:
    """Yield what was known after training: forecasts and everything the account did."""
    stamps = microseconds(forecasts.timestamps)
    for name in ("mean", "std", "p_up"):
        yield from _by_market("forecasts", name, bars, getattr(forecasts, name), rounded=True)
    models = np.array([[name] for name in forecasts.model_ids] or np.empty((0, 1)), dtype="U")
    yield Block("forecasts", "model", ("id",), stamps, models)
    yield from _account_blocks(bars, simulation)


def _account_blocks(bars: Bars, simulation: SimulationResult) -> Iterator[Block]:
    stamps = microseconds(bars.timestamps)
    decisions, orders = simulation.decisions, simulation.orders
    asof = _times(decisions["asof"])
    yield _numbers("decisions", decisions, ("target_weight", "forecast_mean", "forecast_std"), asof, True)
    yield _texts("decisions", decisions, ("symbol", "reason"), asof)
    decided = _times(orders["decided_at"])
    yield _numbers("orders", orders, ("quantity",), decided)
    yield _texts("orders", orders, ("symbol", "side", "type", "reason"), decided)
    settled = _settled(orders, bars, stamps)
    outcomes = orders.assign(filled_at=orders["filled_at"].astype(str))
    amounts = _numbers("fills", orders, ("filled_quantity", "fill_price", "fee"), settled)
    yield replace(amounts, aligned=True)
    yield replace(_texts("fills", outcomes, ("status", "filled_at"), settled), aligned=True)
    equity = simulation.equity
    yield _numbers(
        "equity", equity, ("equity", "cash", "gross_exposure", "benchmark"), _times(equity["time"])
    )
    trades = simulation.trades
    closed = _closes(bars, trades["symbol"], _times(trades["closed_at"]))
    names = ("quantity", "entry_price", "exit_price", "bars_held", "fees", "pnl", "return")
    yield _numbers("trades", trades, names, closed)
    yield _texts("trades", trades, ("symbol", "side"), closed)


def _settled(orders: pd.DataFrame, bars: Bars, stamps: IntArray) -> IntArray:
    """When the outcome of each order became final: at its last fill, or on the bar after it where it was refused.

    When an order that was never filled was given up depends on the strategy: never, for the comparison. So is one
    that was refused, but whose symbol did not trade on the bar after it: it may have waited until later.
    """
    filled = _times(orders["filled_at"])
    refused = orders["status"].isin(["margin", "rejected"]).to_numpy(bool)
    row = np.minimum(np.searchsorted(stamps, _times(orders["decided_at"])) + 1, len(stamps))
    column = pd.Index(bars.symbols).get_indexer(pd.Index(orders["symbol"].astype(str)))
    traded = np.append(bars.volume > 0, np.zeros((1, len(bars.symbols)), bool), axis=0)[row, column]
    unfilled = np.where(refused & traded, np.append(stamps, NEVER)[row], NEVER)
    return np.asarray(np.where(filled == NEVER, unfilled, _closes(bars, orders["symbol"], filled)))


def _closes(bars: Bars, symbols: pd.Series, opened: IntArray) -> IntArray:
    """Return the close of each symbol's bar that opens at each moment; NEVER for NEVER."""
    lived = in_time(bars) if CLOSED_AT in bars.extras else bars
    stamps, clocks = microseconds(lived.timestamps), own_open_times(lived)
    found = np.full(len(opened), NEVER)
    names = symbols.astype(str).to_numpy()
    for symbol in np.unique(names).tolist():
        mine = names == symbol
        found[mine] = _next_close(stamps[clocks[symbol][0]], opened[mine])
    return found


def _next_close(stamps: IntArray, opened: IntArray) -> IntArray:
    """Return the close of the bar that opens at each moment; it may open at the very close of the one before."""
    return np.append(stamps, NEVER)[np.searchsorted(stamps, opened, side="right")]


def _times(column: pd.Series) -> IntArray:
    times = pd.DatetimeIndex(pd.to_datetime(column, utc=True))
    return np.where(times.isna(), NEVER, microseconds(times))


def _numbers(
    stage: str, frame: pd.DataFrame, names: Sequence[str], known_at: IntArray, rounded: bool = False
) -> Block:
    values = frame[list(names)].to_numpy(np.float64, copy=True)
    return Block(stage, "number", tuple(names), known_at, values, rounded)


def _texts(stage: str, frame: pd.DataFrame, names: Sequence[str], known_at: IntArray) -> Block:
    values = np.array([[str(value) for value in frame[name]] for name in names], dtype="U").T
    return Block(stage, "text", tuple(names), known_at, values)
