"""Recognise the columns and the time stamps of price files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forewalk.data.table import CLOSE, NO_TIME
from forewalk.errors import DataError
from forewalk.sessions import microseconds
from forewalk.types import BoolArray, FloatArray, IntArray

MAX_COLUMNS = 1_000
YEARS = (1900, 2100)  # stamps outside are mistakes, e.g. a two-digit year

_ALIASES = {
    "symbol": ("symbol", "ticker"),
    "stamp": (
        "datetime",
        "date_time",
        "timestamp",
        "date",
        "time",
        "time_ny",
        "time_utc",
        "index_level_0",
        "",
    ),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "adj_close": ("adj_close", "adjclose", "adjusted_close", "close_adj"),
    "volume": ("volume", "vol"),
}
FIELD_NAMES = frozenset(alias for aliases in _ALIASES.values() for alias in aliases)
_REQUIRED = ("stamp", "open", "high", "low", "close")
_ZONE = r"(?::\d{2}(?:\.\d+)?)\s*(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)$"  # only after a time of day
_ZONE_ALONE = r"\s*(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)$"


@dataclass(frozen=True)
class Columns:
    """Where each field is: positions in the file's header.

    Attributes:
        fields: field name ("symbol", "stamp", "open" ... "adj_close", "volume") -> column position.
        clock: position of a separate time-of-day column beside a date column, or None.
    """

    fields: dict[str, int]
    clock: int | None = None


def recognise(header: Sequence[str], where: str, required: Sequence[str] = _REQUIRED) -> Columns:
    """Find the columns by name, whatever their case and order; columns not needed are left out.

    Raises:
        DataError: too many columns, a needed one is missing or is there twice.
    """
    if len(header) > MAX_COLUMNS:
        raise DataError(
            f"{where}: {len(header)} columns, at most {MAX_COLUMNS} are read; is it a price file?"
        )
    names = [re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_") for name in header]
    fields: dict[str, int] = {}
    for field, aliases in _ALIASES.items():
        found = next((alias for alias in aliases if alias in names), None)
        if found is not None:
            if names.count(found) > 1:
                raise DataError(f"{where}: column {found!r} is there {names.count(found)} times; keep one")
            fields[field] = names.index(found)
    missing = ["date" if field == "stamp" else field for field in required if field not in fields]
    if missing:
        shown = ", ".join(repr(name[:20]) for name in header[:12]) + (" ..." if len(header) > 12 else "")
        raise DataError(f"{where}: no column {', '.join(missing)}; the columns are {shown}")
    is_date = names[fields["stamp"]] == "date"
    return Columns(fields, names.index("time") if is_date and "time" in names else None)


def parse_stamps(texts: pd.Series) -> tuple[IntArray, IntArray, BoolArray]:
    """Read ISO 8601 stamps, zone-aware or not, offsets mixed as they are across daylight saving.

    Returns:
        wall clock and UTC instant in microseconds (NO_TIME for an instant without zone), and True where
        the text is no date or lies outside 1900..2100. All of the length of `texts`.
    """
    codes, uniques = pd.factorize(texts)
    distinct = pd.Series(uniques, dtype="str").str.strip()
    zoned = distinct.str.contains(_ZONE, case=False, regex=True).to_numpy(dtype=bool)
    bare = distinct.where(~zoned, distinct.str.replace(_ZONE_ALONE, "", case=False, regex=True))
    wall = microseconds(pd.to_datetime(bare, format="ISO8601", errors="coerce"))
    moments = distinct.where(zoned).str.replace(r"\s*UTC$", "Z", regex=True, case=False)
    instant = microseconds(pd.to_datetime(moments, format="ISO8601", errors="coerce", utc=True))
    bad = implausible(wall) | (zoned & (instant == NO_TIME))
    missing = codes < 0
    return wall[codes], instant[codes], bad[codes] | missing


def implausible(wall: IntArray) -> BoolArray:
    """True where a wall-clock stamp is missing or outside the years that make sense."""
    low, high = (np.datetime64(f"{year}-01-01", "us").astype(np.int64) for year in YEARS)
    return (wall < low) | (wall >= high)


def adjust(prices: FloatArray, adj_close: FloatArray) -> FloatArray:
    """Return open, high, low, close [N, 4] rescaled by adj_close / close (total return).

    Where adj_close is not finite there is no adjusted price and all four become NaN, so that cleaning
    reports the row as `non_finite`. A close at or below zero leaves its row as it is, for cleaning to
    report as `non_positive_price`.
    """
    close = prices[:, CLOSE]
    usable = np.isfinite(close) & (close > 0)
    factor = np.where(np.isfinite(adj_close), adj_close, np.nan) / np.where(usable, close, 1.0)
    adjusted = prices * np.where(usable, factor, 1.0)[:, None]
    adjusted[usable, CLOSE] = np.where(np.isfinite(adj_close), adj_close, np.nan)[usable]
    return adjusted
