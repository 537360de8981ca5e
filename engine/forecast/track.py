"""The track record: what became of every forecast given, and whether the log is as it was written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from engine.forecast.log import LOG_FILE, ForecastLog
from engine.forecast.skill import Skill, skill_of


@dataclass(frozen=True, eq=False)
class TrackRecord:
    """A forecast log as it is read.

    Attributes:
        forecasts: a row each, in the order in which they were written; see `engine.runs.record.COLUMNS`.
        skill: of all that are settled. by_horizon, by_symbol: the same by bars ahead, and by bars ahead and symbol.
        problems: what is wrong with the log, in words; empty where it is as it was written.
    """

    forecasts: pd.DataFrame
    skill: Skill
    by_horizon: dict[int, Skill]
    by_symbol: dict[tuple[int, str], Skill]
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; times ISO 8601."""
        by_symbol: dict[str, dict[str, Any]] = {}
        for (bars, symbol), skill in self.by_symbol.items():
            by_symbol.setdefault(str(bars), {})[symbol] = skill.to_dict()
        return {
            "forecasts": json.loads(self.forecasts.to_json(orient="records", date_format="iso")),
            "skill": self.skill.to_dict(),
            "by_horizon": {str(bars): skill.to_dict() for bars, skill in self.by_horizon.items()},
            "by_symbol": by_symbol,
            "problems": list(self.problems),
        }


def track_record(path: Path) -> TrackRecord:
    """Read a forecast log, or the one in a folder; one that is not there has no forecasts, and that is no problem.

    Raises:
        ForewalkError: the file is no forecast log.
    """
    log = ForecastLog(path / LOG_FILE if path.is_dir() else path)
    table = log.table()
    horizons = sorted({int(bars) for bars in table["horizon_bars"]})
    parts = {bars: table[table["horizon_bars"] == bars] for bars in horizons}
    return TrackRecord(
        forecasts=table,
        skill=skill_of(table),
        by_horizon={bars: skill_of(part) for bars, part in parts.items()},
        by_symbol={
            (bars, str(symbol)): skill_of(rows)
            for bars, part in parts.items()
            for symbol, rows in part.groupby("symbol", sort=True)
        },
        problems=tuple(log.problems()),
    )
