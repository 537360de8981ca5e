"""A run is a folder: everything it depended on and everything it found.

The folder is written under a temporary name and renamed when it is whole, so a run that exists is complete.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.runs.cells import to_csv
from forewalk.errors import DataError, UsageError
from forewalk.settings.loading import settings_to_toml
from forewalk.settings.sections import Settings
from forewalk.types import CLOSED_AT, Bars, FloatArray, Forecasts, SimulationResult

RUNS = Path("runs")
LIBRARIES = [
    "torch",
    "backtrader",
    "pandas",
    "numpy",
    "scipy",
    "TA-Lib",
    "quantstats",
    "exchange-calendars",
    "pyarrow",
    "safetensors",
]
PACKAGES = ("forewalk", "engine", "strategies", "models", "broker")


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A finished run read back from its folder."""

    path: Path
    manifest: dict[str, Any]
    forecasts: pd.DataFrame
    equity: pd.DataFrame
    orders: pd.DataFrame
    metrics: dict[str, Any]


def forecast_table(forecasts: Forecasts, actual: FloatArray, bars: Bars | None = None) -> pd.DataFrame:
    """Return one row per bar and symbol that has a forecast, ordered by asof and symbol column.

    Columns: asof, symbol, horizon_bars, mean and std (log return over the horizon), p_up, actual (NaN while
    unknown), model_id, trained_until. With `bars` of several markets, asof is the true close of each cell's market.
    """
    row, column = np.nonzero(np.isfinite(forecasts.mean))
    asof = forecasts.timestamps[row]
    if bars is not None and CLOSED_AT in bars.extras:
        closed = bars.extras[CLOSED_AT][len(bars) - len(forecasts) :][row, column]
        asof = pd.DatetimeIndex(closed.astype(np.int64).astype("datetime64[us]"), tz="UTC")
    return pd.DataFrame(
        {
            "asof": asof,
            "symbol": np.array(forecasts.symbols, dtype=object)[column],
            "horizon_bars": forecasts.horizon_bars,
            "mean": forecasts.mean[row, column],
            "std": forecasts.std[row, column],
            "p_up": forecasts.p_up[row, column],
            "actual": actual[row, column],
            "model_id": np.array(forecasts.model_ids, dtype=object)[row],
            "trained_until": forecasts.trained_until[row],
        }
    )


def write_run(
    destination: Path | None, name: str, fill: Callable[[Path], None], started: datetime | None = None
) -> Path:
    """Let `fill` write a run into a temporary folder, then give it its name; return the final folder.

    Args:
        destination: the folder to become; None means `runs/<UTC>-<name>`, to which `runs/latest` then points.
        fill: writes all files into the folder it is given; if it raises, nothing is left behind.

    Raises:
        UsageError: the destination exists already.
    """
    moment = started or datetime.now(UTC)
    final = destination or RUNS / f"{moment:%Y%m%dT%H%M%S}-{name}"
    if destination is None:
        final = _unused(final)
    check_destination(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.parent / f".{final.name}.{uuid.uuid4().hex[:8]}.tmp"
    temporary.mkdir()
    try:
        fill(temporary)
        if final.is_dir():
            final.rmdir()
        temporary.rename(final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    if destination is None:
        _point_latest(final)
    return final


def check_destination(path: Path) -> None:
    """Raise UsageError where a run may not be written: `path` is a file or a folder with something in it."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} exists already and is not empty; choose another --out or remove it")


def write_tables(
    folder: Path,
    settings: Settings,
    forecasts: pd.DataFrame,
    simulation: SimulationResult,
    metrics: dict[str, Any],
    quality: dict[str, Any],
    manifest: dict[str, Any],
) -> None:
    """Write the machine-readable part of a run into `folder`."""
    (folder / "config.toml").write_text(settings_to_toml(settings), encoding="utf-8")
    forecasts.to_parquet(folder / "forecasts.parquet", index=False)
    simulation.equity.to_parquet(folder / "equity.parquet", index=False)
    for table in ("orders", "trades", "decisions", "open_positions"):
        (folder / f"{table}.csv").write_text(to_csv(getattr(simulation, table)), encoding="utf-8")
    for file, content in (("metrics", metrics), ("quality", quality), ("manifest", manifest)):
        text = json.dumps(content, indent=2, allow_nan=False, default=str)
        (folder / f"{file}.json").write_text(text + "\n", encoding="utf-8")


def make_manifest(settings: Settings, data_fingerprint: str, **more: Any) -> dict[str, Any]:
    """Describe what a run depended on: code, data, seed, libraries, machine."""
    return {
        "name": settings.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "forewalk": _version("forewalk"),
        "code": code_version(),
        "data_fingerprint": data_fingerprint,
        "seed": settings.seed,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "libraries": {library: _version(library) for library in LIBRARIES},
        **more,
    }


def code_version() -> dict[str, str | None]:
    """Return the sha256 of this project's own source, and the git commit where it runs from a checkout."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return {"sha256": digest.hexdigest(), "commit": _commit(root)}


def read_run(path: Path) -> StoredRun:
    """Read a run folder; DataError where it is not one."""
    try:
        return StoredRun(
            path=path,
            manifest=json.loads((path / "manifest.json").read_text(encoding="utf-8")),
            forecasts=pd.read_parquet(path / "forecasts.parquet"),
            equity=pd.read_parquet(path / "equity.parquet"),
            orders=pd.read_csv(path / "orders.csv"),
            metrics=json.loads((path / "metrics.json").read_text(encoding="utf-8")),
        )
    except FileNotFoundError as error:
        raise DataError(f"{path} is not a run folder: {Path(str(error.filename)).name} is missing") from None
    except ValueError as error:
        raise DataError(f"{path}: a file of the run is damaged: {error}") from None


def _unused(path: Path) -> Path:
    candidate, number = path, 2
    while candidate.exists():
        candidate, number = path.with_name(f"{path.name}-{number}"), number + 1
    return candidate


def _point_latest(run: Path) -> None:
    link = run.parent / "latest"
    temporary = run.parent / f".latest.{uuid.uuid4().hex[:8]}"
    temporary.symlink_to(run.name)
    temporary.replace(link)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit(root: Path) -> str | None:
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
