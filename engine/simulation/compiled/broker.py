"""One account in compiled code: the loop over bars, the orders and their fills, equal to the Cerebro run.

Each function names what it equals: `strategies/signal.py` sends, backtrader's `BackBroker` with the filler and
the costs of `engine/simulation/cerebro.py` checks and fills. The policy never adds to a position and never turns one
round, so an order either opens or closes; `tests/engine/simulation/compiled` would notice if that changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.simulation import money
from engine.simulation.compiled.policy import decide
from engine.simulation.compiled.types import (
    BARRED,
    BOOK,
    CANCELLED,
    DIVIDENDS,
    FEES,
    FILLED,
    INTEREST,
    MARGIN,
    PARTIAL,
    PENDING,
    STALE,
    TRADED,
    compiled,
    compiled_and_kept,
    compiled_inline,
)
from forewalk.types import FloatArray


@compiled
def with_value(total: float, size: float, price: float, close: float) -> float:
    """Add the value of one position to `total`, in the steps of `BackBroker._get_value`."""
    value = size * close
    if value > 0:
        gain = size * (close - price)
        total += value - gain
        return total + gain
    return total + value


fee_of, interest = compiled(money.fee_of), compiled(money.interest)


@compiled
def claimed(spare: float, order: float, close: float, rules: Any) -> float:
    """Return the cash left once an order is paid at the close at which it was sent: `check_submitted`."""
    spare -= order * close
    return float(spare - fee_of(abs(order), close, rules.fee, rules.fee_per_share, rules.fee_min))


@compiled
def accrue(
    t: int,
    cash: float,
    held: int,
    panel: Any,
    rules: Any,
    terms: tuple[FloatArray, FloatArray, FloatArray],
    book: Any,
    totals: FloatArray,
) -> float:
    """Return the cash after dividends and interest on what was held at the close before: `_accrue`."""
    years, dividends, _ = terms
    paid = short = 0.0
    for i in range(held):
        s = book[i].held
        size = book[s].size
        if dividends.shape[0]:
            paid += size * dividends[t, s]
        if size < 0:
            short += -size * panel[t - 1, s].close
    earned = interest(cash, short, years[t], rules.cash_yield, rules.borrow)
    totals[DIVIDENDS] += paid
    totals[INTEREST] += earned
    return float(cash + (paid + earned))


@compiled
def execute(
    order: float,
    size: float,
    entry_price: float,
    cash: float,
    open_: float,
    half_spread: float,
    capacity: float,
    rules: Any,
) -> tuple[int, float, float, float, float]:
    """Fill what the bar's capacity and the cash allow: `capacity_filler`, `BackBroker._execute`.

    Returns status, filled quantity (signed), price, fee and the cash afterwards.
    """
    closing = size * order < 0
    if capacity >= 0.0:
        quantity = min(abs(order), capacity)
    elif not closing:
        quantity = 0.0
    else:
        quantity = abs(order) if capacity == STALE else min(abs(order), BARRED - capacity)
    if quantity == 0.0:
        return CANCELLED, 0.0, 0.0, 0.0, cash
    status = FILLED if quantity == abs(order) else PARTIAL
    part = quantity if order > 0 else -quantity
    price = open_ * (1.0 + rules.slippage if order > 0 else 1.0 - rules.slippage)
    price += half_spread if order > 0 else -half_spread
    fee = fee_of(quantity, price, rules.fee, rules.fee_per_share, rules.fee_min)
    if closing:
        return status, part, price, fee, cash + (-part * entry_price + -part * (price - entry_price)) - fee
    left = cash - part * price - fee
    if left < 0.0:
        return MARGIN, 0.0, 0.0, 0.0, cash
    return status, part, price, fee, left


@compiled_inline
def finish(
    t: int,
    k: int,
    status: int,
    part: float,
    price: float,
    fee: float,
    book: Any,
    totals: FloatArray,
    log: FloatArray,
) -> None:
    """Book the end of an order."""
    totals[status] += 1
    totals[FEES] += fee
    totals[TRADED] += abs(part * price)
    if log.shape[0]:
        row = book[k].order_row
        log[row, 4], log[row, 5], log[row, 6], log[row, 8] = status, t, abs(part), fee
        if part != 0.0:
            log[row, 7] = part * price / part  # as an order averages its fills


@compiled
def settle(
    t: int,
    cash: float,
    orders: int,
    panel: Any,
    rules: Any,
    half_spread: FloatArray,
    book: Any,
    totals: FloatArray,
    log: FloatArray,
) -> tuple[float, int]:
    """Check the last bar's orders against the cash, then fill them at the open: `BackBroker.next`.

    The check takes them in the order in which they were sent; a refused one keeps its claim on the cash of those
    behind it. Return the cash and how many symbols are held, which are listed anew.
    """
    spare = cash
    for k in range(orders):
        spare = claimed(spare, book[k].order_size, panel[t - 1, book[k].order_symbol].close, rules)
        book[k].refused = 0 if spare >= 0.0 else 1
    last = panel.shape[0] - 1
    for k in range(orders):
        if book[k].refused:
            finish(t, k, MARGIN, 0.0, 0.0, 0.0, book, totals, log)
            continue
        s, order = book[k].order_symbol, book[k].order_size
        size, bar = book[s].size, panel[t, s]
        half = half_spread[t, s] if half_spread.shape[0] else 0.0
        status, part, price, fee, cash = execute(
            order, size, book[s].price, cash, bar.open, half, bar.capacity, rules
        )
        if part != 0.0 and size == 0.0:
            book[s].price, book[s].opened = price, t
        book[s].size = size + part
        if status == CANCELLED and t == last:
            status = PENDING  # the strategy cancels it at this close, but nobody is told any more
        finish(t, k, status, part, price, fee, book, totals, log)
    return cash, list_held(book)


@compiled
def list_held(book: Any) -> int:
    """List the symbols that are held, in column order; return how many."""
    held = 0
    for s in range(len(book)):
        if book[s].size != 0.0:
            book[held].held = s
            held += 1
        else:
            book[s].weight = 0.0
    return held


@compiled
def shares(weight: float, value: float, price: float, fractional: int) -> float:
    """Signed number of shares worth `weight` of `value`: `SignalStrategy.shares`."""
    if weight == 0.0:
        return 0.0
    exact = weight * value / price
    return float(np.rint(exact * 1e6) / 1e6 if fractional else np.trunc(exact))


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
        s = book[i].held if i < held else book[i - held].entering
        if np.isnan(book[s].target):
            continue
        now = book[s].size
        size = shares(book[s].target, value, panel[t, s].close, rules.fractional) - now
        if size != 0.0:
            book[orders].order_symbol, book[orders].order_size = s, size
            book[orders].order_row = sent + orders
            if log.shape[0]:
                row = sent + orders
                log[row, 0], log[row, 1], log[row, 2], log[row, 3] = t, s, size, book[s].reason
                log[row, 4], log[row, 5], log[row, 6], log[row, 7], log[row, 8] = PENDING, -1, 0, np.nan, 0
            orders += 1
    return orders


@compiled
def run_account(
    panel: Any,
    rules: Any,
    terms: tuple[FloatArray, FloatArray, FloatArray],
    equity: FloatArray,
    totals: FloatArray,
    log: FloatArray,
) -> int:
    """Simulate one account over all bars; return how many orders were sent.

    Args:
        panel: a Panel.
        rules: one record of RULES.
        terms: years since the bar before [T], dividends and half spreads [T, S] each; [0, 0] where there are none.
        equity: [T], filled with the account's value at each close.
        totals: [len(TOTALS)], filled with counts and sums.
        log: [at least T * S, len(LOG)], filled with every order; [0, ...] for none.
    """
    bars, symbols = panel.shape
    book = np.zeros(symbols, BOOK)
    sums = np.zeros(2 * symbols)  # first what is added up in a list, then in all columns
    cash, held, orders, sent = rules.cash, 0, 0, 0
    totals[:] = 0.0
    accrues = terms[1].shape[0] > 0 or rules.cash_yield != 0.0 or rules.borrow != 0.0
    for t in range(bars):
        if accrues and t:
            cash = accrue(t, cash, held, panel, rules, terms, book, totals)
        if orders:
            cash, held = settle(t, cash, orders, panel, rules, terms[2], book, totals, log)
            orders = 0
        worth = 0.0
        for i in range(held):
            s = book[i].held
            worth = with_value(worth, book[s].size, book[s].price, panel[t, s].close)
        value = cash + worth
        equity[t] = value
        closing, entering = decide(t, value, held, panel, rules, book, sums)
        if closing or entering:
            orders = send(t, value, held, entering, sent, panel, rules, book, log)
            sent += orders
    totals[PENDING] += orders
    return sent


@compiled
def summarise(equity: FloatArray, summary: FloatArray) -> None:
    """Fill SUMMARY from account values, [T], by the conventions of `engine.evaluation.metrics.accounts.account`."""
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
    terms: tuple[FloatArray, FloatArray, FloatArray],
    equity: FloatArray,
    totals: FloatArray,
    summary: FloatArray,
    log: FloatArray,
) -> int:
    """Simulate one account for each of the N rules in `grid`; return how many orders the last one sent.

    equity [N, T], totals [N, len(TOTALS)] and summary [N, len(SUMMARY)] are filled; for `terms` and `log` see
    `run_account`.
    """
    sent = 0
    for n in range(len(grid)):
        sent = run_account(panel, grid[n], terms, equity[n], totals[n], log)
        summarise(equity[n], summary[n])
    return sent
