"""The market-data API's routes as functions of the world and a call: bars with paging, the newest bar and quote.

A daily bar is stamped with midnight in New York, an intraday bar with its start; a bar is served once it has
closed. `limit` counts bars over all symbols together, sorted by symbol, as the real API does.
"""

from __future__ import annotations

import base64
import binascii
from datetime import time
from decimal import Decimal
from typing import Any

from broker.simulator.clock import instant_on, new_york_day
from broker.simulator.market import Bar
from broker.simulator.trading import Call, Reply, Route
from broker.simulator.values import Refusal, utc_text
from broker.simulator.world import World

DEFAULT_LIMIT, MAX_LIMIT = 1000, 10_000
TIMEFRAMES = {"1d": ("1Day", "1D"), "1h": ("1Hour", "1H", "60Min"), "1min": ("1Min", "1T")}


def bar_body(world: World, bar: Bar) -> dict[str, Any]:
    """Return one bar; the volume-weighted price is the mean of the four prices."""
    mean = (bar.open + bar.high + bar.low + bar.close) / 4
    return {
        "t": utc_text(bar_stamp(world, bar)),
        "o": float(bar.open),
        "h": float(bar.high),
        "l": float(bar.low),
        "c": float(bar.close),
        "v": int(bar.volume),
        "n": max(1, int(bar.volume) // 100),
        "vw": round(float(mean), 6),
    }


def bar_stamp(world: World, bar: Bar) -> int:
    """Return the instant that names a bar: midnight in New York for a day, else its start."""
    if world.market.interval != "1d":
        return bar.begin
    return instant_on(new_york_day(bar.begin), time(0))


def get_bars(world: World, call: Call) -> Reply:
    """Return the bars of `symbols` between `start` and `end`, a page at a time."""
    symbols = _symbols(call)
    check_timeframe(world, call.query.get("timeframe", ""))
    limit = call.whole("limit", DEFAULT_LIMIT, MAX_LIMIT)
    rows = _rows(world, call, sorted(symbols))
    if call.query.get("page_token"):
        last = _read_token(call.query["page_token"])
        rows = [row for row in rows if _after(row, last, call)]
    page: dict[str, list[dict[str, Any]]] = {}
    for symbol, _, bar in rows[:limit]:
        page.setdefault(symbol, []).append(bar_body(world, bar))
    token = _write_token(rows[limit - 1]) if len(rows) > limit else None
    if "symbol" in call.params:
        symbol = symbols[0]
        return Reply(200, {"bars": page.get(symbol, []), "symbol": symbol, "next_page_token": token})
    return Reply(200, {"bars": page, "next_page_token": token})


def get_latest_bars(world: World, call: Call) -> Reply:
    """Return the newest closed bar of each symbol."""
    found = {symbol: bar_body(world, bar) for symbol in _symbols(call) if (bar := latest_bar(world, symbol))}
    if "symbol" in call.params:
        symbol = _symbols(call)[0]
        return Reply(200, {"symbol": symbol, "bar": found.get(symbol)})
    return Reply(200, {"bars": found})


def latest_bar(world: World, symbol: str) -> Bar | None:
    """Return the newest closed bar, None where there is none."""
    bars = world.market.history(symbol, 0, world.now, world.now)
    return bars[-1] if bars else None


def quote_body(price: Decimal, at: int, spread_bps: Decimal) -> dict[str, Any]:
    """Return a quote around a price."""
    half = price * spread_bps / 20_000
    return {
        "t": utc_text(at),
        "ax": "V",
        "ap": float(round(price + half, 4)),
        "as": 100,
        "bx": "V",
        "bp": float(round(price - half, 4)),
        "bs": 100,
        "c": ["R"],
        "z": "C",
    }


def get_latest_quotes(world: World, call: Call) -> Reply:
    """Return a quote around the last price of each symbol."""
    spread = world.settings.spread_bps
    prices = {symbol: world.price(symbol) for symbol in _symbols(call)}
    found = {
        symbol: quote_body(price, world.now, spread) for symbol, price in prices.items() if price is not None
    }
    if "symbol" in call.params:
        symbol = _symbols(call)[0]
        return Reply(200, {"symbol": symbol, "quote": found.get(symbol)})
    return Reply(200, {"quotes": found})


def check_timeframe(world: World, timeframe: str) -> None:
    """Refuse a timeframe other than the loaded bars'."""
    served = TIMEFRAMES.get(world.market.interval, (world.market.interval.replace("min", "Min"),))
    if timeframe not in served:
        raise Refusal(
            400, 40010001, f"invalid timeframe: {timeframe[:20]}; the simulator was given {served[0]} bars"
        )


def _symbols(call: Call) -> list[str]:
    if "symbol" in call.params:
        return [call.params["symbol"]]
    symbols = [symbol for symbol in call.query.get("symbols", "").split(",") if symbol]
    if not symbols:
        raise Refusal(400, 40010001, "symbols is required")
    return list(dict.fromkeys(symbols))


Row = tuple[str, int, Bar]


def _rows(world: World, call: Call, symbols: list[str]) -> list[Row]:
    """Return (symbol, stamp, bar) in the order that the API serves them."""
    day_start = instant_on(new_york_day(world.now), time(0))
    first = call.instant("start")
    last = call.instant("end")
    first = day_start if first is None else first
    last = world.now if last is None else last
    adjusted = call.query.get("adjustment", "raw") in ("split", "all")
    backwards = call.query.get("sort", "asc") == "desc"
    rows: list[Row] = []
    for symbol in symbols:
        bars = world.market.history(symbol, first, last + 16 * 3600 * 10**9, world.now, adjusted)
        stamped = [(symbol, bar_stamp(world, bar), bar) for bar in bars]
        inside = [row for row in stamped if first <= row[1] <= last]
        rows += reversed(inside) if backwards else inside
    return rows


def _after(row: Row, last: tuple[str, int], call: Call) -> bool:
    if row[0] != last[0]:
        return row[0] > last[0]
    return row[1] < last[1] if call.query.get("sort") == "desc" else row[1] > last[1]


def _write_token(row: Row) -> str:
    return base64.b64encode(f"{row[0]}|{row[1]}".encode()).decode()


def _read_token(token: str) -> tuple[str, int]:
    try:
        symbol, _, stamp = base64.b64decode(token, validate=True).decode().partition("|")
        return symbol, int(stamp)
    except (binascii.Error, ValueError):
        raise Refusal(400, 40010001, "invalid page_token") from None


ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("GET", "/v2/stocks/bars", get_bars),
    ("GET", "/v2/stocks/bars/latest", get_latest_bars),
    ("GET", "/v2/stocks/quotes/latest", get_latest_quotes),
    ("GET", "/v2/stocks/{symbol}/bars", get_bars),
    ("GET", "/v2/stocks/{symbol}/bars/latest", get_latest_bars),
    ("GET", "/v2/stocks/{symbol}/quotes/latest", get_latest_quotes),
)
