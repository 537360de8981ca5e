"""One account in compiled code: the loop over bars, the orders and their fills, equal to the Cerebro run.

Each function names what it equals: backtrader's `BackBroker` with the filler and
the costs of `engine/simulation/cerebro.py` checks and fills. The policy never turns a position round, so an order
either opens, adds or closes; `tests/engine/simulation/compiled` would notice if that changed.
"""

from __future__ import annotations

from typing import Any

from engine.simulation import money
from engine.simulation.compiled.policy import decide
from engine.simulation.compiled.sending import send
from engine.simulation.compiled.summary import summarise
from engine.simulation.compiled.types import (
    BARRED,
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
impact_share = compiled(money.impact_share)


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
    terms: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    book: Any,
    totals: FloatArray,
) -> float:
    """Return the cash after dividends and interest on what was held at the close before: `_accrue`."""
    years, dividends = terms[0], terms[1]
    paid = short = 0.0
    for i in range(held):
        s = book[i].held
        size = book[s].size
        if dividends.shape[0]:
            paid += size * dividends[t, s]
        if size < 0:
            short += -size * panel[t - 1, s].close
    earned = interest(cash, short, years[t], rules.cash_yield, rules.borrow, rules.margin)
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
    impact_of_one: float,
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
    moved = open_ * impact_share(quantity, impact_of_one, rules.impact)
    price += moved if order > 0 else -moved
    fee = fee_of(quantity, price, rules.fee, rules.fee_per_share, rules.fee_min)
    if closing:
        return status, part, price, fee, cash + (-part * entry_price + -part * (price - entry_price)) - fee
    left = cash - part * price - fee
    if left < 0.0:
        return MARGIN, 0.0, 0.0, 0.0, cash
    return status, part, price, fee, left


@compiled
def finish(
    t: int,
    k: int,
    status: int,
    part: float,
    price: float,
    fee: float,
    held: float,
    book: Any,
    totals: FloatArray,
    log: Any,
) -> None:
    """Book the end of an order, after which `held` was held."""
    totals[status] += 1
    totals[FEES] += fee
    totals[TRADED] += abs(part * price)
    if log.shape[0]:
        row = log[book[k].order_row]
        row.status, row.filled_at, row.held = status, t, held
        row.filled, row.price, row.fee = part, price, fee


@compiled
def settle(
    t: int,
    cash: float,
    orders: int,
    panel: Any,
    rules: Any,
    half_spread: FloatArray,
    impact: FloatArray,
    book: Any,
    totals: FloatArray,
    log: Any,
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
        s, order = book[k].order_symbol, book[k].order_size
        size, bar = book[s].size, panel[t, s]
        if book[k].refused:
            finish(t, k, MARGIN, 0.0, 0.0, 0.0, size, book, totals, log)
            continue
        half = half_spread[t, s] if half_spread.shape[0] else 0.0
        one = impact[t, s] if impact.shape[0] else 0.0
        status, part, price, fee, cash = execute(
            order, size, book[s].price, cash, bar.open, half, one, bar.capacity, rules
        )
        if part != 0.0 and size == 0.0:
            book[s].price, book[s].opened = price, t
        elif part * size > 0.0:  # what is added changes the average: `Position.update`
            book[s].price = (book[s].price * size + part * price) / (size + part)
        book[s].size = size + part
        if status == CANCELLED and t == last:
            status = PENDING  # the strategy cancels it at this close, but nobody is told any more
        finish(t, k, status, part, price, fee, size + part, book, totals, log)
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


@compiled_inline
def run_account(
    panel: Any,
    rules: Any,
    terms: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    book: Any,
    sums: FloatArray,
    equity: FloatArray,
    path: FloatArray,
    totals: FloatArray,
    log: Any,
) -> int:
    """Simulate one account over all bars; return how many targets were decided on.

    Args:
        panel: a Panel.
        rules: one record of RULES.
        terms: years since the bar before [T], dividends, half spreads and what the root of one unit moves the price
            by, [T, S] each; [0, 0] where there are none.
        book: [S] records of BOOK; whatever they hold is forgotten.
        sums: [2 * S + STACK] to add up in; the second S are zeros, before and after.
        equity: [T], filled with the account's value at each close.
        path: [2, T], filled with cash and gross exposure at each close; [2, 0] for neither.
        totals: [len(TOTALS)], filled with counts and sums.
        log: [at least T * S] records of LOG, filled with every target and what became of its order; [0] for none.
    """
    bars, symbols = panel.shape
    for s in range(symbols):
        book[s].size, book[s].weight, book[s].wanted = 0.0, 0.0, 0.0
    for k in range(len(totals)):
        totals[k] = 0.0
    cash, held, orders, sent = rules.cash, 0, 0, 0
    accrues = terms[1].shape[0] > 0 or rules.cash_yield != 0.0
    accrues = accrues or rules.borrow != 0.0 or rules.margin != 0.0
    for t in range(bars):
        if accrues and t:
            cash = accrue(t, cash, held, panel, rules, terms, book, totals)
        if orders:
            cash, held = settle(t, cash, orders, panel, rules, terms[2], terms[3], book, totals, log)
            orders = 0
        worth = 0.0
        for i in range(held):
            s = book[i].held
            worth = with_value(worth, book[s].size, book[s].price, panel[t, s].close)
        value = cash + worth
        equity[t] = value
        if path.shape[1]:
            path[0, t], path[1, t] = cash, gross_exposure(t, value, held, panel, book)
        closing, entering = decide(t, value, held, panel, rules, book, sums)
        if closing or entering:
            orders, targets = send(t, value, held, entering, sent, panel, rules, book, log)
            sent += targets
    totals[PENDING] += orders
    return sent


@compiled
def gross_exposure(t: int, value: float, held: int, panel: Any, book: Any) -> float:
    """Value of all positions, whatever their side, over that of the account: `Recorder.next`."""
    gross = 0.0
    for i in range(held):
        s = book[i].held
        gross += abs(book[s].size) * panel[t, s].close
    return gross / value if value != 0.0 else 0.0


@compiled_and_kept
def run_settings(
    panel: Any,
    grid: Any,
    terms: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    book: Any,
    sums: FloatArray,
    equity: FloatArray,
    totals: FloatArray,
    summary: FloatArray,
    path: FloatArray,
    log: Any,
) -> int:
    """Simulate one account for each of the N rules in `grid`; return how many targets the last one had.

    equity [N, T], totals [N, len(TOTALS)] and summary [N, len(SUMMARY)] are filled; for the others see
    `run_account`.
    """
    sent = 0
    for n in range(len(grid)):
        sent = run_account(panel, grid[n], terms, book, sums, equity[n], path, totals[n], log)
        summarise(equity[n], summary[n])
    return sent
