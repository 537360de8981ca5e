"""What a client does to the account: submit, cancel, replace, close. Pure; refusals are raised as `Refusal`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from broker.simulator.values import ZERO, Refusal, is_coin, parse_number
from broker.simulator.world.exchange import GTC_LIFE
from broker.simulator.world.fills import cancel_order, execute, route, successor
from broker.simulator.world.orders import Order
from broker.simulator.world.requests import INVALID, TIMES_IN_FORCE, OrderRequest, check_form, check_price
from broker.simulator.world.rules import Admission, admit, check_duplicate, intent_of
from broker.simulator.world.state import World

NOT_REPLACEABLE = ("accepted", "pending_new", "pending_cancel", "pending_replace", "held")


def submit(world: World, request: OrderRequest, checked: bool = True, source: str = "api") -> Order:
    """Take an order and send it to the market; returns it as it was when it was accepted."""
    order = accept(world, request, checked, source)
    release(world, order)
    return order


def accept(world: World, request: OrderRequest, checked: bool = True, source: str = "api") -> Order:
    """Enter an order into the book, or refuse it; `release` must follow.

    `checked=False` skips the rules: an order that a person or another program placed.
    """
    if checked:
        admit(admission(world, request))
    elif request.client_order_id is not None:
        check_duplicate(world.book, request.client_order_id)
    order = _new_order(world, request, source)
    legs = _legs(world, order, request)
    order = replace(order, legs=tuple(leg.id for leg in legs))
    world.book.add(order)
    for leg in legs:
        world.book.add(leg)
    world.book.announce(order.status, order, world.now)
    return order


def release(world: World, order: Order) -> None:
    """Send an accepted order to the market, or reject it where the scenario says so."""
    if world.rejections > 0 and order.source == "api":
        world.rejections -= 1
        world.book.change(order.id, "rejected", world.now)
        return
    route(world, order)
    if order.order_class == "oco" and world.book.orders[order.id].working:
        for leg_id in order.legs:
            world.book.change(leg_id, "new", world.now)


def admission(world: World, request: OrderRequest) -> Admission:
    """Return what the rules look at for a request."""
    return Admission(
        request=request,
        asset=world.assets.get(request.symbol),
        account=world.account,
        book=world.book,
        worth=world.worth(),
        price=world.price(request.symbol),
        calendar=world.calendar,
        now=world.now,
    )


def cancel(world: World, order_id: str) -> Order:
    """Cancel an order; 404 when unknown, 422 when it is over."""
    order = world.book.get(order_id)
    if not order.open or order.status in ("pending_replace", "pending_cancel"):
        raise Refusal(422, INVALID, f'order is already in "{order.status}" state')
    if world.races:
        return _lost_race(world, order, world.races.pop(0))
    return cancel_order(world, order)


def _lost_race(world: World, order: Order, kind: str) -> Order:
    """Let a cancel come too late, as `scenario.cancel_race` ordered."""
    price = world.price(order.symbol) or order.limit_price or ZERO
    if kind == "refused":
        execute(world, order, order.remaining, price, world.now)
        raise Refusal(422, INVALID, 'order is already in "filled" state')
    order = world.book.change(order.id, "pending_cancel", world.now)
    return execute(world, order, order.remaining, price, world.now) if kind == "filled" else order


def cancel_all(world: World) -> list[Order]:
    """Cancel every open order that is not a leg (legs go with their parent); returns them."""
    ended = []
    for order in world.book.working_orders():
        current = world.book.orders[order.id]
        if current.open and current.status not in ("pending_replace", "pending_cancel"):
            ended.append(cancel_order(world, current))
    return ended


def replace_order(world: World, order_id: str, body: Any) -> Order:
    """Replace an order by one with other qty, prices, trail or time in force; returns the new one.

    After a partial fill the new order has the full quantity asked for, or the original one: the worst case
    that users report (ALPACA.md), so that a client which trusts it is found out.
    """
    order = world.book.get(order_id)
    if not isinstance(body, Mapping):
        raise Refusal(400, 40010000, "request body format is invalid")
    if not order.open or order.status in NOT_REPLACEABLE:
        raise Refusal(422, INVALID, f'order is not replaceable in "{order.status}" state')
    if order.notional is not None:
        raise Refusal(422, INVALID, "notional orders cannot be replaced")
    changes = _patch(order, body)
    client_id = body.get("client_order_id") or None
    check_duplicate(world.book, client_id)
    return successor(world, order, client_id, **changes)


def close_position(
    world: World, symbol_or_id: str, qty: Decimal | None = None, percentage: Decimal | None = None
) -> Order:
    """Submit the market order that closes a position, or a part of it; 404 without a position."""
    symbol = world.asset(symbol_or_id).symbol
    held = world.book.quantity(symbol)
    if held == 0:
        raise Refusal(404, 40410000, f"position does not exist: {symbol}")
    if qty is not None and percentage is not None:
        raise Refusal(422, INVALID, "only one of qty or percentage is accepted")
    amount = abs(held) if qty is None else qty
    if percentage is not None:
        if not 0 < percentage <= 100:
            raise Refusal(422, INVALID, "percentage must be between 0 and 100")
        amount = abs(held) * percentage / 100
        whole = held == held.to_integral_value()
        amount = amount.to_integral_value(rounding="ROUND_DOWN") if whole else round(amount, 9)
    request = OrderRequest(
        symbol=symbol,
        side="sell" if held > 0 else "buy",
        type="market",
        time_in_force="gtc" if is_coin(symbol) else "day",
        qty=amount,
    )
    check_form(request)
    return submit(world, request)


def close_all(world: World, cancel_orders: bool) -> list[tuple[str, Order | Refusal]]:
    """Close every position; returns the order or the refusal of each symbol."""
    if cancel_orders:
        cancel_all(world)
    answers: list[tuple[str, Order | Refusal]] = []
    for symbol in sorted(world.book.positions):
        try:
            answers.append((symbol, close_position(world, symbol)))
        except Refusal as refusal:
            answers.append((symbol, refusal))
    return answers


def _new_order(world: World, request: OrderRequest, source: str) -> Order:
    at = world.book.stamp(world.now)
    session = world.calendar.session_from(world.now)
    if request.time_in_force == "opg" and session.open <= world.now:
        session = world.calendar.session_from(session.close)
    gtc = request.time_in_force == "gtc"
    ends = session.post_close if request.extended_hours else session.close
    position = world.book.quantity(request.symbol)
    is_open = world.calendar.session_at(world.now) is not None and request.time_in_force != "opg"
    is_open = is_open or is_coin(request.symbol)
    return Order(
        id=world.book.next_id("order"),
        client_order_id=request.client_order_id or world.book.next_id("client"),
        number=len(world.book.orders),
        symbol=request.symbol,
        asset_id=world.asset(request.symbol).id,
        side=request.side,
        type=request.type,
        time_in_force=request.time_in_force,
        order_class=request.order_class,
        position_intent=intent_of(request, position),
        created=at,
        submitted=at,
        updated=at,
        status="pending_new" if is_open else "accepted",
        qty=request.qty,
        notional=request.notional,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        trail_price=request.trail_price,
        trail_percent=request.trail_percent,
        extended_hours=request.extended_hours,
        expires_at=at + GTC_LIFE if gtc else ends,
        session=None if gtc else session.day.isoformat(),
        source=source,
    )


def _legs(world: World, order: Order, request: OrderRequest) -> list[Order]:
    """Return the held legs of a bracket, oco or oto order; an oco's parent is itself the take-profit."""
    if request.simple:
        return []
    legs = []
    if request.take_profit is not None and request.order_class != "oco":
        legs.append({"type": "limit", "limit_price": request.take_profit, "stop_price": None})
    if request.stop_loss is not None:
        kind = "stop" if request.stop_loss_limit is None else "stop_limit"
        legs.append({"type": kind, "limit_price": request.stop_loss_limit, "stop_price": request.stop_loss})
    side = order.side if request.order_class == "oco" else ("sell" if order.side == "buy" else "buy")
    return [
        replace(
            order,
            id=world.book.next_id("order"),
            client_order_id=world.book.next_id("client"),
            number=order.number + 1 + number,
            side=side,
            position_intent=f"{side}_to_close",
            status="held",
            parent=order.id,
            **leg,  # type: ignore[arg-type]
        )
        for number, leg in enumerate(legs)
    ]


def _patch(order: Order, body: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if body.get("qty") is not None:
        qty = parse_number(body["qty"], "qty")
        if qty <= 0 or qty != qty.to_integral_value():
            raise Refusal(422, 40010001, "qty must be integer")
        changes["qty"] = qty
    for name in ("limit_price", "stop_price"):
        if body.get(name) is not None:
            if getattr(order, name) is None:
                raise Refusal(422, INVALID, f"{order.type} orders require no {name.replace('_', ' ')}")
            changes[name] = parse_number(body[name], name)
            check_price(changes[name], name)
    if body.get("trail") is not None:
        name = "trail_price" if order.trail_price is not None else "trail_percent"
        changes[name] = parse_number(body["trail"], "trail")
    if body.get("time_in_force") is not None:
        if body["time_in_force"] not in TIMES_IN_FORCE:
            raise Refusal(422, 40010001, "invalid time_in_force")
        changes["time_in_force"] = body["time_in_force"]
    return changes
