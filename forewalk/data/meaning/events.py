"""Splits and dividends from a file of their own: a table, or a folder of LEAN factor files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from forewalk.data.formats.columns import by_header
from forewalk.data.formats.containers import open_sheets
from forewalk.data.formats.numbers import read_numbers, read_ratios
from forewalk.data.formats.stamps import read_stamps
from forewalk.data.formats.words import STAMP, SYMBOL, normalise
from forewalk.errors import DataError
from forewalk.types import FloatArray, IntArray

_DAY = 24 * 3600 * 10**6
Events = dict[str, pd.DataFrame]  # symbol -> day, split, dividend, ratio


def read_events(path: Path) -> Events:
    """Return the events of every symbol: `day` (from 1970), `split`, `dividend` and `ratio` (price factor before it).

    A folder holds LEAN factor files, one a symbol: date, price factor, split factor; their `factor`
    column counts up to
    and with their day.

    Raises:
        DataError: the file is missing or its columns are not understood.
    """
    path = path.expanduser()
    if path.is_dir():
        return {
            name.upper(): frame
            for entry in sorted(path.glob("*.csv"))
            for name, frame in _lean(entry).items()
        }
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; give another data.events")
    sheet = open_sheets(path)[0]
    if not sheet.head:
        return {name.upper(): frame for name, frame in _lean(path).items()}
    header = [
        "date" if normalise(c) in ("ex date", "exdate", "effective date", "ex dividend date") else c
        for c in sheet.head[-1]
    ]
    fields = by_header(header, sheet.body, {}, str(path))
    names = [normalise(name) for name in header]
    kinds: dict[str, int] = {name: fields[name] for name in ("split", "dividend") if name in fields}
    kinds |= {"ratio": names.index("ratio")} if "ratio" in names and "split" not in kinds else {}
    if STAMP not in fields or SYMBOL not in fields or not kinds:
        raise DataError(
            f"{path}: events need the columns symbol, date and one of split, dividend, ratio; there are "
            f"{', '.join(header)}"
        )
    days = read_stamps(sheet.body[fields[STAMP]], str(path)).wall // _DAY
    columns: dict[str, FloatArray | IntArray] = {"day": days}
    for name, at in kinds.items():
        values, bad = read_numbers(sheet.body[at])
        columns[name] = read_ratios(sheet.body[at], values, bad)[0] if bad.any() else values
    frame = pd.DataFrame(columns)
    symbols = sheet.body[fields[SYMBOL]].astype("str").str.strip()
    return {
        str(symbol): part.reset_index(drop=True) for symbol, part in frame.groupby(symbols.to_numpy(object))
    }


def _lean(path: Path) -> Events:
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        days = [int(np.datetime64(f"{r[0][:4]}-{r[0][4:6]}-{r[0][6:8]}", "D").astype(int)) for r in rows]
        factor = [float(r[1]) * float(r[2]) for r in rows]
    except (ValueError, IndexError):
        raise DataError(f"{path}: no factor file: its lines are date, price factor, split factor") from None
    return {path.stem: pd.DataFrame({"day": days, "factor": factor}).sort_values("day", ignore_index=True)}


def as_columns(events: pd.DataFrame, days: IntArray) -> dict[str, FloatArray]:
    """Return events as columns beside the bars of ascending `days`; one between two bars counts for the later one."""
    if "factor" in events:
        row = np.minimum(np.searchsorted(events["day"].to_numpy(), days), len(events) - 1)
        return {"factor": events["factor"].to_numpy(np.float64)[row]}
    found = {}
    row = np.searchsorted(days, events["day"].to_numpy(np.int64))
    inside = (row < len(days)) & (row > 0)
    for name, nothing in (("split", 1.0), ("dividend", 0.0), ("ratio", 1.0)):
        if name not in events:
            continue
        column = np.full(len(days), nothing)
        for at, value in zip(
            row[inside].tolist(), events[name].to_numpy(np.float64)[inside].tolist(), strict=True
        ):
            if np.isfinite(value) and value > 0:
                column[at] = column[at] + value if name == "dividend" else column[at] * value
        found[name] = column
    if "ratio" in found:
        found["factor"] = np.cumprod(1.0 / found.pop("ratio"))
    return found
