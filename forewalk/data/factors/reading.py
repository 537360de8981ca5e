"""Read a file of daily factor returns: Fama-French's own, or a table with a date and a column for each factor."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from forewalk.errors import DataError
from forewalk.types import FloatArray, IntArray

SETTING = "evaluation.factors"
UNIT_SETTING = "evaluation.factors_unit"
Unit = Literal["percent", "fraction"]
MISSING = (-99.99, -999.0)  # how the library of Fama and French writes "unknown"
MOST_OF_A_FRACTION = 0.02  # a usual day of a factor; larger than this it is not written as a fraction
LEAST_OF_A_PERCENT = 0.05  # and smaller than this not in per cent
KNOWN = {
    "mktrf": "Mkt-RF", "market": "Mkt", "mkt": "Mkt", "rf": "RF", "riskfree": "RF", "smb": "SMB", "hml": "HML",
    "rmw": "RMW", "cma": "CMA", "mom": "Mom", "umd": "Mom", "wml": "Mom", "strev": "ST_Rev", "ltrev": "LT_Rev",
}  # fmt: skip
MARKET = ("Mkt-RF", "Mkt")
RISK_FREE = "RF"
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})([ T]00:00(:00(\.0+)?)?)?")
_MONTH = re.compile(r"\d{6}|\d{4}-\d{2}|\d{4}")


@dataclass(frozen=True, eq=False)
class Factors:
    """Daily simple returns of factors.

    Attributes:
        file: its name. sha256: of what it holds. unit: in which it was written.
        days: session dates as days since 1970, ascending, int64 [N].
        names: K of them, those of Fama and French as they write them.
        values: fractions, float64 [N, K]; NaN where unknown.
        risk_free: fraction a day, [N]; None where the file has none.
    """

    file: str
    sha256: str
    unit: Unit
    days: IntArray
    names: tuple[str, ...]
    values: FloatArray
    risk_free: FloatArray | None

    @property
    def market(self) -> str | None:
        """The name of the market's column, None without one."""
        return next((name for name in MARKET if name in self.names), None)


def read_factors(path: Path, unit: Unit | None = None) -> Factors:
    """Read a CSV, text or Parquet file of daily factor returns.

    Dates stand in the first column (of Parquet: the first column or the index), as YYYYMMDD or YYYY-MM-DD. Text
    before the header and after the last row of a date is passed over, as in the files of Kenneth R. French's data
    library, whose names are known in any spelling and whose -99.99 is an unknown value. Whether returns are in per
    cent or fractions is told from their size.

    Args:
        path: of the file.
        unit: of the returns; None means that their size decides.

    Raises:
        DataError: there is no such file, it is no such table, its dates are months or repeat, a value is no number,
            or its unit could be either.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{SETTING} = {str(path)!r} cannot be read: {error.strerror or error}") from None
    table = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _text(path, content)
    names = [_known(name) for name in table.columns]
    _refuse_repeated(path, names, "columns")
    values = table.to_numpy(dtype=np.float64)
    values = np.where(np.isin(values, MISSING), np.nan, values)
    is_factor = np.array([name != RISK_FREE for name in names])
    if not is_factor.any():
        raise DataError(
            f"{path}: there is no factor in it, only {', '.join(names) or 'dates'}; give columns of returns"
        )
    unit = unit or _unit_of(path, values[:, is_factor])
    values = values / 100.0 if unit == "percent" else values
    days = table.index.to_numpy()
    order = np.argsort(days, kind="stable")
    rates = values[:, ~is_factor]
    return Factors(
        file=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        unit=unit,
        days=days[order],
        names=tuple(name for name in names if name != RISK_FREE),
        values=values[order][:, is_factor],
        risk_free=rates[order, 0] if rates.shape[1] else None,
    )


def _known(name: str) -> str:
    plain = re.sub(r"[\s_\-.]", "", str(name)).lower()
    return KNOWN.get(plain, str(name).strip())


def _refuse_repeated(path: Path, items: Sequence[object], what: str) -> None:
    seen: set[object] = set()
    for item in items:
        if item in seen:
            raise DataError(f"{path}: {what} repeat: {item} stands in it twice; keep one")
        seen.add(item)


def _unit_of(path: Path, values: FloatArray) -> Unit:
    known = np.abs(values[np.isfinite(values) & (values != 0)])
    usual = float(np.median(known)) if len(known) else 0.0
    if usual == 0.0:
        raise DataError(f"{path}: no factor in it ever moves")
    if usual >= LEAST_OF_A_PERCENT:
        return "percent"
    if usual <= MOST_OF_A_FRACTION:
        return "fraction"
    raise DataError(
        f"{path}: a usual day of its factors is {usual:.3g}, which can be per cent or a fraction; set "
        f"{UNIT_SETTING} = 'percent' or 'fraction'"
    )


def _parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: is no Parquet file: {error}") from None
    if isinstance(table.index, pd.RangeIndex):
        table = table.set_index(table.columns[0])
    dates = [_day(path, str(value), f"row {row + 1}") for row, value in enumerate(table.index)]
    _refuse_repeated(path, dates, "dates")
    try:
        found = table.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: {error}; every column but the date is a factor") from None
    return found.set_axis(pd.Index(_days(dates)), axis=0)


def _text(path: Path, content: bytes) -> pd.DataFrame:
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    first = next((i for i, line in enumerate(lines) if _DAY.fullmatch(_cells(line)[0])), None)
    if first is None or first == 0:
        months = any(_MONTH.fullmatch(_cells(line)[0]) and len(_cells(line)) > 1 for line in lines)
        remedy = "its dates are months or years: give daily returns" if months else (
            "give a header, and rows that begin with a date written as YYYYMMDD or YYYY-MM-DD"
        )  # fmt: skip
        raise DataError(f"{path}: no table of daily factor returns; {remedy}")
    names = _cells(next((line for line in reversed(lines[:first]) if line.strip()), ""))[1:]
    dates, rows = [], []
    for number, line in enumerate(lines[first:], first + 1):
        cells = _cells(line)
        if not _DAY.fullmatch(cells[0]):
            _refuse_more(path, lines[number - 1 :], number)
            break
        if len(cells) != len(names) + 1:
            raise DataError(f"{path} line {number}: {len(cells)} cells under {len(names) + 1} headings")
        dates.append(_day(path, cells[0], f"line {number}"))
        rows.append([_number(path, cell, number) for cell in cells[1:]])
    _refuse_repeated(path, dates, "dates")
    return pd.DataFrame(np.array(rows), index=_days(dates), columns=names)


def _refuse_more(path: Path, rest: Sequence[str], number: int) -> None:
    """Raise DataError where rows of a day stand below one that is none: half a table would be passed over."""
    for further, line in enumerate(rest, number):
        if _DAY.fullmatch(_cells(line)[0]):
            raise DataError(
                f"{path} line {number}: {rest[0][:40]!r} does not begin with a date, and line {further} does again; "
                "give one table of daily returns"
            )


def _cells(line: str) -> list[str]:
    for mark in (";", "\t", ","):
        if mark in line:
            return [cell.strip().strip('"') for cell in line.split(mark)]
    return line.split() or [""]


def _number(path: Path, cell: str, line: int) -> float:
    if cell == "":
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        raise DataError(f"{path} line {line}: {cell!r} is no number") from None


def _day(path: Path, text: str, where: str) -> np.datetime64:
    found = _DAY.fullmatch(text)
    try:
        if found:
            return np.datetime64("-".join(found.groups()[:3]), "D")
    except ValueError:
        pass
    raise DataError(f"{path} {where}: {text!r} is no date; write it as YYYYMMDD or YYYY-MM-DD")


def _days(dates: Sequence[np.datetime64]) -> IntArray:
    return np.array(dates, dtype="datetime64[D]").astype(np.int64)
