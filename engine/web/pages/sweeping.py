"""A run's sweeps: start one, and look at the surface of those that are done."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from engine.sweep.stored import NUMBER, OUTCOME
from engine.web.access import RunsReader, RunsWriter
from engine.web.api.common import missing
from engine.web.api.runs import folder_of
from engine.web.pages.rendering import page, then
from engine.web.screens.quant.sweeps import WARNING, starting, sweep_rows, sweep_screen
from forewalk.errors import ConfigError, DataError, UsageError

router = APIRouter()
Key = Annotated[str, Query(max_length=80)]


@router.get("/runs/{run}/sweeps")
async def sweeps(request: Request, person: RunsReader, run: str) -> Response:
    """The sweeps there are, and a form that starts one."""
    return await _page(request, person, run, None, "")


@router.post("/runs/{run}/sweeps")
async def start(
    request: Request, person: RunsWriter, run: str, vary: Annotated[str, Form(max_length=2000)] = ""
) -> Response:
    """Queue a sweep of what is written, one setting a line; blank lines count for nothing."""
    name = folder_of(request, person, run).name
    lines = [line.strip() for line in vary.splitlines() if line.strip()]
    jobs = request.app.state.jobs
    try:
        asked = {"run": name, "vary": lines}
        job = await asyncio.to_thread(jobs.submit, "sweep", asked, person.id, person.team)
    except (ConfigError, DataError, UsageError) as problem:
        return await _page(request, person, run, vary, str(problem))
    return then(f"/jobs/{job.id}")


@router.get("/runs/{run}/sweeps/{number}")
async def surface(
    request: Request,
    person: RunsReader,
    run: str,
    number: str,
    metric: Key = "sharpe",
    across: Key = "",
    down: Key = "",
) -> Response:
    """The surface of a sweep, its numbers, its best settings and what they are worth."""
    folder = folder_of(request, person, run) / "sweeps" / number
    if not NUMBER.fullmatch(number) or not (folder / OUTCOME).is_file():
        raise missing("such sweep")
    found = await asyncio.to_thread(sweep_screen, folder, metric, across, down)
    return page(
        request,
        "runs/sweep.html",
        "A sweep",
        run=run,
        step="sweeps",
        found=found,
        number=number,
        warning=WARNING,
    )


async def _page(request: Request, person: RunsReader, run: str, kept: str | None, said: str) -> Response:
    folder = folder_of(request, person, run)
    usual, refused = await asyncio.to_thread(starting, folder)
    return page(
        request,
        "runs/sweeps.html",
        "Sweeps",
        422 if said else 200,
        run=run,
        step="sweeps",
        rows=await asyncio.to_thread(sweep_rows, folder),
        vary=usual if kept is None else kept,
        refused=refused,
        said=said,
        warning=WARNING,
    )
