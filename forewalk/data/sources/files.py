"""The `files` source: any price file, or a folder of them, in any format of docs/data.md.

A file is opened, whatever it is packed in; its tables are read by their own header and content; rows are
given to their
symbols; and every symbol's stamps, bar length, market and prices are understood or refused (`forewalk.data.meaning`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from forewalk.data.formats.containers import Sheet, is_price_file, kind_of, open_sheets
from forewalk.data.formats.readings import Reading, read_sheet
from forewalk.data.meaning.understanding import Series, newest_first, understand
from forewalk.data.quality import Finding
from forewalk.data.table import Table, check_symbol, is_symbol, missing_symbol
from forewalk.errors import DataError
from forewalk.settings.sections import DataSettings

_GENERIC = re.compile(
    r"^(?:historical ?data|history|hist|data|prices?|stocks?|export|download|quotes?|table|ohlcv?|bars|"
    r"chart|output|test|sample|"
    r"sheet ?\d*|tabelle ?\d*|feuil ?\d*|hoja ?\d*|file|dataset|daily|book ?\d*|my prices)"
    r"[\s_\-]*(?:\(?\d+\)?)?$", re.IGNORECASE,
)  # fmt: skip
_TAIL = frozenset(
    [
        "daily",
        "weekly",
        "monthly",
        "hourly",
        "minute",
        "intraday",
        "1d",
        "d",
        "d1",
        "1h",
        "h1",
        "60",
        "240",
        "h4",
        "4h",
        "1m",
        "m1",
        "5m",
        "m5",
        "15m",
        "m15",
        "30m",
        "m30",
        "1min",
        "5min",
        "15min",
        "30min",
        "1w",
        "w1",
        "1wk",
        "1mo",
        "mn",
        "mn1",
        "w",
        "m",
        "hist",
        "history",
        "historical",
        "data",
        "prices",
        "price",
        "ohlc",
        "ohlcv",
        "stock",
        "raw",
        "adj",
        "adjusted",
        "bars",
        "candles",
        "klines",
        "max",
        "full",
        "1y",
        "5y",
        "10y",
        "years",
        "us_d",
        "usd_d",
        "eod",
        "bid",
        "ask",
    ]
)


def read_files(settings: DataSettings) -> Table:
    """Return the rows of `settings.symbols` (every symbol when empty) from the file or folder `settings.path`.

    Raises:
        DataError: the path, a column, a line, a number, a stamp or a symbol is wrong or can be read in two ways; the
            message says which file and line, and what to do.
    """
    assert settings.path is not None
    path = settings.path.expanduser()
    for symbol in settings.symbols:
        check_symbol(symbol, "data.symbols")
    notes: list[str] = []
    files = _files_of(path, settings.symbols, notes) if path.is_dir() else [path]
    readings, troubles = _readings(files, settings, path.is_dir())
    series, turned_away = _by_symbol(readings, settings, path)
    turned_away |= troubles
    table = understand(series, settings, turned_away) if series else _nothing(turned_away)
    findings = [Finding("", "passed_over", "", "noted", 1, None, None, note) for note in notes]
    understood = replace(table.understood, notes=(*table.understood.notes, *notes))
    return replace(table, findings=(*table.findings, *findings), understood=understood)


def _nothing(turned_away: dict[str, str]) -> Table:
    raise DataError("; ".join(list(turned_away.values())[:3]) or "the source has no rows")


def _files_of(folder: Path, symbols: Sequence[str], notes: list[str]) -> list[Path]:
    """Return the price files of a folder and of its folders; others are passed over with a word."""
    entries = sorted(entry for entry in folder.rglob("*") if entry.is_file() and not _hidden(entry, folder))
    files = [entry for entry in entries if is_price_file(entry) and not _is_paper(entry)]
    others = [entry.name for entry in entries if entry not in files]
    if others:
        notes.append(
            f"no price files: {', '.join(others[:4])}{' ...' if len(others) > 4 else ''} passed over"
        )
    if not files:
        raise DataError(
            f"{folder}: no price file in this folder (.csv, .txt, .parquet, .xlsx, .json and others; see "
            f"docs/data.md)"
        )
    if symbols and len(files) > 1:
        wanted = [f for f in files if {name_of_file(kind_of(f)[1]), kind_of(f)[1]} & set(symbols)]
        if len(
            {s for f in wanted for s in ({name_of_file(kind_of(f)[1]), kind_of(f)[1]} & set(symbols))}
        ) == len(symbols):
            return wanted
    return files


def _hidden(entry: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in entry.relative_to(folder).parts)


def _is_paper(entry: Path) -> bool:
    return kind_of(entry)[1].casefold() in (
        "readme",
        "license",
        "licence",
        "about",
        "manifest",
        "metadata",
        "notes",
        "changelog",
    )


def _readings(
    files: Sequence[Path], settings: DataSettings, folder: bool
) -> tuple[list[Reading], dict[str, str]]:
    """Read every table of every file; in a folder a file that cannot be read costs its own symbol only."""
    readings: list[Reading] = []
    troubles: dict[str, str] = {}
    for path in files:
        try:
            sheets = open_sheets(path)
            read = [_read(sheet, settings, len(sheets) > 1) for sheet in sheets]
            readings += [newest_first(reading) for reading in read if reading is not None]
        except DataError as error:
            if not folder or len(files) == 1:
                raise
            troubles[name_of_file(kind_of(path)[1])] = str(error)
    return readings, troubles


def _read(sheet: Sheet, settings: DataSettings, several: bool) -> Reading | None:
    try:
        return read_sheet(sheet, settings)
    except DataError as error:
        if several and "no column" in str(error):
            return None  # a page of a workbook beside the prices
        raise


def name_of_file(stem: str) -> str:
    """Return the symbol that a file's name tells, as vendors name their files; the whole stem where it tells none."""
    name = re.sub(r"\s*\(\d+\)$", "", stem.strip())
    if found := re.match(r"^DAT_[A-Z]+_([A-Z0-9]+)_", name):
        return found[1]
    if found := re.match(r"^[A-Z]+(?:DLY)?_([A-Z0-9.!^]+), ?\w+", name):
        return found[1]
    if found := re.match(
        r"^(.+?) (?:Historical Data|Historische Daten|Historical Prices|Dados Históricos|Datos históricos)$",
        name,
    ):
        return found[1].strip()
    if found := re.match(r"^([A-Za-z]{2,6}\d*?)_Candlestick_", name) or re.match(
        r"^([A-Z0-9]+)-\d+[a-zA-Z]+-\d{4}-\d{2}", name
    ):
        return found[1]
    if found := re.match(
        r"^([A-Z]{6}[a-z]?)[_-]?(?:M1|M5|M15|M30|H1|H4|D1|W1|MN1?|Daily|1|5|15|30|60|240|1440|10080|43200)(?:_\d{8,}.*)?$",
        name,
    ):
        return found[1]
    if found := re.match(r"^([a-z0-9.\-]+)_(us|uk|de|jp|pl|hu)_[dwm]$", name):
        return f"{found[1]}.{found[2]}".upper()
    name = re.sub(r"(?<=.)[_ \-]\d{4}-\d{2}(?:-\d{2})?$", "", name)  # a month's piece: AAPL_2020-01
    parts = re.split(r"([_ ]|-(?=[a-z\d]))", name)
    while len(parts) > 2 and (
        parts[-1].casefold() in _TAIL or re.fullmatch(r"\d{4}(?:-?\d{2}(?:-?\d{2})?)?", parts[-1])
    ):
        parts = parts[:-2]
    return "".join(parts)


def _by_symbol(
    readings: Sequence[Reading], settings: DataSettings, path: Path
) -> tuple[list[Series], dict[str, str]]:
    """Give every row to its symbol; what was asked for comes in that order."""
    wanted = settings.symbols
    found: dict[str, list[Reading]] = {}
    notes: dict[str, str] = {}
    turned_away: dict[str, str] = {}
    nameless = [reading for reading in readings if reading.symbols is None]
    for reading in readings:
        if reading.symbols is None:
            name, note = _own_name(reading, settings, len(nameless) == 1 and len(readings) == 1)
            notes[name] = note
            _check(name, f"{reading.where}", turned_away)
            found.setdefault(name, []).append(reading)
            continue
        for name in reading.others:
            found.setdefault(name, [])
        turned_away.update(reading.troubles)
        codes, names = pd.factorize(reading.symbols)
        rows = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[rows], np.arange(len(names) + 1))
        for number, raw in enumerate(names):
            name = str(raw)
            if wanted and name not in wanted:
                found.setdefault(name, [])
                continue
            part = reading.take(rows[starts[number] : starts[number + 1]])
            _check(name, f"{reading.where} {reading.word} {part.lines[0]}", turned_away)
            found.setdefault(name, []).append(newest_first(part))
    _refuse_pieces(found, path)
    for symbol in wanted:
        if not found.get(symbol) and symbol not in turned_away:
            raise missing_symbol(symbol, tuple(found), str(path))
    order = wanted or tuple(name for name in found if found[name])
    series = [
        Series(name, tuple(found[name]), notes.get(name, "")) for name in order if name not in turned_away
    ]
    for one in series:
        _no_overlap(one)
    return series, {name: why for name, why in turned_away.items() if not wanted or name in wanted}


def _check(name: str, where: str, turned_away: dict[str, str]) -> None:
    if not is_symbol(name):
        try:
            check_symbol(name, where)
        except DataError as error:
            turned_away[name] = str(error)


def _own_name(reading: Reading, settings: DataSettings, alone: bool) -> tuple[str, str]:
    """Name the symbol of a table that does not: by the setting, by what was asked for, by the file's name."""
    if settings.symbol is not None and alone:
        return settings.symbol, ""
    told = name_of_file(reading.name)
    if alone and len(settings.symbols) == 1:
        asked = settings.symbols[0]
        return asked, "" if asked in (told, reading.name) or _GENERIC.match(
            reading.name
        ) else f"the file {reading.name!r} is taken for {asked}, as asked"
    if reading.name in settings.symbols:
        return reading.name, ""
    if _GENERIC.match(told) or not is_symbol(told):
        name = told if is_symbol(told) else "SERIES"
        return name, f"the file does not name its symbol; it is called {name!r} here: data.symbol names it"
    return told, ""


def _refuse_pieces(found: Mapping[str, Sequence[Reading]], path: Path) -> None:
    """Raise DataError where files called AAPL2019, AAPL2020 follow each other: pieces of one series, or contracts."""
    spans: dict[str, list[tuple[int, int, str]]] = {}
    for name, readings in found.items():
        stem = re.sub(r"(?:19|20)\d{2}(?:\d{2})?$", "", name)
        if stem and stem != name and all(reading.symbols is None for reading in readings) and readings:
            walls = np.concatenate([reading.stamps.wall for reading in readings])
            spans.setdefault(stem, []).append((int(walls.min()), int(walls.max()), name))
    for stem, pieces in spans.items():
        pieces.sort()
        if len(pieces) > 1 and all(one[1] < two[0] for one, two in pairwise(pieces)):
            first, second = pieces[0][2], pieces[1][2]
            raise DataError(
                f"{path}: {first} and {second} follow each other and can be pieces of {stem} or symbols of their "
                f"own; name it {stem}_{first.removeprefix(stem)} where it is a piece, or give the files a column "
                f"of symbols"
            )


def _no_overlap(series: Series) -> None:
    """Several files of one symbol are joined where they follow each other, refused where they repeat bars."""
    seen: set[int] = set()
    for reading in series.readings:
        own = set(reading.stamps.wall.tolist())
        if len(seen & own) > 0.1 * len(own):
            first = series.readings[0].where
            raise DataError(f"{series.symbol} is in {first} and in {reading.where}; remove one of them")
        seen |= own if len(series.readings) > 1 else set()
