"""One account in compiled code: the loop over bars, the orders and their fills, equal to the Cerebro run.

Each function names what it equals: `strategies/signal.py` sends, backtrader's `BackBroker` with the filler and
the costs of `engine/simulate.py` checks and fills. The policy never adds to a position and never turns one
round, so an order either opens or closes; `tests/vector` would notice if that changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.types import FloatArray, IntArray
from engine.vector_policy import decide
from engine.vector_types import (
    BLOCK,
    CANCELLED,
    FEES,
    FILLED,
    MARGIN,
    PARTIAL,
    PENDING,
    STALE,
    TRADED,
    Panel,
    compiled,
    compiled_and_kept,
    new_book,
)


@compiled
def worth(t: int, held: int, panel: Any, book: Any) -> float:
    """Value of the positions, added up as `BackBroker._get_value` does."""
    total = 0.0
    for i in range(held):
        s = book.held[i]
        size, close = book.size[s], panel.close[t, s]
        value = size * close
        if value > 0:
            gain = size * (close - book.price[s])
            total += value - gain
            total += gain
        else:
            total += value
    return total


@compiled
def finish(
    t: int,
    k: int,
    status: int,
    quantity: float,
    price: float,
    fee: float,
    book: Any,
    totals: FloatArray,
    log: FloatArray,
) -> None:
    """Book the end of an order."""
    totals[status] += 1
    totals[FEES] += fee
    totals[TRADED] += quantity * price
    if log.shape[0]:
        row = book.order_row[k]
        log[row, 4] = status
        log[row, 5], log[row, 6], log[row, 7], log[row, 8] = t, quantity, price, fee


@compiled
def insert(book: Any, held: int, s: int) -> int:
    """Put `s` into the list of held symbols, in column order."""
    i = held
    while i > 0 and book.held[i - 1] > s:
        book.held[i] = book.held[i - 1]
        i -= 1
    book.held[i] = s
    return held + 1


@compiled
def drop(book: Any, held: int, s: int) -> int:
    """Take `s` out of the list of held symbols."""
    book.weight[s] = 0.0
    i = 0
    while book.held[i] != s:
        i += 1
    for j in range(i, held - 1):
        book.held[j] = book.held[j + 1]
    return held - 1


@compiled
def fill(
    t: int,
    s: int,
    k: int,
    cash: float,
    held: int,
    panel: Any,
    rules: Any,
    book: Any,
    totals: FloatArray,
    log: FloatArray,
) -> tuple[float, int]:
    """Fill what the bar's capacity and the cash allow: `BackBroker._execute`, `Position.update`."""
    asked, before, capacity = book.order_size[k], book.size[s], panel.capacity[t, s]
    closing = before * asked < 0
    if capacity == STALE:
        quantity = abs(asked) if closing else 0.0
    else:
        quantity = min(abs(asked), capacity)
    if quantity == 0.0:
        # the strategy cancels it at this close, but after the last bar nobody is told any more
        heard = t + 1 < panel.close.shape[0]
        finish(t, k, CANCELLED if heard else PENDING, 0.0, 0.0, 0.0, book, totals, log)
        return cash, held
    size = quantity if asked > 0 else -quantity
    price = panel.open[t, s] * (1.0 + rules.slippage if asked > 0 else 1.0 - rules.slippage)
    fee = quantity * rules.fee * price
    if closing:
        paid = size * -1.0 * book.price[s] + -size * (price - book.price[s])
        cash = cash + paid - fee
        book.size[s] = before + size
        if book.size[s] == 0.0:
            held = drop(book, held, s)
    else:
        left = cash - size * price - fee
        if left < 0.0:
            finish(t, k, MARGIN, 0.0, 0.0, 0.0, book, totals, log)
            return cash, held
        cash = left
        book.size[s], book.price[s], book.opened[s] = size, price, t
        held = insert(book, held, s)
    whole = FILLED if quantity == abs(asked) else PARTIAL
    finish(t, k, whole, quantity, size * price / size, fee, book, totals, log)
    return cash, held


@compiled
def settle(
    t: int,
    cash: float,
    held: int,
    orders: int,
    panel: Any,
    rules: Any,
    book: Any,
    totals: FloatArray,
    log: FloatArray,
) -> tuple[float, int]:
    """Check the last bar's orders against the cash, then fill them at the open: `BackBroker.next`.

    The check takes them in the order in which they were sent, at the close at which they were decided. A
    refused one keeps its claim on the cash of those behind it. An order closes or opens, never both.
    """
    spare = cash
    for k in range(orders):
        s, size = book.order_symbol[k], book.order_size[k]
        close = panel.close[t - 1, s]
        spare -= size * close
        spare -= abs(size) * rules.fee * close
        if not spare >= 0.0:
            finish(t, k, MARGIN, 0.0, 0.0, 0.0, book, totals, log)
            book.order_symbol[k] = -1
    for k in range(orders):
        s = book.order_symbol[k]
        if s >= 0:
            cash, held = fill(t, s, k, cash, held, panel, rules, book, totals, log)
    return cash, held


@compiled
def shares(weight: float, value: float, price: float, fractional: int) -> float:
    """Signed number of shares worth `weight` of `value`: `SignalStrategy.shares`."""
    if weight == 0.0:
        return 0.0
    exact = weight * value / price
    return np.rint(exact * 1e6) / 1e6 if fractional else np.trunc(exact)


@compiled
def send(
    t: int,
    value: float,
    held: int,
    entering: int,
    sent: int,
    panel: Any,
    rules: Any,
    book: Any,
    log: FloatArray,
) -> int:
    """Turn targets into orders, reductions first: `SignalStrategy.send`. Return how many."""
    orders = 0
    for i in range(held + entering):
        s = book.held[i] if i < held else book.entering[i - held]
        if np.isnan(book.target[s]):
            continue
        now = book.size[s]
        size = shares(book.target[s], value, panel.close[t, s], rules.fractional) - now
        if size != 0.0:
            book.order_symbol[orders], book.order_size[orders] = s, size
            book.order_row[orders] = sent + orders
            if log.shape[0]:
                row = sent + orders
                log[row, 0], log[row, 1], log[row, 2], log[row, 3] = t, s, size, book.reason[s]
                log[row, 4], log[row, 5], log[row, 6], log[row, 7], log[row, 8] = PENDING, -1, 0, np.nan, 0
            orders += 1
    return orders


@compiled
def run_account(panel: Any, rules: Any, equity: FloatArray, totals: FloatArray, log: FloatArray) -> int:
    """Simulate one account over all bars; return how many orders were sent.

    Args:
        panel: a Panel.
        rules: one record of RULES.
        equity: [T], filled with the account's value at each close.
        totals: [len(TOTALS)], filled with counts and sums.
        log: [at least T * S, len(LOG)], filled with every order; [0, ...] for none.
    """
    bars, symbols = panel.close.shape
    book = new_book(symbols)
    cash, held, orders, sent = rules.cash, 0, 0, 0
    totals[:] = 0.0
    for t in range(bars):
        if orders:
            cash, held = settle(t, cash, held, orders, panel, rules, book, totals, log)
            orders = 0
        value = cash + worth(t, held, panel, book)
        equity[t] = value
        closing, entering = decide(t, value, held, panel, rules, book)
        if closing or entering:
            orders = send(t, value, held, entering, sent, panel, rules, book, log)
            sent += orders
    totals[PENDING] += orders
    return sent


@compiled
def summarise(equity: FloatArray, summary: FloatArray) -> None:
    """Fill SUMMARY from account values, [T], by the conventions of `engine/evaluation/strategy.py`."""
    bars = len(equity)
    total, peak, depth, mean = 0.0, equity[0], 0.0, equity[0]
    for t in range(1, bars):
        value, before = equity[t], equity[t - 1]
        mean += value
        total += value / before - 1.0 if before > 0 else 0.0
        peak = max(peak, value)
        depth = min(depth, value / peak - 1.0)
    average = total / bars
    squares = average * average  # the first return is 0
    for t in range(1, bars):
        value, before = equity[t], equity[t - 1]
        apart = (value / before - 1.0 if before > 0 else 0.0) - average
        squares += apart * apart
    spread = np.sqrt(squares / (bars - 1)) if bars > 1 else 0.0
    summary[0] = equity[-1] / equity[0] - 1.0
    summary[1] = average / spread if spread > 0 else np.nan
    summary[2] = depth
    summary[3] = mean / bars


@compiled_and_kept
def run_settings(
    panel: Any,
    grid: Any,
    numbers: IntArray,
    equity: FloatArray,
    totals: FloatArray,
    summary: FloatArray,
    log: FloatArray,
) -> int:
    """Simulate one account for each of the `numbers` of `grid`; return how many orders the last one sent.

    Rows `numbers` of equity [N, T], totals [N, len(TOTALS)] and summary [N, len(SUMMARY)] are filled; for
    `log` see `run_account`.
    """
    sent = 0
    for n in numbers:
        sent = run_account(panel, grid[n], equity[n], totals[n], log)
        summarise(equity[n], summary[n])
    return sent


@compiled_and_kept
def run_columns(
    panel: Any, rules: Any, first: int, equity: FloatArray, totals: FloatArray, summary: FloatArray
) -> None:
    """Simulate one account per column from `first` on, each as if its symbol were alone; see `run_settings`.

    Columns are copied out a few at a time: those of one cache line are read together, and the copies fit the
    cache.
    """
    bars = panel.close.shape[0]
    log = np.empty((0, 9))
    count = len(equity)
    for start in range(0, count, BLOCK):
        width = min(BLOCK, count - start)
        copies = np.empty((5, BLOCK, bars))
        for t in range(bars):
            for c in range(width):
                column = first + start + c
                copies[0, c, t] = panel.open[t, column]
                copies[1, c, t] = panel.close[t, column]
                copies[2, c, t] = panel.capacity[t, column]
                copies[3, c, t] = panel.score[t, column]
                copies[4, c, t] = panel.annual_std[t, column]
        for c in range(width):
            known = np.zeros(bars, np.int64)
            for t in range(bars):
                known[t] = 0 if np.isnan(copies[3, c, t]) else 1
            ranking = np.zeros((bars, 1), np.int64)
            alone = Panel(
                copies[0, c].reshape(bars, 1),
                copies[1, c].reshape(bars, 1),
                copies[2, c].reshape(bars, 1),
                copies[3, c].reshape(bars, 1),
                copies[4, c].reshape(bars, 1),
                ranking,
                (1 - known).reshape(bars, 1),
                known,
            )
            row = start + c
            run_account(alone, rules, equity[row], totals[row], log)
            summarise(equity[row], summary[row])
