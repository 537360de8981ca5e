"""Forecasts: the latest, the history, the track record; and the symbols there are."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from engine.web.access import RunsReader, places_of
from engine.web.api import logged
from engine.web.api.common import Limit, Offset, Page, problems, tagged_bytes

router = APIRouter(tags=["forecasts"])
Symbol = Annotated[str | None, Query(max_length=32, description="Of this symbol only.")]
Horizon = Annotated[int | None, Query(ge=1, le=10_000, description="Of so many bars ahead only.")]
SAMPLE = ("AAPL", "GOOG", "IBM", "MSFT")  # bundled, offline


class Forecast(BaseModel):
    """One forecast as it was written down before its outcome was known.

    Attributes:
        number: of its row. written: when. asof, closes_at: UTC closes of the newest bar known and the one foretold.
        horizon_bars, interval, execution, relative: of what it is. close: price at `asof`.
        mean, std: of the log return. p_up: probability of a rise. low_80, high_80: central 80 % of the log return.
        model, run: that made it. actual: log return that came; null while it is not known.
    """

    number: int
    written: str
    symbol: str
    asof: str
    closes_at: str
    horizon_bars: int
    interval: str
    execution: str
    relative: bool
    close: float
    mean: float
    std: float
    p_up: float
    low_80: float
    high_80: float
    model: str
    run: str | None
    actual: float | None


class SymbolEntry(BaseModel):
    """A symbol: whether it is bundled with the program, and the newest close that a forecast was made at."""

    symbol: str
    bundled: bool
    forecast_asof: str | None


@router.get("/forecasts/latest", response_model=list[Forecast], responses=problems())
async def latest(
    request: Request, person: RunsReader, symbol: Symbol = None, horizon_bars: Horizon = None
) -> Response:
    """Return the newest forecast of each symbol and horizon."""
    path = places_of(request, person).forecasts
    body, state = await logged.ready(logged.latest, path, symbol, horizon_bars)
    return tagged_bytes(request, body, f"latest-{state}")


@router.get("/forecasts", response_model=Page[Forecast], responses=problems())
async def history(
    request: Request,
    person: RunsReader,
    symbol: Symbol = None,
    horizon_bars: Horizon = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Return every forecast ever given, the newest first, with what came where it is known."""
    path = places_of(request, person).forecasts
    body, state = await logged.ready(logged.history, path, symbol, horizon_bars, limit, offset)
    return tagged_bytes(request, body, f"history-{state}")


@router.get("/forecasts/track-record", response_model=dict[str, Any], responses=problems())
async def track_record(request: Request, person: RunsReader) -> Response:
    """Return how good the forecasts have been, in all, by horizon and by symbol, and whether the log is untouched."""
    body, state = await logged.ready(logged.track_record, places_of(request, person).forecasts)
    return tagged_bytes(request, body, f"track-{state}")


@router.get("/symbols", tags=["symbols"], responses=problems())
def symbols(request: Request, person: RunsReader) -> list[SymbolEntry]:
    """Return the symbols that are bundled or have been forecast."""
    known: dict[str, str] = {}
    for row in logged.logged(places_of(request, person).forecasts).rows:
        known[row["symbol"]] = max(known.get(row["symbol"], ""), row["asof"])
    return [
        SymbolEntry(symbol=name, bundled=name in SAMPLE, forecast_asof=known.get(name))
        for name in sorted({*SAMPLE, *known})
    ]
