"""The market-data API's routes as functions of the world and a call: bars, trades, quotes, snapshots, with paging.

A daily bar is named by midnight in New York, an intraday bar by its start; a bar is served once it has closed. Bars
of another length than the loaded ones are made from them; see `timeframes`.
Trades and quotes are those of the price path: four to a bar. `limit` counts items over all symbols together,
sorted by symbol, as the real API does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

import pandas as pd

from broker.simulator.calls import Call, Reply, Route
from broker.simulator.routes.timeframes import Asked, TimeFrame, is_loaded, made_bars
from broker.simulator.values import DAY, MINUTE, Refusal, parse_instant, utc_text
from broker.simulator.world.clock import instant_on, new_york_day
from broker.simulator.world.market import Bar
from broker.simulator.world.state import World

DEFAULT_LIMIT, MAX_LIMIT = 1000, 10_000
SIP_DELAY = 15 * MINUTE
Item = tuple[str, int, dict[str, Any]]  # symbol, stamp, body
Source = Callable[[World, Call, str, int, int], Iterator[Item]]
MINUTES, DAYS = TimeFrame(1, "Min"), TimeFrame(1, "Day")


def bar_body(bar: Bar, stamp: int) -> dict[str, Any]:
    """Return one bar; the volume-weighted price is the mean of the four prices."""
    mean = (bar.open + bar.high + bar.low + bar.close) / 4
    return {
        "t": utc_text(stamp),
        "o": float(bar.open),
        "h": float(bar.high),
        "l": float(bar.low),
        "c": float(bar.close),
        "v": int(bar.volume),
        "n": max(1, int(bar.volume) // 100),
        "vw": round(float(mean), 6),
    }


def trade_body(price: Decimal, at: int) -> dict[str, Any]:
    """Return one trade of 100 shares."""
    return {"t": utc_text(at), "x": "V", "p": float(price), "s": 100, "c": ["@"], "i": at % 2**53, "z": "C"}


def quote_body(price: Decimal, at: int, spread_bps: Decimal) -> dict[str, Any]:
    """Return a quote around a price."""
    half = price * spread_bps / 20_000
    ask, bid = float(round(price + half, 4)), float(round(price - half, 4))
    return {
        "t": utc_text(at),
        "ax": "V",
        "ap": ask,
        "as": 100,
        "bx": "V",
        "bp": bid,
        "bs": 100,
        "c": ["R"],
        "z": "C",
    }


def bars_of(world: World, call: Call, symbol: str, first: int, last: int) -> Iterator[Item]:
    """Yield the symbol's bars of the timeframe asked for from `first` to `last`, as doctored by the control port."""
    adjusted = call.query.get("adjustment", "raw") in ("split", "all")
    day = new_york_day(world.now).isoformat() if adjusted else None
    frame = TimeFrame.parse(call.query.get("timeframe", ""))
    if not is_loaded(world.market, frame):
        asked = Asked(world.now, day, _backwards(call), world.settings.running_bar)
        for made in made_bars(world.market, symbol, frame, first, last, asked):
            for body in world.doctored_bars(symbol, bar_body(made, made.begin)):
                yield symbol, made.begin, body
        return
    found: list[tuple[int, Bar | None]] = [
        (row, None) for row in world.market.rows(symbol, first, last, world.now)
    ]
    running = world.market.running(symbol, world.now) if world.settings.running_bar else None
    if running is not None and first <= world.market.stamps[running[0]] <= last:
        found.append(running)
    for row, bar in reversed(found) if _backwards(call) else found:
        bar = bar or world.market.bar(symbol, row, day)
        stamp = world.market.stamps[row]
        if bar is not None:
            for body in world.doctored_bars(symbol, bar_body(bar, stamp)):
                yield symbol, stamp, body


def trades_of(world: World, call: Call, symbol: str, first: int, last: int) -> Iterator[Item]:
    """Yield the trades of the symbol's price path from `first` to `last`."""
    for stamp, price in _path(world, symbol, first, last, _backwards(call)):
        yield symbol, stamp, trade_body(price, stamp)


def quotes_of(world: World, call: Call, symbol: str, first: int, last: int) -> Iterator[Item]:
    """Yield the quotes of the symbol's price path from `first` to `last`."""
    for stamp, price in _path(world, symbol, first, last, _backwards(call)):
        yield symbol, stamp, quote_body(price, stamp, world.settings.spread_bps)


def paged(name: str, source: Source) -> Route:
    """Return the route that serves a history a page at a time under `name`."""

    def route(world: World, call: Call) -> Reply:
        if name == "bars":
            TimeFrame.parse(call.query.get("timeframe", ""))
        check_plan(world, call)
        limit = call.whole("limit", DEFAULT_LIMIT, MAX_LIMIT)
        page: dict[str, list[dict[str, Any]]] = {}
        token, count = None, 0
        last: tuple[str, int] | None = None
        for symbol, stamp, body in _items(world, call, source):
            if count >= limit and (symbol, stamp) != last:  # doctored doubles stay on one page
                token = _write_token(last or (symbol, stamp))
                break
            page.setdefault(symbol, []).append(body)
            last, count = (symbol, stamp), count + 1
        if "symbol" in call.params:
            symbol = call.params["symbol"]
            return Reply(200, {name: page.get(symbol, []), "symbol": symbol, "next_page_token": token})
        return Reply(200, {name: page, "next_page_token": token})

    return route


def latest(name: str, body_of: Callable[[World, str], dict[str, Any] | None]) -> Route:
    """Return the route that serves the newest item of each symbol under `name` (plural)."""

    def route(world: World, call: Call) -> Reply:
        found = {symbol: body for symbol in _symbols(call) if (body := body_of(world, symbol)) is not None}
        if "symbol" in call.params:
            symbol = call.params["symbol"]
            return Reply(200, {"symbol": symbol, name[:-1]: found.get(symbol)})
        return Reply(200, {name: found})

    return route


def latest_bar(world: World, symbol: str, frame: TimeFrame = MINUTES, back: int = 1) -> dict[str, Any] | None:
    """Return the newest closed bar of a length, or the `back`-th newest; a minute's where none is asked for."""
    asked = Asked(world.now, backwards=True)
    rows = world.market.overlapping(symbol, 0, world.now)
    newest = [world.market.bar(symbol, row) for row in rows[-back - 1 :]]
    first = min((bar.begin for bar in newest if bar is not None), default=world.now)
    found = made_bars(world.market, symbol, frame, frame.bucket(first)[0], world.now, asked)
    bar = next(islice(found, back - 1, None), None)
    return None if bar is None else bar_body(bar, bar.begin)


def latest_trade(world: World, symbol: str) -> dict[str, Any] | None:
    """Return a trade at the last price."""
    price = world.price(symbol)
    return None if price is None else trade_body(price, world.now)


def latest_quote(world: World, symbol: str) -> dict[str, Any] | None:
    """Return a quote around the last price."""
    price = world.price(symbol)
    return None if price is None else quote_body(price, world.now, world.settings.spread_bps)


def snapshot(world: World, symbol: str) -> dict[str, Any] | None:
    """Return the newest of everything; the bars are those that have closed."""
    trade = latest_trade(world, symbol)
    if trade is None:
        return None
    return {
        "latestTrade": trade,
        "latestQuote": latest_quote(world, symbol),
        "minuteBar": latest_bar(world, symbol),
        "dailyBar": latest_bar(world, symbol, DAYS),
        "prevDailyBar": latest_bar(world, symbol, DAYS, back=2),
    }


def get_snapshots(world: World, call: Call) -> Reply:
    """Return the snapshots of `symbols` by symbol."""
    found = {symbol: snapshot(world, symbol) for symbol in _symbols(call)}
    if "symbol" in call.params:
        return Reply(200, {"symbol": call.params["symbol"], **(found[call.params["symbol"]] or {})})
    return Reply(200, {symbol: body for symbol, body in found.items() if body is not None})


def check_plan(world: World, call: Call) -> None:
    """Refuse SIP data of the last 15 minutes to an account without the plan for it."""
    end = call.instant("end")
    recent = end is not None and end > world.now - SIP_DELAY
    if call.query.get("feed") == "sip" and recent and not world.settings.sip_plan:
        raise Refusal(403, 42210000, "subscription does not permit querying recent SIP data")


def _symbols(call: Call) -> list[str]:
    if "symbol" in call.params:
        return [call.params["symbol"]]
    symbols = [symbol for symbol in call.query.get("symbols", "").split(",") if symbol]
    if not symbols:
        raise Refusal(400, 40010001, "symbols is required")
    return sorted(set(symbols))


def _items(world: World, call: Call, source: Source) -> Iterator[Item]:
    """Yield the items that the call asks for, after its page token, in the order of the API."""
    first = call.instant("start")
    last = call.instant("end")
    first = instant_on(new_york_day(world.now), pd.Timestamp(0).time()) if first is None else first
    if last is None:
        delayed = call.query.get("feed") == "sip" and not world.settings.sip_plan
        last = world.now - SIP_DELAY if delayed else world.now
    if len(call.query.get("end", "")) == len("YYYY-MM-DD"):
        last += DAY - 1  # a bare date means the whole day
    at = _read_token(call.query["page_token"]) if call.query.get("page_token") else None
    for symbol in _symbols(call):
        if at is not None and symbol < at[0]:
            continue
        low, high = first, last
        if at is not None and symbol == at[0]:
            low, high = (low, at[1] - 1) if _backwards(call) else (at[1] + 1, high)
        yield from source(world, call, symbol, low, high)


def _path(world: World, symbol: str, first: int, last: int, backwards: bool) -> Iterator[tuple[int, Decimal]]:
    """Yield the vertices of the symbol's price path from `first` to `last`, none of the future."""
    market, last = world.market, min(last, world.now)
    rows = market.rows(symbol, first - DAY, last, 2**63)
    for row in reversed(rows) if backwards else rows:
        bar = market.bar(symbol, row)
        if bar is None:
            continue
        points = [(bar.vertex(number), bar.path[number]) for number in range(4)]
        for stamp, price in reversed(points) if backwards else points:
            if first <= stamp <= last:
                yield stamp, price


def _backwards(call: Call) -> bool:
    return call.query.get("sort", "asc") == "desc"


def _write_token(at: tuple[str, int]) -> str:
    return base64.b64encode(f"{at[0]}|{utc_text(at[1])}".encode()).decode()


def _read_token(token: str) -> tuple[str, int]:
    try:
        symbol, _, stamp = base64.b64decode(token, validate=True).decode().partition("|")
        return symbol, parse_instant(stamp)
    except (binascii.Error, ValueError, Refusal):
        raise Refusal(400, 40010001, "invalid page_token") from None


ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("GET", "/v2/stocks/bars", paged("bars", bars_of)),
    ("GET", "/v2/stocks/trades", paged("trades", trades_of)),
    ("GET", "/v2/stocks/quotes", paged("quotes", quotes_of)),
    ("GET", "/v2/stocks/snapshots", get_snapshots),
    ("GET", "/v2/stocks/bars/latest", latest("bars", latest_bar)),
    ("GET", "/v2/stocks/trades/latest", latest("trades", latest_trade)),
    ("GET", "/v2/stocks/quotes/latest", latest("quotes", latest_quote)),
    ("GET", "/v2/stocks/{symbol}/bars", paged("bars", bars_of)),
    ("GET", "/v2/stocks/{symbol}/trades", paged("trades", trades_of)),
    ("GET", "/v2/stocks/{symbol}/quotes", paged("quotes", quotes_of)),
    ("GET", "/v2/stocks/{symbol}/snapshot", get_snapshots),
    ("GET", "/v2/stocks/{symbol}/bars/latest", latest("bars", latest_bar)),
    ("GET", "/v2/stocks/{symbol}/trades/latest", latest("trades", latest_trade)),
    ("GET", "/v2/stocks/{symbol}/quotes/latest", latest("quotes", latest_quote)),
)
