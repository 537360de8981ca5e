"""Jobs: submit a backtest, a forecast, a sweep, an audit or a reproduction; follow it, stop it, read its result."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Field
from starlette.exceptions import HTTPException

from engine.web.access import Person, RunsReader, RunsWriter
from engine.web.api.asked import OfRun, Settings
from engine.web.api.common import Asked, Limit, Offset, Page, missing, problems
from engine.web.jobs.desk import Jobs
from engine.web.jobs.job import FAILED, SUCCEEDED, Job

router = APIRouter(tags=["jobs"])
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key of the same person asks once, however often it is sent.",
    ),
]
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Kind = Literal["backtest", "forecast", "sweep", "audit", "reproduce"]


class SweepOf(Asked):
    """What to try on a run's stored forecasts: `strategy.entry=0:0.2:0.01`, `execution.fee_bps=0,5`."""

    vary: list[str] = Field(default=[], max_length=20)


def _submitted(
    request: Request, response: Response, person: Person, kind: str, asked: dict[str, Any], key: str | None
) -> Job:
    jobs: Jobs = request.app.state.jobs
    job = jobs.submit(kind, asked, person.id, person.team, key)
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return job


@router.post("/backtests", status_code=202, responses=problems(409))
def backtest(
    request: Request, response: Response, person: RunsWriter, asked: Settings, key: Key = None
) -> Job:
    """Queue a backtest; follow it at Location."""
    return _submitted(request, response, person, "backtest", asked.settings, key)


@router.post("/forecasts", status_code=202, responses=problems(404, 409))
def forecast(
    request: Request, response: Response, person: RunsWriter, asked: OfRun | Settings, key: Key = None
) -> Job:
    """Queue the next forecast, of a run's newest model or of one trained now; it is logged before its outcome."""
    if isinstance(asked, OfRun):
        return _of_run(request, response, person, "forecast", {"run": asked.run}, key)
    return _submitted(request, response, person, "forecast", asked.settings, key)


@router.post("/runs/{run}/sweeps", status_code=202, responses=problems(404, 409))
def sweep(
    request: Request, response: Response, person: RunsWriter, run: str, asked: SweepOf, key: Key = None
) -> Job:
    """Queue a sweep over policy settings of a run; every one is counted as a try."""
    return _of_run(request, response, person, "sweep", {"run": run, "vary": asked.vary}, key)


@router.post("/runs/{run}/audits", status_code=202, responses=problems(404, 409))
def audit(request: Request, response: Response, person: RunsWriter, run: str, key: Key = None) -> Job:
    """Queue the leak certificate of a run."""
    return _of_run(request, response, person, "audit", {"run": run}, key)


@router.post("/runs/{run}/reproductions", status_code=202, responses=problems(404, 409))
def reproduce(request: Request, response: Response, person: RunsWriter, run: str, key: Key = None) -> Job:
    """Queue a rerun of a run that says whether anything differs."""
    return _of_run(request, response, person, "reproduce", {"run": run}, key)


def _of_run(
    request: Request, response: Response, person: Person, kind: str, asked: dict[str, Any], key: str | None
) -> Job:
    from engine.web.api.runs import folder_of

    folder_of(request, person, asked["run"])
    return _submitted(request, response, person, kind, asked, key)


@router.get("/jobs", responses=problems())
def listed(
    request: Request,
    person: RunsReader,
    state: Annotated[list[State] | None, Query(description="In one of these states only.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[Job]:
    """Return the team's jobs, the newest first."""
    found, total = request.app.state.jobs.list(person.team, state or (), limit, offset)
    return Page(items=found, total=total, limit=limit, offset=offset)


@router.get("/jobs/{job_id}", responses=problems(404))
def one(request: Request, person: RunsReader, job_id: str) -> Job:
    """Return a job."""
    return _job(request, person, job_id)


@router.get("/jobs/{job_id}/result", responses=problems(404, 409))
def result(request: Request, person: RunsReader, job_id: str) -> dict[str, Any]:
    """Return what a job found, as its command prints it with --json; 409 where it has not succeeded."""
    job = _job(request, person, job_id)
    if job.state != SUCCEEDED:
        raise HTTPException(
            409, job.problem if job.state == FAILED and job.problem else f"the job is {job.state}"
        )
    return job.result or {}


@router.post("/jobs/{job_id}/cancel", status_code=202, responses=problems(404))
def cancel(request: Request, person: RunsWriter, job_id: str) -> Job:
    """Stop a job, waiting or running; one that has ended stays as it is."""
    job: Job | None = request.app.state.jobs.cancel(job_id, person.team)
    if job is None:
        raise missing(f"job {job_id}")
    return job


def _followed(request: Request, person: RunsReader, job_id: str) -> Job:
    return _job(request, person, job_id)


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    responses={
        **problems(404),
        200: {"description": "The job at once and after each change, until it has ended."},
    },
)
async def events(request: Request, job: Annotated[Job, Depends(_followed)]) -> AsyncIterator[ServerSentEvent]:
    """Follow a job: an event `job` whenever it has changed; the stream ends when the job has."""
    async for event in request.app.state.jobs.events(job.id, job.team):
        yield ServerSentEvent(raw_data=json.dumps(event), event="job")


def _job(request: Request, person: Person, job_id: str) -> Job:
    job: Job | None = request.app.state.jobs.get(job_id, person.team)
    if job is None:
        raise missing(f"job {job_id}")
    return job
