"""Markets that close at different times, put into one panel: a row for each day, each cell with its own true close.

Rows of all true closes are right for an account, which lives through them one after the other, and wrong for whatever
counts bars: five markets make five rows a day. `by_day` gives the rows that count, `in_time` those an account sees.
What is computed for one market is computed on `of_market`, its own bars alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forewalk.data.cleaning.closing import markets
from forewalk.errors import ConfigError
from forewalk.sessions import (
    MONTHLY,
    WEEKLY,
    bar_open_times,
    is_intraday,
    microseconds,
    period_numbers,
)
from forewalk.types import BAR_FIELDS, CLOSED_AT, Bars, BoolArray, FloatArray, Forecasts, IntArray

_DAY = 24 * 3600 * 10**6
_CARRIED = ("member",)  # holds on days on which a market is closed, too
_RATES = ("rate_open", "rate_close", "pair", "pip")


@dataclass(frozen=True, eq=False)
class Market:
    """The symbols of one calendar in a panel.

    Attributes:
        calendar: its name.
        columns: of its symbols.
        rows: on which it closed, ascending: those on which any of its symbols has a bar.
        closes: its true closes there, microseconds UTC.
    """

    calendar: str
    columns: IntArray
    rows: IntArray
    closes: IntArray


def by_day(bars: Bars) -> Bars:
    """Return bars of several markets with a row for each day; bars of one market as they are.

    A day is one of UTC and reaches to its end: a bar belongs to the day in which the instant before its close lies,
    which is the date of its session everywhere. The row is stamped with the end of the day (with weekly or monthly
    bars of the week or month), and `extras["closed_at"]` has the true close of each cell, in microseconds, NaN where
    the symbol's market did not close. There is a row for each day on which any market closed.

    Raises:
        ConfigError: the bars are shorter than a day, or a market closes twice in a day.
    """
    if not bars.calendars:
        return bars
    if is_intraday(bars.interval):
        raise ConfigError(
            f"bars of {bars.interval} of markets that close at different times ({', '.join(_names(bars))}) cannot be "
            f"run together: take daily bars (data.interval = '1d'), or one market at a time with data.symbols"
        )
    stamps = microseconds(bars.timestamps)
    ends = _ends(stamps, bars.interval)
    days, row_of = np.unique(ends, return_inverse=True)
    shape = (len(days), len(bars.symbols))
    values = {name: np.full(shape, np.nan) for name in (*BAR_FIELDS, *bars.extras, CLOSED_AT)}
    for calendar, columns in markets(bars.calendars):
        there = np.flatnonzero(bars.present[:, columns].any(axis=1))
        rows = row_of[there]
        if len(np.unique(rows)) != len(rows):
            raise ConfigError(
                f"{calendar} closes twice within one day of UTC: run it alone, with data.symbols"
            )
        for name in BAR_FIELDS:
            values[name][np.ix_(rows, columns)] = getattr(bars, name)[np.ix_(there, columns)]
        for name, given in bars.extras.items():
            values[name][np.ix_(rows, columns)] = given[np.ix_(there, columns)]
        values[CLOSED_AT][np.ix_(rows, columns)] = stamps[there, None]
    for name in _CARRIED:
        if name in values:
            values[name] = np.nan_to_num(_carried(values[name]))
    fields: dict[str, Any] = {name: values.pop(name) for name in BAR_FIELDS}
    return replace(bars, timestamps=_utc(days), extras=values, **fields)


def markets_of(bars: Bars) -> tuple[Market, ...]:
    """Return the markets of a panel that `by_day` made; of bars of one market, the one with every row."""
    if CLOSED_AT not in bars.extras:
        rows = np.arange(len(bars))
        return (Market(bars.calendar, np.arange(len(bars.symbols)), rows, microseconds(bars.timestamps)),)
    found = []
    for calendar, columns in markets(bars.calendars or (bars.calendar,) * len(bars.symbols)):
        closes = bars.extras[CLOSED_AT][:, columns[0]]
        rows = np.flatnonzero(np.isfinite(closes))
        found.append(Market(calendar, columns, rows, closes[rows].astype(np.int64)))
    return tuple(found)


def of_market(bars: Bars, market: Market) -> Bars:
    """Return one market's bars alone, at its true closes; bars of one market as they are."""
    if CLOSED_AT not in bars.extras:
        return bars
    return replace(cut_out(bars, market.rows, market.columns), timestamps=_utc(market.closes))


def each_market(bars: Bars) -> Iterator[tuple[Market, Bars]]:
    """Yield the markets of a panel, each with its own bars alone."""
    for market in markets_of(bars):
        yield market, of_market(bars, market)


def spread_out(values: npt.NDArray[Any], market: Market, into: npt.NDArray[Any]) -> None:
    """Write values of one market, [its rows, its symbols, ...], to their cells of the panel."""
    into[np.ix_(market.rows, market.columns)] = values


def in_time(bars: Bars) -> Bars:
    """Return the bars with a row for each true close, as an account lives through them.

    Undoes `by_day`, but for rates of currencies, which are to be computed on these rows.
    """
    found = markets_of(bars)
    times = np.unique(np.concatenate([market.closes for market in found]))
    shape = (len(times), len(bars.symbols))
    extras = [name for name in bars.extras if name not in (CLOSED_AT, *_RATES)]
    values = {name: np.full(shape, np.nan) for name in (*BAR_FIELDS, *extras)}
    for market in found:
        rows = np.searchsorted(times, market.closes)
        into, source = np.ix_(rows, market.columns), np.ix_(market.rows, market.columns)
        for name, cells in values.items():
            cells[into] = (getattr(bars, name) if name in BAR_FIELDS else bars.extras[name])[source]
    for name in _CARRIED:
        if name in values:
            values[name] = np.nan_to_num(_carried(values[name]))
    fields: dict[str, Any] = {name: values.pop(name) for name in BAR_FIELDS}
    return replace(bars, timestamps=_utc(times), extras=values, **fields)


def market_closes(bars: Bars) -> BoolArray:
    """Return where a symbol's market closed, bool [T, S], of bars whose rows are true closes."""
    own, present = np.ones(bars.close.shape, bool), np.asarray(bars.present)
    for _, columns in markets(bars.calendars):
        own[:, columns] = np.asarray(present[:, columns].any(axis=1))[:, None]
    return own


def cut_out(bars: Bars, rows: IntArray, columns: IntArray) -> Bars:
    """Return some rows of some symbols of one market, at their own stamps."""
    cells = np.ix_(rows, columns)
    fields: dict[str, Any] = {name: getattr(bars, name)[cells] for name in BAR_FIELDS}
    return replace(
        bars, timestamps=bars.timestamps[rows], symbols=tuple(bars.symbols[column] for column in columns),
        calendar=bars.calendars[columns[0]], calendars=(), **fields,
        extras={name: values[cells] for name, values in bars.extras.items() if name != CLOSED_AT},
    )  # fmt: skip


def forecasts_in_time(bars: Bars, forecasts: Forecasts, times: pd.DatetimeIndex) -> Forecasts:
    """Return forecasts by day as forecasts at true closes; `times` are those of the last `len(forecasts)` days."""
    first = len(bars) - len(forecasts)
    stamps = microseconds(times)
    made: dict[str, Any] = {
        name: np.full((len(times), len(bars.symbols)), np.nan) for name in ("mean", "std", "p_up")
    }
    day = np.zeros(len(times), np.int64)
    for market in markets_of(bars):
        late = market.rows >= first
        rows, source = np.searchsorted(stamps, market.closes[late]), market.rows[late] - first
        day[rows] = source
        for name, values in made.items():
            values[np.ix_(rows, market.columns)] = getattr(forecasts, name)[np.ix_(source, market.columns)]
    return replace(
        forecasts, timestamps=times, model_ids=tuple(forecasts.model_ids[number] for number in day),
        trained_until=forecasts.trained_until[day], **made,
    )  # fmt: skip


def true_closes(bars: Bars) -> IntArray:
    """Return the close of each cell in microseconds UTC, [T, S]: of its row, or of its market where several.

    Where a market did not close it is the end of the row's day.
    """
    stamps = np.broadcast_to(microseconds(bars.timestamps)[:, None], bars.close.shape)
    closed = bars.extras.get(CLOSED_AT)
    if closed is None:
        return np.asarray(stamps)
    return np.where(np.isfinite(closed), np.nan_to_num(closed), stamps).astype(np.int64)


def own_open_times(bars: Bars) -> dict[str, tuple[IntArray, pd.DatetimeIndex]]:
    """Return for each symbol the rows on which its market closed, and when these bars opened.

    Args:
        bars: rows are true closes (`in_time`), or of one market.
    """
    if not bars.calendars:
        return dict.fromkeys(bars.symbols, (np.arange(len(bars)), bar_open_times(bars)))
    own, found = market_closes(bars), {}
    for _, columns in markets(bars.calendars):
        rows = np.flatnonzero(own[:, columns[0]])
        opened = bar_open_times(cut_out(bars, rows, columns))
        found.update(dict.fromkeys([bars.symbols[column] for column in columns], (rows, opened)))
    return found


def _ends(stamps: IntArray, interval: str) -> IntArray:
    """Return the end of the day, week or month in which the instant before each close lies."""
    before = pd.DatetimeIndex((stamps - 1).astype("datetime64[us]"))
    if interval == MONTHLY:
        following = before.to_period("M").to_timestamp() + pd.offsets.MonthBegin()
        return microseconds(pd.DatetimeIndex(following))
    if interval == WEEKLY:
        return (period_numbers(before, WEEKLY) * 7 + 4) * _DAY  # 1970-01-01 was a Thursday
    return (np.asarray(stamps - 1) // _DAY + 1) * _DAY


def _carried(values: FloatArray) -> FloatArray:
    row = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(np.isfinite(values), row, -1), axis=0)
    return np.where(last >= 0, np.take_along_axis(values, np.maximum(last, 0), axis=0), np.nan)


def _names(bars: Bars) -> list[str]:
    return list(dict.fromkeys(bars.calendars))


def _utc(moments: IntArray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.asarray(moments).astype("datetime64[us]"), tz="UTC")
