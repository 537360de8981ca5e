"""Which column is what: by the user's word, by the names in the header, or, without a header, by what is in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forewalk.data.formats.grids import _DATE, _NUMBER
from forewalk.data.formats.vendors import BINANCE, CCXT, HISTDATA, LEAN, METATRADER4, Vendor
from forewalk.data.formats.words import CLOCK, FIELDS, PRICES, STAMP, SYMBOL, normalise
from forewalk.errors import DataError

if TYPE_CHECKING:
    from forewalk.data.formats.containers import Sheet

DATE_WORDS = frozenset(
    normalise(word)
    for word in ("date", "datum", "data", "fecha", "dtyyyymmdd", "day", "dag", "trade date", "日期")
)
WEAK_SYMBOLS = frozenset(
    (
        "name",
        "company",
        "comnam",
        "id",
        "code",
        "market",
        "product",
        "fund",
        "index name",
        "permno",
        "gvkey",
        "kod",
        "asset",
        "security",
        "secid",
        "permco",
        "stockname",
        "stock name",
        "valor",
        "figi",
        "isin",
        "tick",
        "underlying",
    )
)
_CLOCK_CELL = re.compile(r"^(?:\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?|\d{4}|\d{6})$")
SAMPLE = 400
SURE_CLOSES = frozenset(
    (
        "close",
        "c",
        "close last",
        "closing",
        "closing price",
        "close price",
        "price close",
        "px close",
        "px last",
        "prc",
    )
)


@dataclass(frozen=True)
class Columns:
    """Where each field is: field name -> position of its column; `vendor` where the header or content is known."""

    fields: dict[str, int]
    vendor: Vendor | None = None
    notes: tuple[str, ...] = field(default=())


def user_columns(given: Mapping[str, str | int], header: list[str], width: int, where: str) -> dict[str, int]:
    """Return the positions that `data.columns` names.

    Raises:
        DataError: a field or a column is unknown.
    """
    found: dict[str, int] = {}
    for name, column in given.items():
        name = {"date": STAMP, "time": CLOCK, "datetime": STAMP}.get(name, name)
        if name not in FIELDS:
            raise DataError(f"data.columns.{name}: no such field; there are date, time, symbol, open, high, low, "
                            "close, "
                            f"adj_close, volume, dividend, split")  # fmt: skip
        wanted = str(column).strip()
        names = [cell.casefold() for cell in header]
        if wanted.casefold() in names:
            found[name] = names.index(wanted.casefold())
        elif wanted.isdigit() and 1 <= int(wanted) <= width:
            found[name] = int(wanted) - 1
        else:
            shown = ", ".join(repr(cell) for cell in header[:12]) or f"positions 1 to {width}"
            raise DataError(
                f"{where}: data.columns.{name} = {wanted!r}: no such column; the columns are {shown}"
            )
    return found


def by_header(header: list[str], body: pd.DataFrame, given: dict[str, int], where: str) -> dict[str, int]:
    """Find the fields by the names of their columns; what the user gave stands.

    Raises:
        DataError: a price column is there twice.
    """
    names = [normalise(name) for name in header]
    found = dict(given)
    taken = set(given.values())
    for name in (STAMP, *(other for other in FIELDS if other != STAMP)):
        if name in found:
            continue
        for word in FIELDS[name]:
            places = [
                at
                for at, column in enumerate(names)
                if column == word and at not in taken and (word or name == STAMP)
            ]
            if name == STAMP:
                places = [at for at in places if _is_stamp(body[at])]
            if name == SYMBOL:
                places = [at for at in places if _names_symbols(body[at], word)]
            if name == "volume":
                places = [at for at in places if not _all_zero(body[at])]
            if not places:
                continue
            if len(places) > 1 and name in (*PRICES, "adj_close", STAMP):
                raise DataError(f"{where}: column {word!r} is there {len(places)} times; keep one")
            found[name] = places[0]
            taken.add(places[0])
            break
        if name == STAMP and name not in found:
            _nameless_stamp(names, body, found, taken)
    _refuse_two_closes(names, header, found, given, body, where)
    if CLOCK in found and not _separate_clock(names, found, body):
        found.pop(CLOCK)
    return found


def _refuse_two_closes(
    names: list[str],
    header: list[str],
    found: Mapping[str, int],
    given: Mapping[str, int],
    body: pd.DataFrame,
    where: str,
) -> None:
    """Raise DataError where two columns may be the close, neither is called so, and they differ."""
    chosen = found.get("close")
    if chosen is None or "close" in given or names[chosen] in SURE_CLOSES:
        return
    others = [at for at, name in enumerate(names) if at not in found.values() and name in FIELDS["close"]]
    for at in others:
        one, two = (body[place].astype("str").str.strip() for place in (chosen, at))
        if _says_prices(two) and (one != two).any():
            raise DataError(
                f"{where}: {header[chosen]!r} and {header[at]!r} can both be the close, and they differ; say which: "
                f"data.columns.close = {header[chosen]!r} or {header[at]!r}"
            )


def _says_prices(cells: pd.Series) -> bool:
    known = cells[cells != ""].head(SAMPLE)
    return bool(len(known)) and bool(known.str.match(r"^[^\w]*\d").mean() > 0.5)


def _all_zero(column: pd.Series) -> bool:
    """A column of noughts is no volume where another one has some (MetaTrader's real volume of currencies)."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return bool((column == 0).all())
    return bool(column.astype("str").str.fullmatch(r"\s*0*(?:[.,]0*)?\s*").all())


def _nameless_stamp(names: list[str], body: pd.DataFrame, found: dict[str, int], taken: set[int]) -> None:
    """A first column without a name, or with one that says nothing, that is full of dates."""
    for at, name in enumerate(names):
        if (
            at not in taken
            and name in ("", "unnamed 0", "index", "level 0", "price", "ticker", "attributes")
            and _is_stamp(body[at])
        ):
            found[STAMP] = at
            taken.add(at)
            return


def stamp_word(header: list[str]) -> int | None:
    """Return the position of the first column whose name says that it holds dates, None where none does."""
    words = {word for word in FIELDS[STAMP] if word and word not in ("index", "t")} | {"year", "month"}
    return next((at for at, name in enumerate(header) if normalise(name) in words), None)


def missing_columns(fields: dict[str, int], header: list[str], sheet: Sheet) -> DataError:
    """Return what to say where no column of dates or closes was found."""
    names = ["date" if name == STAMP else name for name in (STAMP, "close") if name not in fields]
    where = f"{sheet.where}{' line 1' if sheet.word == 'line' else ''}"
    if sum(bool(re.match(r"\d{4}-?\d{2}-?\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}", name)) for name in header) > 2:
        return DataError(
            f"{where}: the dates stand side by side as columns; save it with a row for each date"
        )
    if "date" in names and (at := stamp_word(header)) is not None:
        cell = str(sheet.body[at].iloc[0])[:20]
        return DataError(
            f"{where}: {header[at]!r} holds {cell!r}, which is no date; write YYYY-MM-DD (data.date_format)"
        )
    shown = ", ".join(repr(name[:20]) for name in header[:12]) + (" ..." if len(header) > 12 else "")
    left = [name for at, name in enumerate(header) if at not in fields.values()] or header or ["Price"]
    return DataError(
        f"{where}: no column {', '.join(names)}; the columns are {shown}; "
        f"say which it is, e.g. data.columns.{(names or ['close'])[0]} = {left[0 if 'date' in names else -1][:20]!r}"
    )


def _separate_clock(names: list[str], found: dict[str, int], body: pd.DataFrame) -> bool:
    cells = body[found[CLOCK]].head(SAMPLE).astype("str").str.strip()
    looks = cells.str.match(_CLOCK_CELL.pattern[:-1] + r"|\d{1,2}:\d{2}")
    days = body[found[STAMP]].head(SAMPLE).astype("str") if STAMP in found else cells
    return bool(looks.mean() > 0.5) and not bool(days.str.contains(r"\d:\d{2}").mean() > 0.5 and
                                                 not days.str.contains(r"[T ]00:00(?::00)?$").all())  # fmt: skip


def _is_stamp(column: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(column.dtype) or isinstance(column.dtype, pd.DatetimeTZDtype):
        return True
    cells = column.head(SAMPLE).astype("str").str.strip()
    cells = cells[(cells != "") & column.head(SAMPLE).notna()]
    if not len(cells):
        return True
    if cells.str.fullmatch(r"\d{1,5}(?:\.\d*)?").mean() > 0.5:
        return bool(cells.str.fullmatch(r"[2-6]\d{4}(?:\.\d*)?").mean() > 0.9)  # a spreadsheet's day numbers
    return not bool(cells.str.fullmatch(r"-?\d{1,7}\.\d+|-?\d{7}").mean() > 0.5)


def _names_symbols(column: pd.Series, word: str) -> bool:
    """A column of names repeats them; one that never does numbers the rows."""
    values = column.astype("str")
    if word not in WEAK_SYMBOLS:
        return True
    distinct = values.nunique()
    return distinct * 2 <= len(values) or (len(values) < 4 and distinct == 1)


def by_content(body: pd.DataFrame, name: str, where: str) -> Columns:
    """Find the fields of a table without header: symbol, date, time, open, high, low, close, volume, in this order.

    Raises:
        DataError: the columns are not these, or the four prices are not in this order.
    """
    sample = body.head(SAMPLE).astype("str").map(str.strip)
    width = sample.shape[1]
    dates = [at for at in range(min(width, 4)) if (sample[at].map(_is_date).mean() > 0.9)]
    if not dates:
        raise DataError(f"{where}: there is no header, and none of the first columns is a date; {_REMEDY}")
    at = dates[0]
    sample = sample[sample[at].map(_is_date)]
    fields = {STAMP: at}
    if at and not sample[at - 1].str.fullmatch(r"[-\d.,]+").any():
        fields[SYMBOL] = 0
    rest = at + 1
    if (
        rest < width
        and sample[rest].str.match(_CLOCK_CELL.pattern).mean() > 0.9
        and ":" in sample[rest].iloc[0]
    ):
        fields[CLOCK], rest = rest, rest + 1
    numbers = [
        c for c in range(rest, width) if sample[c].map(lambda x: bool(_NUMBER.match(x)) or not x).mean() > 0.9
    ]
    epoch = sample[at].str.fullmatch(r"\d{10}|\d{13}|\d{16}").mean() > 0.9
    if epoch and width >= 11 and sample[6].str.fullmatch(r"\d{13}|\d{16}").mean() > 0.9:
        return _ordered({**fields, "volume": 5}, [1, 2, 3, 4], sample, BINANCE, where)
    if len(numbers) == 1:
        return Columns({**fields, "close": numbers[0]})
    if len(numbers) < 4:
        raise DataError(
            f"{where}: there is no header, and beside the date there are {len(numbers)} numbers; {_REMEDY}"
        )
    if len(numbers) > 4:
        fields["volume"] = numbers[4]
    vendor = CCXT if epoch else None
    if (
        re.search(r"DAT_(ASCII|MT|NT|XLSX)", name, re.IGNORECASE)
        or sample[at].str.fullmatch(r"\d{8} \d{6}").mean() > 0.9
    ):
        vendor = HISTDATA
    elif _is_lean(sample, at, numbers[:4]):
        vendor = LEAN
    elif CLOCK in fields and sample[at].str.fullmatch(r"\d{4}\.\d{2}\.\d{2}").mean() > 0.9:
        vendor = METATRADER4
    return _ordered(fields, numbers[:4], sample, vendor, where)


def _is_lean(sample: pd.DataFrame, at: int, prices: list[int]) -> bool:
    """Whether these are LEAN's: stamps like `20180102 00:00`, and whole prices in ten-thousandths of a dollar."""
    stamps = sample[at].str.fullmatch(r"\d{8} \d{2}:\d{2}").mean() > 0.9
    whole = [sample[column].str.fullmatch(r"\d{3,}").mean() > 0.9 for column in prices]
    return bool(stamps and all(whole))


def _is_date(cell: str) -> bool:
    return bool(_DATE.match(cell))


def _ordered(
    fields: dict[str, int], prices: list[int], sample: pd.DataFrame, vendor: Vendor | None, where: str
) -> Columns:
    """Accept open, high, low, close only if high is the highest and low the lowest of them, and says so."""
    with np.errstate(invalid="ignore"):
        values = np.column_stack(
            [
                pd.to_numeric(sample[c].str.replace(",", "."), errors="coerce").to_numpy(np.float64)
                for c in prices
            ]
        )
        opened, high, low, close = values.T
        right = (high >= np.fmax(opened, close)) & (low <= np.fmin(opened, close))
        tells = (high > np.fmin(opened, close)) | (low < np.fmax(opened, close))
    known = np.isfinite(values).all(axis=1)
    if known.any() and (right[known].mean() < 0.95 or not tells[known].any()):
        raise DataError(
            f"{where}: there is no header, and the four prices are not open, high, low, close in this order; "
            f"{_REMEDY}"
        )
    return Columns({**fields, **dict(zip(PRICES, prices, strict=True))}, vendor)


_REMEDY = "name the columns by position: data.columns = {date = 1, open = 2, high = 3, low = 4, close = 5}"
