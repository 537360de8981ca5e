"""Bars that are in memory as a source: their rows, and the file in which a run keeps them.

They pass the same cleaning as rows of a file, so that the leak audit can doctor them. Rows of bars that
cleaning left as they are come out as the very same bars.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from forewalk.data.cleaning.closing import markets
from forewalk.data.columns.rows import ColumnRows
from forewalk.data.quality import EARLIER, Finding
from forewalk.data.table import EXTRAS, NO_TIME, OWN, Table, check_symbol
from forewalk.errors import DataError
from forewalk.sessions import (
    DAILY,
    exchange_zone,
    interval_length,
    intraday_closes,
    is_intraday,
    microseconds,
    regular_closes,
    session_closes,
    session_numbers,
)
from forewalk.types import ACCOUNT_EXTRAS, PRICE_FIELDS, Bars, BoolArray, IntArray

ORIGIN = "the bars given"


def bars_table(bars: Bars) -> Table:
    """Return the rows of `bars`, symbol by symbol in time order; a symbol without any bar is left out, noted.

    Raises:
        DataError: there is no bar, or one closes when no bar of its calendar and interval does.
    """
    prices = np.stack([getattr(bars, field) for field in PRICE_FIELDS], axis=2)  # [T, S, 4]
    there = ~np.isnan(prices).all(axis=2)
    findings = [Finding("", EARLIER, "", "noted", 0, None, None, note) for note in bars.notes]
    empty = [symbol for symbol, any_bar in zip(bars.symbols, there.any(axis=0), strict=True) if not any_bar]
    if len(empty) == len(bars.symbols):
        raise DataError(f"{ORIGIN} hold no bar of any symbol")
    lost = "no bar at all; left out"
    findings += [Finding(symbol, "no_bars", "", "noted", 0, None, None, lost) for symbol in empty]
    symbols = tuple(check_symbol(symbol, ORIGIN) for symbol in bars.symbols if symbol not in empty)
    columns = [bars.symbols.index(symbol) for symbol in symbols]
    code, row = np.nonzero(there[:, columns].T)
    column = np.array(columns)[code]
    wall, instant = _stamps(bars, row, column)
    names = tuple(name for name in bars.extras if name not in ACCOUNT_EXTRAS)  # those are laid over anew
    with np.errstate(divide="ignore", invalid="ignore"):
        extras = {n: (bars.extras[n] / bars.open)[row, column] for n in EXTRAS if n in bars.extras}
    rows = None
    if names:
        values = np.stack([bars.extras[name] for name in names], axis=2)[row, column]
        known = np.repeat(microseconds(bars.timestamps)[row][:, None], len(names), axis=1)
        places = (code.astype(np.int64), wall, instant, np.zeros(len(row), np.int64))
        rows = ColumnRows(names, symbols, *places, values=values, known=known, origin=ORIGIN)
    return Table(
        symbols=symbols,
        origins=(ORIGIN,) * len(symbols),
        code=code.astype(np.int64),
        wall=wall,
        instant=instant,
        line=np.zeros(len(row), np.int64),
        prices=prices[row, column],
        volume=bars.volume[row, column],
        findings=tuple(findings),
        columns=rows,
        interval=bars.interval,
        extras=extras,
        calendars=tuple(bars.calendars[column] for column in columns) if bars.calendars else (),
    )


def write_table(table: Table, path: Path) -> None:
    """Write the rows as a long Parquet file that the source `files` reads back to the same bars."""
    import pyarrow as pa
    from pyarrow import parquet

    daily = (table.instant == NO_TIME).all()
    stamps = (table.wall if daily else table.instant).astype("datetime64[us]")
    columns: dict[str, object] = {
        "symbol": np.array(table.symbols, dtype=object)[table.code],
        "date" if daily else "timestamp": stamps if daily else pd.DatetimeIndex(stamps, tz="UTC"),
        **{field: table.prices[:, number] for number, field in enumerate(PRICE_FIELDS)},
        "volume": table.volume,
    }
    if table.columns is not None and len(table.columns) == len(table):  # of the same rows: bars in memory
        columns |= {name: table.columns.values[:, number] for number, name in enumerate(table.columns.names)}
    columns |= {f"{OWN}{name}": values for name, values in table.extras.items()}
    frame = pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
    frame = frame.replace_schema_metadata({**(frame.schema.metadata or {}), **notes_of(table)})
    parquet.write_table(frame, path, compression="zstd")


def notes_of(table: Table) -> dict[str, str]:
    """Return what the file says beside its rows, so that it is read back without telling anything from them."""
    notes = {"forewalk.interval": table.interval or DAILY, "forewalk.stamp": "start"}
    if table.calendars:
        notes["forewalk.calendars"] = json.dumps(dict(zip(table.symbols, table.calendars, strict=True)))
    return notes


def _stamps(bars: Bars, rows: IntArray, columns: IntArray) -> tuple[IntArray, IntArray]:
    """Return per bar what a file would say: its session date, or the UTC start of an intraday bar.

    `rows` and `columns` are the bar's places in `bars`.
    """
    wall, instant = np.zeros(len(rows), np.int64), np.full(len(rows), NO_TIME)
    for calendar, members in markets(bars.calendars or (bars.calendar,) * len(bars.symbols)):
        mine = np.flatnonzero(np.isin(columns, members))
        closes, number = np.unique(rows[mine], return_inverse=True)
        moments = bars.timestamps[closes]
        if not len(moments):
            continue
        if not is_intraday(bars.interval):
            wall[mine] = microseconds(_session_dates(moments, calendar, bars.interval))[number]
            continue
        starts = microseconds(moments) - interval_length(bars.interval).value // 1000
        placed, _ = intraday_closes(
            calendar, pd.DatetimeIndex(starts.astype("datetime64[us]"), tz="UTC"), bars.interval
        )
        _refuse_first(moments, microseconds(placed) != microseconds(moments), calendar, bars.interval)
        wall[mine] = instant[mine] = starts[number]
    return wall, instant


def _session_dates(moments: pd.DatetimeIndex, calendar: str, interval: str) -> pd.DatetimeIndex:
    """Return the exchange's date of each daily bar, zone-less."""
    closes = microseconds(moments)
    number, dates = session_numbers(calendar, moments)
    days = dates[np.minimum(number, len(dates) - 1)]
    inside = microseconds(session_closes(calendar, days)) == closes
    local = moments.tz_convert(exchange_zone(calendar)).tz_localize(None).normalize()
    for shift in (
        0,
        1,
    ):  # a bar off session closes when a session of its date would; that may be after midnight
        other = pd.DatetimeIndex(local - pd.Timedelta(days=shift))
        found = ~inside & (microseconds(regular_closes(calendar, other)) == closes)
        days, inside = days.where(~found, other), inside | found
    _refuse_first(moments, ~inside, calendar, interval)
    return pd.DatetimeIndex(days)


def _refuse_first(moments: pd.DatetimeIndex, wrong: BoolArray, calendar: str, interval: str) -> None:
    if wrong.any():
        moment = moments[int(np.argmax(wrong))]
        raise DataError(
            f"{ORIGIN} have one at {moment:%Y-%m-%d %H:%M} UTC, when no {interval} bar of {calendar} "
            "closes; a time stamp is the UTC close of its bar: Bars.from_frame makes closes of dates and starts"
        )
