"""All routes of the API, under /api/v1."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter
from pydantic import BaseModel

from engine.web.api import forecasts, jobs, live, people, runs, uploads
from engine.web.api.common import problems
from engine.web.api.webhooks import routes as webhooks

api = APIRouter(prefix="/api/v1")


class Health(BaseModel):
    """That the server answers, and its version."""

    status: str
    version: str


@api.get("/health", tags=["health"], responses=problems())
async def health() -> Health:
    """Say that the server answers."""
    return Health(status="ok", version=version("forewalk"))


for part in (forecasts, jobs, runs, uploads, live, people, webhooks):
    api.include_router(part.router)
