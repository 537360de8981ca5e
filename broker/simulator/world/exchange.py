"""Time passing: sessions open and close, orders are queued, set free and expire, splits take effect. Pure.

Where ALPACA.md is silent: what an auction order leaves unfilled is cancelled (as the specification says), what a
day order leaves is expired.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal

from broker.simulator.values import DAY, ZERO, number_text
from broker.simulator.world.clock import Session, new_york_day
from broker.simulator.world.dividends import pay_dividends
from broker.simulator.world.fills import FILL_STEP, cancel_order, match_now, run_segment, successor
from broker.simulator.world.market import Split
from broker.simulator.world.orders import Order
from broker.simulator.world.state import World

GTC_LIFE = 90 * DAY


def advance(world: World, target: int) -> None:
    """Let time run to `target`; every open, close, fill and expiry on the way happens at its own instant."""
    while world.now < target:
        edge = _next_edge(world, target)
        run_segment(world, world.now, edge)
        world.now = edge
        _arrive(world)


def _next_edge(world: World, target: int) -> int:
    edges = [target, world.calendar.next_boundary(world.now)]
    orders = world.book.working_orders()
    if orders:
        vertex = world.market.next_vertex(world.now)
        edges += [vertex] if vertex is not None else []
        edges += [order.live_from for order in orders if order.live_from > world.now]
    return min(edges)


def _arrive(world: World) -> None:
    """Do what happens at this very instant."""
    session = world.calendar.session_on(new_york_day(world.now))
    if session is None:
        match_now(world, _not_auction)
        return
    if world.now == session.pre_open:
        _take_actions(world, session)
        _release(world, (order for order in _queued(world) if order.extended_hours))
    if world.now == session.open:
        _open_session(world, session)
    elif world.now == session.close:
        _close_session(world, session)
    elif world.now == session.post_close:
        _expire(world, (order for order in world.book.working_orders() if order.extended_hours))
    else:
        match_now(world, _not_auction)


def _not_auction(order: Order) -> bool:
    return order.time_in_force not in ("opg", "cls")


def _queued(world: World) -> list[Order]:
    day = new_york_day(world.now).isoformat()
    return [
        order
        for order in world.book.working_orders()
        if order.status == "accepted" and (order.session or day) <= day
    ]


def _release(world: World, orders: Iterable[Order]) -> None:
    for order in list(orders):
        world.book.change(order.id, "new", world.now)


def _open_session(world: World, session: Session) -> None:
    _take_actions(world, session)
    _release(world, _queued(world))
    match_now(world, lambda order: order.time_in_force != "cls")
    for order in world.book.working_orders():
        if order.time_in_force == "opg" and order.session == session.day.isoformat():
            cancel_order(world, order)


def _close_session(world: World, session: Session) -> None:
    match_now(world)
    for order in world.book.working_orders():
        if not world.book.orders[order.id].open:
            continue
        if order.time_in_force == "cls" and (order.session or "") <= session.day.isoformat():
            cancel_order(world, order)
    _expire(world, (order for order in world.book.working_orders() if not order.extended_hours))
    _cancel_hard_to_borrow(world)
    equity = number_text(world.worth().equity)
    world.marks[session.day.isoformat()] = equity
    world.account.last_equity, world.account.balance_asof = equity, session.day.isoformat()
    world.touched.add("marks")


def _expire(world: World, orders: Iterable[Order]) -> None:
    """End the orders whose time is over: day orders of this session or an earlier one, aged gtc orders."""
    today = new_york_day(world.now).isoformat()
    for order in list(orders):
        if not world.book.orders[order.id].open or order.parent is not None:
            continue
        aged = order.time_in_force == "gtc" and order.expires_at is not None and order.expires_at <= world.now
        if aged or (order.time_in_force == "day" and (order.session or "") <= today):
            cancel_order(world, order, "expired")
    for order in world.book.working_orders():  # legs of a day bracket live as long as the day
        if order.parent is not None and order.time_in_force == "day" and order.working:
            world.book.change(order.id, "expired", world.now)


def _cancel_hard_to_borrow(world: World) -> None:
    for order in world.book.working_orders():
        asset = world.assets.get(order.symbol)
        if order.position_intent == "sell_to_open" and asset is not None and not asset.easy_to_borrow:
            cancel_order(world, order)


def _take_actions(world: World, session: Session) -> None:
    """Let splits and dividends take effect."""
    pay_dividends(world, session)
    for split in world.market.splits:
        key = f"{split.symbol}@{split.day}"
        if split.day <= session.day.isoformat() and key not in world.applied_splits:
            world.applied_splits.append(key)
            world.touched.add("market")
            if split.adjusts:
                apply_split(world, split)


def apply_split(world: World, split: Split) -> None:
    """Multiply the position; a fraction that a whole position gains is paid in cash. Open orders follow.

    A forward split replaces simple orders by ones with the new quantity and price (bracket legs are left as
    they are, as ALPACA.md warns); a reverse split cancels every open order of the symbol.
    """
    held = world.book.quantity(split.symbol)
    if held:
        _split_position(world, split, held)
    for order in world.book.working_orders(split.symbol):
        if split.new < split.old:
            cancel_order(world, order)
        elif order.parent is None and order.qty is not None and not order.legs:
            _split_order(world, split, order)


def _split_position(world: World, split: Split, held: Decimal) -> None:
    total = held * split.new / split.old
    at = world.book.stamp(world.now)
    kept = total
    if held == held.to_integral_value():
        kept = total.to_integral_value(ROUND_DOWN)
    world.book.post("split", at, ZERO, symbol=split.symbol, qty=total - held)
    if kept != total:
        price = (world.price(split.symbol) or ZERO).quantize(FILL_STEP)
        part = total - kept
        world.book.post("manual", at, part * price, symbol=split.symbol, qty=-part, price=price)


def _split_order(world: World, split: Split, order: Order) -> None:
    scaled = {
        name: (getattr(order, name) / split.ratio).quantize(Decimal("0.01"))
        for name in ("limit_price", "stop_price")
        if getattr(order, name) is not None
    }
    successor(world, order, qty=order.remaining * split.new / split.old, **scaled)
