"""What a file or folder is understood to be, without running anything: for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forewalk.calendars import is_forex
from forewalk.data.loading import load_bars
from forewalk.data.quality import QualityReport
from forewalk.errors import ConfigError, DataError, Undecided
from forewalk.sessions import exchange_zone, is_intraday, session_closes, session_numbers
from forewalk.settings.sections import DataSettings
from forewalk.types import Bars, FloatArray

REMEDY = "see docs/data.md for the formats that are read and the settings that help"
_HINTS = ("data.", "say which", "say it", "mend ", "write it", "write YYYY", "keep one", "did you mean",
          "pip install", "save it", "split the file", "remove one", "name it", "export its", "unpack it")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Checked:
    """What was understood; `bars` is None where nothing can be used, and `problem` says why.

    `question` is what only a person can decide, where that is why.
    """

    settings: DataSettings
    bars: Bars | None
    report: QualityReport | None
    problem: str = ""
    question: Undecided | None = None

    @property
    def usable(self) -> bool:
        """Whether a run could use it."""
        return self.bars is not None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; with `error` and `remedy` where it cannot be used, and `question` where one is."""
        understood = self.report.understood if self.report is not None else None
        symbols = self._symbols()
        found: dict[str, Any] = {
            "format": understood.format if understood else None,
            "source": self.settings.source,
            "interval": understood.interval if understood else self.settings.interval,
            "interval_inferred": understood.interval_inferred if understood else False,
            "calendar": understood.calendar if understood else self.settings.calendar,
            "zone": understood.zone if understood else self.settings.zone,
            "stamp": understood.stamp if understood else self.settings.stamp,
            "adjusted": understood.adjusted if understood else self.settings.adjusted,
            "rows": sum(entry["rows"] for entry in symbols.values()),
            "symbols": symbols,
            "warnings": self._warnings(),
        }
        if not self.usable:
            what, remedy = split_message(self.problem)
            found |= {"error": what, "remedy": remedy}
        if self.question is not None:
            asked = self.question
            answers = [{"value": value, "means": means} for value, means in asked.answers]
            found["question"] = {"setting": asked.setting, "example": asked.example, "answers": answers}
        return found

    def _warnings(self) -> list[str]:
        if self.report is None:
            return []
        refused = [f"refused {why}" for why in self.report.refused.values()]
        return list(dict.fromkeys([*self.report.headlines(), *self.report.understood.notes, *refused]))

    def _symbols(self) -> dict[str, dict[str, Any]]:
        if self.bars is None or self.report is None:
            return {}
        return {symbol: self._symbol(symbol, column) for column, symbol in enumerate(self.bars.symbols)}

    def _symbol(self, symbol: str, column: int) -> dict[str, Any]:
        assert self.bars is not None
        assert self.report is not None
        rows = np.flatnonzero(self.bars.present[:, column])
        findings = [finding for finding in self.report.findings if finding.symbol == symbol]
        calendar = self.bars.calendars[column] if self.bars.calendars else self.bars.calendar
        close: FloatArray = self.bars.close[rows, column]
        stamps = (
            bar_dates(self.bars.timestamps[rows[[0, -1]]], calendar, self.bars.interval) if len(rows) else []
        )
        return {
            "rows": len(rows),
            "first": stamps[0] if stamps else None,
            "last": stamps[1] if stamps else None,
            "first_close": float(close[0]) if len(rows) else None,
            "last_close": float(close[-1]) if len(rows) else None,
            "dropped": sum(f.count for f in findings if f.action == "dropped"),
            "repaired": sum(f.count for f in findings if f.action == "repaired"),
            "flags": sorted({f.kind for f in findings if f.kind not in ("adjusted", "no_volume")}),
        }


def check(settings: DataSettings) -> Checked:
    """Read and clean what `settings` name, whatever its length, and say what was understood.

    Raises:
        ConfigError: a setting is wrong.
    """
    settings = settings.model_copy(update={"min_history_bars": 1})
    try:
        bars, report = load_bars(settings)
    except ConfigError:
        raise
    except DataError as error:
        return Checked(settings, None, None, str(error), error if isinstance(error, Undecided) else None)
    return Checked(settings, bars, report)


def split_message(message: str) -> tuple[str, str]:
    """Return what is wrong and what to do: the parts of a message from the first that gives a hint on."""
    parts = message.split("; ")
    at = next((n for n, part in enumerate(parts) if n and any(hint in part for hint in _HINTS)), None)
    if at is None:
        hinted = any(hint in message for hint in _HINTS)
        return message, message.rpartition(": ")[2] if hinted and ": " in message else REMEDY
    return "; ".join(parts[:at]), "; ".join(parts[at:])


def bar_dates(closes: pd.DatetimeIndex, calendar: str, interval: str) -> list[str]:
    """Return the session date of each daily or longer bar, the UTC close of others, in ISO form."""
    if is_intraday(interval):
        return [close.isoformat() for close in closes]
    number, dates = session_numbers(calendar, closes, interval)
    days = dates[np.minimum(number, len(dates) - 1)]
    known = session_closes(calendar, days) == closes
    local = closes.tz_convert(exchange_zone(calendar)).tz_localize(None)
    shift = pd.Timedelta(hours=12) if calendar == "24/7" or is_forex(calendar) else pd.Timedelta(0)
    return [
        f"{(day if on else other - shift):%Y-%m-%d}"
        for day, on, other in zip(days, known, local, strict=True)
    ]
