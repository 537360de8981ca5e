"""The trading API's side rooms: watchlists, and options, of which there are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broker.simulator.calls import Call, Reply, Route
from broker.simulator.routes.bodies import asset_body
from broker.simulator.values import Refusal, utc_text
from broker.simulator.world.state import World

MAX_NAME = 64


def get_watchlists(world: World, call: Call) -> Reply:
    """Return the watchlists without their assets."""
    return Reply(200, [_watchlist(world, item, assets=False) for item in world.watchlists.values()])


def get_watchlist(world: World, call: Call) -> Reply:
    """Return one watchlist with its assets; this one and the next ones find it by its id or its name."""
    return Reply(200, _watchlist(world, _find(world, call)))


def post_watchlist(world: World, call: Call) -> Reply:
    """Make a watchlist of a name and symbols."""
    body = _object(call)
    stamp = utc_text(world.book.stamp(world.now))
    item = {"id": world.book.next_id("watchlist"), "created_at": stamp, "name": "", "symbols": []}
    _fill(world, item, body)
    if not item["name"]:
        raise Refusal(422, 40010001, "name is required")
    world.watchlists[str(item["id"])] = item
    return Reply(200, _watchlist(world, item))


def put_watchlist(world: World, call: Call) -> Reply:
    """Give a watchlist another name or other symbols."""
    item = _find(world, call)
    _fill(world, item, _object(call))
    return Reply(200, _watchlist(world, item))


def post_symbol(world: World, call: Call) -> Reply:
    """Add a symbol to a watchlist."""
    item = _find(world, call)
    symbol = world.asset(str(_object(call).get("symbol", ""))).symbol
    _fill(world, item, {"symbols": [*item["symbols"], *([symbol] if symbol not in item["symbols"] else [])]})
    return Reply(200, _watchlist(world, item))


def delete_symbol(world: World, call: Call) -> Reply:
    """Take a symbol off a watchlist."""
    item = _find(world, call)
    if call.params["symbol"] not in item["symbols"]:
        raise Refusal(404, 40410000, "symbol not found in watchlist")
    _fill(world, item, {"symbols": [name for name in item["symbols"] if name != call.params["symbol"]]})
    return Reply(200, _watchlist(world, item))


def delete_watchlist(world: World, call: Call) -> Reply:
    """Forget a watchlist."""
    del world.watchlists[_find(world, call)["id"]]
    world.touched.add("watchlists")
    return Reply(204)


def get_contracts(world: World, call: Call) -> Reply:
    """Return no option contracts."""
    return Reply(200, {"option_contracts": [], "next_page_token": None})


def get_contract(world: World, call: Call) -> Reply:
    """Refuse: there are no option contracts."""
    raise Refusal(404, 40410000, f"option contract not found for {call.params['symbol'][:40]}")


def post_exercise(world: World, call: Call) -> Reply:
    """Refuse: there are no option positions."""
    raise Refusal(403, 40310000, f"no available position for {call.params['symbol'][:40]}")


def _watchlist(world: World, item: Mapping[str, Any], assets: bool = True) -> dict[str, Any]:
    body = {
        "id": item["id"],
        "account_id": world.account.id,
        "created_at": item["created_at"],
        "updated_at": item["updated_at"],
        "name": item["name"],
    }
    if assets:
        body["assets"] = [asset_body(world.asset(symbol)) for symbol in item["symbols"]]
    return body


def _fill(world: World, item: dict[str, Any], body: Mapping[str, Any]) -> None:
    name, symbols = body.get("name"), body.get("symbols")
    if name is not None:
        if not isinstance(name, str) or len(name) > MAX_NAME:
            raise Refusal(422, 40010001, f"name must be text of at most {MAX_NAME} characters")
        if any(other["name"] == name and other is not item for other in world.watchlists.values()):
            raise Refusal(422, 40010001, "watchlist name must be unique")
        item["name"] = name
    if symbols is not None:
        item["symbols"] = [world.asset(str(symbol)).symbol for symbol in symbols]
    item["updated_at"] = utc_text(world.book.stamp(world.now))
    world.touched.add("watchlists")


def _find(world: World, call: Call) -> dict[str, Any]:
    if "id" in call.params:
        item = world.watchlists.get(call.params["id"])
    else:
        name = call.query.get("name")
        item = next((each for each in world.watchlists.values() if each["name"] == name), None)
    if item is None:
        raise Refusal(404, 40410000, "watchlist not found")
    return item


def _object(call: Call) -> Mapping[str, Any]:
    if not isinstance(call.body, Mapping):
        raise Refusal(400, 40010000, "request body format is invalid")
    return call.body


ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("GET", "/v2/watchlists", get_watchlists),
    ("POST", "/v2/watchlists", post_watchlist),
    ("GET", "/v2/watchlists:by_name", get_watchlist),
    ("PUT", "/v2/watchlists:by_name", put_watchlist),
    ("POST", "/v2/watchlists:by_name", post_symbol),
    ("DELETE", "/v2/watchlists:by_name", delete_watchlist),
    ("GET", "/v2/watchlists/{id}", get_watchlist),
    ("PUT", "/v2/watchlists/{id}", put_watchlist),
    ("POST", "/v2/watchlists/{id}", post_symbol),
    ("DELETE", "/v2/watchlists/{id}", delete_watchlist),
    ("DELETE", "/v2/watchlists/{id}/{symbol:.+}", delete_symbol),
    ("GET", "/v2/options/contracts", get_contracts),
    ("GET", "/v2/options/contracts/{symbol}", get_contract),
    ("POST", "/v2/positions/{symbol}/exercise", post_exercise),
)
