"""The `csv` and `parquet` sources: one long file, one file of a single symbol, or a folder of such files.

Stamps: a date (or midnight) without a zone is a session date of the exchange; with daily bars a stamp
with a zone counts as the date in its own zone. Intraday stamps are the **start** of their bar, as
vendors write them. Prices may be float32; they are read as float64. Where the file has an adjusted
close, all prices are rescaled to it.
"""

from __future__ import annotations

import codecs
import csv
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forewalk.data.sources.assembling import NUMBERS, Stamped, assemble, numbers_of, symbols_of
from forewalk.data.sources.schema import Columns, implausible, parse_stamps, recognise
from forewalk.data.table import NO_TIME, Table, check_symbol, concatenate, is_symbol, missing_symbol
from forewalk.errors import DataError
from forewalk.sessions import microseconds
from forewalk.types import IntArray

MAX_BYTES = 2 * 2**30  # of a file
MAX_UNPACKED_BYTES = 4 * 2**30  # of a Parquet file's columns: few bytes can stand for many rows
MAX_HEADER_BYTES = 2**20
_CHUNK_BYTES = 2**24
_LONE_RETURN = re.compile(rb"\r(?!\n)")
_MISSING = ["", "NaN", "nan", "NA", "N/A", "null", "NULL", "None"]
_SUFFIXES = {"csv": (".csv", ".txt"), "parquet": (".parquet", ".pq")}


def read_files(path: Path, kind: str, symbols: Sequence[str] = ()) -> Table:
    """Return the rows of `symbols` (every symbol when empty) from a file or folder.

    Args:
        path: a long file with a symbol column, a file of one symbol named after it, or a folder with
            one file per symbol.
        kind: "csv" or "parquet".
        symbols: what to load, in this order.

    Raises:
        DataError: the path, a column, a line, a number, a stamp or a symbol is wrong; the message says
            which file and line, and what to do.
    """
    path = path.expanduser()
    for symbol in symbols:
        check_symbol(symbol, "data.symbols")
    if path.is_dir():
        return _read_folder(path, kind, symbols)
    table = _read_file(path, kind, symbols[0] if len(symbols) == 1 else None)
    return table.select(symbols or table.symbols)


def _read_folder(folder: Path, kind: str, symbols: Sequence[str]) -> Table:
    endings = _SUFFIXES[kind]
    files = {entry.stem: entry for entry in sorted(folder.iterdir()) if entry.suffix.lower() in endings}
    if not files:
        raise DataError(f"{folder}: no {' or '.join(endings)} file in this folder")
    for symbol in symbols:
        if symbol not in files:
            raise missing_symbol(symbol, tuple(files), str(folder))
    tables = []
    for symbol in symbols or tuple(files):
        table = _read_file(files[symbol], kind, symbol)
        if table.symbols != (symbol,):
            raise DataError(
                f"{files[symbol]} holds {', '.join(table.symbols[:5])}; in a folder each file holds the one "
                f"symbol it is named after"
            )
        tables.append(table)
    return concatenate(tables)


def _read_file(path: Path, kind: str, wanted: str | None) -> Table:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise DataError(f"{path}: not a file")
        if size == 0:
            raise DataError(f"{path}: the file is empty")
        if size > MAX_BYTES:
            raise DataError(f"{path}: {size} bytes, at most {MAX_BYTES} are read; split the file")
        return _read_csv(path, wanted) if kind == "csv" else _read_parquet(path, wanted)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file or folder (data.path)") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read_csv(path: Path, wanted: str | None) -> Table:
    check_text(path)
    header, separator = header_of(path)
    columns = recognise(header, f"{path} line 1")
    frame = _parse_csv(path, header, separator, columns)
    stamps = frame["stamp"] + " " + frame["clock"] if "clock" in frame else frame["stamp"]
    wall, instant, bad = parse_stamps(stamps)
    line = frame.index.to_numpy(dtype=np.int64) + 2  # the header is line 1
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{path} line {line[row]}: {str(stamps.iloc[row])[:40]!r} is no date; write YYYY-MM-DD, with "
            f"YYYY-MM-DD HH:MM:SS+00:00 for intraday bars"
        )
    numbers = {name: numbers_of(frame[name], line, f"{path} line") for name in NUMBERS if name in frame}
    names, code = (
        symbols_of(frame["symbol"], line, f"{path} line")
        if "symbol" in frame
        else _own_symbol(path, wanted, len(line))
    )
    return assemble(str(path), path.name, Stamped(names, code, wall, instant, line), numbers, "line")


def check_text(path: Path) -> None:
    """Raise DataError unless the file is UTF-8 text without NUL bytes and with usual line ends."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            if lines == 1 and chunk[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise DataError(f"{path}: UTF-16 text; save it as UTF-8")
            if (nul := chunk.find(b"\0")) >= 0:
                at = lines + chunk.count(b"\n", 0, nul)
                raise DataError(f"{path} line {at}: a NUL byte; the file is damaged or not text")
            if chunk.endswith(b"\r"):
                chunk += stream.read(1)
            if lone := _LONE_RETURN.search(chunk):
                at = lines + chunk.count(b"\n", 0, lone.start())
                raise DataError(
                    f"{path} line {at}: a carriage return without line feed; save it with usual line ends"
                )
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                at = lines + chunk.count(b"\n", 0, max(0, error.start))
                raise DataError(f"{path} line {at}: not UTF-8 text; save it as UTF-8") from None
            lines += chunk.count(b"\n")


def header_of(path: Path) -> tuple[list[str], str]:
    """Return the names in the first line of a text file, and what separates them."""
    with path.open("rb") as stream:
        raw = stream.readline(MAX_HEADER_BYTES)
    if len(raw) == MAX_HEADER_BYTES:
        raise DataError(f"{path} line 1: longer than {MAX_HEADER_BYTES} bytes; is it a price file?")
    text = raw.decode("utf-8-sig", errors="replace").rstrip("\r\n")
    separator = max(",;\t", key=text.count)
    header = next(csv.reader([text], delimiter=separator), [])
    if not any(header):
        raise DataError(f"{path} line 1: empty; the first line names the columns")
    return header, separator


def _parse_csv(path: Path, header: list[str], separator: str, columns: Columns) -> pd.DataFrame:
    """Read the recognised columns under their field names; the index counts the lines after the header."""
    names = {position: field for field, position in columns.fields.items()}
    if columns.clock is not None:
        names[columns.clock] = "clock"
    labels = [names.get(position, f"unused {position}") for position in range(len(header))]
    texts = {field: str for field in names.values() if field not in NUMBERS}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path, sep=separator, encoding="utf-8-sig", header=None, skiprows=1, names=labels,
                dtype=texts, index_col=False, skip_blank_lines=False,
                keep_default_na=False, na_values=dict.fromkeys(NUMBERS, _MISSING),
                low_memory=False, float_precision="round_trip",
            )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(
            f"{path}: {str(error).strip().removeprefix('Error tokenizing data. C error: ')}"
        ) from None
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame()
    if len(frame):
        frame = frame[frame["stamp"].notna() & (frame["stamp"] != "")]
    if not len(frame):
        raise DataError(f"{path}: the file has a header and no rows")
    return frame


def _read_parquet(path: Path, wanted: str | None) -> Table:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        header = [str(name) for name in file.schema_arrow.names]
        columns = recognise(header, str(path))
        unpacked = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
        unpacked = max(unpacked, 8 * file.metadata.num_rows * len(columns.fields))
        if unpacked > MAX_UNPACKED_BYTES:
            limit = f"at most {MAX_UNPACKED_BYTES} are read"
            raise DataError(f"{path}: {unpacked} bytes unpacked, {limit}; split the file")
        data = file.read(columns=[header[position] for position in columns.fields.values()])
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: no readable Parquet file: {str(error).splitlines()[0]}") from None
    if data.num_rows == 0:
        raise DataError(f"{path}: the file has no rows")
    parts = {field: data.column(header[position]) for field, position in columns.fields.items()}
    line = np.arange(1, data.num_rows + 1)
    wall, instant = _arrow_stamps(parts["stamp"], path)
    numbers = {
        name: numbers_of(parts[name].to_pandas().rename(name), line, f"{path} row")
        for name in NUMBERS
        if name in parts
    }
    names, code = (
        symbols_of(parts["symbol"].to_pandas().astype("str"), line, f"{path} row")
        if "symbol" in parts
        else _own_symbol(path, wanted, len(line))
    )
    return assemble(str(path), path.name, Stamped(names, code, wall, instant, line), numbers, "row")


def _arrow_stamps(column: Any, path: Path) -> tuple[IntArray, IntArray]:
    import pyarrow

    kind = column.type
    if pyarrow.types.is_date(kind) or pyarrow.types.is_timestamp(kind):
        zone = getattr(kind, "tz", None)
        moments = pd.DatetimeIndex(column.cast(pyarrow.timestamp("us", tz=zone)).to_pandas())
        instant = microseconds(moments) if zone else np.full(len(moments), NO_TIME)
        wall = microseconds(moments.tz_localize(None)) if zone else microseconds(moments)
        bad = implausible(wall)
    else:
        wall, instant, bad = parse_stamps(column.cast(pyarrow.string()).to_pandas())
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"{path} row {row + 1}: {column[row].as_py()!r} is no date between 1900 and 2100")
    return wall, instant


def _own_symbol(path: Path, wanted: str | None, count: int) -> tuple[tuple[str, ...], IntArray]:
    """Name a file without a symbol column: its file name, or the symbol asked for if that is none."""
    if not is_symbol(path.stem) and wanted is None:
        raise DataError(
            f"{path} has no symbol column and its name is no symbol; ask for one symbol or rename it"
        )
    name = path.stem if is_symbol(path.stem) else str(wanted)
    return (name,), np.zeros(count, np.int64)
