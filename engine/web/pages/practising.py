"""Try it without money: the paper book, orders that wait for a person, and one large button."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from engine.report.wording import words
from engine.runs.overview import overview
from engine.web.access import BookReader, Trader, places_of
from engine.web.api import live
from engine.web.api.asked import OfRun, Settings
from engine.web.api.book import NoBook, journal_of, settings_of
from engine.web.pages.rendering import page, then
from engine.web.places import Places
from engine.web.screens.quant.drift import NOT_SKILL, DriftScreen, drift_screen
from engine.web.screens.quant.paper import BookScreen, book_screen

router = APIRouter()
SHOWN_RUNS = 8
OURS = secrets.token_bytes(32)  # marks what this process has said
Id = Annotated[str, Form(max_length=128)]


@router.get("/paper")
async def paper(request: Request, person: BookReader, said: str = "", by: str = "") -> Response:
    """Show the book, or how to begin one."""
    places = places_of(request, person)
    runs = (await asyncio.to_thread(overview, places.runs)).runs[:SHOWN_RUNS]
    practice = None
    if places.practice is not None:
        practice = await asyncio.to_thread(request.app.state.practices.look, places)
    given: dict[str, Any] = {"practice": practice, "runs": runs}
    try:
        status = await asyncio.to_thread(live.status, request, person)
        orders = await asyncio.to_thread(live.orders, request, person, True)
        book = await asyncio.to_thread(_book, places)
    except NoBook as problem:
        return page(request, "paper/no_book.html", "On paper", step="paper", said=str(problem), **given)
    halt = next((each for each in status.halts if each.symbol is None), None)
    sentence = words.PAPER if halt is None else words.stopped(halt.reason, halt.flatten)
    waiting = [each for each in orders if each.nonce is not None]
    others = [each for each in reversed(orders) if each.nonce is None][:50]
    return page(
        request,
        "paper/book.html",
        "On paper",
        step="paper",
        status=status,
        sentence=sentence,
        halted=halt is not None,
        waiting=waiting,
        orders=others,
        book=book,
        said=said if hmac.compare_digest(by.encode(), _mark(said).encode()) else "",
        **given,
    )


@router.get("/paper/drift")
async def drift(request: Request, person: BookReader) -> Response:
    """Show whether the book still does what its backtest did."""
    places = places_of(request, person)

    def look() -> tuple[DriftScreen, float]:
        settings = settings_of(places)
        with journal_of(settings, readonly=True) as journal:
            found = drift_screen(journal, settings, settings.live.state.expanduser())
        return found, settings.live.drift_alarms_per_year

    found, alarms = await asyncio.to_thread(look)
    return page(
        request, "paper/drift.html", "Drift", step="paper", found=found, alarms=alarms, not_skill=NOT_SKILL
    )


@router.post("/paper/practice")
async def begin(request: Request, person: Trader, run: Annotated[str, Form(max_length=128)] = "") -> Response:
    """Begin to practise with the example, or with a run."""
    asked = OfRun(run=run) if run else Settings()
    await asyncio.to_thread(live.begin_practice, request, person, asked)
    return then("/paper")


@router.post("/paper/practice/next")
async def next_day(request: Request, person: Trader) -> Response:
    """Let the next day come."""
    await asyncio.to_thread(live.next_day, request, person)
    return then("/paper")


@router.post("/paper/practice/end")
async def end(request: Request, person: Trader) -> Response:
    """End the practice."""
    await asyncio.to_thread(live.end_practice, request, person)
    return then("/paper")


@router.post("/paper/approve")
async def approve(request: Request, person: Trader, order: Id, nonce: Id) -> Response:
    """Let an order go out, if it is still the one that was shown."""
    await asyncio.to_thread(live.approve, request, person, order, live.Approval(nonce=nonce))
    return _said("Approved. It is sent within a minute.")


@router.post("/paper/reject")
async def reject(request: Request, person: Trader, order: Id) -> Response:
    """Say no to an order."""
    await asyncio.to_thread(live.reject, request, person, order)
    return _said("Not now: it will not be sent.")


@router.post("/paper/stop")
async def stop(request: Request, person: Trader) -> Response:
    """Stop everything: no new orders, open orders taken back, what is held is sold."""
    asked = live.Halt(reason="stopped by hand", flatten=True)
    done = await asyncio.to_thread(live.halt, request, person, asked)
    return _said(*done.lines)


@router.post("/paper/resume")
async def resume(request: Request, person: Trader) -> Response:
    """Go on after a stop, once the account has been looked at."""
    done = await asyncio.to_thread(live.resume, request, person, live.Resume())
    return _said(*done.lines)


def _book(places: Places) -> BookScreen:
    settings = settings_of(places)
    with journal_of(settings, readonly=True) as journal:
        return book_screen(journal, settings, settings.live.state.expanduser() / "models")


def _said(*lines: str) -> Response:
    """Lead back to the book, which says what came of it."""
    text = " · ".join(lines)[:400]
    return then(f"/paper?{urlencode({'said': text, 'by': _mark(text)})}")


def _mark(text: str) -> str:
    """Return the mark of a sentence of ours: a link of somebody else's cannot put words into this page."""
    return hmac.new(OURS, text.encode(), hashlib.sha256).hexdigest()[:32]
