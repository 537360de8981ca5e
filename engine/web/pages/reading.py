"""The screens of a run, the runs themselves, the expert's pages, and the words."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from engine.runs.overview import overview
from engine.web.access import RunsReader, RunsWriter, places_of
from engine.web.api.logged import KEPT, state_of
from engine.web.api.runs import folder_of
from engine.web.pages.rendering import page, then
from engine.web.screens.glossary import glossary
from engine.web.screens.luck import luck_screen
from engine.web.screens.money import what_if
from engine.web.screens.record import Record, record
from engine.web.screens.tomorrow import tomorrow
from forewalk.errors import ForewalkError

router = APIRouter()
EXPERT = {
    "index.html": "the whole verdict",
    "forecast.html": "skill of the forecasts",
    "tearsheet.html": "the account in detail",
}


@router.get("/runs/{run}/tomorrow")
async def next_close(request: Request, person: RunsReader, run: str) -> Response:
    """What may happen next?"""
    folder = folder_of(request, person, run)
    log = places_of(request, person).forecasts if person.may("runs:write") else None
    try:
        found = await asyncio.to_thread(tomorrow, folder, log)
    except ForewalkError as problem:
        return page(request, "screens/silent.html", "Tomorrow", run=run, step="tomorrow", said=str(problem))
    return page(request, "screens/tomorrow.html", "Tomorrow", run=run, step="tomorrow", found=found)


@router.get("/runs/{run}/record")
async def track_record(request: Request, person: RunsReader, run: str) -> Response:
    """How good has it been?"""
    folder = folder_of(request, person, run)
    log = places_of(request, person).forecasts
    found = await asyncio.to_thread(_record, folder, log, state_of(log))
    return page(request, "screens/record.html", "Track record", run=run, step="record", found=found)


@lru_cache(maxsize=KEPT)
def _record(run: Path, log: Path, state: str) -> Record:
    """Return the record while the log is in one state: a run's own forecasts never change."""
    return record(run, log)


@router.get("/runs/{run}/what-if")
async def money(request: Request, person: RunsReader, run: str) -> Response:
    """What would have happened?"""
    found = await asyncio.to_thread(what_if, folder_of(request, person, run))
    return page(request, "screens/what_if.html", "What if", run=run, step="what-if", found=found)


@router.get("/runs/{run}/luck")
async def luck(request: Request, person: RunsReader, run: str) -> Response:
    """Is it more than luck?"""
    found = await asyncio.to_thread(luck_screen, folder_of(request, person, run))
    return page(request, "screens/luck.html", "Luck", run=run, step="luck", found=found)


@router.post("/runs/{run}/check")
async def check(request: Request, person: RunsWriter, run: str) -> Response:
    """Look for a look into the future."""
    name = folder_of(request, person, run).name
    job = await asyncio.to_thread(
        request.app.state.jobs.submit, "audit", {"run": name}, person.id, person.team
    )
    return then(f"/jobs/{job.id}")


@router.get("/runs/{run}/expert")
async def expert(
    request: Request, person: RunsReader, run: str, show: Annotated[str, Query(max_length=40)] = "index.html"
) -> Response:
    """Show the run's own pages in a frame in which nothing runs."""
    folder = folder_of(request, person, run)
    pages = {name: what for name, what in EXPERT.items() if (folder / name).is_file()}
    shown = show if show in pages else next(iter(pages), None)
    return page(
        request, "runs/expert.html", "The expert's view", run=run, step="expert", pages=pages, shown=shown
    )


@router.get("/runs")
async def runs(
    request: Request,
    person: RunsReader,
    find: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    """Every run, for the quant."""
    found = await asyncio.to_thread(overview, places_of(request, person).runs)
    word = find.strip().lower()
    shown = [each for each in found.runs if word in f"{each.name} {each.model} {each.verdict}".lower()]
    problems = found.problems
    return page(request, "runs/list.html", "Runs", step="runs", runs=shown, problems=problems, find=find)


@router.get("/compare")
async def compare(
    request: Request, person: RunsReader, run: Annotated[list[str] | None, Query(max_length=8)] = None
) -> Response:
    """Runs side by side."""
    run = run or []
    if len(run) < 2:
        said = [["Choose two runs or more."]]
        return page(request, "runs/compare.html", "Compare", step="compare", blocks=said, names=run)
    from engine.compare.job import compare_runs
    from engine.compare.text import lines as lines_of

    folders = [folder_of(request, person, name) for name in run]
    try:
        lines = lines_of(await asyncio.to_thread(compare_runs, folders, False))
    except ForewalkError as problem:
        lines = [str(problem)]
    blocks = [list(block) for full, block in groupby(lines, key=lambda line: bool(line.strip())) if full]
    return page(request, "runs/compare.html", "Compare", step="compare", blocks=blocks, names=run)


@router.get("/words")
async def meanings(request: Request) -> Response:
    """What the words mean."""
    return page(request, "words.html", "Words", step="words", words=glossary())
