"""One account in compiled code: the loop over bars, equal to the Cerebro run. Each function names what it equals."""

from __future__ import annotations

from typing import Any

from engine.simulation import money
from engine.simulation.compiled.filling import list_held, settle
from engine.simulation.compiled.policy import decide
from engine.simulation.compiled.sending import protect, send
from engine.simulation.compiled.summary import summarise
from engine.simulation.compiled.types import (
    DIVIDENDS,
    INTEREST,
    PARTIAL,
    PENDING,
    Terms,
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


interest = compiled(money.interest)


@compiled
def accrue(
    t: int,
    cash: float,
    held: int,
    panel: Any,
    rules: Any,
    terms: Terms,
    book: Any,
    totals: FloatArray,
) -> float:
    """Return the cash after dividends and interest on what was held at the close before: `_accrue`."""
    years, dividends = terms.years, terms.dividends
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


@compiled_inline
def run_account(
    panel: Any,
    rules: Any,
    terms: Terms,
    book: Any,
    orders: Any,
    sums: FloatArray,
    equity: FloatArray,
    path: FloatArray,
    totals: FloatArray,
    log: Any,
    fills: Any,
) -> int:
    """Simulate one account over all bars; return how many rows of the log are filled.

    Args:
        panel: a Panel.
        rules: one record of RULES.
        terms: see Terms.
        book, orders: [S] records of BOOK and [2 * S] of ORDERS; whatever they hold is forgotten.
        sums: [2 * S + STACK] to add up in; the second S are zeros, before and after.
        equity: [T], filled with the account's value at each close.
        path: [2, T], filled with cash and gross exposure at each close; [2, 0] for neither.
        totals: [len(TOTALS)], filled with counts and sums.
        log: [at least 2 * T * S] records of LOG, filled with every target and stop and what became of its order; [0]
            for none. fills: likewise, records of FILLS, as many as `totals` tells.
    """
    bars, symbols = panel.shape
    for s in range(symbols):
        book[s].size, book[s].weight, book[s].wanted = 0.0, 0.0, 0.0
        orders[s].size, orders[symbols + s].size = 0.0, 0.0
    for k in range(len(totals)):
        totals[k] = 0.0
    held = list_held(book)  # none; no literal, for which everything would be compiled once more
    cash, waiting, sent = rules.cash, held, held
    accrues = terms.dividends.shape[0] > 0 or rules.cash_yield != 0.0
    accrues = accrues or rules.borrow != 0.0 or rules.margin != 0.0
    for t in range(bars):
        if accrues and t:
            cash = accrue(t, cash, held, panel, rules, terms, book, totals)
        if waiting:
            cash, waiting, held = settle(
                t, cash, waiting, panel, rules, terms, book, orders, totals, log, fills
            )
        worth = 0.0
        for i in range(held):
            s = book[i].held
            worth = with_value(worth, book[s].size, book[s].price, panel[t, s].close)
        value = cash + worth
        equity[t] = value
        if path.shape[1]:
            path[0, t], path[1, t] = cash, gross_exposure(t, value, held, panel, book)
        closing, entering = decide(t, value, held, panel, rules, book, sums)
        if rules.stop_orders:
            for s in range(symbols):
                book[s].stays = book[s].size
        if closing or entering:
            waiting, sent = send(
                t, value, held, entering, sent, waiting, panel, rules, terms, book, orders, totals, log
            )
        if rules.stop_orders:
            waiting, sent = protect(t, sent, waiting, panel, rules, book, orders, totals, log)
    for k in range(waiting):
        totals[PARTIAL if orders[orders[k].queue].done != 0.0 else PENDING] += 1
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
    terms: Terms,
    book: Any,
    orders: Any,
    sums: FloatArray,
    equity: FloatArray,
    totals: FloatArray,
    summary: FloatArray,
    path: FloatArray,
    log: Any,
    fills: Any,
) -> int:
    """Simulate one account for each of the N rules in `grid`; return how many rows of the log the last one filled.

    equity [N, T], totals [N, len(TOTALS)] and summary [N, len(SUMMARY)] are filled; for the others see
    `run_account`.
    """
    sent = 0
    for n in range(len(grid)):
        sent = run_account(panel, grid[n], terms, book, orders, sums, equity[n], path, totals[n], log, fills)
        summarise(equity[n], summary[n])
    return sent
