"""For the quant: a run with settings of one's own, from a form that the settings tree makes."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from engine.web.access import RunsReader, RunsWriter, places_of
from engine.web.jobs.commands import settings_of
from engine.web.pages.rendering import page, then
from engine.web.places import Places
from engine.web.screens.settings import Part, asked, blamed, form, refuse_own_code
from forewalk.errors import ConfigError, DataError, UsageError

router = APIRouter()


@router.get("/settings")
async def show(request: Request, person: RunsReader) -> Response:
    """Show every setting of a backtest, blank: its default is what counts then."""
    parts = await asyncio.to_thread(_form, places_of(request, person))
    return _page(request, parts, {}, "")


@router.post("/settings")
async def run(request: Request, person: RunsWriter) -> Response:
    """Queue a backtest with the fields that are filled in; what is wrong is said beside what was written."""
    places = places_of(request, person)
    parts = await asyncio.to_thread(_form, places)
    sent = (await request.form()).multi_items()
    try:
        found = asked(sent, _names(parts))
        refuse_own_code(await asyncio.to_thread(settings_of, found, places))
        jobs = request.app.state.jobs
        job = await asyncio.to_thread(jobs.submit, "backtest", found, person.id, person.team)
    except (ConfigError, DataError, UsageError) as problem:
        kept = {name: text for name, text in sent if isinstance(text, str)}
        return _page(request, parts, kept, str(problem))
    return then(f"/jobs/{job.id}")


def _form(places: Places) -> tuple[Part, ...]:
    return form(
        settings_of({"strategy.kind": "per_symbol"}, places)
    )  # of a section of which something is said


def _names(parts: tuple[Part, ...]) -> list[str]:
    return [field.name for part in parts for field in part.fields]


def _page(request: Request, parts: tuple[Part, ...], kept: dict[str, str], said: str) -> Response:
    title, wrong = "A run with settings of your own", blamed(said, _names(parts))
    filled = {name for name, text in kept.items() if text.strip()}.union(wrong)
    return page(
        request,
        "runs/settings.html",
        title,
        422 if said else 200,
        step="settings",
        parts=parts,
        kept=kept,
        said=said,
        wrong=wrong,
        opened=[part.name for part in parts if filled.intersection(field.name for field in part.fields)],
    )
