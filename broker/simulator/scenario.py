"""What the control port may do to the world: time, prices, orders, account, assets, calendar. Pure."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from broker.simulator import desk
from broker.simulator.exchange import advance, execute, match_now
from broker.simulator.orders import Order, to_document
from broker.simulator.requests import parse_order
from broker.simulator.values import SECOND, ZERO, parse_instant, utc_text
from broker.simulator.world import World

PLACES = {"open", "close"}


def run_clock(
    world: World, to: str | None = None, seconds: float | None = None, offset_seconds: float = 0
) -> Any:
    """Let time run to "open", "close" (the next one) or an RFC 3339 instant, or for some seconds.

    `offset_seconds` is added to the target; a target in the past is an error.
    """
    if (to is None) == (seconds is None):
        raise ValueError("give one of `to` and `seconds`")
    if to == "open":
        target = world.calendar.next_open(world.now)
    elif to == "close":
        target = world.calendar.next_close(world.now)
    elif to is not None:
        target = parse_instant(to)
    else:
        target = world.now + int(Decimal(str(seconds)) * SECOND)
    target += int(Decimal(str(offset_seconds)) * SECOND)
    if target < world.now:
        raise ValueError(
            f"{utc_text(target)} is before the clock's {utc_text(world.now)}; use set_clock to jump back"
        )
    advance(world, target)
    return {"now": world.now, "time": utc_text(world.now)}


def set_clock(world: World, to: str) -> Any:
    """Jump to an instant, also backwards; nothing happens on the way."""
    world.now = parse_instant(to)
    return {"now": world.now, "time": utc_text(world.now)}


def set_price(world: World, symbol: str, price: str | None) -> Any:
    """Hold a symbol at a price, or let the bars decide again (None); what can trade at it does."""
    if price is None:
        world.overrides.pop(symbol, None)
    else:
        world.overrides[symbol] = Decimal(str(price))
        if symbol not in world.assets:
            raise ValueError(f"no asset {symbol}")
    world.touched.add("market")
    match_now(world, lambda order: order.symbol == symbol and order.time_in_force not in ("opg", "cls"))
    return {}


def auto_fill(world: World, enabled: bool, symbols: list[str] | None = None) -> Any:
    """Let orders execute by themselves, or not until `fill` says so; for some symbols or for all."""
    if symbols is None:
        world.auto_fill = enabled
        world.held_symbols = set()
    elif enabled:
        world.held_symbols -= set(symbols)
    else:
        world.held_symbols |= set(symbols)
    match_now(world, lambda order: order.time_in_force not in ("opg", "cls"))
    return {}


def fill(world: World, order: str, qty: str | None = None, price: str | None = None) -> Any:
    """Execute an order (by id or client id), wholly or a quantity of it, at the last or a given price."""
    found = find_order(world, order)
    if found.status in ("accepted", "pending_new", "held"):
        found = world.book.change(found.id, "new", world.now)
    amount = found.remaining if qty is None else Decimal(str(qty))
    at = Decimal(str(price)) if price is not None else world.price(found.symbol)
    if at is None:
        raise ValueError(f"{found.symbol} has no price; give one")
    if found.notional is not None and qty is None:
        amount = round(found.notional / at, 9)
    return to_document(execute(world, found, amount, at, world.now, complete=found.notional is not None))


def manual_trade(world: World, symbol: str, qty: str, price: str | None = None) -> Any:
    """Trade in the account's dashboard: a filled market order with an id of its own, signed quantity."""
    amount = Decimal(str(qty))
    at = Decimal(str(price)) if price is not None else world.price(symbol)
    if at is None:
        raise ValueError(f"{symbol} has no price; give one")
    side = "buy" if amount > 0 else "sell"
    body = {"symbol": symbol, "side": side, "type": "market", "time_in_force": "day", "qty": str(abs(amount))}
    kept = world.auto_fill
    world.auto_fill = False
    order = desk.submit(world, parse_order(body), checked=False, source="manual")
    world.auto_fill = kept
    return fill(world, order.id, price=str(at))


def foreign_order(world: World, **body: Any) -> Any:
    """Place an order that the client under test knows nothing of; no rule is applied to it."""
    return to_document(desk.submit(world, parse_order(body), checked=False, source="foreign"))


def set_position(world: World, symbol: str, qty: str, price: str | None = None, cash: str = "0") -> Any:
    """Edit a position without any trade: wrong sign, dust, shares out of nowhere."""
    change = Decimal(str(qty)) - world.book.quantity(symbol)
    at = Decimal(str(price)) if price is not None else world.price(symbol) or ZERO
    world.book.post(
        "manual", world.book.stamp(world.now), Decimal(str(cash)), symbol=symbol, qty=change, price=at
    )
    return {}


def find_order(world: World, order: str) -> Order:
    """Return an order by id or client id."""
    return world.book.get(world.book.client_ids.get(order, order))


COMMANDS: dict[str, Callable[..., Any]] = {
    "advance": run_clock,
    "set_clock": set_clock,
    "price": set_price,
    "auto_fill": auto_fill,
    "fill": fill,
    "manual_trade": manual_trade,
    "foreign_order": foreign_order,
    "set_position": set_position,
}
