"""What a run came to: the same values and types from memory and from its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from engine.backtest.job import Backtest
from engine.evaluation.subject import Metrics
from engine.runs.cells import as_written
from engine.runs.folder import forecast_table, read_run
from engine.runs.stored import stored_hashes
from forewalk.data.quality import Finding, QualityReport
from forewalk.errors import DataError
from forewalk.plugins.sources import hashes
from forewalk.settings.loading import load_settings
from forewalk.settings.sections import Settings

TIMES = ("decided_at", "filled_at", "opened_at", "closed_at")
TEXTS = ("symbol", "side", "type", "status", "reason")
COUNTS = ("bars_held",)
ONLY_EMPTY: Any = {"keep_default_na": False, "na_values": [""]}  # a symbol may be called NA


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run came to; `Result` says what each is."""

    settings: Settings
    verdict: str
    metrics: Metrics
    forecasts: pd.DataFrame
    equity: pd.DataFrame
    orders: pd.DataFrame
    trades: pd.DataFrame
    data_fingerprint: str
    data_lines: Sequence[str]
    own_code: Mapping[str, str]


def outcome_of(run: Backtest) -> Outcome:
    """Return what a backtest that has just been made came to."""
    subject = run.subject
    return Outcome(
        settings=subject.settings,
        verdict=run.verdict,
        metrics=run.metrics,
        forecasts=forecast_table(subject.forecasts, subject.actual, subject.bars),
        equity=subject.simulation.equity,
        orders=typed(subject.simulation.orders),
        trades=typed(subject.simulation.trades),
        data_fingerprint=subject.bars.fingerprint,
        data_lines=run.quality.summary_lines(),
        own_code=hashes(subject.plugins),
    )


def read_outcome(folder: Path) -> Outcome:
    """Read what a run came to; DataError where the folder is no run."""
    stored = read_run(folder)
    return Outcome(
        settings=load_settings(folder / "config.toml", environment={}),
        verdict=str(stored.manifest["verdict"]),
        metrics=Metrics.from_json(stored.metrics),
        forecasts=stored.forecasts,
        equity=stored.equity,
        orders=_table(folder / "orders.csv"),
        trades=_table(folder / "trades.csv"),
        data_fingerprint=str(stored.manifest["data_fingerprint"]),
        data_lines=_quality(folder / "quality.json").summary_lines(),
        own_code=stored_hashes(stored),
    )


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of orders or trades with the same types whether it was read or made, and has rows or none."""
    result = table.copy()
    for name in table.columns:
        if name in TIMES:
            result[name] = pd.to_datetime(table[name], utc=True, format="ISO8601").astype(
                "datetime64[us, UTC]"
            )
        elif name in TEXTS:
            result[name] = table[name].astype("str").where(table[name].notna(), "")
        else:
            result[name] = table[name].astype("int64" if name in COUNTS else "float64")
    return result


def _table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, float_precision="round_trip", dtype=dict.fromkeys(TEXTS, str), **ONLY_EMPTY)
        return typed(as_written(table))
    except FileNotFoundError:
        raise DataError(f"{path.parent} is not a run folder: {path.name} is missing") from None


def _quality(path: Path) -> QualityReport:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        found = tuple(Finding(**item) for item in tree["findings"])
        return QualityReport(
            tree["source"],
            tree["rows_read"],
            tree["bars_kept"],
            found,
            tree["refused"],
            tuple(tree["adjusted"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: missing or damaged: {error}") from None
