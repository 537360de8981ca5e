"""From targets to orders in compiled code: equals `strategies/signal.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.simulation.compiled.types import PENDING, compiled


@compiled
def shares(weight: float, value: float, price: float, fractional: int) -> float:
    """Signed number of shares worth `weight` of `value`: `SignalStrategy.shares`."""
    if weight == 0.0:
        return 0.0
    exact = weight * value / price
    return float(np.rint(exact * 1e6) / 1e6 if fractional else np.trunc(exact))


@compiled
def grows(t: int, s: int, value: float, panel: Any, rules: Any, book: Any) -> bool:
    """Whether the target of a held symbol makes its position no smaller."""
    wanted = shares(book[s].target, value, panel[t, s].close, rules.fractional)
    return bool(abs(wanted) >= abs(book[s].size))


@compiled
def place(
    t: int, s: int, value: float, order: int, at: int, panel: Any, rules: Any, book: Any, log: Any
) -> int:
    """Write a target down in row `at` and its order as number `order`; return whether it gives one, 0 or 1."""
    now = book[s].size
    size = shares(book[s].target, value, panel[t, s].close, rules.fractional) - now
    if log.shape[0]:
        row = log[at]
        row.decided, row.symbol, row.target, row.reason = t, s, book[s].target, book[s].reason
        row.quantity, row.status, row.held = size, PENDING, now
        row.filled_at, row.filled, row.price, row.fee = -1, 0.0, 0.0, 0.0
    if size == 0.0:
        return 0
    book[order].order_symbol, book[order].order_size, book[order].order_row = s, size, at
    return 1


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
    log: Any,
) -> tuple[int, int]:
    """Turn targets into orders, reductions first, the rest by column: `SignalStrategy.send`.

    Return how many, and how many targets.
    """
    orders, targets = 0, 0
    for i in range(held):
        s = book[i].held
        if np.isnan(book[s].target) or grows(t, s, value, panel, rules, book):
            continue
        orders += place(t, s, value, orders, sent + targets, panel, rules, book, log)
        targets += 1
    i, j = 0, 0
    while i < held or j < entering:
        if j == entering or (i < held and book[i].held < book[j].entering):
            s = book[i].held
            i += 1
            if np.isnan(book[s].target) or not grows(t, s, value, panel, rules, book):
                continue
        else:
            s = book[j].entering
            j += 1
            if np.isnan(book[s].target):
                continue
        orders += place(t, s, value, orders, sent + targets, panel, rules, book, log)
        targets += 1
    return orders, targets
