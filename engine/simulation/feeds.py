"""A panel of bars as backtrader feeds: filled in bulk, moved in step, with what each bar can take.

backtrader's `PandasData` copies every cell of every bar through `.iloc` and again into tick attributes. Here a
line is filled from NumPy at once, and stepping to the next bar moves eight numbers.
"""

from __future__ import annotations

import array
from collections.abc import Mapping
from typing import Any

import backtrader as bt
import numpy as np

from engine.simulation.money import VOLUME_BEFORE, with_known_volume
from forewalk.data.cleaning.closing import markets
from forewalk.data.cleaning.together import cut_out, market_closes
from forewalk.settings.sections import ExecutionSettings
from forewalk.types import PRICE_FIELDS, Bars, BoolArray, FloatArray
from strategies.indicator import backtrader_times

STALE = -1.0  # capacity of a bar so long without a price that a position may be closed at the last one
BARRED = -2.0  # and below: a position may be reduced by up to BARRED - capacity, and none opened


class PanelFeed(bt.feed.DataBase):
    """One symbol's columns as a feed, aligned to the panel's bars and filled in bulk.

    A bar the symbol does not have carries its last close (0 before the first) and capacity 0: nothing fills.
    `capacity` is the largest quantity a fill may take, `STALE` after `stale_exit_bars` bars without a price.
    """

    lines = ("capacity",)
    params = (("columns", None),)

    # The bar is the tick: per-bar copies of the prices into tick_* attributes are not needed.
    tick_open = tick_high = tick_low = tick_close = tick_volume = tick_last = None

    def _tick_nullify(self) -> None:
        pass

    def _tick_fill(self, force: bool = False) -> None:
        pass

    def __len__(self) -> int:  # asked several times on every bar
        return int(self.lines.lines[0].lencount)

    def start(self) -> None:
        """Begin at the first bar."""
        super().start()
        self._row = 0
        self._buffers = tuple(self.lines)

    def preload(self) -> None:
        """Fill every line at once instead of bar by bar."""
        for name, values in self.p.columns.items():
            getattr(self.lines, name).array = array.array("d", values.tobytes())
        self.openinterest.array = array.array("d", bytes(8 * len(self.p.columns["close"])))
        self._row = len(self.p.columns["close"])
        self.home()

    def advance(self, size: int = 1, datamaster: Any = None, ticks: bool = True) -> None:
        """Step to the next bar: every line at once. Anything else than one step is left to backtrader."""
        if size != 1 or datamaster is not None:
            super().advance(size, datamaster, ticks)
            return
        for line in self._buffers:
            line._idx += 1
            line.lencount += 1

    def advance_peek(self) -> float:
        """Return the time of the next bar, infinity after the last."""
        clock = self.lines.datetime
        return float(clock.array[clock._idx + 1]) if clock.lencount < len(clock.array) else float("inf")

    def _load(self) -> bool:
        if self._row >= len(self.p.columns["close"]):
            return False
        for name, values in self.p.columns.items():
            getattr(self.lines, name)[0] = values[self._row]
        self.openinterest[0] = 0.0
        self._row += 1
        return True


class CurrencyFeed(PanelFeed):
    """A feed that also tells the account's money for one unit of its price, at the close."""

    lines = ("rate",)


class MarketFeed(PanelFeed):
    """A feed in a panel of several markets: `own` counts its market's closes, below zero on the closes of others."""

    lines = ("own",)


class CurrencyMarketFeed(CurrencyFeed):
    """Both: a feed in another currency, and in a panel of several markets."""

    lines = ("own",)


def feed_for(columns: Mapping[str, FloatArray]) -> type[PanelFeed]:
    """Return the feed that has lines for all columns."""
    if "own" in columns:
        return CurrencyMarketFeed if "rate" in columns else MarketFeed
    return CurrencyFeed if "rate" in columns else PanelFeed


def feed_columns(bars: Bars, execution: ExecutionSettings) -> list[dict[str, FloatArray]]:
    """Return, for each symbol, the lines of its feed over all bars; each value depends on the past only."""
    times = backtrader_times(bars.timestamps)
    lines = feed_lines(bars, execution)
    return [
        {"datetime": times, **{name: np.ascontiguousarray(values[:, s]) for name, values in lines.items()}}
        for s in range(len(bars.symbols))
    ]


def feed_lines(bars: Bars, execution: ExecutionSettings) -> dict[str, FloatArray]:
    """Return what an account sees of all bars, each [T, S]: prices, volume and capacity; see `PanelFeed`."""
    last_close = _carried(bars.close)
    missing = ~bars.present
    prices = {name: np.where(missing, last_close, getattr(bars, name)) for name in PRICE_FIELDS}
    volume = np.where(missing, 0.0, np.nan_to_num(bars.volume))
    capacity = fill_capacity(bars, execution)
    if execution.delisting_return:
        left = last_close * (1.0 + execution.delisting_return)
        prices["open"] = np.where(capacity == STALE, left, prices["open"])
    lines = {**prices, "volume": volume, "capacity": capacity}
    if bars.calendars:
        lines["own"] = own_closes(bars)
    rate = bars.extras.get("rate_close")
    return lines if rate is None else {**lines, "rate": np.nan_to_num(rate)}


def own_closes(bars: Bars) -> FloatArray:
    """Return the number of closes of each symbol's market so far, [T, S]; negated where the row is another market's.

    Args:
        bars: rows are true closes, see `forewalk.data.cleaning.together.in_time`.
    """
    own = market_closes(bars)
    count = np.cumsum(own, axis=0).astype(np.float64)
    return np.where(own, count, -count)


def fill_capacity(bars: Bars, execution: ExecutionSettings) -> FloatArray:
    """Return the quantity that may be filled on each bar, [T, S]: see `PanelFeed`.

    In a panel of several markets each is looked at alone: a price grows old by closes of its own market.
    """
    if not bars.calendars:
        return _capacity_alone(bars, execution)
    capacity = np.zeros(bars.close.shape)
    own = market_closes(bars)
    for _, columns in markets(bars.calendars):
        rows = np.flatnonzero(own[:, columns[0]])
        capacity[np.ix_(rows, columns)] = _capacity_alone(cut_out(bars, rows, columns), execution)
    return capacity


def delisted(bars: Bars, execution: ExecutionSettings) -> BoolArray:
    """Return the first bar of each stretch in which a symbol counts as delisted, [T, S]."""
    stale = fill_capacity(bars, execution) == STALE
    before = np.vstack([np.zeros((1, stale.shape[1]), bool), stale[:-1]])
    return np.asarray(stale & ~before)


def _capacity_alone(bars: Bars, execution: ExecutionSettings) -> FloatArray:
    """Return `fill_capacity` of bars that close together.

    A position in one that has left the universe and has no bar is closed at the last price.
    """
    capacity = _volume_cap(bars, execution)
    capacity[~bars.present] = 0.0
    if "rate_open" in bars.extras:  # before the first rate nothing has a price in the account's currency
        capacity[~np.isfinite(bars.extras["rate_open"])] = 0.0
    row = np.arange(len(bars))[:, None]
    last_seen = np.maximum.accumulate(np.where(bars.present, row, -1), axis=0)
    over = row - last_seen > execution.stale_exit_bars
    if bars.member is not None:  # it has left the universe and trades no more: its delisting
        over |= ~bars.present & ~bars.member
    capacity[(last_seen >= 0) & over] = STALE
    if bars.member is not None:  # decided on when it was no member: it may be left, not entered
        before = np.ones_like(bars.member)
        before[1:] = bars.member[:-1]
        barred = ~before & (capacity >= 0)
        capacity[barred] = BARRED - capacity[barred]
    return capacity


def _volume_cap(bars: Bars, execution: ExecutionSettings) -> FloatArray:
    """Return the share of the volume that a fill may take, [T, S], infinite where there is no cap.

    A symbol that has never reported volume so far (a currency, an index) is not capped. Of a bar in which nothing
    was traded nothing is filled, whatever the bars before it had.
    """
    volume = np.nan_to_num(bars.volume)
    if execution.max_volume_share is None:
        return np.full(volume.shape, np.inf)
    begun = np.logical_or.accumulate(volume > 0, axis=0)
    if execution.volume_known == "before":
        before = with_known_volume(bars, execution).extras[VOLUME_BEFORE]
        begun = np.isfinite(before)
        volume = np.where(volume > 0, np.nan_to_num(before), 0.0)
    cap = volume * execution.max_volume_share
    if not execution.fractional:
        cap = np.floor(cap)
    return np.asarray(np.where(begun, cap, np.inf))


def _carried(close: FloatArray) -> FloatArray:
    """Return the last close of each symbol at each bar, [T, S]; 0 before the first."""
    row = np.arange(len(close))[:, None]
    last = np.maximum.accumulate(np.where(np.isfinite(close), row, -1), axis=0)
    return np.where(last >= 0, np.take_along_axis(close, np.maximum(last, 0), axis=0), 0.0)
