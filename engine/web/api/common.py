"""What all routes share: their errors, their pages, their entity tags."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Generic, TypeVar

from fastapi import HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from engine.web.problems import MEDIA_TYPE

Item = TypeVar("Item")
_SCHEMA = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_SAID = {
    400: "the request is not understood, or names another host",
    401: "nobody is known: log in, or send a key",
    403: "the person may not do this, or the request comes from another site",
    404: "there is no such thing, or it is another team's",
    405: "this path does not take that method",
    409: "it is not so any more",
    413: "the body is too large",
    422: "a value is wrong; `errors` or `detail` says which",
    429: "too many requests or jobs; Retry-After says when to ask again",
    500: "the server failed",
    503: "the server's database is full or away; nothing was done",
    502: "a service that this needs did not answer",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the error answers of a route for OpenAPI: these, and those that every route may give."""
    every = {400, 401, 403, 405, 413, 422, 429, 500, 503, *statuses}
    return {status: {"description": _SAID[status], "content": _SCHEMA} for status in sorted(every)}


class Asked(BaseModel):
    """A body: a key that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[Item]):
    """Some of a list.

    Attributes:
        items: of this page. total: how many there are. limit, offset: which part this is.
    """

    items: list[Item]
    total: int
    limit: int
    offset: int


Limit = Annotated[int, Query(ge=1, le=1000, description="Items of a page.")]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1, description="Items before the page.")]


def missing(what: str) -> HTTPException:
    """Return the error for what is not there, or is another team's: nobody can tell which."""
    return HTTPException(404, f"there is no {what}")


def tagged(request: Request, content: Any) -> Response:
    """Return JSON with its entity tag, or 304 where the asker has it already."""
    body = json.dumps(content, allow_nan=False, default=str).encode()
    return tagged_bytes(request, body, hashlib.sha256(body).hexdigest()[:32])


def tagged_bytes(request: Request, body: bytes, tag: str) -> Response:
    """Return ready JSON under an entity tag, or 304 where the asker has it already."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def is_known(request: Request, tag: str) -> bool:
    """Whether the asker said that it has the content of this tag."""
    told = request.headers.get("if-none-match", "")
    return told == "*" or f'"{tag}"' in [part.strip().removeprefix("W/") for part in told.split(",")]
