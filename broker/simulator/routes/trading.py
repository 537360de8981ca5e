"""The trading API's routes as functions of the world and a call; no socket in sight."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from broker.simulator.calls import Call, Reply, Route
from broker.simulator.routes import bodies
from broker.simulator.values import DAY, Refusal, is_coin, parse_instant, parse_number
from broker.simulator.world import desk
from broker.simulator.world.account import CONFIGURATION
from broker.simulator.world.clock import FIRST_YEAR, LAST_YEAR, new_york_day
from broker.simulator.world.orders import Entry, Order
from broker.simulator.world.requests import parse_order
from broker.simulator.world.state import World

MAX_ORDERS, DEFAULT_ORDERS = 500, 50
MAX_PAGE = 100
ACTIVITIES = {
    "FILL": "fill",
    **{name: kind for kind, name in bodies.NON_TRADES.items()},
}  # type -> ledger line


def get_account(world: World, call: Call) -> Reply:
    """Return the account."""
    return Reply(200, bodies.account_body(world))


def get_configuration(world: World, call: Call) -> Reply:
    """Return the account's settings."""
    return Reply(200, world.account.configuration)


def patch_configuration(world: World, call: Call) -> Reply:
    """Change the account's settings; unknown and null fields are passed over, as alpaca-py sends both."""
    if not isinstance(call.body, Mapping):
        raise Refusal(400, 40010000, "request body format is invalid")
    for name, value in call.body.items():
        if name in CONFIGURATION and value is not None:
            if type(value) is not type(CONFIGURATION[name]):
                raise Refusal(422, 40010001, f"invalid {name}")
            if name == "max_margin_multiplier" and value not in ("1", "2", "4"):
                raise Refusal(422, 40010001, f"invalid {name}")
            world.account.configuration[name] = value
    return Reply(200, world.account.configuration)


def get_clock(world: World, call: Call) -> Reply:
    """Return the virtual clock."""
    return Reply(200, bodies.clock_body(world))


def get_calendar(world: World, call: Call) -> Reply:
    """Return the sessions from `start` to `end`, both included."""
    first = _day(call.query.get("start"), date(FIRST_YEAR, 1, 1))
    last = _day(call.query.get("end"), date(LAST_YEAR - 1, 12, 31))
    sessions = world.calendar.between(first, last)
    following = [*sessions[1:], *world.calendar.between(last + timedelta(days=1), last + timedelta(days=14))]
    settlement = {
        session.day: (following[number].day if number < len(following) else session.day)
        for number, session in enumerate(sessions)
    }
    return Reply(200, bodies.calendar_body(sessions, settlement))


def get_assets(world: World, call: Call) -> Reply:
    """Return the assets with the status, class and exchange asked for."""
    wanted = {name: call.query[name] for name in ("status", "exchange") if call.query.get(name)}
    coins = call.query.get("asset_class", "us_equity") == "crypto"
    if call.query.get("asset_class", "us_equity") not in ("us_equity", "crypto"):
        return Reply(200, [])
    found = [
        bodies.asset_body(asset)
        for asset in world.assets.values()
        if is_coin(asset.symbol) == coins and all(getattr(asset, name) == wanted[name] for name in wanted)
    ]
    return Reply(200, found)


def get_asset(world: World, call: Call) -> Reply:
    """Return one asset by symbol or id."""
    return Reply(200, bodies.asset_body(world.asset(call.params["symbol"])))


def post_order(world: World, call: Call) -> Reply:
    """Submit an order; the answer shows it as it was accepted."""
    order = desk.accept(world, parse_order(call.body))
    body = bodies.order_body(world, order, nested=True)
    desk.release(world, order)
    return Reply(200, body)


def get_order(world: World, call: Call) -> Reply:
    """Return one order by id."""
    order = world.book.get(call.params["order_id"])
    return Reply(200, bodies.order_body(world, order, call.flag("nested")))


def get_order_by_client_id(world: World, call: Call) -> Reply:
    """Return one order by the client's id; 404 where it is unknown."""
    client_id = call.query.get("client_order_id", "")
    if not client_id:
        raise Refusal(422, 40010001, "client_order_id is required")
    order_id = world.book.client_ids.get(client_id)
    if order_id is None:
        raise Refusal(404, 40410000, f"order not found for {client_id[:128]}")
    return Reply(200, bodies.order_body(world, world.book.orders[order_id]))


def get_orders(world: World, call: Call) -> Reply:
    """Return orders, newest first unless `direction=asc`; both time limits and cursors are exclusive."""
    status = call.query.get("status", "open")
    if status not in ("open", "closed", "all"):
        raise Refusal(422, 42210000, "invalid status")
    limit = call.whole("limit", DEFAULT_ORDERS, MAX_ORDERS)
    nested = call.flag("nested")
    found = [
        order
        for order in _between(world, call)
        if (status == "all" or order.open == (status == "open"))
        and (not call.query.get("symbols") or order.symbol in call.query["symbols"].split(","))
        and (not call.query.get("side") or order.side == call.query["side"])
        and not (nested and order.parent is not None)
    ]
    if call.query.get("direction", "desc") != "asc":
        found.reverse()
    return Reply(200, [bodies.order_body(world, order, nested) for order in found[:limit]])


def delete_order(world: World, call: Call) -> Reply:
    """Cancel one order."""
    desk.cancel(world, call.params["order_id"])
    return Reply(204)


def delete_orders(world: World, call: Call) -> Reply:
    """Cancel every open order."""
    return Reply(207, [{"id": order.id, "status": 200} for order in desk.cancel_all(world)])


def patch_order(world: World, call: Call) -> Reply:
    """Replace an order; the answer is the new one."""
    order = desk.replace_order(world, call.params["order_id"], call.body)
    return Reply(200, bodies.order_body(world, order))


def get_positions(world: World, call: Call) -> Reply:
    """Return every position."""
    return Reply(200, [bodies.position_body(world, symbol) for symbol in sorted(world.book.positions)])


def get_position(world: World, call: Call) -> Reply:
    """Return one position by symbol or asset id."""
    symbol = world.asset(call.params["symbol"]).symbol
    if symbol not in world.book.positions:
        raise Refusal(404, 40410000, "position does not exist")
    return Reply(200, bodies.position_body(world, symbol))


def delete_position(world: World, call: Call) -> Reply:
    """Close one position or a part of it."""
    qty, percentage = (
        parse_number(call.query[name], name) if call.query.get(name) else None
        for name in ("qty", "percentage")
    )
    order = desk.close_position(world, call.params["symbol"], qty, percentage)
    return Reply(200, bodies.order_body(world, order))


def delete_positions(world: World, call: Call) -> Reply:
    """Close every position; a part that was refused has its own status, the whole is 207 all the same."""
    answers = desk.close_all(world, call.flag("cancel_orders"))
    return Reply(
        207,
        [
            {"symbol": symbol, "status": answer.status, "body": answer.body}
            if isinstance(answer, Refusal)
            else {"symbol": symbol, "status": 200, "body": bodies.order_body(world, answer)}
            for symbol, answer in answers
        ],
    )


def get_activities(world: World, call: Call) -> Reply:
    """Return executions and cash flows, newest first unless `direction=asc`; `page_token` is a page's last id."""
    asked = call.params.get("kind") or call.query.get("activity_types")
    names = asked.replace("TRANS", "CSD,CSW").split(",") if asked else list(ACTIVITIES)
    category = call.query.get("category")
    if category and asked:
        raise Refusal(422, 42210000, "category cannot be used with activity_types")
    if category:
        names = ["FILL"] if category == "trade_activity" else [name for name in ACTIVITIES if name != "FILL"]
    kinds = {ACTIVITIES[name] for name in names if name in ACTIVITIES}
    first, last = call.instant("after"), call.instant("until")
    day = call.instant("date")
    if day is not None:
        first, last = day - 1, day + DAY
    entries = [
        entry
        for entry in world.book.ledger
        if entry.kind in kinds and (first is None or entry.at > first) and (last is None or entry.at < last)
    ]
    if call.query.get("direction", "desc") != "asc":
        entries.reverse()
    return Reply(200, [bodies.activity_body(world, entry) for entry in _page(entries, call)])


def _page(entries: list[Entry], call: Call) -> list[Entry]:
    token = call.query.get("page_token", "").rpartition("::")[2]
    start = 0
    if token:
        positions = [number for number, entry in enumerate(entries) if entry.execution_id == token]
        if not positions:
            raise Refusal(422, 42210000, "invalid page_token")
        start = positions[0] + 1
    return entries[start : start + call.whole("page_size", MAX_PAGE, MAX_PAGE)]


def _between(world: World, call: Call) -> list[Order]:
    """Return the orders within the limits of the query, oldest first."""
    after, until = call.instant("after"), call.instant("until")
    cursors = {
        name: world.book.get(call.query[name]).number
        for name in ("after_order_id", "before_order_id")
        if call.query.get(name)
    }
    if len(cursors) == 2:
        raise Refusal(422, 42210000, "only one of after_order_id or before_order_id is accepted")
    return [
        order
        for order in world.book.orders.values()
        if (after is None or order.submitted > after)
        and (until is None or order.submitted < until)
        and order.number > cursors.get("after_order_id", -1)
        and order.number < cursors.get("before_order_id", len(world.book.orders))
    ]


def _day(text: str | None, default: date) -> date:
    return new_york_day(parse_instant(text, "date")) if text else default


ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("GET", "/v2/account", get_account),
    ("GET", "/v2/account/configurations", get_configuration),
    ("PATCH", "/v2/account/configurations", patch_configuration),
    ("GET", "/v2/account/activities", get_activities),
    ("GET", "/v2/account/activities/{kind}", get_activities),
    ("GET", "/v2/clock", get_clock),
    ("GET", "/v2/calendar", get_calendar),
    ("GET", "/v2/assets", get_assets),
    ("GET", "/v2/assets/{symbol:.+}", get_asset),
    ("POST", "/v2/orders", post_order),
    ("GET", "/v2/orders", get_orders),
    ("DELETE", "/v2/orders", delete_orders),
    ("GET", "/v2/orders:by_client_order_id", get_order_by_client_id),
    ("GET", "/v2/orders/{order_id}", get_order),
    ("DELETE", "/v2/orders/{order_id}", delete_order),
    ("PATCH", "/v2/orders/{order_id}", patch_order),
    ("GET", "/v2/positions", get_positions),
    ("DELETE", "/v2/positions", delete_positions),
    ("GET", "/v2/positions/{symbol:.+}", get_position),
    ("DELETE", "/v2/positions/{symbol:.+}", delete_position),
)
