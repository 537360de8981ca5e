"""What the market did: bars replayed as prices in time.

Within a bar the price runs from the open to one extreme, to the other, to the close, in thirds of the
bar's time and in straight lines; a rising bar meets its low first, a falling one its high. So each
instant has one price, an order's fill has one instant, and the bar's four prices are met exactly.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pandas as pd

from broker.simulator.values import NEW_YORK, from_float
from broker.simulator.world.clock import new_york_day
from forewalk.sessions import bar_open_times, microseconds
from forewalk.types import Bars, BoolArray, FloatArray

TICK, SUB_DOLLAR_TICK = Decimal("0.01"), Decimal("0.0001")


def to_tick(price: Decimal) -> Decimal:
    """Return the nearest price that the exchange knows: whole cents from a dollar on, hundredths of one below."""
    return price.quantize(TICK if price >= 1 else SUB_DOLLAR_TICK)


@dataclass(frozen=True)
class Split:
    """`new` shares for each `old` one, from the date on.

    `rescale` tells whether the loaded bars know nothing of it: then prices from the date on are divided
    by the ratio. Otherwise the loaded bars already fall on the date. `announced` tells whether the lists of
    corporate actions have it, `adjusts` whether the account's position and orders follow it.
    """

    symbol: str
    day: str
    new: int
    old: int
    rescale: bool = True
    announced: bool = True
    adjusts: bool = True

    @property
    def ratio(self) -> Decimal:
        """Shares after the split for one share before it."""
        return Decimal(self.new) / Decimal(self.old)


@dataclass(frozen=True)
class Bar:
    """One symbol's bar; `begin` and `end` in nanoseconds UTC, prices as the exchange printed them."""

    begin: int
    end: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    @property
    def path(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """The price at the start, after one third, after two thirds, and at the end."""
        if self.close >= self.open:
            return self.open, self.low, self.high, self.close
        return self.open, self.high, self.low, self.close

    def vertex(self, number: int) -> int:
        """Return the instant of vertex 0..3 of the path."""
        return self.end if number == 3 else self.begin + (self.end - self.begin) * number // 3

    def price(self, instant: int) -> Decimal:
        """Return the price at an instant from `begin` to `end`: exact at a vertex, else on the tick."""
        for number in range(4):
            if instant == self.vertex(number):
                return self.path[number]
        number = next(number for number in range(3) if instant < self.vertex(number + 1))
        first, last = self.vertex(number), self.vertex(number + 1)
        share = Decimal(instant - first) / Decimal(last - first)
        price = self.path[number] + (self.path[number + 1] - self.path[number]) * share
        return min(max(to_tick(price), self.low), self.high)


class Market:
    """Bars of many symbols, with splits; knows the whole future and is asked only about instants.

    Args:
        bars: [T, S]; NaN where a symbol has no bar. A row that is not finite is no bar.
        splits: corporate actions, in any order.
    """

    def __init__(self, bars: Bars, splits: Iterable[Split] = ()) -> None:
        self.bars = bars
        self.interval = bars.interval
        self.splits = tuple(splits)
        self._column = {symbol: number for number, symbol in enumerate(bars.symbols)}
        self._begin: list[int] = (microseconds(bar_open_times(bars)) * 1000).tolist()
        self._end: list[int] = (microseconds(bars.timestamps) * 1000).tolist()
        self.stamps: list[int] = _stamps(bars, self._begin)
        self._prices: FloatArray = np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume])
        self._known: BoolArray = np.asarray(np.isfinite(self._prices[:4]).all(axis=0), dtype=np.bool_)

    def with_split(self, split: Split) -> Market:
        """Return the market with one more split."""
        return Market(self.bars, (*self.splits, split))

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.bars.symbols

    @property
    def first(self) -> int | None:
        """Start of the first bar, None without bars."""
        return self._begin[0] if self._begin else None

    def bar_at(self, symbol: str, instant: int) -> Bar | None:
        """Return the bar that runs at the instant (`begin <= instant <= end`, the later one at a seam)."""
        row = bisect_right(self._begin, instant) - 1
        return self.bar(symbol, row) if row >= 0 and instant <= self._end[row] else None

    def price(self, symbol: str, instant: int) -> Decimal | None:
        """Return the last price at the instant, None before the symbol's first bar."""
        bar = self.bar_at(symbol, instant)
        if bar is not None:
            return bar.price(instant)
        return self.last_close(symbol, instant)

    def last_close(self, symbol: str, instant: int, until_row: int | None = None) -> Decimal | None:
        """Return the close of the last bar that ended at or before the instant, in today's shares."""
        column = self._column.get(symbol)
        rows = bisect_right(self._end, instant) if until_row is None else until_row
        if column is None:
            return None
        known = np.flatnonzero(self._known[:rows, column])
        if not len(known):
            return None
        row = int(known[-1])
        return self._scaled(symbol, self._prices[3, row, column], row, new_york_day(instant).isoformat())

    def next_vertex(self, instant: int) -> int | None:
        """Return the first instant after this one at which some price path turns or a bar begins."""
        row = max(bisect_right(self._begin, instant) - 1, 0)
        later: list[int] = []
        for candidate in (row, row + 1):
            if candidate < len(self._begin):
                begin, end = self._begin[candidate], self._end[candidate]
                thirds = (begin + (end - begin) * number // 3 for number in range(3))
                later += [edge for edge in (*thirds, end) if edge > instant]
        return min(later, default=None)

    def rows(self, symbol: str, first: int, last: int, asof: int) -> list[int]:
        """Return the rows of the symbol's bars that are named by an instant in [first, last] and closed at `asof`.

        A daily bar is named by midnight in New York, an intraday bar by its start.
        """
        column = self._column.get(symbol)
        if column is None:
            return []
        begin = bisect_left(self.stamps, first)
        end = min(bisect_right(self.stamps, last), bisect_right(self._end, asof))
        return (begin + np.flatnonzero(self._known[begin:end, column])).tolist() if begin < end else []

    def running(self, symbol: str, instant: int) -> tuple[int, Bar] | None:
        """Return the row and the bar that has begun but not closed, as far as it has come."""
        row = bisect_right(self._begin, instant) - 1
        bar = self.bar(symbol, row) if row >= 0 and instant < self._end[row] else None
        if bar is None:
            return None
        reached = [bar.path[number] for number in range(4) if bar.vertex(number) <= instant]
        seen = [*reached, bar.price(instant)]
        share = Decimal(instant - bar.begin) / Decimal(bar.end - bar.begin)
        so_far = replace(bar, high=max(seen), low=min(seen), close=seen[-1], volume=bar.volume * share)
        return row, so_far

    def overlapping(self, symbol: str, first: int, last: int) -> list[int]:
        """Return the rows of the symbol's bars that touch (first, last]."""
        column = self._column.get(symbol)
        if column is None:
            return []
        begin, end = bisect_right(self._end, first), bisect_right(self._begin, last)
        return (begin + np.flatnonzero(self._known[begin:end, column])).tolist() if begin < end else []

    def bar(self, symbol: str, row: int, adjusted_to: str | None = None) -> Bar | None:
        """Return the bar of a row, None where the symbol has none.

        Prices are in the shares of the bar's own day, or of the day `adjusted_to` (an ISO date).
        """
        column = self._column.get(symbol)
        if column is None or not self._known[row, column]:
            return None
        values = self._prices[:, row, column]
        opened, high, low, close = (self._scaled(symbol, value, row, adjusted_to) for value in values[:4])
        volume = from_float(values[4]) if np.isfinite(values[4]) else Decimal(0)
        return Bar(self._begin[row], self._end[row], opened, high, low, close, volume)

    def _scaled(self, symbol: str, value: float, row: int, adjusted_to: str | None) -> Decimal:
        """Return the price in the shares of its own day, or of the day `adjusted_to`."""
        price = from_float(value)
        if not self.splits:
            return price
        own = new_york_day(self._begin[row]).isoformat()
        for split in self.splits:
            if split.symbol == symbol:
                printed_after = split.day <= own
                if printed_after and split.rescale:
                    price /= split.ratio
                if not printed_after and adjusted_to is not None and split.day <= adjusted_to:
                    price /= split.ratio
        return price


def _stamps(bars: Bars, begin: list[int]) -> list[int]:
    """Return the instants that name the bars in the API."""
    if bars.interval != "1d" or not begin or bars.calendar == "24/7":
        return begin
    opened = pd.DatetimeIndex(np.array(begin, dtype=np.int64), tz="UTC").tz_convert(NEW_YORK)
    midnights: list[int] = (microseconds(opened.normalize().tz_convert("UTC")) * 1000).tolist()
    return midnights


class PricedMarket:
    """A market in which some symbols trade at one price that was set by hand."""

    def __init__(self, market: Market, overrides: Mapping[str, Decimal]) -> None:
        self.market = market
        self.overrides = overrides

    def trades(self, symbol: str, instant: int) -> bool:
        """Tell whether the symbol has a price of its own at the instant: a bar, or a price by hand."""
        return symbol in self.overrides or self.market.bar_at(symbol, instant) is not None

    def price(self, symbol: str, instant: int) -> Decimal | None:
        """Return the last price at the instant, None where nothing is known."""
        held = self.overrides.get(symbol)
        return held if held is not None else self.market.price(symbol, instant)
