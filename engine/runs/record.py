"""The record of forecasts: every forecast ever given, written before its outcome was known, and scored when it was.

A forecast enters with the time of writing, the newest bar it knew and the close it is about; one whose outcome has
closed already is refused, so the record cannot be made up afterwards. Outcomes are rows of their own. What keeps rows
as they were written is `engine.runs.chain`; times are those of this machine's clock, which must not run backwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.runs.chain import Chain, Entry, Rows
from forewalk.errors import ForewalkError

LOG_FILE = "forecasts.sqlite"
FORECAST, OUTCOME = "forecast", "outcome"
SAME_CLOSE = 1e-6  # relative
COLUMNS = [
    *(
        "number",
        "written",
        "symbol",
        "asof",
        "closes_at",
        "horizon_bars",
        "interval",
        "execution",
        "relative",
    ),
    *("close", "mean", "std", "p_up", "low_80", "high_80", "model", "run", "actual"),
]
Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Return the time of this machine, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Entered:
    """What entering came to: forecasts written, those known before, and those whose outcome has closed already."""

    written: int
    known: int
    closed: int


@dataclass(frozen=True)
class Question:
    """Of what a forecast is: bars ahead, their length, from close or next open, beside the mean of all or not."""

    horizon_bars: int
    interval: str
    execution: str
    relative: bool


@dataclass(frozen=True)
class Foretold:
    """One forecast as it is written down.

    Attributes:
        symbol: its name. asof: UTC close of the newest bar it knew. closes_at: UTC close of the bar it is about.
        question: of what it is. close: price at `asof`. mean, std: of the log return, as the model says.
        p_up: probability of a rise as it was shown. p_up_model: as the model says.
        bands: central ranges of the log return by percentage. model: that made it. run: where that stands, or None.
    """

    symbol: str
    asof: pd.Timestamp
    closes_at: pd.Timestamp
    question: Question
    close: float
    mean: float
    std: float
    p_up: float
    p_up_model: float
    bands: Mapping[str, tuple[float, float]]
    model: str
    run: str | None

    def content(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "symbol": self.symbol,
            "asof": self.asof.isoformat(),
            "closes_at": self.closes_at.isoformat(),
            **asdict(self.question),
            "close": self.close,
            "mean": self.mean,
            "std": self.std,
            "p_up": self.p_up,
            "p_up_model": self.p_up_model,
            "bands": {name: list(pair) for name, pair in self.bands.items()},
            "model": self.model,
            "run": self.run,
        }


class ForecastRecord:
    """The record in one file.

    Args:
        path: of its file. now: the clock. on_step: see `Chain`.
    """

    def __init__(
        self, path: Path, now: Clock = wall_clock, on_step: Callable[[str], None] = lambda step: None
    ) -> None:
        self.path = path
        self._now = now
        self._chain = Chain(path, on_step, indexed=("asof", "forecast"))

    def write(self, forecasts: Sequence[Foretold]) -> Entered:
        """Write forecasts down, each once; those whose outcome has closed already are left out.

        A forecast of the same symbol at the same close by the same model is the same one, whoever enters it. Another
        model's is another one.

        Raises:
            ForewalkError: the clock runs before the newest row, or the file cannot be written.
        """
        counts = {"written": 0, "known": 0, "closed": 0}

        def make(there: Rows) -> list[Entry]:
            now = self._time_after(there)
            moments = {each.asof.isoformat() for each in forecasts}
            seen = {
                _key(json.loads(row.content))
                for asof in moments
                for row in there.with_value(FORECAST, "asof", asof)
            }
            rows = []
            for each in forecasts:
                content = each.content()
                if each.closes_at <= pd.Timestamp(now):
                    counts["closed"] += 1
                elif _key(content) in seen:
                    counts["known"] += 1
                else:
                    rows.append(Entry(0, now.isoformat(), FORECAST, json.dumps(content, allow_nan=False)))
            counts["written"] = len(rows)
            return rows

        if any(each.closes_at > pd.Timestamp(self._now()) for each in forecasts):
            self._chain.append(make)
        else:
            counts["closed"] = len(forecasts)
        return Entered(**counts)

    def settle(self, history: pd.DataFrame, question: Question) -> int:
        """Write down the outcomes that are known by now; return how many.

        Args:
            history: rows of asof, symbol and actual. question: of what these outcomes are.
        """
        if not self.path.exists():
            return 0

        def make(there: Rows) -> list[Entry]:
            now = self._time_after(there)
            due = {}
            for row in there.unnamed(FORECAST, OUTCOME, "forecast"):
                given = json.loads(row.content)
                if _asks(given, question) and _time(given["closes_at"]) <= now:
                    due[row.number] = (given["symbol"], given["asof"])
            outcomes = _outcomes(history, {asof for _, asof in due.values()})
            rows = []
            for number, key in due.items():
                if key in outcomes:
                    content = {"forecast": number, "actual": outcomes[key]}
                    rows.append(Entry(0, now.isoformat(), OUTCOME, json.dumps(content, allow_nan=False)))
            return rows

        return len(self._chain.append(make))

    def revised(self, closes: Mapping[tuple[str, pd.Timestamp], float]) -> list[str]:
        """Return, in words, whose newest forecast was made at a close that is another one now.

        Args:
            closes: by symbol and UTC close of the bar, as they are now.
        """
        if not self.path.exists():
            return []
        newest: dict[str, dict[str, Any]] = {}
        with self._chain.rows() as there:
            for moment in sorted({asof for _, asof in closes}, reverse=True):
                for row in there.with_value(FORECAST, "asof", moment.isoformat()):
                    content = json.loads(row.content)
                    newest.setdefault(content["symbol"], content)
        found = []
        for symbol, content in newest.items():
            close = closes.get((symbol, pd.Timestamp(content["asof"])))
            if close is not None and abs(close / content["close"] - 1) > SAME_CLOSE:
                found.append(
                    f"{symbol}: its close of {content['asof'][:10]} was {content['close']:g} when it was forecast "
                    f"from, and is {close:g} now: adjusted for a split or dividend, or corrected"
                )
        return found

    def table(self) -> pd.DataFrame:
        """Return the forecasts in the order in which they were written, with outcomes where known; see COLUMNS."""
        entries = self._chain.entries()
        actual = {
            content["forecast"]: content["actual"]
            for content in (json.loads(row.content) for row in entries if row.kind == OUTCOME)
        }
        rows = []
        for row in (row for row in entries if row.kind == FORECAST):
            content = json.loads(row.content)
            low, high = content.pop("bands")["80"]
            known = {"low_80": low, "high_80": high, "actual": actual.get(row.number, np.nan)}
            rows.append({"number": row.number, "written": row.written, **content, **known})
        table = pd.DataFrame(rows, columns=COLUMNS)
        for name in ("written", "asof", "closes_at"):
            table[name] = pd.to_datetime(table[name], utc=True, format="ISO8601")
        return table

    def problems(self) -> list[str]:
        """Return what is wrong with the log, in words; empty where it is as it was written."""
        found = self._chain.problems()
        before = ""
        for row in self._chain.entries():
            if row.written < before:
                found.append(f"row {row.number} is dated {row.written}, before the row above it")
            before = row.written
            if row.kind == FORECAST and _time(json.loads(row.content)["closes_at"]) <= _time(row.written):
                found.append(f"row {row.number} is a forecast written after its outcome had closed")
        return found

    def _time_after(self, there: Rows) -> datetime:
        now, last = self._now(), there.last()
        if last is not None and now < _time(last.written):
            raise ForewalkError(
                f"{self.path}: its newest row was written at {last.written}, and this machine's clock says "
                f"{now.isoformat()}; set the clock right, no forecast can be dated before another"
            )
        return now


def _outcomes(history: pd.DataFrame, asked: set[str]) -> dict[tuple[str, str], float]:
    """Return what became of the forecasts made at these moments, by symbol and moment."""
    if not asked:
        return {}
    moments = pd.DatetimeIndex([pd.Timestamp(asof) for asof in asked])
    rows = history[history["asof"].isin(moments) & np.isfinite(history["actual"])]
    return {
        (symbol, asof.isoformat()): float(actual)
        for symbol, asof, actual in zip(rows["symbol"], rows["asof"], rows["actual"], strict=True)
    }


def _key(content: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        content[name] for name in ("symbol", "asof", "horizon_bars", "execution", "model", "run", "mean")
    )


def _asks(content: dict[str, Any], question: Question) -> bool:
    return all(content[name] == value for name, value in asdict(question).items())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
