"""Bars from a pandas DataFrame, long or wide, by the rules of price files.

A date (or midnight) without a zone is a session date of the exchange. Intraday stamps are the **start** of
their bar and need a zone. Where the frame has an adjusted close, all prices are rescaled to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from forewalk.data.cleaning.rules import clean
from forewalk.data.columns.reading import column_rows
from forewalk.data.quality import QualityReport
from forewalk.data.sources.assembling import NUMBERS, Stamped, assemble, numbers_of, symbols_of
from forewalk.data.sources.schema import implausible, parse_stamps, recognise
from forewalk.data.table import NO_TIME, Table, check_symbol
from forewalk.errors import DataError
from forewalk.sessions import DAILY, microseconds
from forewalk.settings.loading import settings_from
from forewalk.types import Bars, BoolArray, IntArray

ORIGIN = "the DataFrame"
FORMS = (
    "give one row per bar with a date (column or index) and columns open, high, low, close, volume, besides "
    "`symbol` where there are several; or columns of two levels (field, symbol)"
)
INTERVALS = {60: "1h", 30: "30min", 15: "15min", 5: "5min", 1: "1min"}  # by minutes
_MINUTE = 60 * 10**6
_DAY = 24 * 60 * _MINUTE


def bars_from_frame(
    frame: pd.DataFrame,
    symbol: str | None = None,
    calendar: str = "XNYS",
    interval: str | None = None,
    cleaning: Mapping[str, str] | None = None,
    columns: Sequence[str] = (),
) -> Bars:
    """Read, place and clean the rows of a DataFrame; see `Bars.from_frame`."""
    table = read_frame(frame, symbol, columns)
    section: dict[str, object] = {"calendar": calendar, "interval": interval or interval_of(table)}
    tree = {"data": {**section, "min_history_bars": 1, "cleaning": dict(cleaning or {})}}
    return noted(*clean(table, settings_from(tree).data))


def noted(bars: Bars, quality: QualityReport) -> Bars:
    """Return the bars with what the data check found in their notes, where it found or changed anything."""
    lines = quality.summary_lines()
    if len(lines) == 1 and quality.rows_read == quality.bars_kept:
        return bars
    return replace(bars, notes=(*bars.notes, *lines))


def read_frame(frame: pd.DataFrame, symbol: str | None = None, own: Sequence[str] = ()) -> Table:
    """Return the rows of a DataFrame in its order, nothing cleaned; a wide one symbol by symbol.

    `own` are columns of it that go along with the prices.

    Raises:
        DataError: a column, stamp, number or symbol is wrong; the message says which row and what to do.
    """
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"bars come from a pandas DataFrame, not from {type(frame).__name__}: {FORMS}")
    if not len(frame):
        raise DataError(f"{ORIGIN} has no rows")
    frame = _long(frame)
    header = [str(name) for name in frame.columns]
    try:
        columns = recognise(header, ORIGIN)
    except DataError as problem:
        raise DataError(f"{problem}; {FORMS}") from None
    line = np.arange(1, len(frame) + 1)
    parts = {field: frame.iloc[:, position].rename(field) for field, position in columns.fields.items()}
    stamp = parts["stamp"]
    if columns.clock is not None:
        stamp = stamp.astype("str") + " " + frame.iloc[:, columns.clock].astype("str")
    wall, instant = _stamps(stamp, line)
    names, code = _symbols(parts.get("symbol"), symbol, line)
    numbers = {name: numbers_of(parts[name], line, f"{ORIGIN} row") for name in NUMBERS if name in parts}
    table = assemble(ORIGIN, ORIGIN, Stamped(names, code, wall, instant, line), numbers, "row")
    if not own:
        return table
    only = names[0] if "symbol" not in parts else None
    return replace(table, columns=column_rows(frame, own, ORIGIN, line, "row", only))


def interval_of(table: Table) -> str:
    """Return the bar length that the stamps show: "1d" where no symbol has two on one day.

    Raises:
        DataError: the spacing within a day is none of the lengths that are known.
    """
    order = np.lexsort((table.wall, table.code))
    code, wall = table.code[order], table.wall[order]
    steps = np.diff(wall)
    same_day = (np.diff(code) == 0) & (np.diff(wall // _DAY) == 0) & (steps > 0)
    if not same_day.any():
        return DAILY
    lengths, counts = np.unique(steps[same_day], return_counts=True)
    usual = int(lengths[np.argmax(counts)])
    if usual % _MINUTE or usual // _MINUTE not in INTERVALS:
        raise DataError(
            f"{ORIGIN}: most bars of a day are {usual / _MINUTE:g} minutes apart; the lengths known are 1d and "
            f"{', '.join(INTERVALS.values())}: resample it, or name the length with interval="
        )
    return INTERVALS[usual // _MINUTE]


def _long(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per bar, with the index as columns `date` and, where it has one, `symbol`."""
    if frame.columns.nlevels > 2 or frame.index.nlevels > 2:
        raise DataError(f"{ORIGIN} has more than two levels in its columns or index; {FORMS}")
    if frame.columns.nlevels == 2:
        return _stacked(frame)
    if isinstance(frame.index, pd.RangeIndex):
        return frame
    if frame.index.nlevels == 1:
        return _with_index(frame, ["date" if _is_time(frame.index) else str(frame.index.name or "")])
    dates = [_is_time(frame.index.get_level_values(level)) for level in (0, 1)]
    names = ["date" if date else str(name or "") for date, name in zip(dates, frame.index.names, strict=True)]
    if sum(dates) == 1 and "symbol" not in frame.columns:
        names[dates.index(False)] = "symbol"
    return _with_index(frame, names)


def _stacked(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a wide frame, columns (field, symbol) or (symbol, field), as a long one, symbol by symbol."""
    if frame.index.nlevels != 1:
        raise DataError(f"{ORIGIN} has two levels in its columns and in its index; {FORMS}")
    fields = [{str(name).strip().lower() for name in frame.columns.get_level_values(n)} for n in (0, 1)]
    level = next((n for n in (0, 1) if {"open", "high", "low", "close"} <= fields[n]), None)
    if level is None:
        raise DataError(f"{ORIGIN}: neither level of its columns has open, high, low and close; {FORMS}")
    symbols = frame.columns.get_level_values(1 - level)
    parts = []
    for symbol in dict.fromkeys(symbols):
        part = frame.loc[:, symbols == symbol]
        part.columns = part.columns.get_level_values(level)
        part = _with_index(part, ["date" if _is_time(frame.index) else str(frame.index.name or "")])
        part.insert(0, "symbol", str(symbol))
        numbers = [column for column in part.columns if str(column).strip().lower() in NUMBERS]
        parts.append(part[part[numbers].notna().any(axis=1)])  # no number at all: the symbol had no bar
    return pd.concat(parts, ignore_index=True)


def _with_index(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    index = frame.index.to_frame(index=False)
    index.columns = pd.Index(names)
    return pd.concat([index, frame.reset_index(drop=True)], axis=1)


def _is_time(index: pd.Index) -> bool:
    return isinstance(index, pd.DatetimeIndex | pd.PeriodIndex)


def _stamps(column: pd.Series, line: IntArray) -> tuple[IntArray, IntArray]:
    """Return wall clock and UTC instant (NO_TIME without a zone) in microseconds."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        moments = pd.DatetimeIndex(column)
        wall = microseconds(moments if moments.tz is None else moments.tz_localize(None))
        instant = np.full(len(moments), NO_TIME) if moments.tz is None else microseconds(moments)
        bad: BoolArray = implausible(wall)
    else:
        wall, instant, bad = parse_stamps(column.astype("str").where(column.notna()))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{ORIGIN} row {line[row]}: {str(column.iloc[row])[:40]!r} is no date between 1900 and 2100; use "
            "dates, YYYY-MM-DD, or for intraday bars time stamps with a zone"
        )
    return wall, instant


def _symbols(
    column: pd.Series | None, symbol: str | None, line: IntArray
) -> tuple[tuple[str, ...], IntArray]:
    if symbol is not None:
        check_symbol(symbol, "symbol")
    if column is None:
        if symbol is None:
            raise DataError(f"{ORIGIN} has no column symbol; say whose bars they are, as in symbol='AAPL'")
        return (symbol,), np.zeros(len(line), np.int64)
    names, code = symbols_of(column.astype("str"), line, f"{ORIGIN} row")
    if symbol is not None and names != (symbol,):
        raise DataError(
            f"{ORIGIN} has a column symbol with {', '.join(names[:5])}; leave symbol={symbol!r} out, or choose "
            "its rows first"
        )
    return names, code
