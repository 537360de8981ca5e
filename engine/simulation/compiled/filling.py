"""How orders are filled in compiled code: equals what `SimulatedBroker` does with them, to the last bit.

Each function names what it equals, in backtrader's `BackBroker` or in `engine/simulation`.
"""

from __future__ import annotations

import math
from typing import Any

from engine.simulation import money
from engine.simulation.compiled.types import (
    AT_CLOSE,
    AT_LIMIT,
    AT_MARKET,
    AT_STOP,
    BARRED,
    BOOKED,
    CANCELLED,
    FEES,
    FILLED,
    MARGIN,
    MOMENTS,
    PARTIAL,
    PENDING,
    STALE,
    TRADED,
    Terms,
    compiled,
    compiled_inline,
)
from forewalk.types import FloatArray

fee_of = compiled(money.fee_of)
impact_share = compiled(money.impact_share)


@compiled_inline
def divide(size: float, part: float) -> tuple[float, float]:
    """Return what of `part` closes a position of `size` and what opens one, both signed: `Position.update`."""
    after = size + part
    if after == 0.0:
        return part, 0.0
    if size == 0.0 or size * part > 0.0:
        return 0.0, part
    if size * after > 0.0:
        return part, 0.0
    return -size, after


@compiled_inline
def claimed(spare: float, held: float, order: float, price: float, rules: Any) -> float:
    """Return the cash left once an order is paid at the price that it was made at: `check_submitted`."""
    closed, opened = divide(held, order)
    if closed != 0.0:
        spare -= closed * price
        spare -= fee_of(abs(closed), price, rules.fee, rules.fee_per_share, rules.fee_min)
    if opened != 0.0:
        spare -= opened * price
        spare -= fee_of(abs(opened), price, rules.fee, rules.fee_per_share, rules.fee_min)
    return spare


@compiled_inline
def capacity_for(left: float, size: float, capacity: float) -> float:
    """Return what a bar fills of what is left of an order: `capacity_filler`."""
    if capacity >= 0.0:
        return min(abs(left), capacity)
    if size * left >= 0.0:
        return 0.0
    return abs(left) if capacity == STALE else min(abs(left), BARRED - capacity)


@compiled
def moment_of(kind: int, buys: bool, price: float, open_: float) -> int:
    """Return when a bar would fill an order: `moments.moment_of`."""
    side = 1.0 if buys else -1.0
    if kind == AT_MARKET:
        return 0
    if kind == AT_CLOSE:
        return 2
    if kind == AT_LIMIT:
        return 0 if side * (price - open_) > 0.0 else 1
    return 0 if side * (open_ - price) >= 0.0 else 1


@compiled
def limit_fill(
    limit: float, buys: bool, open_: float, beyond: float, half_spread: float, rules: Any
) -> float:
    """Return the price at which a bar fills a limit order, NaN where it does not: `moments.limit_fill`."""
    side = 1.0 if buys else -1.0
    if side * (limit - open_) > 0.0:
        price = open_ * (1.0 + rules.slippage if buys else 1.0 - rules.slippage) + side * half_spread
        return float(min(price, limit) if buys else max(price, limit))
    return limit if side * (limit - beyond) > 0.0 else math.nan


@compiled_inline
def price_of(
    order: Any, quantity: float, cell: Any, high: float, low: float, half: float, one: float, rules: Any
) -> float:
    """Return the price of a fill of `quantity`, NaN where the bar does not reach it: `_try_exec`, `_execute`."""
    kind, buys, asked = order.kind, order.size > 0.0, order.price
    if kind == AT_LIMIT:
        return limit_fill(asked, buys, cell.open, low if buys else high, half, rules)
    base = moves = cell.open
    if kind == AT_CLOSE:
        base = moves = cell.close
    elif kind == AT_STOP and not (base >= asked if buys else base <= asked):
        if not (high >= asked if buys else low <= asked):
            return math.nan
        base = asked
    price = base * (1.0 + rules.slippage if buys else 1.0 - rules.slippage)
    price += half if buys else -half
    moved = moves * impact_share(quantity, one, rules.impact)
    return float(price + (moved if buys else -moved))


@compiled_inline
def end(slot: int, status: int, orders: Any, totals: FloatArray, log: Any) -> None:
    """Count an order that waits no more; there is room for another in its place."""
    totals[status] += 1
    orders[slot].size = 0.0
    if log.shape[0]:
        log[orders[slot].row].status = status


@compiled
def cancel(t: int, slot: int, last: int, orders: Any, totals: FloatArray, log: Any) -> None:
    """Take back what is left of an order at this close; of the last one nobody is told any more."""
    status = PENDING if t == last else CANCELLED
    if orders[slot].done != 0.0:
        status = PARTIAL
    end(slot, status, orders, totals, log)


@compiled_inline
def move(s: int, part: float, price: float, book: Any) -> None:
    """Change a position: `Position.update`."""
    size = book[s].size
    after = size + part
    if size == 0.0 or size * after < 0.0:
        book[s].price = price
    elif part * size > 0.0:  # what is added changes the average
        book[s].price = (book[s].price * size + part * price) / after
    book[s].size = after


@compiled
def write_down(
    t: int, order: Any, part: float, price: float, fee: float, held: float, row: Any, fill: Any
) -> None:
    """Add a fill to its order's row of the log, `OrderData.add`, and to the fills; `held` is held after it."""
    row.price = (row.filled * row.price + part * price) / (row.filled + part)
    row.filled += part
    row.fee += fee
    row.filled_at, row.status = t, PARTIAL
    fill.filled, fill.price, fill.fee, fill.held = row.filled, row.price, row.fee, held
    fill.row, fill.bar = order.row, t


@compiled_inline
def attempt(
    t: int,
    slot: int,
    cash: float,
    cell: Any,
    high: float,
    low: float,
    half: float,
    one: float,
    rules: Any,
    book: Any,
    orders: Any,
    totals: FloatArray,
    log: Any,
    fills: Any,
) -> float:
    """Fill of an order what the bar and the cash allow; return the cash afterwards: `BackBroker._execute`."""
    order = orders[slot]
    s = order.symbol
    size, entry = book[s].size, book[s].price
    quantity = capacity_for(order.left, size, cell.capacity)
    if quantity == 0.0:
        return cash
    price = price_of(order, quantity, cell, high, low, half, one, rules)
    if math.isnan(price):
        return cash
    part = quantity if order.size > 0.0 else -quantity
    closed, opened = divide(size, part)
    fee, refused = 0.0, False
    if closed != 0.0:
        cash += -closed * entry + -closed * (price - entry)
        fee = fee_of(abs(closed), price, rules.fee, rules.fee_per_share, rules.fee_min)
        cash -= fee
    if opened != 0.0:
        more = fee_of(abs(opened), price, rules.fee, rules.fee_per_share, rules.fee_min)
        left = cash - opened * price - more
        refused = left < 0.0
        if refused:
            opened = 0.0
        else:
            cash, fee = left, fee + more
    done = closed + opened
    if done != 0.0:
        move(s, done, price, book)
        order.left -= done
        order.done += done
        totals[FEES] += fee
        totals[TRADED] += abs(done * price)
        if log.shape[0]:
            write_down(t, order, done, price, fee, size + part, log[order.row], fills[int(totals[BOOKED])])
        totals[BOOKED] += 1.0
    if refused or order.left == 0.0:
        end(slot, MARGIN if refused else FILLED, orders, totals, log)
    return cash


@compiled
def check(waiting: int, cash: float, rules: Any, book: Any, orders: Any, totals: FloatArray, log: Any) -> int:
    """Refuse new orders that the cash does not cover; return how many wait then: `check_submitted`.

    They are taken in the order in which they were sent; a refused one keeps its claim on the cash of those behind it.
    """
    if rules.stop_orders:
        for k in range(waiting):
            s = orders[orders[k].queue].symbol
            book[s].claim = book[s].size
    spare, kept = cash, 0
    for k in range(waiting):
        slot = orders[k].queue
        order = orders[slot]
        if order.fresh:
            held = book[order.symbol].size
            if rules.stop_orders:  # a symbol may have two
                held = book[order.symbol].claim
                book[order.symbol].claim = held + order.size
            spare = claimed(spare, held, order.size, order.price, rules)
            order.fresh = 0
            if not spare >= 0.0:
                end(slot, MARGIN, orders, totals, log)
                continue
        orders[kept].queue = slot
        kept += 1
    return kept


@compiled
def settle(
    t: int,
    cash: float,
    waiting: int,
    panel: Any,
    rules: Any,
    terms: Terms,
    book: Any,
    orders: Any,
    totals: FloatArray,
    log: Any,
    fills: Any,
) -> tuple[float, int, int]:
    """Check the last bar's orders against the cash, then fill what waits at its moment: `SimulatedBroker.next`.

    What is left of an order is taken back at this close, stops go on waiting. Return the cash, how many wait, and how
    many symbols are held, which are listed anew.
    """
    waiting = check(waiting, cash, rules, book, orders, totals, log)
    if rules.resting:
        for k in range(waiting):
            order = orders[orders[k].queue]
            buys, open_ = order.size > 0.0, panel[t, order.symbol].open
            order.moment = moment_of(order.kind, buys, order.price, open_)
    half_spread, impact, highs, lows = terms.half_spread, terms.impact, terms.high, terms.low
    later, touched = 0, 0
    for moment in range(MOMENTS if rules.resting else 1):
        for k in range(waiting):
            slot = orders[k].queue
            if rules.resting and orders[slot].moment != moment:
                continue
            s, before = orders[slot].symbol, orders[slot].done
            half = half_spread[t, s] if half_spread.shape[0] else 0.0
            one = impact[t, s] if impact.shape[0] else 0.0
            high, low = (highs[t, s], lows[t, s]) if rules.resting else (0.0, 0.0)
            cash = attempt(
                t, slot, cash, panel[t, s], high, low, half, one, rules, book, orders, totals, log, fills
            )
            if orders[slot].done != before:
                orders[touched].touched = slot
                touched += 1
            if orders[slot].size != 0.0:
                orders[later].again = slot
                later += 1
    for k in range(touched):  # `notify_order`
        order = orders[orders[k].touched]
        if book[order.symbol].size == order.done:
            book[order.symbol].opened = t
    waiting = 0
    for k in range(later):
        slot = orders[k].again
        if orders[slot].kind == AT_STOP:
            orders[waiting].queue = slot
            waiting += 1
        else:
            cancel(t, slot, panel.shape[0] - 1, orders, totals, log)
    return cash, waiting, list_held(book)


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
