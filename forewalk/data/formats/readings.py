"""From a sheet to rows with a meaning: one symbol, a long table of many, or a wide one with a column for each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from forewalk.data.formats import wide
from forewalk.data.formats.choosing import (
    chosen,
    column_name,
    keep_rows,
    named_symbols,
    telling_apart,
    unrepeated,
    wanted,
    without_events,
)
from forewalk.data.formats.columns import (
    Columns,
    by_content,
    by_header,
    missing_columns,
    stamp_word,
    user_columns,
)
from forewalk.data.formats.containers import Sheet
from forewalk.data.formats.numbers import MISSING, decide_decimal, read_numbers, read_ratios
from forewalk.data.formats.stamps import Stamps, join_clock, read_stamps
from forewalk.data.formats.vendors import ALPACA, LEAN, STOOQ, Vendor, vendor_of
from forewalk.data.formats.words import CLOCK, PRICES, SIDES, STAMP, SYMBOL, normalise
from forewalk.data.table import EXTRAS, OWN
from forewalk.errors import DataError
from forewalk.settings.sections import DataSettings
from forewalk.types import BoolArray, FloatArray, IntArray

LEAN_UNITS = 10_000  # of a dollar
NUMBERS = (*PRICES, "adj_close", "volume", "dividend", "split", "cfacpr", "total_return", *SIDES)
_TOTALS = re.compile(r"^(?:grand )?(?:total|sum|summe|gesamt|average|avg|mean|median|min|max|count|std|somme|moyenne|"
                     r"totale|media|suma|promedio|итого)\b", re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Reading:
    """N rows of one sheet as they are written.

    Attributes:
        where, name, word: as in `Sheet`.
        format: whose it is, or its layout.
        symbols: name of the symbol of each row, None where the sheet does not say.
        stamps: of each row.
        lines: 1-based.
        prices: open, high, low, close [N, 4].
        volume: [N], None where there is none.
        extras: adj_close, dividend, split, cfacpr, total_return [N], those that are there.
        adjusted, zone, stamp: what format and file say, see `Vendor`.
        notes: for the reader.
        close_only: open, high and low are the close.
        troubles: symbol -> what is wrong with its rows.
        others: symbols of the sheet that were not asked for, and were not read.
        facts: what the file says beside its table.
    """

    where: str
    name: str
    word: str
    format: str
    symbols: Any
    stamps: Stamps
    lines: IntArray
    prices: FloatArray
    volume: FloatArray | None
    extras: dict[str, FloatArray] = field(default_factory=dict)
    adjusted: bool | None = None
    zone: str = ""
    stamp: str = ""
    notes: tuple[str, ...] = ()
    close_only: bool = False
    troubles: dict[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    def take(self, rows: Any) -> Reading:
        """Return the given rows."""
        return replace(
            self,
            symbols=None if self.symbols is None else self.symbols[rows],
            stamps=self.stamps.take(rows),
            lines=self.lines[rows],
            prices=self.prices[rows],
            volume=None if self.volume is None else self.volume[rows],
            extras={name: values[rows] for name, values in self.extras.items()},
        )


def read_sheet(sheet: Sheet, settings: DataSettings) -> Reading:
    """Understand one sheet.

    Raises:
        DataError: a column, a number or a stamp is missing, unreadable, or can be read in two ways; the message
            names file and line, and the setting that decides.
    """
    sheet = unrepeated(sheet)
    header = sheet.head[-1] if len(sheet.head) == 1 else []
    given = user_columns(settings.columns, header, sheet.body.shape[1], sheet.where)
    if len(sheet.head) > 1:
        return wide.read_levels(sheet, settings)
    if settings.date_format and STAMP not in given and (at := stamp_word(header)) is not None:
        given = {**given, STAMP: at}  # whatever its cells look like
    if not header and not {STAMP, "close"} <= set(given):
        columns = by_content(sheet.body, sheet.name, sheet.where)
        columns = replace(columns, fields={**columns.fields, **given})
    else:
        fields = by_header(header, sheet.body, given, sheet.where)
        columns = Columns(fields, vendor_of([normalise(name) for name in header], header))
    if not _has_prices(columns.fields):
        if (found := wide.read_wide(sheet, columns, settings)) is not None:
            return found
        raise missing_columns(columns.fields, header, sheet)
    return _long(sheet, columns, settings)


def _has_prices(fields: dict[str, int]) -> bool:
    sides = all(f"{side}_{price}" in fields for side in ("bid", "ask") for price in PRICES)
    return STAMP in fields and ("close" in fields or "adj_close" in fields or sides)


def _long(sheet: Sheet, columns: Columns, settings: DataSettings) -> Reading:
    sheet, notes = chosen(sheet, columns, settings)
    fields, vendor = columns.fields, columns.vendor
    sheet, others = wanted(sheet, fields, settings)
    sheet, passed = without_events(sheet, fields)
    notes += passed
    stamps, sheet, passed = read_column_of_stamps(sheet, fields, settings)
    notes += passed
    if vendor is not None and vendor.name == "polygon" and not stamps.epoch:
        vendor = ALPACA
    if vendor is None and re.fullmatch(r"[a-z0-9.\-]+_(us|uk|de|jp|pl|hu)_[dwm]", sheet.name):
        vendor = STOOQ
    if SYMBOL not in fields and (place := telling_apart(sheet, stamps, set(fields.values()))) is not None:
        fields = {**fields, SYMBOL: place}
        notes += (f"column {column_name(sheet, place)!r} tells the symbols apart",)
    symbols = named_symbols(sheet, fields[SYMBOL]) if SYMBOL in fields else None
    places = {name: fields[name] for name in NUMBERS if name in fields}
    numbers, troubles = read_columns(sheet, places, settings.decimal, symbols)
    if vendor is not None and vendor.name == "databento":
        numbers = {n: v * 1e-9 if n in PRICES and np.nanmedian(v) > 1e6 else v for n, v in numbers.items()}
    if vendor is LEAN:
        numbers = {n: v / LEAN_UNITS if n in PRICES else v for n, v in numbers.items()}
    prices, close_only, more = _four_prices(numbers, vendor)
    numbers |= _own_extras(sheet)
    label = vendor.name if vendor else ("table of one symbol" if symbols is None else "long table")
    label = "forewalk" if "forewalk.interval" in sheet.facts else label
    extras = {n: v for n, v in numbers.items() if n not in (*PRICES, "volume", *SIDES)}
    if "close" not in fields and "adj_close" in fields:
        extras.pop("adj_close")
        vendor = replace(vendor or Vendor(label, lambda names, raw: False), adjusted=True)
    if symbols is None and sheet.facts.get("symbol"):
        symbols = np.full(len(sheet.body), sheet.facts["symbol"], dtype=object)
    return Reading(
        where=sheet.where, name=sheet.name, word=sheet.word, format=label, symbols=symbols, stamps=stamps,
        lines=sheet.lines, prices=prices, volume=numbers.get("volume"), extras=extras,
        adjusted=vendor.adjusted if vendor else None, zone=sheet.facts.get("zone") or (vendor.zone if vendor else "")
        or _zone_in_header(sheet.head, fields), stamp=vendor.stamp if vendor else "",
        notes=(*sheet.notes, *columns.notes, *notes, *more), close_only=close_only, troubles=troubles, others=others,
        facts=sheet.facts,
    )  # fmt: skip


def _own_extras(sheet: Sheet) -> dict[str, FloatArray]:
    """Return the extras that a file of our own keeps beside its prices; see `Table.extras`."""
    names = sheet.head[-1] if "forewalk.interval" in sheet.facts and sheet.head else []
    return {
        f"{OWN}{name}": sheet.body[names.index(f"{OWN}{name}")].to_numpy(np.float64)
        for name in EXTRAS
        if f"{OWN}{name}" in names
    }


def _zone_in_header(head: list[list[str]], fields: dict[str, int]) -> str:
    """Return the zone that the name of the stamps' column tells, "" where it tells none."""
    if not head:
        return ""
    name = head[-1][fields[STAMP]]
    if re.search(r"\b(?:utc|gmt)\b|_utc|utc_", name, re.IGNORECASE):
        return "UTC"
    if re.search(r"time_ny|\b(?:ny|et|est|edt|eastern)\b|new.?york", name, re.IGNORECASE):
        return "America/New_York"
    return ""


def read_column_of_stamps(
    sheet: Sheet, fields: dict[str, int], settings: DataSettings
) -> tuple[Stamps, Sheet, tuple[str, ...]]:
    """Read the stamps; lines at the end that are no bars, and lines of totals, are left out.

    Raises:
        DataError: a row has prices and no date.
    """
    texts = sheet.body[fields[STAMP]]
    if CLOCK in fields:
        texts = join_clock(texts, sheet.body[fields[CLOCK]])
    stamps = read_stamps(texts, sheet.where, settings.date_format, sheet.excel)
    bad = stamps.bad
    if not bad.any():
        return stamps, sheet, ()
    prices = [sheet.body[fields[name]] for name in PRICES if name in fields] or [sheet.body[fields["adj_close"]]] if (
        set(PRICES) | {"adj_close"}) & set(fields) else []  # fmt: skip
    empty = np.ones(len(bad), bool)
    for column in prices:
        empty &= _unfilled(column)
    cells = texts.astype("str").str.strip()
    total = cells.str.match(_TOTALS).to_numpy(dtype=bool)
    blank = (cells == "").to_numpy(dtype=bool) | texts.isna().to_numpy(dtype=bool)
    note = bad & (empty | total)
    if (wrong := bad & ~note).any():
        row = int(np.argmax(wrong))
        shown = cells.iloc[row][:40] if not blank[row] else ""
        raise DataError(
            f"{sheet.where} {sheet.word} {sheet.lines[row]}: {shown!r} is no date; write YYYY-MM-DD, with "
            f"YYYY-MM-DD HH:MM:SS+00:00 for intraday bars, or say how it is written with data.date_format"
        )
    passed = int((note & ~blank).sum())
    words = (f"{passed} lines that are no bars passed over",) if passed else ()
    return stamps.take(~note), keep_rows(sheet, ~note), words


def _unfilled(column: pd.Series) -> BoolArray:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.isna().to_numpy(dtype=bool)
    _, bad = read_numbers(column)
    texts = column.astype("str").str.strip().str.casefold()
    return np.asarray(texts.isin(MISSING) | column.isna() | bad & ~texts.str.contains(r"\d"), dtype=bool)


def _is_continental(sheet: Sheet) -> bool:
    """Whether cells lie between semicolons and dates are written 31.12.2020."""
    first = [str(cell) for cell in sheet.body.iloc[0]] if sheet.delimiter == ";" and len(sheet.body) else []
    return any(re.match(r"\s*\d{1,2}\.\d{1,2}\.(?:\d{2}|\d{4})\b", cell) for cell in first)


def read_columns(
    sheet: Sheet, places: dict[str, int], decimal: str | None, symbols: Any = None
) -> tuple[dict[str, FloatArray], dict[str, str]]:
    """Read columns of numbers, the decimal mark decided by all of them; and what is wrong with single symbols.

    Raises:
        DataError: a cell is no number, and the table is of one symbol; the message has its line.
    """
    texts = [
        column
        for at in places.values()
        if not pd.api.types.is_numeric_dtype((column := sheet.body[at]).dtype)
    ]
    marked = [column[column.astype("str").str.contains(r"[.,]")].astype("str").unique() for column in texts]
    mark = decide_decimal(marked, decimal, sheet.where, _is_continental(sheet))
    found: dict[str, FloatArray] = {}
    troubles: dict[str, str] = {}
    several = symbols is not None and len(set(symbols)) > 1
    for name, at in places.items():
        values, bad = read_numbers(sheet.body[at], mark)
        if name == "split" and bad.any():
            values, bad = read_ratios(sheet.body[at], values, bad)
        found[name] = values
        if name == "total_return" or not bad.any():
            continue
        for row in np.flatnonzero(bad).tolist() if several else [int(np.argmax(bad))]:
            message = (
                f"{sheet.where} {sheet.word} {sheet.lines[row]}: {name} = {str(sheet.body[at].iloc[row])[:40]!r} "
                "is no "
                f"number; write it like 1234.5" + (" (decimal mark: comma)" if mark == "," else "")
            )
            if not several:
                raise DataError(message)
            troubles.setdefault(str(symbols[row]), message)
    return found, troubles


def _four_prices(
    numbers: dict[str, FloatArray], vendor: Vendor | None
) -> tuple[FloatArray, bool, tuple[str, ...]]:
    """Return open, high, low, close; the mid of bid and ask; the close alone four times."""
    sides = [f"{side}_{price}" for side in ("bid", "ask") for price in PRICES]
    if "close" not in numbers and all(side in numbers for side in sides):
        mid = np.column_stack([(numbers[f"bid_{price}"] + numbers[f"ask_{price}"]) / 2 for price in PRICES])
        width = numbers["ask_open"] - numbers["bid_open"]
        with np.errstate(divide="ignore", invalid="ignore"):
            numbers[f"{OWN}spread"] = np.maximum(width, 0.0) / mid[:, 0]
        notes: tuple[str, ...] = (
            "prices are the middle of bid and ask; fills pay half of what lies between them",
        )
        if crossed := int((width < 0).sum()):
            notes += (f"{crossed} bars open with the bid above the ask: taken for no spread",)
        return mid, False, notes
    close = numbers["close"] if "close" in numbers else numbers["adj_close"]
    if vendor is not None and vendor.name == "crsp":
        quoted = close < 0
        close = np.abs(close)
        numbers = {
            **numbers,
            **{n: np.where(numbers[n] != 0, np.abs(numbers[n]), close) for n in PRICES if n in numbers},
        }
        for name in ("open", "high", "low"):
            numbers[name] = np.where(
                np.isfinite(numbers.get(name, np.full(len(close), np.nan))), numbers.get(name, close), close
            )
        numbers["open"] = np.clip(
            numbers["open"], np.fmin(numbers["low"], close), np.fmax(numbers["high"], close)
        )
        note = (
            (f"{int(quoted.sum())} closes are the middle of bid and ask (no trade on that day)",)
            if quoted.any()
            else ()
        )
        return (
            np.column_stack(
                [numbers["open"], np.fmax(numbers["high"], close), np.fmin(numbers["low"], close), close]
            ),
            False,
            note,
        )
    if not any(name in numbers for name in ("open", "high", "low")):
        return np.column_stack([close] * 4), True, ()
    opened = numbers.get("open")
    if opened is None or "high" not in numbers or "low" not in numbers:
        missing = [name for name in PRICES if name not in numbers and name != "close"]
        raise DataError(
            f"there are prices, but no column {', '.join(missing)}; name it with data.columns, or name only the "
            f"close "
            f"and leave the others out of the file"
        )
    return np.column_stack([opened, numbers["high"], numbers["low"], close]), False, ()
