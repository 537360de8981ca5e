"""Bars of every length that Alpaca has, made from the bars that were loaded by the one path that prices follow.

A bucket takes what of the loaded bars lies in it: whole bars with their own four prices, parts of them by the path
in between, so that a minute bar of a day holds the prices at which orders fill in that minute. Minutes and hours
begin at multiples of their length after midnight in New York, weeks on Monday, months on their first day; a bucket is
named by its begin and served once all that it takes has closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal

from broker.simulator.values import MINUTE, NEW_YORK, Refusal, as_datetime
from broker.simulator.world.clock import instant_on, new_york_day
from broker.simulator.world.market import Bar, Market

MIDNIGHT = time()
_ASKED = re.compile(r"(\d{1,2})(Min|T|Hour|H|Day|D|Week|W|Month|M)")
_INTERVAL = re.compile(r"(\d+)(min|h|d|wk|mo)")  # of the loaded bars
_UNITS = {"min": "Min", "h": "Hour", "d": "Day", "wk": "Week", "mo": "Month"}
_NAMES = {"T": "Min", "H": "Hour", "D": "Day", "W": "Week", "M": "Month"}
_COUNTS = {
    "Min": range(1, 60),
    "Hour": range(1, 24),
    "Day": range(1, 2),
    "Week": range(1, 2),
    "Month": (1, 2, 3, 4, 6, 12),
}


@dataclass(frozen=True)
class TimeFrame:
    """A length that Alpaca has bars of: `count` times `unit` ("Min", "Hour", "Day", "Week", "Month")."""

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> TimeFrame:
        """Read Alpaca's spelling; Refusal where there is no such bar."""
        match = _ASKED.fullmatch(text)
        if match is not None:
            count, unit = int(match[1]), _NAMES.get(match[2], match[2])
            if count in _COUNTS[unit]:
                return cls(count, unit)
        raise Refusal(400, 40010001, f"invalid timeframe: {text[:20]}")

    def bucket(self, instant: int) -> tuple[int, int]:
        """Return begin and end of the bucket that holds an instant, nanoseconds UTC; the end is the next begin."""
        day = new_york_day(instant)
        if self.unit == "Day":
            return _midnight(day), _midnight(day + timedelta(days=1))
        if self.unit == "Week":
            monday = day - timedelta(days=day.weekday())
            return _midnight(monday), _midnight(monday + timedelta(days=7))
        if self.unit == "Month":
            first = day.replace(month=(day.month - 1) // self.count * self.count + 1, day=1)
            months = first.month - 1 + self.count
            return _midnight(first), _midnight(date(first.year + months // 12, months % 12 + 1, 1))
        length = self.count * (60 if self.unit == "Hour" else 1)
        clock = as_datetime(instant, NEW_YORK)
        passed = clock.hour * 60 + clock.minute
        begin = instant - instant % MINUTE - passed % length * MINUTE
        return begin, min(begin + length * MINUTE, _midnight(day + timedelta(days=1)))


@dataclass(frozen=True)
class Asked:
    """How bars are asked for.

    Attributes:
        now: nothing after it is known. adjusted_to: the ISO date whose shares prices are in, None for each bar's own.
        backwards: newest first. running: the bucket that has not closed is served too, as far as it has come.
    """

    now: int
    adjusted_to: str | None = None
    backwards: bool = False
    running: bool = False


def is_loaded(market: Market, frame: TimeFrame) -> bool:
    """Tell whether bars of this length are the loaded ones, so that they are served as they are."""
    match = _INTERVAL.fullmatch(market.interval)
    return match is not None and (frame.unit, frame.count) == (_UNITS[match[2]], int(match[1]))


def made_bars(
    market: Market, symbol: str, frame: TimeFrame, first: int, last: int, asked: Asked
) -> Iterator[Bar]:
    """Yield the bars of a length that are named by an instant from `first` to `last`, in order or backwards."""
    buckets = _buckets(market, symbol, frame, first, min(last, asked.now))
    for begin, end in reversed(buckets) if asked.backwards else buckets:
        made = made_bar(market, symbol, begin, end, asked)
        if made is not None:
            yield made


def made_bar(market: Market, symbol: str, begin: int, end: int, asked: Asked) -> Bar | None:
    """Return the bar of a bucket, named by `begin`; None where nothing traded, or not all of it has closed."""
    bars = [market.bar(symbol, row, asked.adjusted_to) for row in market.overlapping(symbol, begin, end - 1)]
    there = [bar for bar in bars if bar is not None]
    if not asked.running and any(min(bar.end, end) > asked.now for bar in there):
        return None
    spans = [(bar, max(bar.begin, begin), min(bar.end, end, asked.now)) for bar in there]
    parts = [part_of(bar, start, until) for bar, start, until in spans if start < until]
    if not parts:
        return None
    return Bar(
        begin,
        parts[-1].end,
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum((part.volume for part in parts), Decimal(0)),
    )


def part_of(bar: Bar, begin: int, end: int) -> Bar:
    """Return what of a bar lies between two instants of it, by its path; the whole bar as it is."""
    if (begin, end) == (bar.begin, bar.end):
        return bar
    turns = [bar.path[number] for number in range(4) if begin <= bar.vertex(number) <= end]
    opened, closed = bar.price(begin), bar.price(end)
    seen = [opened, closed, *turns]
    share = Decimal(end - begin) / Decimal(bar.end - bar.begin)
    return Bar(begin, end, opened, max(seen), min(seen), closed, bar.volume * share)


def _buckets(market: Market, symbol: str, frame: TimeFrame, first: int, last: int) -> list[tuple[int, int]]:
    """Return begin and end of the buckets in which the symbol has loaded bars, in order."""
    found: dict[int, int] = {}
    for row in market.overlapping(symbol, first, max(first, frame.bucket(last)[1] - 1)):
        bar = market.bar(symbol, row)
        at = bar.begin if bar is not None else 0
        while bar is not None and at < bar.end:
            begin, end = frame.bucket(at)
            if first <= begin <= last:
                found[begin] = end
            at = end
    return sorted(found.items())


def _midnight(day: date) -> int:
    return instant_on(day, MIDNIGHT)
