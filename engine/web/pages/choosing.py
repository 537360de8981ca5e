"""What do you want to look at? The sample, names, a file, or a run that is there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, UploadFile
from starlette.responses import Response

from engine.runs.overview import overview
from engine.web.access import Person, RunsReader, RunsWriter, places_of
from engine.web.api.uploads import keep
from engine.web.pages.rendering import page, then
from engine.web.screens.checking import ASKED, understood
from engine.web.screens.companies import example_prices, symbols_of
from forewalk.errors import ForewalkError

router = APIRouter()
MOST_SYMBOLS = 10
SHOWN_RUNS = 8
MOST_ANSWER = 60  # characters
YEARS = "2015-01-01"  # from when prices of names are fetched


@router.get("/")
async def choose(request: Request, person: RunsReader) -> Response:
    """Show what can be chosen, and the runs that are there."""
    return await _again(request, person, "", "")


@router.post("/choose/sample")
async def sample(request: Request, person: RunsWriter) -> Response:
    """Run the example."""
    return await _queue(request, person, {"name": "example"})


@router.post("/choose/names")
async def names(
    request: Request, person: RunsWriter, names: Annotated[str, Form(max_length=400)]
) -> Response:
    """Run companies by their symbols, with prices from Yahoo."""
    symbols = symbols_of(names)
    if not 1 <= len(symbols) <= MOST_SYMBOLS:
        return await _again(
            request, person, f"Give one to {MOST_SYMBOLS} companies, such as Apple, MSFT.", names
        )
    asked: dict[str, object] = {
        "name": "names",
        "data.source": "yahoo",
        "data.symbols": symbols,
        "data.start": YEARS,
    }
    try:
        return await _queue(request, person, asked)
    except ForewalkError as problem:
        return await _again(request, person, str(problem), names)


@router.post("/choose/file")
async def file(request: Request, person: RunsWriter, prices: UploadFile) -> Response:
    """Keep a file and say what it was understood as; nothing is run yet."""
    if not prices.size:
        return await _again(request, person, "Choose a file that is not empty.", "")
    places = places_of(request, person)
    name = free_name(safe_name(prices.filename or "prices.csv"), places.uploads)
    await asyncio.to_thread(keep, places, name, prices)
    return then(f"/files/{name}")


@router.get("/files/{name}")
async def look(request: Request, person: RunsReader, name: str) -> Response:
    """Say what an uploaded file was understood as, with the answers that a person has given so far."""
    path = places_of(request, person).upload(name)
    given = _given(request.query_params)
    found = await asyncio.to_thread(understood, path, given)
    return page(request, "screens/file.html", "Your file", step="choose", file=name, found=found, given=given)


@router.post("/files/{name}/run")
async def run(request: Request, person: RunsWriter, name: str) -> Response:
    """Run an uploaded file, read as a person has said it is to be."""
    answers = _given(await request.form())
    places = places_of(request, person)
    path = places.upload(name)
    given = str(path) if places.is_home else name
    short = re.sub(r"[^A-Za-z0-9]+", "-", path.stem).strip("-")[:24] or "file"
    return await _queue(
        request, person, {"name": short, "data.source": "files", "data.path": given, **answers}
    )


def safe_name(told: str) -> str:
    """Return a plain name for a file from what a browser says it is called; its last ending is kept."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", told.replace("\\", "/").rpartition("/")[2]).strip("-.")[-80:]
    return plain if re.match(r"[A-Za-z0-9]", plain) else f"file-{plain}".rstrip("-")


def free_name(name: str, folder: Path) -> str:
    """Return the name, with a number where there is such a file: what earlier runs were made of stays as it is."""
    stem, dot, ending = name.partition(".")
    names = (name if number == 1 else f"{stem}-{number}{dot}{ending}" for number in count(1))
    return next(each for each in names if not (folder / each).exists())


def _given(sent: Mapping[str, Any]) -> dict[str, str]:
    """Return the answers to questions about a file among what was sent."""
    found = {key: sent.get(key) for key in ASKED}
    return {key: text[:MOST_ANSWER] for key, text in found.items() if isinstance(text, str) and text}


async def _queue(request: Request, person: Person, asked: dict[str, object]) -> Response:
    jobs = request.app.state.jobs
    job = await asyncio.to_thread(jobs.submit, "backtest", asked, person.id, person.team)
    return then(f"/jobs/{job.id}")


async def _again(request: Request, person: Person, said: str, names: str) -> Response:
    runs = (await asyncio.to_thread(overview, places_of(request, person).runs)).runs[:SHOWN_RUNS]
    return page(
        request,
        "screens/choose.html",
        "What do you want to look at?",
        422 if said else 200,
        step="choose",
        runs=runs,
        said=said,
        names=names,
        example=await asyncio.to_thread(example_prices),
    )
