"""Values of the user's own columns as they were delivered, before they are laid over bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from forewalk.sessions import (
    DAILY,
    exchange_zone,
    intraday_closes,
    microseconds,
    regular_closes,
    session_closes,
)
from forewalk.settings.sections import DataSettings
from forewalk.types import BoolArray, FloatArray, IntArray

NO_TIME = int(np.iinfo(np.int64).min)  # NaT as a number of microseconds
EVERY = -1  # code of a row that counts for every symbol
_DAY = 24 * 3600 * 10**6
ARRAYS = ("code", "wall", "instant", "line", "values", "known")


class StampedRows(Protocol):
    """Rows with a stamp each; see `Table`."""

    @property
    def wall(self) -> IntArray:
        """The stamp as written, without its zone, microseconds [N]."""
        ...

    @property
    def instant(self) -> IntArray:
        """The stamp in UTC, microseconds [N]; NO_TIME where it was written without a zone."""
        ...


@dataclass(frozen=True, eq=False)
class ColumnRows:
    """N rows of K columns, in the order of their file.

    Attributes:
        names: of the columns, length K. symbols: names, length S; empty where rows count for every symbol.
        code: row -> position in `symbols`, int64 [N]; EVERY (-1) for every symbol.
        wall, instant, line: stamp of the bar a row belongs to, and its line; see `Table` [N].
        values: float64 [N, K], NaN where there is none.
        known: when each value became known, microseconds UTC [N, K]; NO_TIME where the file does not say.
        origin: for messages. line_word: "line" for text files, "row" for others.
    """

    names: tuple[str, ...]
    symbols: tuple[str, ...]
    code: IntArray
    wall: IntArray
    instant: IntArray
    line: IntArray
    values: FloatArray
    known: IntArray
    origin: str
    line_word: str = "row"

    def __len__(self) -> int:
        return len(self.code)

    def keep(self, rows: BoolArray) -> ColumnRows:
        """Return the rows where the mask is true."""
        return replace(self, **{name: getattr(self, name)[rows] for name in ARRAYS})

    def where(self, row: int) -> str:
        """Return "prices.csv line 17" for the messages."""
        return f"{self.origin} {self.line_word} {self.line[row]}" if self.line[row] else self.origin


def joined(parts: Sequence[ColumnRows]) -> ColumnRows:
    """Return the rows of several files of a symbol each, one after the other."""
    symbols = tuple(symbol for part in parts for symbol in part.symbols)
    offsets = np.cumsum([0, *(len(part.symbols) for part in parts)])[:-1]
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS
    }
    arrays["code"] = np.concatenate(
        [part.code + int(first) for part, first in zip(parts, offsets, strict=True)]
    )
    return replace(parts[0], symbols=symbols, **arrays)


def row_closes(rows: StampedRows, settings: DataSettings) -> IntArray:
    """Return the UTC close, in microseconds, of the bar each row stands for, [N]; NO_TIME where unknown.

    A date on which the exchange was closed gets the time at which it would have closed.
    """
    if settings.bar_length == DAILY:
        days, position = np.unique(rows.wall // _DAY, return_inverse=True)
        dates = pd.DatetimeIndex((days * _DAY).astype("datetime64[us]"))
        closes = microseconds(session_closes(settings.exchange, dates))
        closes = np.where(closes == NO_TIME, microseconds(regular_closes(settings.exchange, dates)), closes)
        return np.asarray(closes[position])
    local = pd.DatetimeIndex(rows.wall.astype("datetime64[us]"))
    zone = exchange_zone(settings.exchange)
    placed = microseconds(local.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").tz_convert("UTC"))
    start = np.where(rows.instant == NO_TIME, placed, rows.instant)
    known = start != NO_TIME
    result = np.full(len(rows.wall), NO_TIME)
    starts = pd.DatetimeIndex(start[known].astype("datetime64[us]"), tz="UTC")
    result[known] = microseconds(intraday_closes(settings.exchange, starts, settings.bar_length)[0])
    return result
