"""The supervisor of one server: it claims jobs, looks after their processes and writes down how they ended.

Each server holds a lock as long as it lives. Jobs of a server whose lock is free are taken over by whoever sees it
first; their processes, where they still run, are looked after as if they were its own.
"""

from __future__ import annotations

import fcntl
import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from engine.web.jobs.commands import ANSWERS
from engine.web.jobs.job import CANCELLED, FAILED, SUCCEEDED, Job
from engine.web.jobs.process import JobProcess, Outcome
from engine.web.jobs.table import JobTable
from forewalk.errors import ForewalkError

LOOK_S, IDLE_S = 0.2, 1.0
GRACE_S = 5.0  # between the request to stop and the end
MOST_STARTS = 3  # of a job whose process never came so far as to run the command
log = logging.getLogger("forewalk.web.jobs")


@dataclass
class _Active:
    job: Job
    process: JobProcess
    told: float | None = None  # when it was asked to stop


class Supervisor:
    """Runs jobs in a thread until it is stopped.

    Args:
        table: of the jobs. folder: where each job has a folder of its own.
        slots: jobs at a time. most: of one team at a time.
        begin: start a job's command in its process. made: the result of a job that left its run and nothing else.
    """

    def __init__(
        self,
        table: JobTable,
        folder: Path,
        slots: int,
        most: Callable[[str], int],
        begin: Callable[[Job, JobProcess], None],
        made: Callable[[Job], dict[str, Any] | None],
    ) -> None:
        self._table, self._folder, self._slots, self._most = table, folder, slots, most
        self._begin, self._made = begin, made
        self._active: dict[str, _Active] = {}
        self._starts: Counter[str] = Counter()
        self._wake, self._stop = threading.Event(), threading.Event()
        self.server = uuid.uuid4().hex
        self._locks = folder / "servers"
        self._locks.mkdir(parents=True, exist_ok=True)
        self._lock = (self._locks / self.server).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def wake(self) -> None:
        """Look for new jobs at once."""
        self._wake.set()

    def stop(self) -> None:
        """Stop the jobs that run, put them back into the queue, and end."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self._lock.close()
        (self._locks / self.server).unlink(missing_ok=True)

    def _work(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._step()
            except (
                SQLAlchemyError,
                OSError,
            ):  # a full disk, a database that is away: nothing is lost by waiting
                log.exception("the jobs cannot be looked after; it is tried again")
            self._wake.wait(LOOK_S if self._active else IDLE_S)
        self._leave()

    def _step(self) -> None:
        self._take_over()
        for active in list(self._active.values()):
            self._look(active)
        while len(self._active) < self._slots and not self._stop.is_set():
            teams = Counter(active.job.team for active in self._active.values())
            full = [team for team, count in teams.items() if count >= self._most(team)]
            job = self._table.claim(self.server, full)
            if job is None:
                return
            self._run(job)

    def _take_over(self) -> None:
        for job, server in self._table.running():
            if server == self.server:
                if job.id not in self._active:  # claimed, and the answer of the database was lost
                    self._active[job.id] = self._entry(job)
            elif self._is_dead(server) and self._table.take_over(job.id, server, self.server):
                self._active[job.id] = self._entry(job)

    def _is_dead(self, server: str) -> bool:
        """Whether a server of this folder has ended; one of another machine's folder is its own folder's business."""
        try:
            with (self._locks / server).open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:  # it lives, or it is not of this folder
            return False
        return True

    def _entry(self, job: Job) -> _Active:
        return _Active(job, JobProcess(self._folder / job.id))

    def _run(self, job: Job) -> None:
        active = self._active[job.id] = self._entry(job)
        self._starts[job.id] += 1
        try:
            self._begin(job, active.process)
        except (ForewalkError, OSError) as problem:
            self._end(active, FAILED, problem=f"it could not be started: {problem}")
        except SQLAlchemyError:
            raise
        except Exception:  # the boundary of one job: the others go on
            log.exception("job %s could not be started", job.id)
            self._end(active, FAILED, problem="it could not be started; the server's log says why")

    def _look(self, active: _Active) -> None:
        job, process = active.job, active.process
        if progress := process.progress():
            self._table.tell(job.id, self.server, progress)
        if not process.is_alive:
            self._finish(active)
            return
        if not process.is_kept:
            process.kill()
        asked = self._table.get(job.id)
        if asked is not None and asked.cancelled:
            active.job = asked
            self._ask_to_stop(active)

    def _ask_to_stop(self, active: _Active) -> None:
        if active.told is None:
            active.told = time.monotonic() if active.process.terminate() else None
        elif time.monotonic() - active.told > GRACE_S:
            active.process.kill()

    def _finish(self, active: _Active) -> None:
        """Write down how a job ended, by what its process left behind."""
        job, process = self._table.get(active.job.id) or active.job, active.process
        outcome = process.outcome()
        if outcome is not None:
            self._end(active, *_judged(job, process, outcome))
        elif (result := self._made(job)) is not None:
            self._end(active, SUCCEEDED, result)
        elif job.cancelled:
            self._end(active, CANCELLED)
        elif not process.was_started and self._starts[job.id] < MOST_STARTS:
            self._table.put_back(job.id, self.server)
            del self._active[job.id]
        else:
            self._end(
                active,
                FAILED,
                problem="its process, or the machine, was stopped from outside; nothing of it was kept; ask again",
            )

    def _end(
        self, active: _Active, state: str, result: dict[str, Any] | None = None, problem: str | None = None
    ) -> None:
        self._table.end(active.job.id, self.server, state, result, problem)
        del self._active[active.job.id]

    def _leave(self) -> None:
        """Stop what runs and put it back; who started the server finds no process of it behind."""
        end = time.monotonic() + GRACE_S
        for active in self._active.values():
            active.process.terminate()
        while any(active.process.is_alive for active in self._active.values()):
            if time.monotonic() > end:
                for active in self._active.values():
                    active.process.kill()
            time.sleep(LOOK_S / 4)
        for active in list(self._active.values()):
            try:
                self._put_back_or_finish(active)
            except SQLAlchemyError:
                log.exception("job %s cannot be put back; the next server will", active.job.id)

    def _put_back_or_finish(self, active: _Active) -> None:
        outcome = active.process.outcome()
        job = self._table.get(active.job.id) or active.job
        if job.cancelled or self._made(job) is not None or (outcome is not None and outcome.exit_code >= 0):
            self._finish(active)
        else:
            active.process.forget()
            self._table.put_back(active.job.id, self.server)


def _judged(job: Job, process: JobProcess, outcome: Outcome) -> tuple[str, dict[str, Any] | None, str | None]:
    result = process.result()
    if outcome.exit_code in (0, ANSWERS.get(job.kind, 0)) and result is not None:
        return SUCCEEDED, result, None
    if outcome.limit:
        return FAILED, None, f"{outcome.limit}: it was stopped"
    if job.cancelled:
        return CANCELLED, None, None
    if outcome.exit_code < 0:
        return FAILED, None, f"it was killed by signal {-outcome.exit_code}; ask again, perhaps for less"
    return FAILED, None, process.complaint() or f"it ended with exit code {outcome.exit_code}"
