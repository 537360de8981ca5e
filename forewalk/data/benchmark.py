"""The benchmark of the user's choice: one symbol of the data, or of a file, on the bars of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from forewalk.data.loading import load_bars
from forewalk.data.table import Table
from forewalk.errors import DataError
from forewalk.settings.sections import DataSettings, Settings
from forewalk.types import BAR_FIELDS, Bars

SETTING = "evaluation.benchmark"
_FILES = {".csv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet"}
_PLAIN = {"universe": None, "min_history_bars": 1}
LEAST_COVER = 0.95  # share of the bars compared that it must have, the first and the last among them


def benchmark_bars(settings: Settings, bars: Bars, first: int, given: Table | None = None) -> Bars | None:
    """Return the bars of `evaluation.benchmark` at the times of `bars` from row `first` on; None where none is set.

    A symbol is looked for among the bars, then in the source they came from. Prices are adjusted as that source does.

    Raises:
        DataError: there is no such symbol or file, it has several symbols, or it does not cover the bars.
        ConnectionFailed: the source did not answer.
    """
    name = settings.evaluation.benchmark
    if name is None:
        return None
    span = bars.since(bars.timestamps[first])
    return _laid_over(
        bars.select([name]) if name in bars.symbols else _loaded(name, settings, given), span, name
    )


def is_file(name: str) -> bool:
    """Whether a benchmark is a file and no symbol."""
    return Path(name).suffix.lower() in _FILES


def file_bars(name: str, settings: Settings) -> Bars:
    """Return the bars of a file of one symbol, by the calendar and the policies of the settings."""
    path = Path(name).expanduser()
    update = {**_PLAIN, "source": _FILES[path.suffix.lower()], "path": path, "symbols": ()}
    return _one(name, settings.data.model_copy(update=update), None)


def _loaded(name: str, settings: Settings, given: Table | None) -> Bars:
    if is_file(name):
        return file_bars(name, settings)
    return _one(name, settings.data.model_copy(update={**_PLAIN, "symbols": (name,)}), given)


def _one(name: str, data: DataSettings, given: Table | None) -> Bars:
    try:
        found, _ = load_bars(data, given)
    except DataError as problem:
        raise DataError(f"{SETTING} = {name!r}: {problem}") from None
    if len(found.symbols) != 1:
        raise DataError(
            f"{SETTING} = {name!r} holds {len(found.symbols)} symbols, {', '.join(found.symbols[:5])}; give a "
            "file of one"
        )
    return found


def _laid_over(found: Bars, span: Bars, name: str) -> Bars:
    """Return the bars at the times of `span`, NaN where there is none."""
    row = found.timestamps.get_indexer(span.timestamps)
    there = row >= 0
    fields: dict[str, Any] = {field: np.full((len(span), 1), np.nan) for field in BAR_FIELDS}
    for field, values in fields.items():
        values[there] = getattr(found, field)[row[there]]
    laid = replace(found, timestamps=span.timestamps, extras={}, notes=(), **fields)
    if not (laid.present[0, 0] and laid.present[-1, 0] and laid.present.mean() >= LEAST_COVER):
        raise DataError(
            f"{SETTING} = {name!r} has a bar at {int(laid.present.sum()):,} of {len(span):,} out-of-sample bars "
            f"({span.timestamps[0]:%Y-%m-%d} to {span.timestamps[-1]:%Y-%m-%d}); it must reach from the first to the "
            f"last and have {LEAST_COVER:.0%} of them"
        )
    return laid
