"""Who belonged to a universe when: a table of spans, or an index fund's holdings files as they were downloaded.

A symbol belongs from the first session of a span to its last, both included. What is not in the table yet at a bar is
not known there: forecasts, orders, training rows and the market's mean are those of the members of that day.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from forewalk.data.quality import Finding
from forewalk.errors import DataError
from forewalk.types import BoolArray, FloatArray, IntArray

OPEN_END = int(np.iinfo(np.int64).max)
_DAY = 24 * 3600 * 10**6
_NAMES = {
    "symbol": ("symbol", "ticker"),
    "from": ("from", "start", "first", "added", "effective"),
    "to": ("to", "end", "last", "removed"),
    "delisting_return": ("delisting_return", "dlret"),
}
# Holdings files write share classes without a mark; these are the ones of the Russell 1000 and S&P 500.
CLASSES = {
    name.replace(".", ""): name
    for name in (
        "BRK.A", "BRK.B", "BF.A", "BF.B", "LEN.B", "HEI.A", "MOG.A", "GEF.B", "CWEN.A", "UHAL.B", "LGF.A", "LGF.B",
        "CRD.A", "AKO.A", "AKO.B",
    )
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Universe:
    """N spans of membership.

    Attributes:
        symbols: names, unique, in order of appearance.
        code: span -> position in `symbols` [N].
        first, last: first and last date of the span, both included, zone-less microseconds [N]; `OPEN_END` for none.
        delisting_return: what holders of a symbol that stopped trading lost or got at the end of the span, as a
            simple return on its last price [N]; NaN where the table does not say.
        source: the file or folder.
        sha256: over the names and bytes of its files.
        notes: what was found on reading, a sentence each.
    """

    symbols: tuple[str, ...]
    code: IntArray
    first: IntArray
    last: IntArray
    delisting_return: FloatArray
    source: str
    sha256: str
    notes: tuple[str, ...] = ()

    def members(self, symbols: Sequence[str], dates: pd.DatetimeIndex) -> BoolArray:
        """Return whether each symbol belongs on each zone-less session date, [T, S]."""
        days = np.asarray(dates.normalize().as_unit("us").values).astype(np.int64)
        result = np.zeros((len(days), len(symbols)), bool)
        for column, spans in enumerate(self._spans(symbols)):
            for span in spans:
                result[:, column] |= (days >= self.first[span]) & (days <= self.last[span])
        return result

    def ends(self, symbols: Sequence[str]) -> Iterator[tuple[int, int, float]]:
        """Yield (column, last date, delisting return) of every span that ends, of the symbols given."""
        for column, spans in enumerate(self._spans(symbols)):
            for span in spans:
                if self.last[span] != OPEN_END:
                    yield column, int(self.last[span]), float(self.delisting_return[span])

    def match(self, known: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the symbols of a source that belong at some time, and the members that it lacks."""
        keys = {key_of(symbol): symbol for symbol in known}
        wanted = {key_of(symbol): symbol for symbol in self.symbols}
        there = [symbol for key, symbol in keys.items() if key in wanted]
        return there, [symbol for key, symbol in wanted.items() if key not in keys]

    def _spans(self, symbols: Sequence[str]) -> Iterator[list[int]]:
        by_key: dict[str, list[int]] = {}
        for span, code in enumerate(self.code.tolist()):
            by_key.setdefault(key_of(self.symbols[code]), []).append(span)
        for symbol in symbols:
            yield by_key.get(key_of(symbol), [])


def key_of(symbol: str) -> str:
    """Return what a symbol is matched by: BRK.B, BRK-B, BRK/B and BRKB are the same share."""
    return re.sub(r"[^A-Z0-9^=]", "", symbol.upper())


def read_universe(path: Path) -> Universe:
    """Read a table of spans, one holdings file, or a folder of holdings files.

    A table has columns symbol, from and to (dates YYYY-MM-DD, an empty `to` is still a member) and may have
    delisting_return. A holdings file is iShares' CSV as it is downloaded: its members belong from the day after its
    date, when it can be known, until the day on which a later file without them can be known.

    Raises:
        DataError: the file is missing, is neither, or a line is wrong; the message says which.
    """
    path = path.expanduser()
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: no .csv file in this folder (data.universe)")
    texts = {file: _text(file) for file in files}
    digest = hashlib.sha256()
    for file, text in texts.items():
        digest.update(f"{file.name} {len(text)}\n{text}".encode())
    if len(files) == 1 and not is_holdings(texts[files[0]]):
        return _from_table(files[0], digest.hexdigest())
    return _from_holdings(path, texts, digest.hexdigest())


def is_holdings(text: str) -> bool:
    """Tell whether a file is an index fund's list of holdings."""
    return _header_row(text.splitlines()) is not None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{file}: no such file or folder (data.universe)") from None
    except UnicodeDecodeError:
        raise DataError(f"{file}: not UTF-8 text (data.universe)") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error} (data.universe)") from None


def _from_table(file: Path, sha256: str) -> Universe:
    try:
        table = pd.read_csv(
            file, dtype=str, keep_default_na=False, encoding="utf-8-sig", skip_blank_lines=False
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{file}: no readable table: {error}") from None
    names = [str(name).strip().lower().replace(" ", "_") for name in table.columns]
    found = {field: next((a for a in aliases if a in names), None) for field, aliases in _NAMES.items()}
    if found["symbol"] is None or found["from"] is None:
        raise DataError(
            f"{file}: no table of members: write columns symbol, from, to (and delisting_return where it is known), "
            f"or give a holdings file of iShares as it was downloaded; the columns are {', '.join(names[:8])}"
        )
    columns = {
        field: [text.strip() for text in table.iloc[:, names.index(name)].tolist()]
        for field, name in found.items()
        if name is not None
    }
    rows = [row for row, symbol in enumerate(columns["symbol"]) if symbol]
    symbols = [columns["symbol"][row] for row in rows]
    first = [_date(columns["from"][row], file, row + 2) for row in rows]
    ends = columns.get("to", [""] * len(table))
    last = [_date(ends[row], file, row + 2) if ends[row] else OPEN_END for row in rows]
    losses = columns.get("delisting_return", [""] * len(table))
    returns = [_return(losses[row], file, row + 2) for row in rows]
    for row, begin, end in zip(rows, first, last, strict=True):
        if end < begin:
            raise DataError(f"{file} line {row + 2}: {columns['symbol'][row]} leaves before it joins")
    unique = tuple(dict.fromkeys(symbols))
    return Universe(
        unique, np.array(_codes(symbols, unique), np.int64), np.array(first, np.int64), np.array(last, np.int64),
        np.array(returns, np.float64), str(file), sha256,
    )  # fmt: skip


def _codes(symbols: Sequence[str], unique: Sequence[str]) -> list[int]:
    place = {symbol: number for number, symbol in enumerate(unique)}
    return [place[symbol] for symbol in symbols]


def _date(text: str, file: Path, line: int) -> int:
    try:
        if not re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text):
            raise ValueError
        return int(pd.Timestamp(text).value // 1000)
    except ValueError:
        raise DataError(f"{file} line {line}: {text[:40]!r} is no date; write YYYY-MM-DD") from None


def _return(text: str, file: Path, line: int) -> float:
    try:
        value = float(text) if text else np.nan
    except ValueError:
        value = -np.inf
    if value < -1.0:
        raise DataError(
            f"{file} line {line}: delisting_return = {text[:40]!r}; write a fraction, -1 for a total loss"
        )
    return value


def _from_holdings(path: Path, texts: dict[Path, str], sha256: str) -> Universe:
    """Turn lists of holdings by date into spans."""
    lists: dict[int, list[str]] = {}
    skipped = 0
    for file, text in texts.items():
        if not is_holdings(text):
            raise DataError(f"{file}: no holdings file: no line with Ticker and Asset Class (data.universe)")
        asof, names, left = _holdings(file, text)
        if asof in lists:
            raise DataError(f"{file}: a second file of {pd.Timestamp(asof, unit='us'):%Y-%m-%d}; keep one")
        lists[asof], skipped = names, skipped + left
    dates = sorted(lists)
    spans: list[tuple[str, int, int]] = []
    for number, asof in enumerate(dates):
        end = dates[number + 1] if number + 1 < len(dates) else OPEN_END
        spans += [(name, asof + _DAY, end) for name in lists[asof]]
    unique = tuple(dict.fromkeys(name for name, _, _ in spans))
    days = [f"{pd.Timestamp(date, unit='us'):%Y-%m-%d}" for date in (dates[0], dates[-1])]
    known = (
        f"{len(dates)} holdings files from {days[0]} to {days[1]}; each counts from the day after its date"
    )
    notes = [known] + ([f"{skipped} lines of cash, futures and without ticker left out"] if skipped else [])
    return Universe(
        unique,
        np.array(_codes([name for name, _, _ in spans], unique), np.int64),
        np.array([first for _, first, _ in spans], np.int64),
        np.array([last for _, _, last in spans], np.int64),
        np.full(len(spans), np.nan),
        str(path),
        sha256,
        tuple(notes),
    )


def _header_row(lines: Sequence[str]) -> int | None:
    for number, line in enumerate(lines[:40]):
        names = [name.strip().strip('"').lower() for name in line.split(",")]
        if "ticker" in names and "asset class" in names:
            return number
    return None


def _holdings(file: Path, text: str) -> tuple[int, list[str], int]:
    """Return the date, the tickers of the equities, and how many other lines there are."""
    lines = text.splitlines()
    header = _header_row(lines) or 0
    asof = _asof(file, lines[:header])
    rows = csv.reader(lines[header:])
    names = [name.strip().lower() for name in next(rows)]
    ticker, kind = names.index("ticker"), names.index("asset class")
    found: list[str] = []
    skipped = 0
    for row in rows:
        if len(row) < len(names) - 1:  # a blank line, then the disclaimer
            if found:
                break
            continue
        name = row[ticker].strip()
        if row[kind].strip().lower() == "equity" and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9./ -]*", name):
            found.append(CLASSES.get(name, name))
        else:
            skipped += 1
    if not found:
        raise DataError(f"{file}: a holdings file without equities (data.universe)")
    return asof, list(dict.fromkeys(found)), skipped


def _asof(file: Path, lines: Sequence[str]) -> int:
    for line in lines:
        if "as of" in line.lower():
            text = line.partition(",")[2].strip().strip('"').strip()
            for form in ("%b %d, %Y", "%d-%b-%Y", "%Y-%m-%d", "%B %d, %Y", "%d/%b/%Y"):
                try:
                    return int(pd.Timestamp(pd.to_datetime(text, format=form)).value // 1000)
                except ValueError:
                    continue
            raise DataError(f"{file}: {text[:40]!r} is no date of holdings; write it like Jun 28, 2024")
    raise DataError(f"{file}: a holdings file without the line 'Fund Holdings as of' (data.universe)")


def vendor_names(universe: Universe, source: str) -> tuple[str, ...]:
    """Return the members as a vendor writes them: Yahoo BRK-B, Alpaca BRK.B."""
    mark = "-" if source == "yahoo" else "."
    return tuple(re.sub(r"[./ -](?=[A-Z]{1,2}$)", mark, symbol) for symbol in universe.symbols)


def missing_members(universe: Universe, missing: Sequence[str]) -> Finding:
    """Return the finding about members without any bar."""
    shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
    message = f"{len(missing)} of {len(universe.symbols)} members have no bars in this source: {shown}"
    return Finding("", "members_without_bars", "", "noted", len(missing), None, None, message)
