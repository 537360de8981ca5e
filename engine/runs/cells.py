"""Tables as CSV whose text a spreadsheet shows and never runs.

A text that begins with `=`, `+`, `-`, `@`, a tab or a line break is a formula to a spreadsheet, and a symbol or a
reason may come from anybody. Such a text is written with an apostrophe before it, which `unguarded` takes away
again; texts that are numbers, and numbers, stay what they are. See OWASP, "CSV injection".
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from typing import Any

import pandas as pd

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
MARK = "'"


def guarded(value: Any) -> Any:
    """Return a text that begins like a formula with an apostrophe before it, everything else as it is."""
    return MARK + value if isinstance(value, str) and _is_formula(value) else value


def unguarded(value: Any) -> Any:
    """Undo `guarded`."""
    return value[1:] if isinstance(value, str) and value[:1] == MARK and _is_formula(value[1:]) else value


def to_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV without its index."""
    table = _each_text(table, guarded)
    if _returns(table):
        return table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return table.to_csv(index=False, lineterminator="\n")


def as_written(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that was read from such a CSV with its texts as they were before."""
    return _each_text(table, unguarded)


def _returns(table: pd.DataFrame) -> bool:
    """Whether a text holds a carriage return, which the csv module leaves bare: a row of its own to a reader."""
    texts = [
        column.astype(str).str.contains("\r").any() for _, column in table.items() if _holds_text(column)
    ]
    return any(texts) or any("\r" in str(name) for name in table.columns)


def _each_text(table: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    changed = {name: table[name].map(change) for name in table.columns if _holds_text(table[name])}
    return table.assign(**changed).rename(columns=change)


def _holds_text(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype) or column.dtype == object


def _is_formula(text: str) -> bool:
    return text.lstrip(MARK).startswith(STARTS) and not _is_number(text)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and text.isascii() and not text[:1].isspace() and "_" not in text
    except ValueError:
        return False
