"""Jobs as the API and the pages know them: submit, look, cancel, follow."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.web.access.plans import Plan
from engine.web.jobs.commands import check, command_of, environment_of, run_folder
from engine.web.jobs.job import QUEUED, RUNNING, Job
from engine.web.jobs.process import JobProcess, Task
from engine.web.jobs.supervisor import Supervisor
from engine.web.jobs.table import JobTable
from engine.web.places import Places
from engine.web.store.database import Conflict, Database, now_text
from forewalk.errors import ForewalkError

NAMES = uuid.UUID("5f3c1a52-2d0c-4f0a-9a52-7c1b6b0e6a11")  # of jobs that carry a key of the asker's own
LOOK_S = 0.25


class TooManyJobs(ForewalkError):  # noqa: N818 - what is the case
    """The team has as many jobs as it may have; `after_s` is when to ask again."""

    def __init__(self, message: str, after_s: int) -> None:
        super().__init__(message)
        self.after_s = after_s


@dataclass(frozen=True)
class Limits:
    """What jobs may use.

    Attributes:
        slots: jobs at a time of all teams. seconds: of one job. memory_mb: of all processes of one job together.
    """

    slots: int = 1
    seconds: float = 6 * 3600
    memory_mb: int = 16_000


class Jobs:
    """The jobs of one server.

    Args:
        database: where they are written down. folder: of what their processes leave.
        places, plan: the folders of a team and its quotas. limits: of the server. command: of a job, in words.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        places: Callable[[str], Places],
        plan: Callable[[str], Plan],
        limits: Limits | None = None,
        command: Callable[[Job, Places, Path], list[str]] = command_of,
    ) -> None:
        self._command, self._plan = command, plan
        self._table, self._folder, self._places = JobTable(database), folder, places
        self._limits = limits or Limits()
        self._supervisor: Supervisor | None = None

    def start(self) -> None:
        """Begin to run jobs, those that are waiting first."""
        most = self._limits
        self._supervisor = Supervisor(
            self._table, self._folder, most.slots, self._most, self._begin, self._made
        )
        self._supervisor.start()

    def stop(self) -> None:
        """Put running jobs back into the queue and run no more."""
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None

    def submit(
        self, kind: str, settings: Mapping[str, Any], owner: str, team: str, key: str | None = None
    ) -> Job:
        """Queue a job and return it; the same `key` of the same owner returns the job that it made.

        Raises:
            TooManyJobs: the team's quota is used up.
            Conflict: the key belongs to another question. UsageError: it cannot be asked so.
            ConfigError, DataError: as `engine.web.jobs.commands.check` says.
        """
        check(kind, settings, self._places(team), self._plan(team).symbols)
        job_id = str(uuid.uuid4() if key is None else uuid.uuid5(NAMES, f"{team}/{owner}/{key}"))
        there = self._table.get(job_id)
        if there is None:
            self._refuse_too_many(team)
            there = self._table.add(Job(job_id, kind, dict(settings), owner, team, QUEUED, now_text()))
        if (there.kind, there.settings) != (kind, dict(settings)):
            raise Conflict("this Idempotency-Key has been used for another question; take a new one")
        if self._supervisor is not None:
            self._supervisor.wake()
        return there

    def get(self, job_id: str, team: str) -> Job | None:
        """Return a job of the team, None where it has none of that id."""
        return self._table.get(job_id, team)

    def list(
        self, team: str, states: Sequence[str] = (), limit: int = 50, offset: int = 0
    ) -> tuple[list[Job], int]:
        """Return jobs of the team, the newest first, and how many there are."""
        return self._table.listed(team, states, limit, offset)

    def cancel(self, job_id: str, team: str) -> Job | None:
        """Stop a job, waiting or running; one that has ended stays as it is."""
        if self._table.get(job_id, team) is None:
            return None
        self._table.cancel(job_id)
        if self._supervisor is not None:
            self._supervisor.wake()
        return self._table.get(job_id, team)

    async def events(self, job_id: str, team: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the job as plain values at once, then whenever it has changed, until it has ended."""
        last = None
        while True:
            job = await asyncio.to_thread(self._table.get, job_id, team)
            if job is None:
                return
            if job != last:
                yield job.to_dict()
                last = job
            if job.has_ended:
                return
            await asyncio.sleep(LOOK_S)

    def _most(self, team: str) -> int:
        return self._plan(team).running_jobs

    def _refuse_too_many(self, team: str) -> None:
        plan = self._plan(team)
        if self._table.count(team, (QUEUED, RUNNING)) >= plan.waiting_jobs:
            raise TooManyJobs(f"{plan.waiting_jobs} jobs are waiting already; wait for one to end", 60)
        day = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="microseconds")
        if self._table.count(team, since=day) >= plan.jobs_a_day:
            raise TooManyJobs(f"{plan.jobs_a_day} jobs were asked for within 24 hours; no more today", 3600)

    def _begin(self, job: Job, process: JobProcess) -> None:
        places = self._places(job.team)
        process.folder.mkdir(parents=True, exist_ok=True)
        command = self._command(job, places, process.folder)
        task = Task(command, str(places.home), self._limits.seconds, self._limits.memory_mb)
        process.start(task, environment_of(places))

    def _made(self, job: Job) -> dict[str, Any] | None:
        """Return what a job that left its run and no word about itself has made."""
        run = run_folder(job, self._places(job.team))
        return {"run": str(run)} if run is not None and (run / "manifest.json").is_file() else None
