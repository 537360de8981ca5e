"""Open a file, whatever it is packed in, and hand out its tables as they are: cells of text, or typed columns."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from forewalk.data.formats.grids import text_sheet
from forewalk.errors import DataError
from forewalk.types import IntArray

MAX_BYTES = 2 * 2**30  # of a file
MAX_UNPACKED_BYTES = 4 * 2**30  # of what is inside: few bytes can stand for many rows
PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}
TEXT = (".csv", ".txt", ".tsv", ".tab", ".psv", ".dat", ".asc", ".prn", ".hst.csv", "")
COLUMNAR = (".parquet", ".pq", ".parq", ".feather", ".arrow", ".ipc")
EXCEL = (".xlsx", ".xlsm", ".xls", ".ods", ".xlsb")
JSON = (".json", ".jsonl", ".ndjson")
KNOWN = (*TEXT[:-1], *COLUMNAR, *EXCEL, *JSON)
_PIECE = 2**24
_EXPORT = "export its table as CSV or Parquet"
_OTHERS = (
    (b"SQLite format 3\0", "an SQLite database", _EXPORT),
    (b"\x89HDF\r\n", "an HDF5 file", _EXPORT),
    (b"\x93NUMPY", "a NumPy array without names", _EXPORT),
    (b"%PDF", "a PDF", _EXPORT),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it, or write it as .zip"),
    (b"Rar!", "a RAR archive", "unpack it, or write it as .zip"),
    *((b"\x80" + bytes([n]), "a Python pickle, which can run code", _EXPORT) for n in (2, 3, 4, 5)),
)


_fewer = ContextVar("_fewer", default=MAX_UNPACKED_BYTES)


@contextmanager
def unpacking_at_most(most: int) -> Iterator[None]:
    """Refuse what unpacks to more bytes than this while the block runs: files of others, in a server's memory."""
    token = _fewer.set(most)
    try:
        yield
    finally:
        _fewer.reset(token)


def _check_unpacked(size: int, where: str) -> None:
    most = min(MAX_UNPACKED_BYTES, _fewer.get())
    if size > most:
        raise DataError(f"{where}: {size} bytes unpacked, at most {most} are read; split the file")


def _probe(content: bytes, kind: str, where: str) -> None:
    """Refuse a file of a stranger that becomes too large, whatever it says of itself; one's own is believed."""
    from forewalk.data.formats.probing import unpacked_bytes

    most = _fewer.get()
    if most >= MAX_UNPACKED_BYTES:
        return
    size = unpacked_bytes(content, kind, most)
    if size > most:
        raise DataError(f"{where}: more than the {most} bytes unpacked that are read at most; split the file")


@dataclass(frozen=True, eq=False)
class Sheet:
    """One table of a file.

    Attributes:
        where: the file, for messages.
        name: what the file or sheet is called, without endings; may be a symbol's name.
        head: the rows that name the columns, none where there is no header.
        body: the rows below, columns by position; texts, or typed columns.
        lines: 1-based line of each row in the file.
        word: "line" or "row".
        delimiter: between cells of a text, "" else.
        notes: what was passed over, in words.
        excel: dates may be day numbers of a spreadsheet.
        facts: what the file says beside its table, e.g. symbol, interval, zone.
    """

    where: str
    name: str
    head: list[list[str]]
    body: pd.DataFrame
    lines: IntArray
    word: str = "row"
    delimiter: str = ""
    notes: tuple[str, ...] = ()
    excel: bool = False
    facts: dict[str, str] = field(default_factory=dict)


def kind_of(path: Path) -> tuple[str, str]:
    """Return the ending that says what is inside and the stem, packing left aside: data.csv.gz -> .csv, data."""
    name = path.name
    while (ending := Path(name).suffix.lower()) in (*PACKED, ".xz", ".zip"):
        inner = Path(name).stem
        if ending == ".zip" or Path(inner).suffix.lower() not in (*KNOWN, *PACKED, ".xz"):
            return (".zip" if ending == ".zip" else ""), inner
        name = inner
    return Path(name).suffix.lower(), Path(name).stem


def is_price_file(path: Path) -> bool:
    """Tell by its ending whether a file of a folder is read; others are passed over with a word."""
    ending, _ = kind_of(path)
    packed = path.suffix.lower() in (*PACKED, ".xz", ".zip")
    return not path.name.startswith((".", "~$")) and (ending in KNOWN or packed)


def open_sheets(path: Path) -> list[Sheet]:
    """Return the tables of one file.

    Raises:
        DataError: the file is missing, empty, too large, damaged or of a kind that is not read.
    """
    try:
        if not path.is_file():
            raise DataError(
                f"{path}: {'not a file' if path.exists() else 'no such file or folder; give another data.path'}"
            )
        size = path.stat().st_size
        if size == 0:
            raise DataError(f"{path}: the file is empty")
        if size > MAX_BYTES:
            raise DataError(f"{path}: {size} bytes, at most {MAX_BYTES} are read; split the file")
        return list(_sheets(path.read_bytes(), path.name, str(path)))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _sheets(content: bytes, name: str, where: str) -> Iterator[Sheet]:
    """Look at the content first, at the ending second."""
    ending, stem = Path(name).suffix.lower(), Path(name).stem
    _refuse_others(content, where)
    if content[:4] == b"PK\x03\x04" and ending not in EXCEL:
        yield from _unzipped(content, where)
    elif ending in (*PACKED, ".xz") or content[:6] in (b"\xfd7zXZ\x00",) or content[:2] == b"\x1f\x8b":
        yield from _sheets(
            _unpacked(content, ending, where), stem if ending in (*PACKED, ".xz") else name, where
        )
    elif content[:4] == b"PAR1" or content[:6] == b"ARROW1" or ending in COLUMNAR:
        yield _columnar(content, stem, where)
    elif ending in EXCEL or content[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        yield from _spreadsheet(content, stem, where)
    elif ending in JSON or content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        from forewalk.data.formats.jsons import json_sheets

        yield from json_sheets(content, stem, where)
    else:
        yield text_sheet(content, stem, where)


def _refuse_others(content: bytes, where: str) -> None:
    """Raise DataError for what is known to be no table of prices, with what it is and what to do."""
    start = content[:400].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for magic, what, remedy in _OTHERS:
        if content.startswith(magic):
            raise DataError(f"{where}: this is {what} and is not read; {remedy}")
    if content[257:262] == b"ustar":
        raise DataError(f"{where}: this is a tar archive and is not read; unpack it, or write it as .zip")
    if start.startswith((b"<!doctype html", b"<html", b"<table", b"<?xml", b"<head")):
        raise DataError(
            f"{where}: this is a web page or XML, whatever its ending says; save it as CSV with a spreadsheet program"
        )


def _unpacked(content: bytes, ending: str, where: str) -> bytes:
    import lzma

    import pyarrow as pa

    try:
        if ending == ".xz" or content[:6] == b"\xfd7zXZ\x00":
            stream: Any = lzma.LZMAFile(io.BytesIO(content))  # noqa: SIM115 - memory, nothing to close
        else:
            stream = pa.CompressedInputStream(pa.BufferReader(content), PACKED.get(ending, "gzip"))
        parts, size = [], 0
        while piece := stream.read(_PIECE):
            size += len(piece)
            _check_unpacked(size, where)
            parts.append(piece)
    except (OSError, EOFError, lzma.LZMAError, pa.ArrowException) as error:
        raise DataError(f"{where}: the packed file is damaged: {str(error).splitlines()[0]}") from None
    if not size:
        raise DataError(f"{where}: there is nothing in the packed file")
    return b"".join(parts)


def _unzipped(content: bytes, where: str) -> Iterator[Sheet]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and _is_member(m.filename)]
            if any(
                m.filename in ("[Content_Types].xml", "content.xml", "xl/workbook.xml")
                for m in archive.infolist()
            ):
                yield from _spreadsheet(content, Path(where).stem, where)
                return
            if not members:
                raise DataError(f"{where}: the archive holds no price file")
            _check_unpacked(sum(m.file_size for m in members), where)
            for member in members:
                name = PurePosixPath(member.filename).name
                yield from _sheets(
                    archive.read(member), name, f"{where}/{name}" if len(members) > 1 else where
                )
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        raise DataError(f"{where}: the archive cannot be opened: {error}") from None


def _is_member(name: str) -> bool:
    path = PurePosixPath(name)
    readme = path.stem.casefold() in ("readme", "license", "licence", "about", "metadata", "manifest")
    known = path.suffix.lower() in (*KNOWN, *PACKED, ".xz") or not path.suffix
    return known and not readme and not path.name.startswith(".") and "__MACOSX" not in path.parts


def _columnar(content: bytes, stem: str, where: str) -> Sheet:
    import pyarrow as pa
    from pyarrow import feather, parquet

    _probe(content, "columnar", where)
    try:
        if content[:4] == b"PAR1":
            file = parquet.ParquetFile(io.BytesIO(content))
            groups = range(file.num_row_groups)
            unpacked = sum(file.metadata.row_group(i).total_byte_size for i in groups)
            unpacked = max(unpacked, 8 * file.metadata.num_rows * len(file.schema_arrow.names))
            _check_unpacked(unpacked, where)
            table = file.read()
        elif content[:6] in (b"ARROW1", b"FEA1"):
            table = feather.read_table(io.BytesIO(content))
        else:
            raise DataError(f"{where}: no readable Parquet file: it does not begin like one")
        frame = table.to_pandas()
        notes = {
            key.decode(): value.decode()
            for key, value in (table.schema.metadata or {}).items()
            if key[:9] == b"forewalk."
        }
    except (pa.ArrowException, OSError, ValueError, NotImplementedError, TypeError) as error:
        raise DataError(f"{where}: no readable Parquet file: {str(error).splitlines()[0]}") from None
    if not len(frame):
        raise DataError(f"{where}: the file has no rows")
    return frame_sheet(frame, stem, where, notes)


def frame_sheet(frame: pd.DataFrame, name: str, where: str, facts: dict[str, str] | None = None) -> Sheet:
    """Return a typed frame as a sheet; an index that says something becomes columns."""
    head, body = typed_head(frame)
    return Sheet(where, name, head, body, np.arange(1, len(body) + 1), "row", facts=facts or {})


def _spreadsheet(content: bytes, stem: str, where: str) -> Iterator[Sheet]:
    try:
        import python_calamine
    except ImportError:
        raise DataError(
            f"{where}: spreadsheets need one more package: pip install 'forewalk[excel]'"
        ) from None
    from forewalk.data.formats.grids import cell_sheet

    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_unpacked(sum(member.file_size for member in archive.infolist()), where)
    _probe(content, "spreadsheet", where)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        pages = [(name, book.get_sheet_by_name(name).to_python()) for name in book.sheet_names]
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise DataError(f"{where}: the spreadsheet cannot be read: {error}") from None
    filled = [(name, rows) for name, rows in pages if len(rows) > 1]
    if not filled:
        raise DataError(f"{where}: the spreadsheet has no table")
    for name, rows in filled:
        label = stem if len(filled) == 1 else name
        yield cell_sheet(rows, label, where if len(filled) == 1 else f"{where} sheet {name!r}")


def typed_head(frame: pd.DataFrame) -> tuple[list[list[str]], pd.DataFrame]:
    """Return the header rows of a typed frame, one for each level of its columns, and its columns by position."""
    if not isinstance(frame.index, pd.RangeIndex):
        levels = [str(name) if name is not None else "" for name in frame.index.names]
        index = frame.index.to_frame(index=False)
        index.columns = pd.RangeIndex(len(levels))
    else:
        levels, index = [], pd.DataFrame(index=range(len(frame)))
    depth = frame.columns.nlevels
    head = [
        [
            *(levels if level == depth - 1 else [""] * len(levels)),
            *map(str, frame.columns.get_level_values(level)),
        ]
        for level in range(depth)
    ]
    parts = [index[column] for column in index] + [
        frame.iloc[:, at].reset_index(drop=True) for at in range(frame.shape[1])
    ]
    return head, pd.concat(parts, axis=1, keys=range(len(parts))) if parts else pd.DataFrame()
