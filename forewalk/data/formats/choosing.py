"""Which rows of a sheet are bars, and which of them were asked for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from forewalk.data.formats.columns import Columns
from forewalk.data.formats.containers import Sheet
from forewalk.data.formats.lengths import interval_named
from forewalk.data.formats.stamps import Stamps
from forewalk.data.formats.words import LENGTH, PRICES, SYMBOL, normalise
from forewalk.data.table import is_symbol
from forewalk.errors import DataError
from forewalk.settings.sections import DataSettings
from forewalk.types import BoolArray

_NO_SYMBOL = ("", "nan", "None", "<NA>")
MOST_BLANK = 0.02  # share of rows that may lack their symbol
_CLOCKS = frozenset(
    ("hour", "hours", "hr", "hh", "minute", "minutes", "min", "mm", "second", "seconds", "ss", "time", "stunde",
     "uhrzeit", "heure", "hora")
)  # fmt: skip
_EVENT = re.compile(r"dividend|stock split|capital gain|\bsplit\b", re.IGNORECASE)


def unrepeated(sheet: Sheet) -> Sheet:
    """Leave out header rows that come again between the data."""
    if not sheet.head or sheet.word != "line":
        return sheet
    again = np.zeros(len(sheet.body), bool)
    for row in sheet.head:
        if sum(bool(cell) for cell in row) < 2:
            continue
        same = np.ones(len(sheet.body), bool)
        for at, cell in enumerate(row):
            same &= (sheet.body[at].str.strip().to_numpy(object) == cell) if at in sheet.body else True
            if not same.any():
                break
        again |= same
    if not again.any():
        return sheet
    note = f"{int(again.sum())} repeated header lines passed over"
    return keep_rows(sheet, ~again, note)


def keep_rows(sheet: Sheet, rows: BoolArray, note: str = "") -> Sheet:
    """Return the rows where the mask is true, and say why the others are gone."""
    notes = (*sheet.notes, note) if note else sheet.notes
    return replace(sheet, body=sheet.body[rows].reset_index(drop=True), lines=sheet.lines[rows], notes=notes)


def chosen(sheet: Sheet, columns: Columns, settings: DataSettings) -> tuple[Sheet, tuple[str, ...]]:
    """Take the rows that `data.where` and `data.interval` choose.

    Raises:
        DataError: bars of several lengths stand in one table and no setting chooses.
    """
    header = [name.casefold() for name in sheet.head[-1]] if sheet.head else []
    for name, wanted in settings.where.items():
        if name.casefold() not in header:
            raise DataError(
                f"{sheet.where}: data.where.{name}: no such column; the columns are {', '.join(sheet.head[-1][:12])}"
            )
        cells = sheet.body[header.index(name.casefold())].astype("str").str.strip()
        rows = (cells == str(wanted)).to_numpy(dtype=bool)
        if not rows.any():
            found = ", ".join(cells.unique()[:6])
            raise DataError(f"{sheet.where}: data.where.{name} = {wanted!r}: no such row; there are {found}")
        sheet = keep_rows(sheet, rows)
    place = columns.fields.get(LENGTH)
    if place is None:
        return sheet, ()
    cells = sheet.body[place].astype("str").str.strip()
    known = {text: interval_named(text) for text in cells.unique()}
    if any(length is None for length in known.values()):
        return sheet, ()
    lengths = sorted({str(length) for length in known.values()})
    if settings.interval is None and len(lengths) > 1:
        raise DataError(
            f"{sheet.where}: bars of several lengths in one table ({', '.join(lengths)}, column "
            f"{column_name(sheet, place)!r}); "
            f"say which to read: data.interval = {lengths[0]!r}"
        )
    if settings.interval is not None and settings.interval not in lengths:
        raise DataError(
            f"{sheet.where}: data.interval = {settings.interval!r}, but column {column_name(sheet, place)!r} has "
            f"{', '.join(lengths)}"
        )
    rows = (
        np.array([known[text] == settings.interval for text in cells])
        if settings.interval
        else np.ones(len(cells), bool)
    )
    note = (
        f"{int((~rows).sum())} rows of other lengths than {settings.interval} passed over"
        if not rows.all()
        else ""
    )
    return keep_rows(sheet, rows, note), ()


def column_name(sheet: Sheet, place: int) -> str:
    """Return what a column is called, its position from 1 where there is no header."""
    return sheet.head[-1][place] if sheet.head else str(place + 1)


def wanted(sheet: Sheet, fields: dict[str, int], settings: DataSettings) -> tuple[Sheet, tuple[str, ...]]:
    """Leave out the rows of symbols that were not asked for, unless none was found."""
    if not settings.symbols or SYMBOL not in fields:
        return sheet, ()
    names = sheet.body[fields[SYMBOL]].astype("str").str.strip()
    rows = names.isin(settings.symbols).to_numpy(dtype=bool)
    if not rows.any() or rows.all():
        return sheet, ()
    return keep_rows(sheet, rows), tuple(str(name) for name in names[~rows].unique()[:500])


def without_events(sheet: Sheet, fields: dict[str, int]) -> tuple[Sheet, tuple[str, ...]]:
    """Leave out the lines that tell a dividend or a split instead of prices, as on a web page."""
    if sheet.word != "line" and not sheet.excel:
        return sheet, ()
    cells = [sheet.body[fields[name]] for name in PRICES if name in fields]
    event = np.zeros(len(sheet.body), bool)
    for column in cells:
        event |= column.astype("str").str.contains(_EVENT).to_numpy(dtype=bool)
    if not event.any():
        return sheet, ()
    return keep_rows(sheet, ~event), (f"{int(event.sum())} lines about dividends or splits passed over",)


def named_symbols(sheet: Sheet, place: int) -> Any:
    """Return the symbol of each row, an array of str [N].

    Raises:
        DataError: many rows have none.
    """
    symbols = sheet.body[place].astype("str").str.strip().to_numpy(object)
    blank = np.isin(symbols, _NO_SYMBOL)
    if blank.sum() > 1 and blank.mean() > MOST_BLANK:
        line = sheet.lines[int(np.argmax(blank))]
        raise DataError(
            f"{sheet.where} {sheet.word} {line}: no symbol in {column_name(sheet, place)!r}, as in {blank.sum()} of "
            f"{len(blank)} rows; write it into every row"
        )
    return symbols


def telling_apart(sheet: Sheet, stamps: Stamps, used: set[int]) -> int | None:
    """Return the one column of words under which repeated stamps are told apart, None where there is none or several.

    Raises:
        DataError: several columns could be the symbol.
    """
    count = len(stamps)
    if count < 4 or len(np.unique(stamps.wall)) >= 0.98 * count:
        return None
    able = []
    for place in sheet.body:
        column = sheet.body[place]
        if place not in used and normalise(column_name(sheet, int(str(place)))) in _CLOCKS:
            raise DataError(
                f"{sheet.where}: each date is there several times, and {column_name(sheet, int(str(place)))!r} is a "
                f"part of the time; write date and time into one column, such as 2025-01-02 09:30:00-05:00"
            )
        if place in used or pd.api.types.is_float_dtype(column.dtype):
            continue
        codes, distinct = pd.factorize(column.astype("str").str.strip())
        if not 1 < len(distinct) <= count // 2 or not is_symbol(str(distinct[0])):
            continue
        if len(np.unique(np.column_stack([codes, stamps.wall]), axis=0)) >= 0.98 * count:
            able.append(int(str(place)))
    if len(able) > 1:
        names = [column_name(sheet, place) for place in able]
        raise DataError(
            f"{sheet.where}: each date is there several times, and {' and '.join(map(repr, names))} can be the "
            "symbol; "
            f"say which: data.columns.symbol = {names[0]!r}"
        )
    return able[0] if able else None
