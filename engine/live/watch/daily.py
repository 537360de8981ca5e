"""The daily summary: after each session's close a child process reads the drift and writes a page about the book.

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
from engine.live.watch.readings import Reading, write_readings
from forewalk.compute.child import InferenceFailed, ModelProcess
from forewalk.errors import ForewalkError
from forewalk.plugins.holding import held, sources_of
from forewalk.plugins.sources import Source
from forewalk.settings.sections import Settings
from forewalk.types import Bars

log = logging.getLogger(__name__)

WRITTEN, FAILED = "summary", "summary_failed"  # kinds of diary lines; each begins with the session's date
DRIFT = "drift"  # kind of a diary line: an alarm, once however long it goes on
TIMEOUT_S = 300.0
LATE = timedelta(minutes=30)  # after the close the page is written even where nothing was decided


@dataclass(frozen=True)
class SummaryTask:
    """Read the drift of a book and write the page about it, by way of a file that is renamed when it is whole.

    `bars` are those of its last decision, None for a strategy without forecasts or where drift is not watched.
    """

    journal: Path
    settings: Settings
    page: Path
    bars: Bars | None = None
    plugins: tuple[Source, ...] = ()


@dataclass(frozen=True)
class SummaryDone:
    """How many bars the page shows, what was read, and why nothing could be, where that was so."""

    bars: int
    readings: tuple[Reading, ...] = ()
    problem: str = ""


class DailySummary:
    """Writes `summary.html` once after each session's close, also over restarts.

    Args:
        folder: where the page goes. worker: a child process that does `write_page`.
        bars: what the last decision was made on. monotonic: seconds that never go back.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        folder: Path,
        worker: ModelProcess,
        notify: Notify,
        monotonic: Callable[[], float] = time.monotonic,
        bars: Callable[[], Bars | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._plugins = sources_of(settings)
        self._bars = bars
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
            bars = self._bars() if self._settings.live.drift != "off" else None
            task = SummaryTask(self._journal.path, self._settings, self._page, bars, self._plugins)
            self._worker.send(task)
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
            done: SummaryDone = self._worker.receive(0.0)
        except ForewalkError as problem:
            self._finish(now, day, FAILED, str(problem))
            return
        self._tell_drift(now, done)
        self._finish(now, day, WRITTEN, f"{self._page.name} over {done.bars} bars")

    def _tell_drift(self, now: datetime, done: SummaryDone) -> None:
        """Write down and tell each alarm once, before the day counts as done: a kill in between repeats nothing."""
        told = {line.text.partition(" (")[0] for line in self._journal.diary.events(DRIFT)}
        for reading in done.readings:
            if reading.alarm is not None and reading.alarm not in told:
                text = f"{reading.alarm} ({reading.detail})"
                self._journal.diary.note(now, DRIFT, text)
                self._notify(DRIFT, "", text)
        if done.problem:
            self._notify("drift_unread", "", done.problem)

    def _finish(self, now: datetime, day: date, kind: str, text: str) -> None:
        """Write into the diary how it ended; the child goes, and its memory with it."""
        self.stop()
        self._done = day
        self._journal.diary.note(now, kind, f"{day}: {text}")
        self._notify(kind, "", f"{day}: {text}")


def write_page(task: SummaryTask) -> SummaryDone:
    """Read the drift, write the page and return both; runs in the child."""
    from engine.live.watch.summary import write_summary

    os.nice(10)
    journal = Journal(task.journal, task.settings.live.book, readonly=True)
    try:
        found, problem = _read(journal, task)
        bars = len(write_summary(journal, task.settings, task.page, found))
        last = journal.decisions.last()
        if last is not None:
            write_readings(task.page.parent, last.asof, found, problem)
        return SummaryDone(bars, found, problem)
    finally:
        journal.close()


def _read(journal: Journal, task: SummaryTask) -> tuple[tuple[Reading, ...], str]:
    """Return the drift readings, or why there are none; they must not cost the page."""
    from engine.live.watch.drift import readings

    if task.settings.live.drift == "off":
        return (), ""
    try:
        with held(task.settings, task.plugins):
            return tuple(readings(journal, task.settings, task.bars)), ""
    except Exception as problem:  # noqa: BLE001 - whatever it is, the account is shown
        return (), f"the drift could not be read: {type(problem).__name__}: {problem}"
