"""What the control port may do to the world: time, prices, orders, account, assets, calendar. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from decimal import Decimal
from typing import Any

from broker.simulator.routes.bodies import NON_TRADES
from broker.simulator.routes.news import article
from broker.simulator.values import SECOND, ZERO, is_coin, parse_instant, utc_text
from broker.simulator.world import desk
from broker.simulator.world.account import Account, Asset, new_asset
from broker.simulator.world.dividends import Dividend, order_dividend
from broker.simulator.world.exchange import advance
from broker.simulator.world.fills import execute, match_now
from broker.simulator.world.market import Split
from broker.simulator.world.orders import STATUSES, Order, to_document
from broker.simulator.world.requests import parse_order
from broker.simulator.world.state import World

_ACCOUNT_FIELDS = {field.name for field in fields(Account)} - {"extra", "configuration"}
_ASSET_FIELDS = {field.name for field in fields(Asset)} - {"extra"}


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
    world.now = world.streamed_until = parse_instant(to)
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
    tif = "gtc" if is_coin(symbol) else "day"
    body = {"symbol": symbol, "side": side, "type": "market", "time_in_force": tif, "qty": str(abs(amount))}
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


def order_status(world: World, order: str, status: str) -> Any:
    """Move an order to a state, as the exchange may (rejected, done_for_day, stopped, suspended ...)."""
    if status not in STATUSES:
        raise ValueError(f"status {status!r}: one of {', '.join(sorted(STATUSES))}")
    return to_document(world.book.change(find_order(world, order).id, status, world.now))


def cancel_race(world: World, kind: str, count: int = 1) -> Any:
    """Let the next cancels lose: "refused" (422, it filled), "filled" (204, then it fills), "stuck" (204 only)."""
    if kind not in ("refused", "filled", "stuck"):
        raise ValueError(f"kind {kind!r}: refused, filled or stuck")
    world.races += [kind] * count
    return {}


def reject_next(world: World, count: int = 1) -> Any:
    """Accept the next orders and reject them afterwards."""
    world.rejections = count
    return {}


def account(world: World, **changes: Any) -> Any:
    """Change the account's flags and fields; a name that it does not have is shown as an extra field."""
    configuration = changes.pop("configuration", {})
    world.account.configuration.update(configuration)
    for name, value in changes.items():
        if name in _ACCOUNT_FIELDS:
            setattr(world.account, name, value)
        else:
            world.account.extra[name] = value
    return asdict(world.account)


def equity(world: World, to: str) -> Any:
    """Bring the account's equity to an amount by adding or taking cash."""
    change = Decimal(str(to)) - world.worth().equity
    world.book.post("cash", world.book.stamp(world.now), change)
    return {"cash": str(world.book.cash)}


def cash_flow(world: World, kind: str, amount: str) -> Any:
    """Move cash that no order moved, as an activity tells: deposit, withdrawal, fee or interest; signed dollars."""
    if kind not in NON_TRADES or kind in ("dividend", "coin_fee"):
        raise ValueError(f"kind {kind!r}: deposit, withdrawal, fee or interest")
    at, name = world.book.stamp(world.now), world.book.next_id("flow")
    world.book.post(kind, at, Decimal(str(amount)), execution_id=name)
    return {"cash": str(world.book.cash)}


def asset(world: World, symbol: str, remove: bool = False, **flags: Any) -> Any:
    """Change an asset's flags, make a new asset, or remove one; other names are shown as extra fields."""
    world.touched.add("assets")
    if remove:
        world.assets.pop(symbol, None)
        return {}
    found = world.assets.setdefault(symbol, new_asset(symbol))
    for name, value in flags.items():
        if name in _ASSET_FIELDS:
            setattr(found, name, value)
        else:
            found.extra[name] = value
    return asdict(found)


def calendar(world: World, day: str, open: str = "09:30", close: str = "16:00", closed: bool = False) -> Any:
    """Give a date other hours (New York, HH:MM), or no session."""
    world.calendar = world.calendar.edited(day, None if closed else (open, close))
    world.touched.add("calendar")
    return {}


def lie_clock(world: World, is_open: bool | None = None, offset_seconds: float = 0) -> Any:
    """Let GET /v2/clock lie: `is_open` as told, and a time that is off; nothing given ends the lie."""
    world.clock_lie = {"offset_ns": int(Decimal(str(offset_seconds)) * SECOND)}
    if is_open is not None:
        world.clock_lie["is_open"] = is_open
    return {}


def split(
    world: World,
    symbol: str,
    new: int,
    old: int = 1,
    day: str | None = None,
    rescale: bool = True,
    announced: bool = True,
    adjusts: bool = True,
) -> Any:
    """Split a stock `new` for `old` on a date (default: the next session's); see `market.Split`."""
    when = day or _next_day(world)
    if min(new, old) < 1:
        raise ValueError("new and old must be at least 1")
    world.market = world.market.with_split(Split(symbol, when, new, old, rescale, announced, adjusts))
    world.touched.add("market")
    return {"day": when}


def dividend(
    world: World,
    symbol: str,
    rate: str,
    day: str | None = None,
    payable: str | None = None,
    paid: bool = False,
    announced: bool = True,
) -> Any:
    """Announce `rate` dollars a share, ex on a date (default: the next session's); paid to this account or not.

    Alpaca pays paper accounts none, hence the default. The loaded prices are left as they are.
    """
    when = day or _next_day(world)
    order_dividend(world, Dividend(symbol, when, str(rate), payable or when, paid, announced))
    return {"day": when}


def _next_day(world: World) -> str:
    return world.calendar.session_from(world.calendar.next_open(world.now)).day.isoformat()


def doctor_bars(world: World, symbol: str, day: str, change: Any = "drop") -> Any:
    """Spoil what the data API shows of one day: "drop", "duplicate", {"c": "NaN"}, or None to heal it."""
    days = world.doctored.setdefault(symbol, {})
    if change is None:
        days.pop(day, None)
    elif change in ("drop", "duplicate") or isinstance(change, dict):
        days[day] = change
    else:
        raise ValueError("change must be drop, duplicate, an object of values, or null")
    world.touched.add("market")
    return {}


def news(world: World, articles: list[dict[str, Any]]) -> Any:
    """Add articles; what is not given is filled in, `created_at` with the present."""
    for given in articles:
        number = int(given.get("id", 1000 + len(world.news)))
        created = given.get("created_at", utc_text(world.now))
        parse_instant(created)
        rest = {name: value for name, value in given.items() if name not in ("id", "created_at")}
        world.news.append(article(number, created, **rest))
    world.touched.add("news")
    return {"articles": len(world.news)}


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
    "order_status": order_status,
    "cancel_race": cancel_race,
    "reject_next": reject_next,
    "account": account,
    "equity": equity,
    "cash_flow": cash_flow,
    "asset": asset,
    "calendar": calendar,
    "lie_clock": lie_clock,
    "split": split,
    "dividend": dividend,
    "doctor_bars": doctor_bars,
    "news": news,
}
