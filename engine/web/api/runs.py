"""Finished runs: which there are, what they found, their files; and two of them side by side."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import FileResponse, Response

from engine.runs.overview import RunOverview, overview
from engine.web.access import Person, RunsReader, places_of
from engine.web.api.common import Limit, Offset, missing, problems, tagged
from engine.web.screens.account import AccountSeries, account_series
from engine.web.screens.texts import texts_screen
from forewalk.errors import DataError, UsageError

router = APIRouter(tags=["runs"])
SANDBOX = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; "
    "frame-ancestors 'self'"
)
TYPES = {
    ".html": "text/html",
    ".json": "application/json",
    ".csv": "text/csv",
    ".toml": "text/plain",
    ".parquet": "application/vnd.apache.parquet",
    ".safetensors": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


class RunPage(BaseModel):
    """Some of the runs, and what is wrong with folders that look like one.

    Attributes:
        items: of this page. total: how many there are. limit, offset: which part. problems: in words.
    """

    items: list[RunOverview]
    total: int
    limit: int
    offset: int
    problems: list[str]


class Artefact(BaseModel):
    """A file of a run: its path within it, and its size in bytes."""

    path: str
    bytes: int


class Run(BaseModel):
    """A finished run: what it depended on, and every number it found."""

    name: str
    manifest: dict[str, Any]
    metrics: dict[str, Any]


def folder_of(request: Request, person: Person, run: str) -> Path:
    """Return the folder of a team's run; 404 where there is none of that name."""
    try:
        return places_of(request, person).run(run)
    except (DataError, UsageError):
        raise missing("such run") from None


@router.get("/runs", responses=problems())
def listed(request: Request, person: RunsReader, limit: Limit = 50, offset: Offset = 0) -> RunPage:
    """Return the finished runs, the newest first."""
    found = overview(places_of(request, person).runs)
    items = [replace(each, path=each.name) for each in found.runs[offset : offset + limit]]
    return RunPage(
        items=items, total=len(found.runs), limit=limit, offset=offset, problems=list(found.problems)
    )


@router.get("/runs/{run}", response_model=Run, responses=problems(404))
def one(request: Request, person: RunsReader, run: str) -> Response:
    """Return what a run depended on and found."""
    folder = folder_of(request, person, run)
    read = {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("manifest", "metrics")
    }
    return tagged(request, {"name": folder.name, **read})


@router.get("/runs/{run}/explanation", response_model=dict[str, Any], responses=problems(404))
def explanation(request: Request, person: RunsReader, run: str) -> Response:
    """Return which features carry a run's forecasts; 404 until `forewalk explain` has measured it."""
    file = folder_of(request, person, run) / "explanation.json"
    if not file.is_file():
        raise missing("explanation of this run yet; `forewalk explain RUN` makes one")
    return tagged(request, json.loads(file.read_text(encoding="utf-8")))


@router.get("/runs/{run}/texts", response_model=dict[str, Any], responses=problems(404, 422))
def texts(
    request: Request,
    person: RunsReader,
    run: str,
    symbol: Annotated[str | None, Query(max_length=80)] = None,
    day: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """Return the texts that a bar was the first to know, at most 200, and what texts added to the run.

    `day` is YYYY-MM-DD: the last bar that closed by its end; without it the last bar. `silent` says why there is
    none.
    """
    return tagged(request, asdict(texts_screen(folder_of(request, person, run), symbol, day)))


@router.get("/runs/{run}/series", response_model=AccountSeries, responses=problems(404))
def series(
    request: Request,
    person: RunsReader,
    run: str,
    since: Annotated[date | None, Query(description="First day; without it the run's first.")] = None,
    until: Annotated[date | None, Query(description="Last day, included; without it the run's last.")] = None,
    points: Annotated[int, Query(ge=4, le=20_000, description="Rows at most.")] = 1000,
) -> Response:
    """Return the account of a run bar by bar: equity, just holding, how far below the highest so far, and exposure.

    Of a window of more bars than `points` the lowest and the highest account of every part are kept, with the first
    and the last bar; `thinned` says so.
    """
    folder = folder_of(request, person, run)
    return tagged(request, asdict(account_series(folder, since, until, points)))


@router.get("/runs/{run}/artefacts", responses=problems(404))
def artefacts(request: Request, person: RunsReader, run: str) -> list[Artefact]:
    """Return the files of a run."""
    folder = folder_of(request, person, run)
    return [
        Artefact(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    ]


@router.get(
    "/runs/{run}/artefacts/{path:path}",
    response_class=FileResponse,
    responses={
        **problems(404),
        200: {"description": "The file.", "content": {kind: {} for kind in TYPES.values()}},
    },
)
def artefact(request: Request, person: RunsReader, run: str, path: str) -> Response:
    """Return a file of a run. Pages come in a sandbox: nothing in them runs, nothing is loaded."""
    folder = folder_of(request, person, run).resolve()
    file = (folder / path).resolve() if "\0" not in path else folder
    if not file.is_relative_to(folder) or not file.is_file():
        raise missing("such file")
    media = TYPES.get(file.suffix, "application/octet-stream")
    headers = {"Content-Security-Policy": SANDBOX, "Cache-Control": "private, no-cache"}
    return FileResponse(file, media_type=media, headers=headers)


@router.get("/compare", tags=["compare"], response_model=dict[str, Any], responses=problems(404))
def compare(
    request: Request,
    person: RunsReader,
    run: Annotated[list[str], Query(min_length=2, max_length=8, description="Names; each beside the first.")],
    accounts: Annotated[bool, Query(description="Their accounts alone, whatever they forecast.")] = False,
) -> Response:
    """Say what differs between runs, and whether one forecasts or earns better by more than luck."""
    from engine.compare.job import compare_runs

    found = compare_runs([folder_of(request, person, name) for name in run], accounts).to_dict()
    for each in found["runs"]:
        each["path"] = None
    return tagged(request, found)
