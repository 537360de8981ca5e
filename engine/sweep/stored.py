"""What a sweep leaves beside its run: written last, so that one that is there is whole, and read back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from engine.runs.cells import as_written, to_csv
from engine.sweep.grid import Axis
from engine.sweep.result import Sweep, SweepLuck, summary
from forewalk.errors import DataError

NUMBER = re.compile(r"[0-9]{3,9}")  # the name of a sweep's folder
OUTCOME, TABLE = "sweep.json", "settings.csv"


def write_outcome(result: Sweep, folder: Path) -> None:
    """Write the table of a sweep and its outcome into `folder`."""
    (folder / TABLE).write_text(to_csv(result.table), encoding="utf-8")
    text = json.dumps(summary(result), indent=2, allow_nan=False, default=str)
    (folder / OUTCOME).write_text(text + "\n", encoding="utf-8")


def sweeps_of(run: Path) -> list[Path]:
    """Return the folders of a run's finished sweeps, the newest first."""
    found = [path.parent for path in (run / "sweeps").glob(f"*/{OUTCOME}")]
    return sorted((each for each in found if NUMBER.fullmatch(each.name)), key=lambda each: -int(each.name))


def read_outcome(folder: Path) -> dict[str, Any]:
    """Return what `summary` wrote of a sweep. DataError where it is missing or damaged."""
    try:
        found = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise _damaged(folder, problem) from None
    if not isinstance(found, dict) or not isinstance(found.get("axes"), dict) or not found["axes"]:
        raise _damaged(folder, f"{OUTCOME} is no outcome of a sweep")
    return found


def read_sweep(folder: Path) -> Sweep:
    """Return a sweep as `write_sweep` wrote it. DataError where a file is missing, damaged or of something else."""
    told = read_outcome(folder)
    axes = tuple(Axis(key, tuple(values)) for key, values in told["axes"].items())
    try:
        text = pd.read_csv(folder / TABLE, dtype=str, keep_default_na=False)
        table = _typed(as_written(text), axes)
        luck = SweepLuck.from_json(told["luck"])
        name, own, same, held = told["name"], told["own"], told["equals_run"], told.get("held", {})
    except (OSError, ValueError, KeyError) as problem:
        raise _damaged(folder, problem) from None
    return Sweep(folder.parents[1], name, axes, table, own, same, luck, held)


def _typed(text: pd.DataFrame, axes: tuple[Axis, ...]) -> pd.DataFrame:
    """Return the table with the values that were varied as they were, and every other column as numbers."""
    varied = {axis.key: {text: each for each in axis.values for text in _written(each)} for axis in axes}
    columns: dict[str, Any] = {}
    for name in text.columns:
        if name in varied:
            columns[name] = pd.Series([varied[name][cell] for cell in text[name]], dtype=object)
        else:
            columns[name] = [
                float(cell or "nan") for cell in text[name]
            ]  # to the last digit, as pandas does not
    missing = [key for key in varied if key not in columns]
    if missing:
        raise KeyError(missing[0])
    return pd.DataFrame(columns)


def _written(value: Any) -> set[str]:
    """Return how a table may write a value: a setting that takes fractions writes 5 as 5.0."""
    if value is None:
        return {""}
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {str(value), str(float(value))} if is_number else {str(value)}


def _damaged(folder: Path, why: object) -> DataError:
    return DataError(f"sweep {folder.name} of {folder.parents[1].name} is damaged: {why}; sweep again")
