"""Bars for the daemon: fetched whole, checked row by row, refused symbol by symbol. Never forward-filled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd

from engine.live.schedule import Schedule
from forewalk.errors import DataError
from forewalk.sessions import AROUND_THE_CLOCK, DAILY, exchange_zone, session_closes
from forewalk.types import BAR_FIELDS, Bars

FIRST = "2000-01-01"
OVERLAP_BARS = 10  # fetched again each time, to notice a history that has been revised
RECENT_BARS = 5  # a symbol may not miss one of them
KEYS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
ROUNDING = 1e-9  # adjusted prices may lie this fraction outside of their range
REVISION = 0.20  # beyond it, a revised close is not taken for a dividend


class BarFeed(Protocol):
    """Where raw bars come from; see `AlpacaPaper.bars`."""

    def bars(
        self, symbols: Sequence[str], interval: str, first: datetime, last: datetime, adjustment: str
    ) -> dict[str, list[dict[str, Any]]]:
        """Return raw bar objects by symbol."""
        ...


@dataclass(frozen=True, eq=False)
class FreshBars:
    """Bars up to `asof` and why some symbols must not be traded on them.

    Attributes:
        bars: [T, S] in the order asked for; a row that was rejected is NaN.
        problems: symbol -> reason.
        missing: symbols without the bar of `asof` (they are among `problems` too).
    """

    bars: Bars
    problems: dict[str, str]
    missing: tuple[str, ...]


class LiveBars:
    """Fetches and remembers the history of some symbols.

    Args:
        first: date of the first bar, the same as the backtest's, so that features are the same.
        adjustment: "all", "split" or "raw".
    """

    def __init__(
        self, feed: BarFeed, symbols: Sequence[str], schedule: Schedule, first: str | None, adjustment: str
    ) -> None:
        self._feed = feed
        self._symbols = tuple(symbols)
        self._schedule = schedule
        self._first = pd.Timestamp(first or FIRST, tz="UTC").to_pydatetime()
        self._adjustment = adjustment
        self._kept: dict[str, list[BarRow]] = {}

    def fetch(
        self, asof: datetime, known: Mapping[str, tuple[datetime, float]], max_jump: float
    ) -> FreshBars:
        """Return all bars until `asof`.

        Args:
            known: last close that a decision was made on, with its time, for each symbol.
            max_jump: move of the last bar beyond which a symbol is refused.

        Raises:
            DataError: no symbol has a single usable bar. BrokerError: the feed did not answer.
        """
        rows, problems = self._rows(asof)
        bars = self._panel(rows, asof)
        missing = []
        for column, symbol in enumerate(self._symbols):
            problem = problems.get(symbol) or _recent_problem(bars, column, self._schedule, asof)
            if problem is None:
                problem = _jump_problem(bars, column, max_jump) or _revision_problem(
                    bars, column, known.get(symbol)
                )
            if problem is not None:
                problems[symbol] = problem
            if not bars.present[-1, column] or bars.timestamps[-1] != asof:
                missing.append(symbol)
        return FreshBars(bars, problems, tuple(missing))

    def _rows(self, asof: datetime) -> tuple[dict[str, list[BarRow]], dict[str, str]]:
        """Fetch what is new with an overlap; where the overlap has changed, fetch everything again."""
        since = self._overlap_start()
        raw = self._ask(since or self._first, asof)
        rows, problems = parse_bars(raw, self._symbols, self._schedule)
        if since is None:
            self._kept = rows
        elif all(self._continues(symbol, rows[symbol]) for symbol in self._symbols):
            for symbol, fresh in rows.items():
                kept = self._kept[symbol]
                last = kept[-1].close_at if kept else None
                kept.extend(row for row in fresh if last is None or row.close_at > last)
        else:
            rows, problems = parse_bars(self._ask(self._first, asof), self._symbols, self._schedule)
            self._kept = rows
        if problems:  # a history with a rejected row is not built upon
            usable, self._kept = self._kept, {}
            return usable, problems
        return {
            symbol: [row for row in found if row.close_at <= asof] for symbol, found in self._kept.items()
        }, {}

    def _ask(self, first: datetime, asof: datetime) -> dict[str, list[dict[str, Any]]]:
        return self._feed.bars(self._symbols, self._schedule.interval, first, asof, self._adjustment)

    def _overlap_start(self) -> datetime | None:
        if not self._kept or any(len(rows) < OVERLAP_BARS for rows in self._kept.values()):
            return None
        return min(rows[-OVERLAP_BARS].stamp for rows in self._kept.values())

    def _continues(self, symbol: str, fresh: Sequence[BarRow]) -> bool:
        kept = self._kept.get(symbol, [])
        again = {row.close_at: row for row in fresh}
        overlap = [row for row in kept if fresh and fresh[0].close_at <= row.close_at]
        return bool(overlap) and all(again.get(row.close_at) == row for row in overlap)

    def _panel(self, rows: Mapping[str, Sequence[BarRow]], asof: datetime) -> Bars:
        closes = sorted({row.close_at for found in rows.values() for row in found if row.close_at <= asof})
        if not closes:
            raise DataError("no usable bar for any symbol; check the symbols and the market data plan")
        place = {close: number for number, close in enumerate(closes)}
        shape = len(closes), len(self._symbols)
        fields: dict[str, Any] = {name: np.full(shape, np.nan) for name in BAR_FIELDS}
        for column, symbol in enumerate(self._symbols):
            known = [row for row in rows.get(symbol, ()) if row.close_at in place]
            at = [place[row.close_at] for row in known]
            for name, values in zip(
                BAR_FIELDS, zip(*(row.values for row in known), strict=True), strict=False
            ):
                fields[name][at, column] = values
        return Bars(
            timestamps=pd.DatetimeIndex(closes),
            symbols=self._symbols,
            calendar=self._schedule.calendar,
            interval=self._schedule.interval,
            **fields,
        )


@dataclass(frozen=True, slots=True)  # there are many, for as long as the daemon runs
class BarRow:
    """One bar: the broker's stamp, its close in time, and open, high, low, close, volume."""

    stamp: datetime
    close_at: datetime
    values: tuple[float, float, float, float, float]


def parse_bars(
    raw: Mapping[str, Sequence[Any]], symbols: Sequence[str], schedule: Schedule
) -> tuple[dict[str, list[BarRow]], dict[str, str]]:
    """Return usable rows by symbol, and the first thing that is wrong with each symbol that has a bad one.

    A row is rejected when a price is missing, not finite, not positive, or outside of high and low, when the
    volume is negative, the stamp has no zone, repeats, goes back, or names no bar of the calendar.
    """
    rows: dict[str, list[BarRow]] = {}
    problems: dict[str, str] = {}
    for symbol in symbols:
        kept: list[BarRow] = []
        for number, body in enumerate(raw.get(symbol) or (), 1):
            try:
                row = _row(body)
                if kept and row[0] <= kept[-1].stamp:
                    raise ValueError(f"its time {body['t']} does not come after the one before")
            except (ValueError, TypeError, KeyError) as problem:
                problems.setdefault(symbol, f"bar {number} is rejected: {problem}")
                continue
            kept.append(BarRow(row[0], row[0], row[1]))
        closes = _closes([row.stamp for row in kept], schedule)
        rows[symbol] = [
            BarRow(r.stamp, close, r.values)
            for r, close in zip(kept, closes, strict=True)
            if close is not None
        ]
        if len(rows[symbol]) < len(kept):
            at = next(r.stamp for r, close in zip(kept, closes, strict=True) if close is None)
            problems.setdefault(symbol, f"the bar at {at:%Y-%m-%d %H:%M} UTC is outside of every session")
    return rows, problems


def _row(body: Any) -> tuple[datetime, tuple[float, float, float, float, float]]:
    if not isinstance(body, dict):
        raise ValueError("it is no object")
    stamp = datetime.fromisoformat(str(body["t"]))
    if stamp.tzinfo is None:
        raise ValueError(f"its time {body['t']} has no zone")
    values = [body[key] for key in KEYS.values()]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        raise ValueError("a value is no number")
    opened, high, low, close, volume = (float(value) for value in values)
    prices = (opened, high, low, close)
    if not all(math.isfinite(price) and price > 0 for price in prices):
        raise ValueError(f"prices {prices} are not all positive and finite")
    slack = high * ROUNDING
    if not (low - slack <= min(opened, close) and max(opened, close) <= high + slack):
        raise ValueError(f"open {opened} or close {close} is outside of {low}..{high}")
    if not (math.isfinite(volume) and volume >= 0):
        raise ValueError(f"volume {volume}")
    return stamp.astimezone(UTC), (opened, high, low, close, volume)


def _closes(stamps: Sequence[datetime], schedule: Schedule) -> list[datetime | None]:
    """Return when each bar closed: a daily one with the session of its exchange date, others an interval later."""
    if not stamps:
        return []
    index = pd.DatetimeIndex(list(stamps))
    if schedule.interval == DAILY:
        local = index.tz_convert(exchange_zone(schedule.calendar)).tz_localize(None)
        closes = session_closes(schedule.calendar, local.normalize())
        if schedule.calendar == AROUND_THE_CLOCK:  # a day that begins at another hour is another day
            closes = pd.DatetimeIndex(closes.where(local == local.normalize()))
    else:
        from forewalk.sessions import intraday_closes

        ends, inside = intraday_closes(schedule.calendar, index, schedule.interval)
        closes = pd.DatetimeIndex(ends.where(inside))
    return [None if pd.isna(close) else close.to_pydatetime() for close in closes]


def _recent_problem(bars: Bars, column: int, schedule: Schedule, asof: datetime) -> str | None:
    present = bars.timestamps[bars.present[:, column]]
    if not len(present):
        return "no bar at all"
    if present[-1] != asof:
        return f"stale: its last bar closed {present[-1]:%Y-%m-%d %H:%M} UTC, not {asof:%Y-%m-%d %H:%M}"
    there = set(present[-2 * RECENT_BARS :])
    gaps = [close for close in schedule.recent_closes(asof, RECENT_BARS) if close not in there]
    if gaps and gaps[0] > present[0]:
        return f"the bar of {gaps[0]:%Y-%m-%d %H:%M} UTC is missing"
    return None


def _jump_problem(bars: Bars, column: int, max_jump: float) -> str | None:
    closes = bars.close[bars.present[:, column], column]
    if len(closes) < 2:
        return None
    move = closes[-1] / closes[-2] - 1
    if abs(move) > max_jump:
        return f"its last bar moved by {move:+.0%}, more than risk.max_jump: a split, or a wrong price"
    return None


def _revision_problem(bars: Bars, column: int, known: tuple[datetime, float] | None) -> str | None:
    """A close that a decision was made on has changed by more than a dividend could."""
    if known is None:
        return None
    row = int(bars.timestamps.searchsorted(pd.Timestamp(known[0])))
    if row >= len(bars) or bars.timestamps[row] != known[0] or not bars.present[row, column]:
        return f"the bar of {known[0]:%Y-%m-%d %H:%M} UTC, decided on before, is gone"
    change = bars.close[row, column] / known[1] - 1
    if abs(change) > REVISION:
        return (
            f"its history was rescaled by {change:+.0%}: a split? Look at the position, then decide by hand"
        )
    return None
