"""For the quant: what a run traded, what its account did, and every try there was."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from engine.runs.ledger import LEDGER_FILE, Ledger
from engine.runs.listing import ledger_summary
from engine.web.access import RunsReader, places_of
from engine.web.api.runs import folder_of
from engine.web.pages.rendering import page
from engine.web.screens.account import WHOLE, account_screen
from engine.web.screens.texts import texts_screen
from engine.web.screens.trading import Asked, trading

router = APIRouter()
SHOWN = 200  # tries, the newest first


@router.get("/runs/{run}/trades")
async def trades(
    request: Request,
    person: RunsReader,
    run: str,
    symbol: Annotated[str | None, Query(max_length=80)] = None,
    bars: Annotated[int, Query(ge=1, le=1_000_000)] = 250,
    to: Annotated[str | None, Query(max_length=40)] = None,
    sort: Annotated[str, Query(max_length=20)] = "closed_at",
    down: bool = True,
    part: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
) -> Response:
    """What was traded, on a chart and in tables."""
    folder = folder_of(request, person, run)
    asked = Asked(symbol, bars, to, sort, down, part)
    found = await asyncio.to_thread(trading, folder, asked)
    return page(request, "runs/trades.html", "Trades", run=run, step="trades", found=found, asked=asked)


@router.get("/runs/{run}/account")
async def account(
    request: Request,
    person: RunsReader,
    run: str,
    bars: Annotated[int, Query(ge=1, le=1_000_000)] = WHOLE,
    to: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """What the account did day by day, closer or wider."""
    folder = folder_of(request, person, run)
    found = await asyncio.to_thread(account_screen, folder, bars, to)
    return page(request, "runs/account.html", "Account", run=run, step="account", found=found)


@router.get("/runs/{run}/texts")
async def texts(
    request: Request,
    person: RunsReader,
    run: str,
    symbol: Annotated[str | None, Query(max_length=80)] = None,
    day: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """The texts that a bar was the first to know, and what texts added."""
    folder = folder_of(request, person, run)
    found = await asyncio.to_thread(texts_screen, folder, symbol, day)
    return page(request, "runs/texts.html", "Texts", run=run, step="texts", found=found)


@router.get("/tries")
async def tries(request: Request, person: RunsReader) -> Response:
    """Every try that the ledger knows."""
    ledger = Ledger(places_of(request, person).runs / LEDGER_FILE)
    found = await asyncio.to_thread(lambda: (ledger_summary(ledger), ledger.trials(), ledger.verify()))
    summary, everyone, problems = found
    return page(
        request,
        "runs/tries.html",
        "Every try",
        step="tries",
        found=summary,
        shown=everyone[::-1][:SHOWN],
        problems=problems,
    )
