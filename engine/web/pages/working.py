"""A job at work: how far it is, a button to stop it, and where it leads."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from engine.web.access import Person, RunsReader, RunsWriter
from engine.web.api.common import missing
from engine.web.jobs.job import SUCCEEDED, Job
from engine.web.pages.rendering import page, then

router = APIRouter()
STATES = {
    "queued": "Waiting for its turn. You may close this page.",
    "running": "At work. You may close this page.",
    "succeeded": "Done.",
    "failed": "This could not be done.",
    "cancelled": "Stopped.",
}
DOING = {
    "data": "reading prices",
    "train": "learning",
    "simulate": "trading through the past",
    "baselines": "comparing with simpler ways",
    "report": "writing the pages",
    "settings": "trying settings",
}


@router.get("/jobs/{job_id}")
async def work(request: Request, person: RunsReader, job_id: str) -> Response:
    """Show a job; one that is done leads on."""
    job = await _job(request, person, job_id)
    to = leads_to(job)
    if job.state == SUCCEEDED and to is not None:
        return then(to)
    return page(request, "screens/work.html", "At work", job=job, said=STATES[job.state], doing=doing(job))


@router.post("/jobs/{job_id}/stop")
async def stop(request: Request, person: RunsWriter, job_id: str) -> Response:
    """Stop a job."""
    await _job(request, person, job_id)
    await asyncio.to_thread(request.app.state.jobs.cancel, job_id, person.team)
    return then(f"/jobs/{job_id}")


def leads_to(job: Job) -> str | None:
    """Return the page of what a job has made."""
    found = job.result or {}
    if job.kind == "sweep" and found.get("name"):
        return f"/runs/{found['name']}"  # RUN/sweeps/NNN
    made = found.get("run")
    if made:
        name = Path(str(made)).name
        return f"/runs/{name}/luck" if job.kind == "audit" else f"/runs/{name}/tomorrow"
    run = job.settings.get("run")
    return None if run is None else f"/runs/{run}/luck"


def doing(job: Job) -> str:
    """Say what a job is doing."""
    if not job.progress:
        return ""
    what, done, total = (job.progress.get(key) for key in ("what", "done", "total"))
    step = DOING.get(str(what), str(what))
    return f"{step}: {done} of {total}" if total else step


async def _job(request: Request, person: Person, job_id: str) -> Job:
    job: Job | None = await asyncio.to_thread(request.app.state.jobs.get, job_id, person.team)
    if job is None:
        raise missing("such work")
    return job
