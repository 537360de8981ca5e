"""The models of a book as a person sees them: list and lineage, and what a person may say: promote, retire, expire.

Nothing here changes the past: what has been decided on keeps its forecasts. A model enters or leaves after the last
bar that was decided on, and the daemon, running or not, goes by it from its next decision on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from broker.journal.journal import Journal
from engine.live.models.retrain import CHAMPION, after_the_decided
from forewalk.errors import DataError, UsageError
from forewalk.sessions import bars_per_year, sessions_between
from forewalk.settings.sections import Settings


@dataclass(frozen=True)
class ModelEntry:
    """One model of a book.

    Attributes:
        role: champion, challenger or rejected; `active` is the champion that is asked about the next bar.
        trained_until, valid_from: UTC; the first is None where the file cannot be read, and `problem` says why.
        until: when it was retired, None where it was not.
        parent: model_id of the champion before it, "" for the first.
        age_bars: since `valid_from`, of `max_age_bars`; None where it is not asked anything.
    """

    model_id: str
    role: str
    active: bool
    trained_until: str | None
    valid_from: str
    until: str | None
    parent: str
    age_bars: int | None
    max_age_bars: int
    sha256: str
    note: str
    problem: str

    @property
    def is_too_old(self) -> bool:
        """Whether it gives no forecasts any more because of its age."""
        return self.age_bars is not None and self.age_bars > self.max_age_bars

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return dict(self.__dict__)


def listed(journal: Journal, settings: Settings, folder: Path, now: datetime) -> list[ModelEntry]:
    """Return the models of a book, oldest first.

    Args:
        folder: of the model files. now: the market's time, which ages are counted to.
    """
    rows = sorted(journal.models.all(), key=lambda row: (row["at"], row["valid_from"]))
    active = active_model(rows, now)
    entries = []
    for row in rows:
        before = [
            other for other in rows if other["role"] == CHAMPION and other["valid_from"] < row["valid_from"]
        ]
        trained_until, problem = (
            _trained_until(folder / row["file"]) if row["file"] else (None, "no file: it failed")
        )
        champion = row["role"] == CHAMPION and row["until"] is None
        entries.append(
            ModelEntry(
                model_id=row["model_id"],
                role=row["role"],
                active=row["model_id"] == active,
                trained_until=trained_until,
                valid_from=row["valid_from"],
                until=row["until"],
                parent=max(before, key=lambda other: other["valid_from"])["model_id"] if before else "",
                age_bars=bars_since(settings, datetime.fromisoformat(row["valid_from"]), now)
                if champion
                else None,
                max_age_bars=settings.model.max_age_bars,
                sha256=row["sha256"],
                note=row["note"],
                problem=problem,
            )
        )
    return entries


def active_model(rows: Sequence[dict[str, Any]], now: datetime) -> str | None:
    """Return the id of the champion that is asked about the next bar, whatever its age; None without one."""
    asked = [
        row
        for row in rows
        if row["role"] == CHAMPION
        and datetime.fromisoformat(row["valid_from"]) <= now
        and (row["until"] is None or datetime.fromisoformat(row["until"]) > now)
    ]
    return max(asked, key=lambda row: row["valid_from"])["model_id"] if asked else None


def bars_since(settings: Settings, since: datetime, now: datetime) -> int:
    """Return about how many bars have closed since a moment, by the sessions in between."""
    calendar = settings.data.exchange
    days = (pd.Timestamp(moment).tz_convert("UTC").tz_localize(None) for moment in (since, now))
    sessions = max(0, len(sessions_between(calendar, *days)) - 1)
    return round(sessions * bars_per_year(calendar, settings.data.bar_length) / bars_per_year(calendar, "1d"))


def retire(journal: Journal, model_id: str, now: datetime) -> str:
    """Let one champion be asked no more; the one before it goes on, while it is not too old. Say so.

    Raises:
        DataError: there is no such champion, or it has ended already.
    """
    row = _champion(journal, model_id)
    until = after_the_decided(journal, now)
    journal.models.end([model_id], until, "retired by a person")
    after = active_model(journal.models.all(), until)
    follows = (
        f"{after} is asked again, while it is not too old"
        if after
        else "no model is asked until another one is promoted"
    )
    return f"{row['model_id']} is retired: {follows}"


def expire(journal: Journal, now: datetime) -> str:
    """Let every champion be asked no more: no forecasts, so that what is held is closed and nothing is entered.

    Raises:
        UsageError: none is asked as it is.
    """
    names = [
        row["model_id"] for row in journal.models.all() if row["role"] == CHAMPION and row["until"] is None
    ]
    if not names:
        raise UsageError("no champion is asked as it is; see `forewalk models`")
    journal.models.end(names, after_the_decided(journal, now), "expired by a person")
    return f"{', '.join(names)} expired: there are no forecasts until another model is promoted"


def _champion(journal: Journal, model_id: str) -> dict[str, Any]:
    row = next((row for row in journal.models.all() if row["model_id"] == model_id), None)
    if row is None or row["role"] != CHAMPION:
        raise DataError(f"no champion {model_id!r}; see `forewalk models`")
    if row["until"] is not None:
        raise DataError(f"{model_id} has ended already, {row['until']}")
    return row


def _trained_until(path: Path) -> tuple[str | None, str]:
    from models.header import read_header

    try:
        return str(read_header(path)["trained_until"]), ""
    except (DataError, KeyError) as problem:
        return None, str(problem)
