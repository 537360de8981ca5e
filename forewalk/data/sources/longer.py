"""Bars of two hours, four hours, a week or a month, made of the hours or days that a service gives.

What a vendor calls a week or four hours differs: where it begins, whether the one that is not over is served, and
whether a week within a split is adjusted. Made of shorter bars they are the same from every service, and one cache
serves both lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from forewalk.data.cleaning.placing import session_date
from forewalk.data.quality import Finding
from forewalk.data.table import CLOSE, HIGH, LOW, NO_TIME, OPEN, Table
from forewalk.sessions import (
    DAILY,
    MONTHLY,
    interval_length,
    intraday_closes,
    is_intraday,
    microseconds,
    period_closes,
    period_numbers,
    session_numbers,
    session_opens,
)
from forewalk.settings.sections import DataSettings
from forewalk.types import FloatArray, IntArray

SHORTER = {"2h": "1h", "4h": "1h", "1wk": DAILY, "1mo": DAILY}
_HOUR = 3600 * 10**6


def of_shorter(settings: DataSettings) -> DataSettings:
    """Return the settings of the shorter bars to load, from the begin of the week or month of `data.start` on."""
    start, update = settings.start, {"interval": SHORTER[settings.bar_length]}
    if start is not None and not is_intraday(settings.bar_length):
        day = session_date(start, "data.start")
        start = f"{_first_day(pd.DatetimeIndex([day]), settings.bar_length)[0]:%Y-%m-%d}"
    return settings.model_copy(update={**update, "start": start})


def longer_bars(table: Table, interval: str, calendars: Sequence[str], now: pd.Timestamp) -> Table:
    """Return the rows of a table of hours or days, joined to bars of `interval`.

    The first open, the highest high, the lowest low, the last close and the sum of the volumes; a price that is not
    there (NaN) counts for nothing. Hours are counted from the open of their session, or from the full hour before it
    where the vendor's are; a week is Monday to Sunday. The last bar is dropped and reported while it has not closed.

    Args:
        table: of a service, see `read_service`. interval: one of SHORTER.
        calendars: of each symbol. now: UTC.
    """
    parts, findings = [], list(table.findings)
    for number, (symbol, calendar) in enumerate(zip(table.symbols, calendars, strict=True)):
        rows = np.flatnonzero(table.code == number)
        stamps, group, closes = (
            _hours(table.instant[rows], calendar, interval)
            if is_intraday(interval)
            else _periods(table.wall[rows], calendar, interval)
        )
        over = closes <= microseconds(pd.DatetimeIndex([now]))[0]
        if not over.all():
            text = f"its {interval} had not closed at {now:%Y-%m-%d %H:%M} UTC"
            findings.append(
                Finding(symbol, "partial_last_bar", "", "dropped", int((~over).sum()), None, None, text)
            )
        prices, volume = _joined(table.prices[rows], table.volume[rows], group, len(stamps))
        parts.append((np.full(int(over.sum()), number), stamps[over], prices[over], volume[over]))
    code, stamps, prices, volume = (np.concatenate(values) for values in zip(*parts, strict=True))
    return replace(
        table,
        code=code.astype(np.int64),
        wall=stamps,
        instant=stamps if is_intraday(interval) else np.full(len(stamps), NO_TIME),
        line=np.zeros(len(stamps), np.int64),
        prices=prices,
        volume=volume,
        findings=tuple(findings),
    )


def _first_day(days: pd.DatetimeIndex, interval: str) -> pd.DatetimeIndex:
    if interval == MONTHLY:
        return pd.DatetimeIndex(days - pd.to_timedelta(days.day - 1, unit="D"))
    return pd.DatetimeIndex(days - pd.to_timedelta(days.dayofweek, unit="D"))


def _periods(dates: IntArray, calendar: str, interval: str) -> tuple[IntArray, IntArray, IntArray]:
    """Return the first day of each week or month, which one each row is in, and when each is over; microseconds."""
    days = pd.DatetimeIndex(dates.astype("datetime64[us]")).normalize()
    _, first, group = np.unique(period_numbers(days, interval), return_index=True, return_inverse=True)
    closes = microseconds(period_closes(calendar, days[first], interval))
    return microseconds(_first_day(days[first], interval)), group, closes


def _hours(starts: IntArray, calendar: str, interval: str) -> tuple[IntArray, IntArray, IntArray]:
    """Return the start of each bar, which one each hour is in, and when each closes; microseconds UTC."""
    moments = pd.DatetimeIndex(starts.astype("datetime64[us]"), tz="UTC")
    ends, inside = intraday_closes(calendar, moments, "1h")
    number, days = session_numbers(calendar, ends)
    opens = microseconds(session_opens(calendar, days[number]))
    if (starts < opens)[inside].any():  # the vendor's hours are the clock's, and the first holds the open
        opens = opens - opens % _HOUR
    length = interval_length(interval).value // 1000
    passed = np.maximum(starts - opens, 0) // length
    begin = np.where(inside, opens + passed * length, starts)
    number = np.where(inside, number, -1 - np.arange(len(starts)))  # outside of a session it stays alone
    keys = np.stack([number, passed], axis=1)
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    bars = pd.DatetimeIndex(begin[first].astype("datetime64[us]"), tz="UTC")
    closes, _ = intraday_closes(calendar, bars, interval)
    return begin[first], group.reshape(-1), microseconds(closes)


def _joined(
    prices: FloatArray, volume: FloatArray, group: IntArray, count: int
) -> tuple[FloatArray, FloatArray]:
    """Return prices [count, 4] and volume [count] of rows that are in order of time."""
    found, traded = np.full((count, 4), np.nan), np.full(count, np.nan)
    for field in (OPEN, CLOSE):
        known = np.flatnonzero(np.isfinite(prices[:, field]))
        ordered = known[::-1] if field == OPEN else known  # the last one written stays
        found[group[ordered], field] = prices[ordered, field]
    for field, best in ((HIGH, np.fmax), (LOW, np.fmin)):
        best.at(found[:, field], group, prices[:, field])
    there = np.isfinite(volume)
    np.add.at(traded, group[there], 0.0)
    traded[np.unique(group[there])] = 0.0
    np.add.at(traded, group[there], volume[there])
    return found, traded
