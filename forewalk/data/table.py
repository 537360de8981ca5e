"""Rows as a source delivered them, and rows placed in time: the two forms that cleaning works on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import numpy as np

from forewalk.data.columns.rows import ColumnRows
from forewalk.data.columns.texts.rows import TextRows
from forewalk.data.quality import NOTHING_UNDERSTOOD, Finding, Understanding
from forewalk.data.universe import Universe
from forewalk.errors import DataError
from forewalk.types import BoolArray, FloatArray, IntArray

NO_TIME = int(np.iinfo(np.int64).min)  # NaT as a number of microseconds
OPEN, HIGH, LOW, CLOSE = range(4)
SYMBOL_LENGTH = 64


@dataclass(frozen=True, eq=False)
class Table:
    """N rows in the order of the source, nothing checked but types.

    Attributes:
        symbols: names, length S.
        origins: for messages: the file or service of each symbol, length S.
        code: row -> position in `symbols`, int64 [N].
        wall: the stamp as written, without its zone, microseconds [N].
        instant: the stamp in UTC, microseconds [N]; NO_TIME where it was written without a zone.
        line: 1-based line of the file [N]; 0 where there is none.
        prices: open, high, low, close, float64 [N, 4].
        volume: float64 [N].
        extras: what else the source says of a bar, float64 [N] by name, as a fraction of its open (so that rescaled
            prices take it along), NaN where it says nothing: `spread`, ask less bid; `dividend`, cash for a share.
        findings: what reading already reports.
        line_word: "line" for text files, "row" for others.
        universe: who belongs when, where the settings name one.
        columns: columns of the user's own, where the settings name some; their rows are their own.
        texts: news and social texts, where the settings name some; their rows are their own.
        calendars: calendar of each symbol, length S; empty: the one of the settings for all.
        interval: bar length of all rows; empty: the one of the settings.
        understood: what was understood of the source.
        turned_away: symbol -> reason, for symbols of the source that could not be believed; their rows are gone.
    """

    symbols: tuple[str, ...]
    origins: tuple[str, ...]
    code: IntArray
    wall: IntArray
    instant: IntArray
    line: IntArray
    prices: FloatArray
    volume: FloatArray
    extras: Mapping[str, FloatArray] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    line_word: str = "row"
    universe: Universe | None = None
    columns: ColumnRows | None = None
    texts: TextRows | None = None
    calendars: tuple[str, ...] = ()
    interval: str = ""
    understood: Understanding = NOTHING_UNDERSTOOD
    turned_away: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.code)

    def where(self, row: int) -> str:
        """Return "prices.csv line 17" for the messages."""
        origin = self.origins[int(self.code[row])]
        return f"{origin} {self.line_word} {self.line[row]}" if self.line[row] else origin

    def keep(self, rows: BoolArray) -> Table:
        """Return the rows where the mask is true."""
        arrays = {name: getattr(self, name)[rows] for name in _ROW_ARRAYS}
        return replace(self, extras=taken(self.extras, rows), **arrays)

    def select(self, wanted: Sequence[str]) -> Table:
        """Return the rows of `wanted`, numbered in that order; a missing one raises DataError."""
        for symbol in wanted:
            if symbol not in self.symbols:
                origin = self.origins[0] if self.origins else "the source"
                raise missing_symbol(symbol, self.symbols, origin)
        number = np.full(len(self.symbols), -1, dtype=np.int64)
        for position, symbol in enumerate(wanted):
            number[self.symbols.index(symbol)] = position
        origins = tuple(self.origins[self.symbols.index(symbol)] for symbol in wanted)
        code = number[self.code]
        chosen = replace(self, code=code).keep(code >= 0)
        findings = tuple(f for f in self.findings if f.symbol in ("", *wanted))
        calendars = tuple(self.calendars[self.symbols.index(s)] for s in wanted) if self.calendars else ()
        return replace(chosen, symbols=tuple(wanted), origins=origins, findings=findings, calendars=calendars)


_ROW_ARRAYS = ("code", "wall", "instant", "line", "prices", "volume")


@dataclass(frozen=True, eq=False)
class Rows:
    """N bars sorted by symbol and time, at most one per symbol and time.

    Attributes:
        symbols: names, length S.
        code: row -> position in `symbols`, ascending, int64 [N].
        time: UTC close, microseconds, ascending within a symbol [N].
        prices: open, high, low, close, float64 [N, 4].
        volume: float64 [N].
        extras: as in `Table`.
        last_time: largest time of any row the source had in the span, kept or not, microseconds.
        findings: everything reported so far.
    """

    symbols: tuple[str, ...]
    code: IntArray
    time: IntArray
    prices: FloatArray
    volume: FloatArray
    last_time: int
    findings: tuple[Finding, ...] = ()
    extras: Mapping[str, FloatArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.code)

    def keep(self, rows: BoolArray) -> Rows:
        """Return the rows where the mask is true."""
        arrays = {name: getattr(self, name)[rows] for name in ("code", "time", "prices", "volume")}
        return replace(self, extras=taken(self.extras, rows), **arrays)

    def note(self, findings: Iterable[Finding]) -> Rows:
        """Return the same rows with more findings."""
        return replace(self, findings=(*self.findings, *findings))

    @property
    def first_of_symbol(self) -> BoolArray:
        """True [N] on the first row of each symbol."""
        return np.asarray(np.diff(self.code, prepend=-1) != 0)


EXTRAS = ("spread", "dividend")
OWN = "forewalk."  # begins the names of their columns in files of our own


def taken(extras: Mapping[str, FloatArray], rows: BoolArray | IntArray) -> dict[str, FloatArray]:
    """Return the extras of the given rows."""
    return {name: values[rows] for name, values in extras.items()}


def joined(parts: Sequence[tuple[Mapping[str, FloatArray], int]]) -> dict[str, FloatArray]:
    """Return the extras of several tables, one after the other; each comes with its number of rows."""
    names = [name for name in EXTRAS if any(name in extras for extras, _ in parts)]
    return {
        name: np.concatenate([extras.get(name, np.full(rows, np.nan)) for extras, rows in parts])
        for name in names
    }


def since_first(damaged: BoolArray, code: IntArray) -> BoolArray:
    """True from the first damaged row of each symbol on; rows are sorted by symbol and time."""
    if not len(damaged):
        return damaged
    total = np.cumsum(damaged)
    first = np.diff(code, prepend=-1) != 0
    before = np.maximum.accumulate(np.where(first, total - damaged, 0))
    return np.asarray(total > before)


def concatenate(tables: Sequence[Table]) -> Table:
    """Return the rows of all tables, one after the other; a symbol in two tables raises DataError."""
    symbols = tuple(symbol for table in tables for symbol in table.symbols)
    origins = tuple(origin for table in tables for origin in table.origins)
    for position, symbol in enumerate(symbols):
        if (first := symbols.index(symbol)) != position:
            raise DataError(f"{symbol} is in {origins[first]} and in {origins[position]}; remove one of them")
    offsets = np.cumsum([0, *(len(table.symbols) for table in tables)])[:-1]
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(table, name) for table in tables]) for name in _ROW_ARRAYS
    }
    arrays["code"] = np.concatenate(
        [table.code + offset for table, offset in zip(tables, offsets, strict=True)]
    )
    findings = tuple(finding for table in tables for finding in table.findings)
    calendars: tuple[str, ...] = ()
    if all(table.calendars for table in tables):
        calendars = tuple(calendar for table in tables for calendar in table.calendars)
    turned_away = {symbol: why for table in tables for symbol, why in table.turned_away.items()}
    lead = tables[0]
    return Table(
        symbols=symbols, origins=origins, findings=findings, line_word=lead.line_word, calendars=calendars,
        interval=lead.interval, understood=lead.understood, turned_away=turned_away,
        extras=joined([(table.extras, len(table)) for table in tables]), **arrays,
    )  # fmt: skip


def is_symbol(text: str) -> bool:
    """Tell whether `text` may be a symbol: printable, up to 64 characters, no formula, no way out of a folder.

    Vendors write BRK.B, BRK B, BF/B, M&M.NS, BTC/USDT, $SPX, NASDAQ:AAPL, AAPL US Equity; all are names.
    """
    if not 0 < len(text) <= SYMBOL_LENGTH or text != text.strip() or not text.isprintable():
        return False
    if text[0] in "=+@-/" or text.startswith((".", "<")) or any(mark in text for mark in '\\"<>;|`'):
        return False
    return ".." not in text and "//" not in text and not text.endswith("/")


def check_symbol(symbol: str, where: str) -> str:
    """Return `symbol` if it is a safe name, else raise DataError."""
    if not is_symbol(symbol):
        raise DataError(
            f"{where}: {symbol[:40]!r} is no symbol; it may have up to {SYMBOL_LENGTH} printable characters, "
            f"begins with none of = + @ - / . and is no piece of a path"
        )
    return symbol


def file_name(symbol: str) -> str:
    """Return `symbol` as a name for a file: letters, digits and . - ^ = _ stay, the rest is %-encoded."""
    return quote(symbol, safe=".-^=_")


def missing_symbol(symbol: str, known: Sequence[str], where: str) -> DataError:
    """Return the error for a symbol that `where` does not have; it names the nearest one."""
    near = [name for name in known if name.casefold() == symbol.casefold()]
    near = near or difflib.get_close_matches(symbol, known, n=1, cutoff=0.5)
    listed = ", ".join(known[:10]) + (" ..." if len(known) > 10 else "")
    hint = f"did you mean {near[0]}?" if near else f"it has: {listed or 'nothing'}"
    return DataError(f"{where} has no symbol {symbol!r}; {hint}")
