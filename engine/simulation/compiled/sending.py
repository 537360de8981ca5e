"""From targets to orders in compiled code: equals `strategies/signal.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.simulation.compiled.filling import cancel
from engine.simulation.compiled.types import (
    AT_LIMIT,
    AT_MARKET,
    AT_STOP,
    PENDING,
    STOP_LOSS,
    Terms,
    compiled,
)
from forewalk.types import FloatArray
from strategies import limits

limit_at = compiled(limits.limit_at)


@compiled
def shares(weight: float, value: float, price: float, fractional: int) -> float:
    """Signed number of shares worth `weight` of `value`: `SignalStrategy.shares`."""
    if weight == 0.0:
        return 0.0
    exact = weight * value / price
    return float(np.rint(exact * 1e6) / 1e6 if fractional else np.trunc(exact))


@compiled
def grows(s: int, value: float, close: float, rules: Any, book: Any) -> bool:
    """Whether the target of a held symbol makes its position no smaller."""
    wanted = shares(book[s].target, value, close, rules.fractional)
    return bool(abs(wanted) >= abs(book[s].size))


@compiled
def kind_of(reduces: bool, reason: int, rules: Any) -> int:
    """Return where an order is filled: `styles.style_of`."""
    if not reduces:
        return int(rules.entry_kind)
    return AT_MARKET if reason == STOP_LOSS else int(rules.exit_kind)


@compiled
def begin_row(
    t: int, s: int, row: int, kind: int, target: float, reason: int, size: float, held: float, log: Any
) -> None:
    """Begin a row of the log."""
    if log.shape[0]:
        line = log[row]
        line.decided, line.symbol, line.target, line.reason = t, s, target, reason
        line.quantity, line.kind, line.status, line.asked = size, kind, PENDING, 0.0
        line.filled_at, line.filled, line.price, line.fee = -1, 0.0, 0.0, 0.0


@compiled
def queue(
    slot: int, s: int, row: int, kind: int, size: float, price: float, waiting: int, orders: Any, log: Any
) -> int:
    """Put an order into its place and at the end of those that wait; return how many wait."""
    order = orders[slot]
    order.size, order.left, order.done, order.price = size, size, 0.0, price
    order.fresh = 1
    order.symbol, order.kind, order.row = s, kind, row
    orders[waiting].queue = slot
    if log.shape[0]:
        log[row].asked = price
    return waiting + 1


@compiled
def withdraw(t: int, slot: int, waiting: int, last: int, orders: Any, totals: FloatArray, log: Any) -> int:
    """Take back a stop that rests, if there is one; return how many wait then."""
    if orders[slot].size == 0.0:
        return waiting
    cancel(t, slot, last, orders, totals, log)
    kept = 0
    for k in range(waiting):
        other = orders[k].queue
        if other != slot:
            orders[kept].queue = other
            kept += 1
    return kept


@compiled
def place(
    t: int,
    s: int,
    value: float,
    waiting: int,
    row: int,
    last: int,
    close: float,
    coin: float,
    rules: Any,
    book: Any,
    orders: Any,
    totals: FloatArray,
    log: Any,
) -> int:
    """Write a target down in `row` and send its order, if it gives one; return how many wait."""
    now = book[s].size
    wanted = shares(book[s].target, value, close, rules.fractional)
    size, kind, price = wanted - now, AT_MARKET, close
    if rules.resting:
        kind = kind_of(now * size < 0.0, book[s].reason, rules)
        book[s].stays = wanted
    begin_row(t, s, row, kind, book[s].target, book[s].reason, size, now, log)
    if size == 0.0:
        return waiting
    if rules.stop_orders:
        waiting = withdraw(t, len(book) + s, waiting, last, orders, totals, log)
    if kind == AT_LIMIT:
        price = limit_at(close, 1 if size > 0.0 else -1, rules.limit_bps, coin != 0.0)
    return queue(s, s, row, kind, size, price, waiting, orders, log)


@compiled
def send(
    t: int,
    value: float,
    held: int,
    entering: int,
    sent: int,
    waiting: int,
    panel: Any,
    rules: Any,
    terms: Terms,
    book: Any,
    orders: Any,
    totals: FloatArray,
    log: Any,
) -> tuple[int, int]:
    """Turn targets into orders, reductions first, the rest by column: `SignalStrategy.send`.

    Return how many wait, and the next row of the log.
    """
    last, coins = panel.shape[0] - 1, terms.coins
    for i in range(held):
        s = book[i].held
        close = panel[t, s].close
        if np.isnan(book[s].target) or grows(s, value, close, rules, book):
            continue
        coin = coins[0, s] if rules.resting else 0.0
        waiting = place(t, s, value, waiting, sent, last, close, coin, rules, book, orders, totals, log)
        sent += 1
    i, j = 0, 0
    while i < held or j < entering:
        if j == entering or (i < held and book[i].held < book[j].entering):
            s = book[i].held
            i += 1
            if np.isnan(book[s].target) or not grows(s, value, panel[t, s].close, rules, book):
                continue
        else:
            s = book[j].entering
            j += 1
            if np.isnan(book[s].target):
                continue
        close, coin = panel[t, s].close, coins[0, s] if rules.resting else 0.0
        waiting = place(t, s, value, waiting, sent, last, close, coin, rules, book, orders, totals, log)
        sent += 1
    return waiting, sent


@compiled
def protect(
    t: int,
    sent: int,
    waiting: int,
    panel: Any,
    rules: Any,
    book: Any,
    orders: Any,
    totals: FloatArray,
    log: Any,
) -> tuple[int, int]:
    """Keep one stop for what stays held of each position: `SignalStrategy.protect`. Return as `send` does."""
    for s in range(len(book)):
        slot, held = len(book) + s, book[s].size
        rests = orders[slot].size != 0.0
        if held == 0.0 and not rests:
            continue
        size = min(abs(book[s].stays), abs(held)) if book[s].stays * held > 0.0 else 0.0
        side = 1.0 if held > 0.0 else -1.0
        price = book[s].price * (1.0 - side * rules.stop_loss)
        if rests:
            if size == abs(orders[slot].left) and price == orders[slot].price:
                continue
            waiting = withdraw(t, slot, waiting, panel.shape[0] - 1, orders, totals, log)
        if size != 0.0:
            begin_row(t, s, sent, AT_STOP, np.nan, STOP_LOSS, -side * size, held, log)
            asked = price if price != 0.0 else panel[t, s].close  # what backtrader takes for no price
            waiting = queue(slot, s, sent, AT_STOP, -side * size, asked, waiting, orders, log)
            sent += 1
    return waiting, sent
