"""From recognised columns to a `Table`: the same for files and for DataFrames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forewalk.data.quality import Finding
from forewalk.data.sources.schema import adjust
from forewalk.data.table import Table, check_symbol, is_symbol
from forewalk.errors import DataError
from forewalk.types import FloatArray, IntArray

NUMBERS = ("open", "high", "low", "close", "adj_close", "volume")


@dataclass(frozen=True, eq=False)
class Stamped:
    """N rows whose symbol and stamp are known; see `Table` for the arrays."""

    symbols: tuple[str, ...]
    code: IntArray
    wall: IntArray
    instant: IntArray
    line: IntArray


def numbers_of(values: pd.Series, line: IntArray, where: str) -> FloatArray:
    """Return a column as float64 [N], NaN where it is empty; a text that is no number raises DataError."""
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return values.to_numpy(dtype=np.float64, copy=True, na_value=np.nan)
    read = pd.to_numeric(values.astype("str").where(values.notna()), errors="coerce").to_numpy(
        np.float64, copy=True
    )
    wrong = np.isnan(read) & values.notna().to_numpy()
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{where} {line[row]}: {values.name} = {str(values.iloc[row])[:40]!r} is no number; write it "
            f"like 1234.5, without separators of thousands"
        )
    return read


def symbols_of(column: pd.Series, line: IntArray, where: str) -> tuple[tuple[str, ...], IntArray]:
    """Number the symbols in order of appearance; a name that is no symbol raises DataError with its line."""
    code, uniques = pd.factorize(column.str.strip(), use_na_sentinel=False)
    names = tuple(str(unique) for unique in uniques)
    for position, name in enumerate(names):
        if not is_symbol(name):
            check_symbol(name, f"{where} {line[int(np.argmax(code == position))]}")
    return names, code.astype(np.int64)


def assemble(
    origin: str, called: str, rows: Stamped, numbers: Mapping[str, FloatArray], line_word: str
) -> Table:
    """Return the table of stamped rows and their numbers, rescaled where there is an adjusted close.

    Args:
        origin: of the rows, for messages: a path, or what it is.
        called: the same in short, for the report.
        rows: symbols and stamps, length N.
        numbers: field of `NUMBERS` -> float64 [N]; adj_close and volume may be missing.
        line_word: see `Table`.
    """
    prices = np.column_stack([numbers[field] for field in ("open", "high", "low", "close")])
    findings: list[Finding] = []
    if "adj_close" in numbers:
        prices = adjust(prices, numbers["adj_close"])
        counts = np.bincount(rows.code, minlength=len(rows.symbols))
        message = "prices rescaled by adj_close / close"
        findings += [
            Finding(symbol, "adjusted", "", "noted", int(count), None, None, message)
            for symbol, count in zip(rows.symbols, counts, strict=True)
        ]
    volume = numbers.get("volume")
    if volume is None:
        volume = np.zeros(len(rows.line))
        message = f"{called} has no volume; taken as 0"
        findings.append(Finding("", "no_volume", "", "noted", len(rows.line), None, None, message))
    return Table(
        symbols=rows.symbols,
        origins=(origin,) * len(rows.symbols),
        code=rows.code,
        wall=rows.wall,
        instant=rows.instant,
        line=rows.line,
        prices=prices,
        volume=volume,
        findings=tuple(findings),
        line_word=line_word,
    )
