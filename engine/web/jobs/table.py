"""The table of jobs: every change of state is one transaction that looks before it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, select, update

from engine.web.api.webhooks.outbox import announce
from engine.web.jobs.job import CANCELLED, QUEUED, RUNNING, Job
from engine.web.store.database import Database, now_text
from engine.web.store.tables import jobs

UNTOLD = ("settings", "result", "progress")  # which who wants them asks for
COLUMNS = [jobs.c[field.name] for field in fields(Job)]


class JobTable:
    """Reads and writes jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job: Job) -> Job:
        """Add a job unless one of its id is there, and return the one that is."""
        with self._database.writing() as connection:
            there = _one(connection, jobs.c.id == job.id)
            if there is not None:
                return there
            connection.execute(insert(jobs).values(job.to_dict()))
        return job

    def get(self, job_id: str, team: str | None = None) -> Job | None:
        """Return a job, None where there is none of that id, or not of that team."""
        with self._database.reading() as connection:
            found = _one(connection, jobs.c.id == job_id)
        return found if found is not None and team in (None, found.team) else None

    def listed(self, team: str, states: Sequence[str], limit: int, offset: int) -> tuple[list[Job], int]:
        """Return jobs of a team, the newest first, and how many there are; no states means all."""
        which = [jobs.c.team == team, *([jobs.c.state.in_(states)] if states else [])]
        with self._database.reading() as connection:
            rows = connection.execute(
                select(*COLUMNS).where(*which).order_by(jobs.c.number.desc()).limit(limit).offset(offset)
            ).mappings()
            found = [_job(row) for row in rows]
            count = connection.execute(select(func.count()).select_from(jobs).where(*which)).scalar_one()
        return found, count

    def count(self, team: str, states: Sequence[str] = (), since: str = "") -> int:
        """Return how many jobs of a team are in these states (none means any), submitted at or after a moment."""
        which = [jobs.c.team == team, jobs.c.submitted >= since]
        which += [jobs.c.state.in_(states)] if states else []
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(jobs).where(*which)).scalar_one()

    def claim(self, server: str, full: Sequence[str] = ()) -> Job | None:
        """Make the oldest queued job of a team that is not `full` this server's own, and return it."""
        which = [jobs.c.state == QUEUED, jobs.c.team.not_in(full)]
        with self._database.writing() as connection:
            oldest = select(jobs.c.id).where(*which).order_by(jobs.c.number).limit(1)
            job_id = connection.execute(oldest.with_for_update(skip_locked=True)).scalar()
            if job_id is None:
                return None
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id)
                .values(state=RUNNING, server=server, started=now_text())
            )
            return _one(connection, jobs.c.id == job_id)

    def running(self) -> list[tuple[Job, str]]:
        """Return every running job and the server that has it."""
        with self._database.reading() as connection:
            rows = connection.execute(
                select(*COLUMNS, jobs.c.server).where(jobs.c.state == RUNNING).order_by(jobs.c.number)
            ).mappings()
            return [(_job(row), row["server"]) for row in rows]

    def take_over(self, job_id: str, old: str, new: str) -> bool:
        """Make a running job of a dead server this one's; False where somebody else was quicker."""
        return self._change([jobs.c.id == job_id, jobs.c.state == RUNNING, jobs.c.server == old], server=new)

    def put_back(self, job_id: str, server: str) -> bool:
        """Queue a job again that was claimed and never started."""
        return self._change(_held(job_id, server), state=QUEUED, server=None, started=None)

    def tell(self, job_id: str, server: str, progress: dict[str, Any]) -> None:
        """Write down how far a job is."""
        self._change(_held(job_id, server), progress=progress)

    def end(
        self, job_id: str, server: str, state: str, result: dict[str, Any] | None, problem: str | None
    ) -> bool:
        """Write down how a job ended; False where it is not this server's any more."""
        values = {"state": state, "result": result, "problem": problem, "finished": now_text()}
        return self._end(job_id, _held(job_id, server), **values)

    def cancel(self, job_id: str) -> None:
        """End a queued job, or ask the server of a running one to stop it; others stay as they are."""
        queued = [jobs.c.id == job_id, jobs.c.state == QUEUED]
        if not self._end(job_id, queued, state=CANCELLED, cancelled=True, finished=now_text()):
            self._change([jobs.c.id == job_id, jobs.c.state == RUNNING], cancelled=True)

    def _end(self, job_id: str, which: list[ColumnElement[bool]], **values: Any) -> bool:
        """End a job, and tell it to the team's webhooks, together or not at all."""
        with self._database.writing() as connection:
            if connection.execute(update(jobs).where(*which).values(**values)).rowcount != 1:
                return False
            job = _one(connection, jobs.c.id == job_id)
            if job is not None:
                told = {name: value for name, value in job.to_dict().items() if name not in UNTOLD}
                announce(connection, job.team, f"job.{job.state}", job.id, told)
            return True

    def _change(self, which: list[ColumnElement[bool]], **values: Any) -> bool:
        with self._database.writing() as connection:
            return connection.execute(update(jobs).where(*which).values(**values)).rowcount == 1


def _held(job_id: str, server: str) -> list[ColumnElement[bool]]:
    return [jobs.c.id == job_id, jobs.c.state == RUNNING, jobs.c.server == server]


def _one(connection: Connection, which: ColumnElement[bool]) -> Job | None:
    row = connection.execute(select(*COLUMNS).where(which)).mappings().first()
    return None if row is None else _job(row)


def _job(row: RowMapping) -> Job:
    return Job(**{field.name: row[field.name] for field in fields(Job)})
