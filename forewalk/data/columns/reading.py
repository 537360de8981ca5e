"""Read columns of the user's own from a csv or Parquet file, or a folder of them: the price file, or another one.

A row belongs to the bar of its stamp, by the rules of price files: a date of the exchange, or the start of an
intraday bar. Without a column `symbol` a file counts for every symbol; in a folder each file counts for the symbol it
is named after. When a value became known may stand beside it, in `<name>_known_at` or, for all, in `known_at`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from forewalk.data.columns.rows import EVERY, NO_TIME, ColumnRows, joined
from forewalk.data.formats.containers import open_sheets
from forewalk.data.sources.assembling import numbers_of, symbols_of
from forewalk.data.sources.schema import FIELD_NAMES, implausible, parse_stamps, recognise
from forewalk.errors import ConfigError, DataError
from forewalk.sessions import microseconds
from forewalk.settings.sections import DataSettings
from forewalk.types import IntArray

KNOWN_AT = "known_at"
_PARQUET = (".parquet", ".pq")
_TEXT = (".csv", ".txt")


def read_columns(settings: DataSettings, names: Sequence[str]) -> ColumnRows:
    """Return the columns `names` of `data.columns_path`, or of the price file where that is none.

    Raises:
        ConfigError: there is no such file, or a name is that of a price field.
        DataError: a column, stamp, symbol, number or time is wrong; the message says which line and what to do.
    """
    for name in names:
        if _plain(name) in FIELD_NAMES:
            raise ConfigError(
                f"features.columns: {name!r} is a field of every bar already; name the column otherwise"
            )
    path = settings.columns_path or (
        settings.path if settings.source in ("files", "csv", "parquet") else None
    )
    if path is None:
        raise ConfigError("features.columns needs a file: name it in data.columns_path")
    path = path.expanduser()
    if not path.is_dir():
        return _read_file(path, names, None)
    files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in (*_TEXT, *_PARQUET)]
    wanted = [file for file in files if not settings.symbols or file.stem in settings.symbols]
    if not wanted:
        raise DataError(f"{path}: no csv or parquet file of the symbols asked for in this folder")
    return joined([_read_file(file, names, file.stem) for file in wanted])


def column_rows(
    frame: pd.DataFrame,
    names: Sequence[str],
    where: str,
    line: IntArray,
    line_word: str,
    symbol: str | None = None,
) -> ColumnRows:
    """Return the columns `names` of a table that has one row per bar, its header as columns.

    Args:
        frame: N rows; stamps may be texts, dates or times.
        where: for messages. line: number of each row there [N]. line_word: "line" or "row".
        symbol: whose they all are, where the table has no column for it; None for everybody's.
    """
    header = [str(name) for name in frame.columns]
    found = recognise(header, where, required=("stamp",))
    stamp = frame.iloc[:, found.fields["stamp"]]
    if found.clock is not None:
        stamp = stamp.astype("str") + " " + frame.iloc[:, found.clock].astype("str")
    wall, instant = _times(stamp, line, f"{where} {line_word}", "date")
    symbols: tuple[str, ...] = () if symbol is None else (symbol,)
    code = np.full(len(frame), EVERY if symbol is None else 0)
    if "symbol" in found.fields:
        texts = frame.iloc[:, found.fields["symbol"]].astype("str")
        symbols, code = symbols_of(texts, line, f"{where} {line_word}")
    places = [_place(name, header, where) for name in names]
    values = np.column_stack(
        [
            numbers_of(frame.iloc[:, place].rename(name), line, f"{where} {line_word}")
            for place, name in zip(places, names, strict=True)
        ]
    )
    known = np.column_stack([_known(frame, name, header, line, f"{where} {line_word}") for name in names])
    _refuse_undated(values, known, names, line, f"{where} {line_word}")
    return ColumnRows(tuple(names), symbols, code, wall, instant, line, values, known, where, line_word)


def _read_file(path: Path, names: Sequence[str], symbol: str | None) -> ColumnRows:
    try:
        if path.suffix.lower() in _PARQUET:
            frame = pd.read_parquet(path)
            frame = frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
            return column_rows(frame, names, str(path), np.arange(1, len(frame) + 1), "row", symbol)
        if not path.exists():
            raise ConfigError(f"{path}: no such file (data.columns_path)")
        sheet = open_sheets(path)[0]
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file (data.columns_path)") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    frame = sheet.body.replace("", np.nan)
    if len(sheet.head) != 1:
        raise DataError(f"{path}: no header that names the columns")
    frame.columns = pd.Index(sheet.head[0])
    return column_rows(frame, names, str(path), sheet.lines, sheet.word, symbol)


def _place(name: str, header: Sequence[str], where: str) -> int:
    if name in header:
        return header.index(name)
    plain = [_plain(other) for other in header]
    if _plain(name) in plain:
        return plain.index(_plain(name))
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.5)
    hint = f"did you mean {header[plain.index(near[0])]!r}?" if near else f"it has: {', '.join(header[:12])}"
    raise DataError(f"{where} has no column {name!r} (features.columns); {hint}")


def _known(frame: pd.DataFrame, name: str, header: Sequence[str], line: IntArray, where: str) -> IntArray:
    """Return when each value became known; NO_TIME where the table has no column for it, or nothing in it."""
    plain = [_plain(other) for other in header]
    column = next((c for c in (f"{_plain(name)}_{KNOWN_AT}", KNOWN_AT) if c in plain), None)
    if column is None:
        return np.full(len(frame), NO_TIME)
    texts = frame.iloc[:, plain.index(column)]
    there = texts.notna().to_numpy()
    known = np.full(len(frame), NO_TIME)
    _, instant = _times(texts[there], line[there], where, column)
    if (instant == NO_TIME).any():
        row = int(np.argmax(instant == NO_TIME))
        raise DataError(
            f"{where} {line[there][row]}: {column} = {texts[there].iloc[row]!s} has no time zone; write the moment, "
            "such as 2020-01-02 16:00:00-05:00"
        )
    known[there] = instant
    return known


def _refuse_undated(
    values: np.ndarray, known: np.ndarray, names: Sequence[str], line: IntArray, where: str
) -> None:
    """Where a file says when values were known, it must say so of every value."""
    dated = (known != NO_TIME).any(axis=0)
    bare = np.isfinite(values) & (known == NO_TIME) & dated
    if bare.any():
        row, column = (int(place[0]) for place in np.nonzero(bare))
        raise DataError(
            f"{where} {line[row]}: {names[column]} has a value, but no time at which it was known; fill in its "
            f"{KNOWN_AT}, or leave the value out"
        )


def _times(column: pd.Series, line: IntArray, where: str, what: str) -> tuple[IntArray, IntArray]:
    """Return wall clock and UTC instant (NO_TIME without a zone) in microseconds."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        moments = pd.DatetimeIndex(column)
        wall = microseconds(moments if moments.tz is None else moments.tz_localize(None))
        instant = np.full(len(moments), NO_TIME) if moments.tz is None else microseconds(moments)
        bad = implausible(wall)
    else:
        wall, instant, bad = parse_stamps(column.astype("str").where(column.notna()))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{where} {line[row]}: {what} {str(column.iloc[row])[:40]!r} is no date; write YYYY-MM-DD"
        )
    return wall, instant


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
