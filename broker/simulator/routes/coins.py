"""The market-data API of coins (`/v1beta3/crypto/us/...`): the price paths of pairs as BTC/USD, at all hours.

The same histories and paging as of shares, see `prices`; only the shapes of the answers differ. A share that is asked
for here is not there. Order books are not modelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from broker.simulator.calls import Call, Reply, Route
from broker.simulator.routes import prices
from broker.simulator.values import Refusal, is_coin
from broker.simulator.world.state import World

SIDES = {"tks": "B"}  # whose order met the other; here always the buyer's


def only_coins(route: Route) -> Route:
    """Return the route for the coins among the symbols; 400 where there is none."""

    def of_coins(world: World, call: Call) -> Reply:
        coins = [symbol for symbol in call.query.get("symbols", "").split(",") if is_coin(symbol)]
        if not coins:
            raise Refusal(400, 40010001, "symbols is required: pairs as BTC/USD")
        return route(world, replace(call, query={**call.query, "symbols": ",".join(coins)}))

    return of_coins


def trade_of(body: dict[str, Any]) -> dict[str, Any]:
    """Return a trade of a coin: no exchange, tape or conditions, but a side."""
    return {name: body[name] for name in ("t", "p", "i")} | {"s": 1.0, **SIDES}


def quote_of(body: dict[str, Any]) -> dict[str, Any]:
    """Return a quote of a coin: no exchanges or conditions."""
    return {name: body[name] for name in ("t", "bp", "ap")} | {"bs": 1.0, "as": 1.0}


def trades_of(world: World, call: Call, symbol: str, first: int, last: int) -> Iterator[prices.Item]:
    """Yield the trades of the coin's price path from `first` to `last`."""
    for name, stamp, body in prices.trades_of(world, call, symbol, first, last):
        yield name, stamp, trade_of(body)


def quotes_of(world: World, call: Call, symbol: str, first: int, last: int) -> Iterator[prices.Item]:
    """Yield the quotes of the coin's price path from `first` to `last`."""
    for name, stamp, body in prices.quotes_of(world, call, symbol, first, last):
        yield name, stamp, quote_of(body)


def shaped(
    body_of: Callable[[World, str], dict[str, Any] | None], shape: Callable[[dict[str, Any]], dict[str, Any]]
) -> Callable[[World, str], dict[str, Any] | None]:
    """Return the newest item in the shape of coins."""

    def of(world: World, symbol: str) -> dict[str, Any] | None:
        body = body_of(world, symbol)
        return None if body is None else shape(body)

    return of


def get_snapshots(world: World, call: Call) -> Reply:
    """Return the newest of everything by symbol."""
    answer = prices.get_snapshots(world, call)
    found = {
        symbol: {
            **body,
            "latestTrade": trade_of(body["latestTrade"]),
            "latestQuote": quote_of(body["latestQuote"]),
        }
        for symbol, body in answer.body.items()
    }
    return Reply(200, {"snapshots": found})


ROUTES: tuple[tuple[str, str, Route], ...] = tuple(
    ("GET", f"/v1beta3/crypto/us/{place}", only_coins(route))
    for place, route in (
        ("bars", prices.paged("bars", prices.bars_of)),
        ("trades", prices.paged("trades", trades_of)),
        ("quotes", prices.paged("quotes", quotes_of)),
        ("snapshots", get_snapshots),
        ("latest/bars", prices.latest("bars", prices.latest_bar)),
        ("latest/trades", prices.latest("trades", shaped(prices.latest_trade, trade_of))),
        ("latest/quotes", prices.latest("quotes", shaped(prices.latest_quote, quote_of))),
    )
)
