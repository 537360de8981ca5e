"""What is watched of a book, and what a watch says; light, so that the daemon can read it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path

from engine.evaluation.metrics.drift import COVERAGE, LOSS, QLIKE, WIDTH
from forewalk.errors import DataError

FILE = "drift.json"  # beside the page of the day
FEATURES, FILLS, DATA = "features", "fills", "data"
OF_MODELS = (LOSS, COVERAGE, WIDTH, QLIKE, FEATURES)  # the watches that a newer model may quieten
SAYS = {
    LOSS: "errors grow beyond what the model states, where those of 'no change' do not",
    COVERAGE: "too many outcomes outside of the range that holds 80 of 100",
    WIDTH: "too few outcomes outside of that range: it is too wide",
    QLIKE: "the stated spread falls behind a plain moving average of squares",
    FEATURES: "a feature lies where its past did not",
    FILLS: "fills cost more than the backtest assumes",
    DATA: "bars or forecasts are missing or refused",
}


@dataclass(frozen=True)
class Reading:
    """One watch after the last session.

    Attributes:
        watch: its name. sessions: how many it has seen of this book.
        level: its sum over its limit, an alarm above 1; None where it cannot be read, and `detail` says why.
        since: session in which the alarm that is not over began. detail: what was seen, in words.
    """

    watch: str
    sessions: int
    level: float | None
    since: date | None
    detail: str

    @property
    def alarm(self) -> str | None:
        """What the diary and a person are told, the same every day that the alarm goes on; None without one."""
        return None if self.since is None else f"{self.watch} since {self.since}: {SAYS[self.watch]}"


@dataclass(frozen=True)
class Readings:
    """What every watch said after a session.

    Attributes:
        asof: UTC close of the last bar that had been decided on. readings: none where drift is not watched.
        problem: why the drift could not be read, "" where it could.
    """

    asof: datetime
    readings: tuple[Reading, ...]
    problem: str = ""


def write_readings(folder: Path, asof: datetime, found: Sequence[Reading], problem: str) -> None:
    """Write what the watches said into the book's folder, whole or not at all."""
    told = {"asof": asof.isoformat(), "readings": [asdict(each) for each in found], "problem": problem}
    unfinished = folder / f".{FILE}.{os.getpid()}.part"
    unfinished.write_text(json.dumps(told, indent=2, default=str) + "\n", encoding="utf-8")
    unfinished.replace(folder / FILE)


def stored_readings(folder: Path) -> Readings | None:
    """Return what the watches said last; None where nothing was ever read. DataError where it is damaged."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        found = tuple(
            Reading(**{**each, "since": each["since"] and date.fromisoformat(each["since"])})
            for each in told["readings"]
        )
        return Readings(datetime.fromisoformat(told["asof"]), found, told["problem"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise DataError(
            f"{FILE} of the book is damaged: {problem}; the next session writes it anew"
        ) from None
