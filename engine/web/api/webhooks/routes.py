"""Webhooks of a team: for its owners."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from engine.web.access import Owner, Person
from engine.web.api.common import Asked, Limit, Offset, Page, missing, problems
from engine.web.api.webhooks.desk import Delivery, Webhook, Webhooks

router = APIRouter(tags=["webhooks"])
Event = Literal["job.succeeded", "job.failed", "job.cancelled", "forecast.written", "live.halt", "live.alarm"]


class NewWebhook(Asked):
    """Where to send, by https, and which events; none means all."""

    url: str = Field(min_length=1, max_length=2000, examples=["https://desk.example/forewalk"])
    events: list[Event] = Field(default=[], max_length=20)


class ShownWebhook(BaseModel):
    """A new webhook, and the secret that its deliveries are signed with, which is never shown again."""

    webhook: Webhook
    secret: str


@router.get("/team/webhooks", responses=problems())
def listed(request: Request, person: Owner) -> list[Webhook]:
    """Return the webhooks of the team."""
    return _webhooks(request).of_team(person.team)


@router.post("/team/webhooks", status_code=201, responses=problems(409))
def add(request: Request, person: Owner, asked: NewWebhook) -> ShownWebhook:
    """Register a webhook; its secret is shown in this answer and never again."""
    made, secret = _webhooks(request).add(person.team, person.id, asked.url, asked.events)
    return ShownWebhook(webhook=made, secret=secret)


@router.delete("/team/webhooks/{webhook}", status_code=204, responses=problems(404))
def remove(request: Request, person: Owner, webhook: str) -> None:
    """Remove a webhook and what waits for it."""
    if not _webhooks(request).remove(webhook, person.team):
        raise missing("such webhook")


@router.post("/team/webhooks/{webhook}/ping", status_code=202, responses=problems(404))
def ping(request: Request, person: Owner, webhook: str) -> Delivery:
    """Queue an event of the type `ping`, to see whether it arrives."""
    return _webhooks(request).ping(_known(request, person, webhook))


@router.get("/team/webhooks/{webhook}/deliveries", responses=problems(404))
def deliveries(
    request: Request, person: Owner, webhook: str, limit: Limit = 50, offset: Offset = 0
) -> Page[Delivery]:
    """Return what was and will be delivered, the newest first."""
    found, total = _webhooks(request).deliveries(_known(request, person, webhook), limit, offset)
    return Page(items=found, total=total, limit=limit, offset=offset)


@router.post("/team/webhooks/{webhook}/deliveries/{delivery}/again", status_code=202, responses=problems(404))
def again(request: Request, person: Owner, webhook: str, delivery: str) -> Delivery:
    """Send a delivery once more, under its own id."""
    found = _webhooks(request).again(_known(request, person, webhook), delivery)
    if found is None:
        raise missing("such delivery")
    return found


def _known(request: Request, person: Person, webhook: str) -> str:
    if webhook not in [each.id for each in _webhooks(request).of_team(person.team)]:
        raise missing("such webhook")
    return webhook


def _webhooks(request: Request) -> Webhooks:
    found: Webhooks = request.app.state.webhooks
    return found
