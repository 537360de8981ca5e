"""Wide tables: a column for each symbol, with one or two rows of names above."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forewalk.data.formats.columns import Columns
from forewalk.data.formats.vendors import FRED, MULTI_INDEX, vendor_of
from forewalk.data.formats.words import FIELDS, PRICE_WORDS, PRICES, STAMP, normalise
from forewalk.errors import DataError

if TYPE_CHECKING:
    from forewalk.data.formats.containers import Sheet
    from forewalk.data.formats.readings import Reading
    from forewalk.settings.sections import DataSettings

_KEPT = (*PRICES, "adj_close", "volume", "dividend", "split")
_FIELD_OF = {word: name for name in reversed(_KEPT) for word in FIELDS[name]}
_CURRENCIES = frozenset(
    ("USD", "EUR", "GBP", "GBP", "GBX", "JPY", "CHF", "CAD", "AUD", "INR", "HKD", "CNY", "SEK")
)
_UNITS = _CURRENCIES | frozenset(
    ("SHARES", "UNITS", "CONTRACTS", "LOTS", "PCS", "STK", "ET", "EST", "UTC", "GMT", "LOCAL", "$", "€", "£", "%",
     "YYYY-MM-DD", "MM/DD/YYYY", "DD/MM/YYYY", "DD.MM.YYYY", "USD/SHARE")
)  # fmt: skip
_TICKER = re.compile(r"^[\^$.#]?[A-Z0-9][A-Z0-9.\-=_/:&^ ]{0,24}$")
_VENDOR_TICKER = re.compile(
    r" (?:Equity|Index|Curncy|Comdty|Corp|Govt)$|^[\w.]+\.[A-Za-z]{1,3}$|^[A-Z]+:[\w.]+$", re.IGNORECASE
)

Cell = tuple[str, str]  # (symbol, field)


def read_levels(sheet: Sheet, settings: DataSettings) -> Reading:
    """Read a table with a row of tickers and a row of fields above it, in either order (yfinance, Bloomberg).

    Raises:
        DataError: the rows above the data are not understood.
    """
    head = sheet.head
    counts = [sum(normalise(cell) in PRICE_WORDS for cell in row) for row in head]
    fields_at = int(np.argmax(counts))
    stamp = _stamp_column(sheet)
    if not counts[fields_at]:
        raise DataError(f"{sheet.where}: {len(head)} header rows, and none of them names a price; say which column "
                        "is "
                        f"what with data.columns")  # fmt: skip
    again = [
        at
        for at, cell in enumerate(head[fields_at])
        if at != stamp and normalise(cell) in ("date", "datum", "time")
    ]
    if again:
        column = head[fields_at][again[0]]
        raise DataError(
            f"{sheet.where}: column {column!r} is there {len(again) + 1} times; keep one, for all series"
        )
    tickers = _tickers(head, fields_at, stamp)
    cells: dict[int, Cell] = {}
    for at in range(len(head[fields_at])):
        name = _FIELD_OF.get(normalise(head[fields_at][at]))
        if at != stamp and name is not None:
            cells[at] = (tickers[at], name)
    names = [normalise(row[0]) for row in head]
    multi = (
        "ticker" in names
        or "price" in names
        or (not tickers_blank(tickers) and not any(row[0] for row in head[:-1]))
    )
    words = [normalise(cell) for cell in head[fields_at]]
    vendor = vendor_of(words, [cell for row in head for cell in row])
    label = (
        vendor.name
        if vendor and vendor.name in ("bloomberg", "refinitiv")
        else ("yfinance" if multi else "wide table")
    )
    adjusted = None
    if label == "yfinance" and not any(name == "adj_close" for _, name in cells.values()):
        adjusted = MULTI_INDEX.adjusted
    return _melted(sheet, stamp, cells, label, adjusted, settings)


def tickers_blank(tickers: list[str]) -> bool:
    """Tell whether no column has a ticker above it."""
    return not any(tickers)


def _stamp_column(sheet: Sheet) -> int:
    words = {word for word in FIELDS[STAMP] if word}
    for at in range(len(sheet.head[0])):
        if any(
            normalise(row[at]) in words and normalise(row[at]) not in ("index", "t") for row in sheet.head
        ):
            return at
    return 0


def _tickers(head: list[list[str]], fields_at: int, stamp: int) -> list[str]:
    """Return the ticker above each column; a name above a group of columns counts for all of it."""
    for number, row in enumerate(head):
        if number == fields_at:
            continue
        names, last = [], ""
        for at, cell in enumerate(row):
            last = cell.strip() or last if at != stamp else last
            names.append("" if at == stamp else last)
        distinct = {name for name in names if name}
        if (
            distinct
            and not {name.strip("()[] ").upper() for name in distinct} <= _UNITS
            and not all(normalise(n) in FIELDS[STAMP] for n in distinct)
        ):
            return names
    return [""] * len(head[0])


def read_wide(sheet: Sheet, columns: Columns, settings: DataSettings) -> Reading | None:
    """Read a table with one column a ticker, or a pair of ticker and field in each name; None where it is neither.

    Raises:
        DataError: it is neither, and looks like prices all the same.
    """
    if STAMP not in columns.fields or not sheet.head:
        return None
    stamp = columns.fields[STAMP]
    header = sheet.head[-1]
    numeric = [at for at in range(len(header)) if at != stamp and header[at] and _is_numeric(sheet.body[at])]
    if not numeric:
        return None
    pairs = {at: _pair(header[at]) for at in numeric}
    if any(name == "close" for pair in pairs.values() if pair for _, name in [pair]):
        cells = {at: pair for at, pair in pairs.items() if pair}
        return _melted(sheet, stamp, cells, "wide table", None, settings)
    known = [at for at in numeric if normalise(header[at]) in _FIELD_OF]
    asked = set(settings.symbols)
    named = [
        at
        for at in numeric
        if _TICKER.match(header[at]) or _VENDOR_TICKER.search(header[at]) or asked.intersection(header)
    ]
    if known or len(named) < len(numeric):
        return None
    vendor = columns.vendor
    label = vendor.name if vendor else "wide table"
    if (
        len(numeric) == 1
        and normalise(header[stamp]) in ("date", "observation date")
        and header[stamp].isupper() | ("observation" in header[stamp])
    ):
        label = FRED.name
    return _melted(sheet, stamp, {at: (header[at], "close") for at in numeric}, label, None, settings)


def _pair(name: str) -> Cell | None:
    """Split "AAPL Close", "AAPL_Close", "Close_AAPL", "('Close', 'AAPL')" into ticker and field."""
    if found := re.fullmatch(r"\(\s*'([^']+)'\s*,\s*'([^']+)'\s*\)", name):
        first, second = found.groups()
        if (known := _FIELD_OF.get(normalise(first))) is not None:
            return second, known
        return (first, found_name) if (found_name := _FIELD_OF.get(normalise(second))) is not None else None
    for size in (2, 1):
        parts = re.split(r"([ _.|:\-])", name)
        if len(parts) < 2 * size + 1:
            continue
        front, back = "".join(parts[: -2 * size]), "".join(parts[-2 * size + 1 :])
        if (known := _FIELD_OF.get(normalise(back))) is not None and _TICKER.match(front):
            return front, known
        front, back = "".join(parts[: 2 * size - 1]), "".join(parts[2 * size :])
        if (known := _FIELD_OF.get(normalise(front))) is not None and _TICKER.match(back):
            return back, known
    return None


def _is_numeric(column: pd.Series) -> bool:
    from forewalk.data.formats.numbers import read_numbers

    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return False
    sample = column.head(400)
    values, bad = read_numbers(sample)
    comma, worse = read_numbers(sample, ",") if bad.any() else (values, bad)
    return not min(bad.sum(), worse.sum()) and bool(
        np.isfinite(column_values(column)).any() or np.isfinite(comma).any()
    )


def column_values(column: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the numbers of a column, NaN where there is none."""
    from forewalk.data.formats.numbers import read_numbers

    return read_numbers(column)[0]


def _melted(
    sheet: Sheet,
    stamp: int,
    cells: dict[int, Cell],
    label: str,
    adjusted: bool | None,
    settings: DataSettings,
) -> Reading:
    """Turn columns into rows, symbol after symbol; where a symbol has no price at all there is no row."""
    from forewalk.data.formats.readings import Reading, read_column_of_stamps, read_columns

    fields = {STAMP: stamp}
    first = next(iter(cells))
    stamps, sheet, passed = read_column_of_stamps(sheet, {**fields, "close": first}, settings) if len(
        cells) == 1 else read_column_of_stamps(sheet, {**fields, **_prices_of(cells)}, settings)  # fmt: skip
    numbers, _ = read_columns(sheet, {str(at): at for at in cells}, settings.decimal)
    symbols = list(dict.fromkeys(symbol for symbol, _ in cells.values()))
    parts, close_only = [], True
    for symbol in symbols:
        own = {name: numbers[str(at)] for at, (ticker, name) in cells.items() if ticker == symbol}
        if "close" not in own and "adj_close" not in own:
            continue
        close = own.get("close", own.get("adj_close"))
        assert close is not None
        whole = all(name in own for name in PRICES)
        close_only &= not whole
        prices = np.column_stack([own[name] if whole else close for name in PRICES])
        rows = np.flatnonzero(np.isfinite(prices).any(axis=1))
        parts.append((symbol, rows, prices, own))
    if not parts:
        raise DataError(f"{sheet.where}: no column of closes; say which it is: data.columns.close")
    order = np.concatenate([rows for _, rows, _, _ in parts])
    extras = {
        name: np.concatenate(
            [own.get(name, np.full(len(prices), np.nan))[rows] for _, rows, prices, own in parts]
        )
        for name in ("adj_close", "dividend", "split")
        if any(name in own and "close" in own for *_, own in parts)
    }
    volume = None
    if any("volume" in own for *_, own in parts):
        volume = np.concatenate(
            [own.get("volume", np.zeros(len(prices)))[rows] for _, rows, prices, own in parts]
        )
    names = np.concatenate([np.full(len(rows), symbol, dtype=object) for symbol, rows, *_ in parts])
    single = len(symbols) == 1 and not symbols[0]
    return Reading(
        where=sheet.where, name=sheet.name, word=sheet.word, format=label, symbols=None if single else names,
        stamps=stamps.take(order), lines=sheet.lines[order],
        prices=np.concatenate([prices[rows] for _, rows, prices, _ in parts]), volume=volume, extras=extras,
        adjusted=adjusted, zone=sheet.facts.get("zone", ""), notes=(*sheet.notes, *passed), close_only=close_only,
    )  # fmt: skip


def _prices_of(cells: dict[int, Cell]) -> dict[str, int]:
    """Return up to four columns of prices, which tell whether a line without a date is a bar."""
    closes: Iterable[int] = [at for at, (_, name) in cells.items() if name in ("close", "adj_close")]
    return dict(zip(PRICES, closes, strict=False))
