"""The daily summary: after each session's close a child process writes a page about the paper account.

The daemon only starts the child and looks whether it is done. A child that fails, hangs or dies costs that day's
page and nothing else; the page of the session before stays until the new one is whole.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from broker.journal.journal import Journal
from broker.port import Notify
from engine.live.schedule import sessions_around
from forewalk.compute.child import InferenceFailed, ModelProcess
from forewalk.settings.sections import Settings

log = logging.getLogger(__name__)

WRITTEN, FAILED = "summary", "summary_failed"  # kinds of diary lines; each begins with the session's date
TIMEOUT_S = 300.0
LATE = timedelta(minutes=30)  # after the close the page is written even where nothing was decided


@dataclass(frozen=True)
class SummaryTask:
    """Write the page about a book's journal, by way of a file that is renamed when it is whole."""

    journal: Path
    settings: Settings
    page: Path


class DailySummary:
    """Writes `summary.html` once after each session's close, also over restarts.

    Args:
        folder: where the page goes. worker: a child process that does `write_page`.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        folder: Path,
        worker: ModelProcess,
        notify: Notify,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._page = folder / "summary.html"
        self._worker = worker
        self._notify = notify
        self._monotonic = monotonic
        self._done: date | None = None  # the last session that had its page, or its failure
        self._pending: tuple[date, float] | None = None  # session, and when the child is given up

    @property
    def busy(self) -> bool:
        """Whether the child is writing."""
        return self._pending is not None

    def step(self, now: datetime) -> None:
        """Start the page that is due, or see whether the one under way is finished; never waits."""
        if self._pending is not None:
            self._look(now, *self._pending)
            return
        day = self._due(now)
        if day is None:
            return
        try:
            self._worker.send(SummaryTask(self._journal.path, self._settings, self._page))
        except InferenceFailed as problem:
            self._finish(now, day, FAILED, str(problem))
            return
        self._pending = (day, self._monotonic() + TIMEOUT_S)

    def stop(self) -> None:
        """End the child; a page that is not finished is begun again after the next start."""
        self._worker.stop()
        self._pending = None

    def _due(self, now: datetime) -> date | None:
        """Return the session that has closed, has been decided on (or will not be) and has no page yet."""
        delay = timedelta(seconds=self._settings.live.close_delay_s)
        closed = [s for s in sessions_around(self._settings.data.exchange, now) if s.close + delay <= now]
        if not closed or (self._done is not None and closed[-1].day <= self._done):
            return None
        last = self._journal.decisions.last()
        if last is None or (last.session < closed[-1].day and now < closed[-1].close + LATE):
            return None
        if self._done is None:
            self._done = self._remembered()
        return closed[-1].day if closed[-1].day > self._done else None

    def _remembered(self) -> date:
        """Return the last session that the diary has a page or a failure of."""
        lines = [*self._journal.diary.events(WRITTEN), *self._journal.diary.events(FAILED)]
        return max((date.fromisoformat(line.text[:10]) for line in lines), default=date.min)

    def _look(self, now: datetime, day: date, deadline: float) -> None:
        if not self._worker.ready():
            if self._monotonic() > deadline:
                self._finish(now, day, FAILED, f"not written within {TIMEOUT_S:g} s")
            return
        try:
            bars = self._worker.receive(0.0)
        except InferenceFailed as problem:
            self._finish(now, day, FAILED, str(problem))
            return
        self._finish(now, day, WRITTEN, f"{self._page.name} over {bars} bars")

    def _finish(self, now: datetime, day: date, kind: str, text: str) -> None:
        """Write into the diary how it ended; the child goes, and its memory with it."""
        self.stop()
        self._done = day
        self._journal.diary.note(now, kind, f"{day}: {text}")
        self._notify(kind, "", f"{day}: {text}")


def write_page(task: SummaryTask) -> int:
    """Write the page and return the number of bars it shows; runs in the child."""
    from engine.live.watch.summary import write_summary

    os.nice(10)
    journal = Journal(task.journal, task.settings.live.book, readonly=True)
    try:
        return len(write_summary(journal, task.settings, task.page))
    finally:
        journal.close()
