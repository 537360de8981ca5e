"""The market data that a stretch of time brings to the streams. Pure."""

from __future__ import annotations

from collections.abc import Callable

from broker.simulator.routes.prices import bar_body, quote_body, trade_body
from broker.simulator.serving.faults import Frame
from broker.simulator.values import parse_instant
from broker.simulator.world.state import World

Wanted = Callable[[str, str], bool]


def ticks(world: World, first: int, last: int, wanted: Wanted) -> list[Frame]:
    """Return the frames of (first, last], oldest first, of what somebody wants (channel, symbol).

    A bar comes when it closes ("d" for a day, else "b"), trades and quotes at the turns of the price path.
    """
    found: list[tuple[int, Frame]] = []
    for symbol in world.market.symbols:
        channels = [name for name in ("bars", "dailyBars", "trades", "quotes") if wanted(name, symbol)]
        if channels:
            found += _of_symbol(world, symbol, first, last, channels)
    for item in world.news:
        at = parse_instant(item["created_at"])
        if first < at <= last:
            frame = Frame("data", "n", [{"T": "n", **item}], ",".join(item["symbols"]))
            found.append((at, frame))
    return [frame for _, frame in sorted(found, key=lambda pair: pair[0])]


def _of_symbol(
    world: World, symbol: str, first: int, last: int, channels: list[str]
) -> list[tuple[int, Frame]]:
    found: list[tuple[int, Frame]] = []
    kind, channel = ("d", "dailyBars") if world.market.interval == "1d" else ("b", "bars")
    for row in world.market.overlapping(symbol, first, last):
        bar = world.market.bar(symbol, row)
        if bar is None:
            continue
        for number in range(4):
            at, price = bar.vertex(number), bar.path[number]
            if not first < at <= last:
                continue
            if "trades" in channels:
                found.append((at, _frame("t", symbol, trade_body(price, at))))
            if "quotes" in channels:
                found.append((at, _frame("q", symbol, quote_body(price, at, world.settings.spread_bps))))
        if channel in channels and first < bar.end <= last:
            found.append((bar.end, _frame(kind, symbol, bar_body(bar, world.market.stamps[row]))))
    return found


def _frame(kind: str, symbol: str, body: dict[str, object]) -> Frame:
    return Frame("data", kind, [{"T": kind, "S": symbol, **body}], symbol)
