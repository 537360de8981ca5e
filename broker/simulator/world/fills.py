"""What executes: an accepted order meets the market, prices move, orders fill, end and set others free. Pure.

The rules of ALPACA.md, section 1.2; the prices are those of `market`, the geometry is `matching`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal

from broker.simulator.values import SECOND, ZERO, chance, is_coin
from broker.simulator.world.clock import new_york_day
from broker.simulator.world.matching import Touch, touch, water_mark
from broker.simulator.world.orders import Order
from broker.simulator.world.state import World

FILL_STEP = Decimal("0.0001")
SHARE_STEP = Decimal("0.000000001")
Chosen = Callable[[Order], bool]


def route(world: World, order: Order) -> None:
    """Send an accepted order to the market if it is open for it, and let it trade at once."""
    if not _venue_open(world, order):
        if order.time_in_force in ("ioc", "fok"):
            cancel_order(world, order)
        return
    world.book.change(order.id, "new", world.now)
    match_now(world, lambda item: item.id == order.id and item.time_in_force not in ("opg", "cls"))
    order = world.book.orders[order.id]
    if order.time_in_force in ("ioc", "fok") and order.open:
        cancel_order(world, order)


def match_now(world: World, chosen: Chosen = lambda order: True) -> None:
    """Execute what can trade at this instant's prices."""
    for order in world.book.working_orders():
        current = world.book.orders[order.id]
        if current.open and chosen(current) and _may_trade(world, current, world.now):
            price = world.price(current.symbol)
            if price is not None:
                _mark(world, current.id, price)
                _try(world, current.id, price)


def cancel_order(world: World, order: Order, status: str = "canceled") -> Order:
    """End an order as cancelled or expired, with the legs that waited for it."""
    ended = world.book.change(order.id, status, world.now)
    for leg_id in order.legs:
        leg = world.book.orders[leg_id]
        if leg.open and (leg.status == "held" or order.order_class == "oco"):
            world.book.change(leg_id, "canceled", world.now)
    return ended


def execute(
    world: World, order: Order, qty: Decimal, price: Decimal, now: int, complete: bool = False
) -> Order:
    """Fill a quantity at a price, and do what follows from it for bracket legs."""
    filled = world.book.execute(order.id, qty, price, now, complete)
    if is_coin(order.symbol):
        _take_coin_fee(world, order, qty, price, now)
    if filled.status == "filled":
        for leg_id in filled.legs:
            leg = world.book.orders[leg_id]
            if filled.order_class == "oco" and leg.open:
                world.book.change(leg_id, "canceled", now)
            elif leg.status == "held":
                world.book.change(leg_id, "new", now)
    _settle_sibling(world, filled, now)
    return world.book.orders[filled.id]


def _take_coin_fee(world: World, order: Order, qty: Decimal, price: Decimal, now: int) -> None:
    """Take the fee of what the execution brought: of the coin bought, of the dollars sold for."""
    share = world.settings.coin_fee_bps / 10_000
    if not share:
        return
    at, name = world.book.stamp(now), world.book.next_id("flow")
    if order.side == "buy":
        coins = (qty * share).quantize(SHARE_STEP)
        world.book.post("coin_fee", at, ZERO, symbol=order.symbol, qty=-coins, price=price, execution_id=name)
    else:
        world.book.post("coin_fee", at, -round(qty * price * share, 6), execution_id=name)


def _settle_sibling(world: World, filled: Order, now: int) -> None:
    family = world.book.orders.get(filled.parent or "")
    if family is None:
        return
    others = [*family.legs, *([family.id] if family.order_class == "oco" else [])]
    for other_id in others:
        other = world.book.orders[other_id]
        if other_id == filled.id or not other.open:
            continue
        if filled.status == "filled":
            world.book.change(other_id, "canceled", now)
        else:
            world.book.amend(other_id, qty=other.filled_qty + filled.remaining)


def run_segment(world: World, start: int, end: int) -> None:
    """Execute what trades between two instants, over all symbols in the order of time."""
    legs = {symbol: (start, price) for symbol, price in _moving(world, start)}
    finals = {symbol: _final_price(world, symbol, start, end) for symbol in legs}
    while True:
        found = [
            (instant, order.number, order.id, reached)
            for symbol, (at, price) in legs.items()
            for order in world.book.working_orders(symbol)
            if _may_trade(world, order, at) and order.time_in_force not in ("opg", "cls")
            for reached in [touch(_marked(order, price), price, finals[symbol])]
            if reached is not None
            for instant in [at + int((end - at) * reached.share)]
        ]
        if not found:
            break
        instant, _, order_id, reached = min(found, key=lambda item: item[:2])
        order = world.book.orders[order_id]
        _mark(world, order_id, legs[order.symbol][1])
        _act(world, order_id, reached, instant)
        legs[order.symbol] = (instant, reached.price)
    for symbol, (_, price) in legs.items():
        for order in world.book.working_orders(symbol):
            _mark(world, order.id, price)
            _mark(world, order.id, finals[symbol])


def _moving(world: World, start: int) -> list[tuple[str, Decimal]]:
    """Return the symbols with orders that can trade from `start` on, and their price there."""
    symbols = {order.symbol for order in world.book.working_orders() if _may_trade(world, order, start)}
    found = ((symbol, world.price(symbol, start)) for symbol in sorted(symbols))
    return [(symbol, price) for symbol, price in found if price is not None]


def _final_price(world: World, symbol: str, start: int, end: int) -> Decimal:
    """Return the price just before `end`: where one bar meets the next, that is the first one's close."""
    bar = None if symbol in world.overrides else world.market.bar_at(symbol, start)
    price = bar.price(end) if bar is not None and bar.begin <= end <= bar.end else world.price(symbol, start)
    return price if price is not None else ZERO


def _marked(order: Order, price: Decimal) -> Order:
    """Return the order after it saw a price: a trailing stop moves its high-water mark."""
    return replace(order, hwm=water_mark(order, price)) if order.type == "trailing_stop" else order


def _mark(world: World, order_id: str, price: Decimal) -> None:
    order = world.book.orders[order_id]
    if order.type == "trailing_stop":
        world.book.amend(order_id, hwm=water_mark(order, price))


def _may_trade(world: World, order: Order, instant: int) -> bool:
    """Tell whether a working order is in a market that trades its symbol at the instant."""
    if not order.working or order.live_from > instant:
        return False
    if not world.auto_fill or order.symbol in world.held_symbols:
        return False
    if is_coin(order.symbol):
        return world.prices.trades(order.symbol, instant)
    if world.calendar.session_at(instant) is None and not _at_close(world, instant):
        return order.extended_hours and _extended(world, instant)
    return world.prices.trades(order.symbol, instant)


def _at_close(world: World, instant: int) -> bool:
    previous = world.calendar.previous(instant)
    return previous is not None and previous.close == instant


def _extended(world: World, instant: int) -> bool:
    session = world.calendar.session_on(new_york_day(instant))
    return session is not None and session.pre_open <= instant < session.post_close


def _venue_open(world: World, order: Order) -> bool:
    if order.time_in_force == "opg":
        return False
    if is_coin(order.symbol):
        return True
    return world.calendar.session_at(world.now) is not None or (
        order.extended_hours and _extended(world, world.now)
    )


def _try(world: World, order_id: str, price: Decimal) -> None:
    """Let one order act at one price until it rests."""
    while True:
        order = world.book.orders[order_id]
        reached = touch(order, price, price) if _may_trade(world, order, world.now) else None
        if reached is None:
            return
        _act(world, order_id, reached, world.now)


def _act(world: World, order_id: str, reached: Touch, now: int) -> None:
    order = world.book.orders[order_id]
    if reached.kind == "trigger":
        world.book.amend(order_id, triggered=True)
        return
    price = _slipped(world, order, _base_price(world, order, reached.price, now))
    if order.notional is not None:
        qty = ((order.notional - order.filled_value) / price).quantize(SHARE_STEP, ROUND_DOWN)
        execute(world, order, qty, price, now, complete=True)
        return
    qty = _portion(world, order)
    filled = execute(world, order, qty, price, now)
    if filled.open:
        world.book.amend(order_id, live_from=now + world.settings.resume_seconds * SECOND)


def _base_price(world: World, order: Order, price: Decimal, now: int) -> Decimal:
    """Return the price before slippage: the running bar's open for a market order, else the path's price."""
    at_open = world.settings.market_fill == "open" and order.type == "market" and order.time_in_force != "cls"
    bar = world.market.bar_at(order.symbol, now) if at_open and order.symbol not in world.overrides else None
    return price if bar is None else bar.open


def _slipped(world: World, order: Order, price: Decimal) -> Decimal:
    """Return the fill price: worse by the slippage for orders without a limit."""
    bps = world.settings.slippage_bps
    if not bps or order.limit_price is not None:
        return price
    return (price * (1 + order.sign * bps / 10_000)).quantize(FILL_STEP)


def _portion(world: World, order: Order) -> Decimal:
    """Return how much of an order executes now: all of it, or by chance a part in whole shares."""
    remaining = order.remaining
    whole = int(remaining)
    luck = chance(world.settings.seed, order.id, order.executions, "partial")
    if order.time_in_force == "fok" or whole < 2 or luck >= world.settings.partial_probability:
        return remaining
    return Decimal(1 + int(chance(world.settings.seed, order.id, order.executions, "size") * (whole - 1)))


def successor(world: World, order: Order, client_order_id: str | None = None, **changes: object) -> Order:
    """Replace an order: the old one ends as `replaced`, the new one has its own id and no executions."""
    fresh_id = world.book.next_id("order")
    at = world.book.stamp(world.now)
    fresh = replace(
        order,
        id=fresh_id,
        client_order_id=client_order_id or world.book.next_id("client"),
        number=len(world.book.orders),
        created=at,
        submitted=at,
        updated=at,
        status="accepted",
        filled_qty=ZERO,
        filled_value=ZERO,
        filled_at=None,
        executions=0,
        replaces=order.id,
        **changes,  # type: ignore[arg-type]
    )
    world.book.add(fresh)
    world.book.change(order.id, "replaced", world.now, replaced_by=fresh_id)
    route(world, world.book.orders[fresh_id])
    return world.book.orders[fresh_id]
