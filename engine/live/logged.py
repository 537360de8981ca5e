"""Whether what a book decided on stands in the forecast log, as it was decided on and written before its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from broker.journal.journal import Journal
from engine.runs.record import ForecastRecord


@dataclass(frozen=True)
class Logged:
    """The forecasts of a book beside the forecast log.

    Attributes:
        decided: forecasts that decisions stand on. found: of them, those that the log has with the same mean.
        settled: of the log's, those whose outcome is known. problems: of the log, in words; see `ForecastRecord`.
        missing: (bar, symbol) of the first ones that the log lacks.
    """

    decided: int
    found: int
    settled: int
    problems: tuple[str, ...]
    missing: tuple[tuple[pd.Timestamp, str], ...]

    def lines(self) -> list[str]:
        """Return the findings as text."""
        if not self.decided:
            return []
        lines = [
            f"{self.found} of {self.decided} forecasts are in the forecast log, written before their outcome; "
            f"{self.settled} are settled"
        ]
        lines += [
            f"  {asof:%Y-%m-%d %H:%M} {symbol:6} not in the forecast log" for asof, symbol in self.missing
        ]
        return lines + [f"PROBLEM: {problem}" for problem in self.problems]


def logged(journal: Journal, path: Path, shown: int = 10) -> Logged:
    """Compare a book's decisions with the forecast log at `path`; one that is not there has no forecast.

    Raises:
        ForewalkError: the log cannot be read.
    """
    record = ForecastRecord(path)
    problems = tuple(record.problems())
    table = record.table() if path.exists() else None
    means: dict[tuple[pd.Timestamp, str], set[float]] = {}
    if table is not None:
        for asof, symbol, mean in zip(table["asof"], table["symbol"], table["mean"], strict=True):
            means.setdefault((asof, symbol), set()).add(mean)
    decided, missing = 0, []
    for decision in journal.decisions.all():
        for target in journal.decisions.targets(decision.decision_id):
            if target.mean is None or target.close is None:
                continue
            decided += 1
            key = (pd.Timestamp(decision.asof), target.symbol)
            if target.mean not in means.get(key, ()):
                missing.append(key)
    settled = 0 if table is None else int(table["actual"].notna().sum())
    return Logged(decided, decided - len(missing), settled, problems, tuple(missing[:shown]))
