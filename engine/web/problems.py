"""Every error as a problem of RFC 9457: `application/problem+json` with type, title, status, detail."""

from __future__ import annotations

import errno
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path

from broker.errors import BrokerError
from engine.web.api.book import NoBook
from engine.web.jobs.desk import TooManyJobs
from engine.web.store.database import Conflict
from forewalk.errors import (
    ConfigError,
    ConnectionFailed,
    DataError,
    ForewalkError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"
STATUS_OF: tuple[tuple[type[ForewalkError], int], ...] = (  # the first that fits
    (TooManyJobs, 429),
    (NoBook, 404),
    (Conflict, 409),
    (UsageError, 422),
    (ConfigError, 422),
    (DataError, 422),
    (ConnectionFailed, 502),
    (BrokerError, 502),
)
ErrorPage = Callable[[Request, "Problem"], Response | Awaitable[Response]]
log = logging.getLogger("forewalk.web")


class Problem(BaseModel):
    """What went wrong.

    Attributes:
        type: about:blank; the status says what kind it is. title: of the status. status: of HTTP.
        detail: what is wrong, with the value, and what to do.
        errors: one for each field that was not understood: `loc`, `msg`.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None

    @staticmethod
    def of(status: int, detail: str, errors: Sequence[Mapping[str, Any]] | None = None) -> Problem:
        """Return the problem of a status."""
        found = None if errors is None else [dict(error) for error in errors]
        return Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=found)

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """Return it as an answer in JSON."""
        return JSONResponse(
            self.model_dump(exclude_none=True), self.status, dict(headers or {}), media_type=MEDIA_TYPE
        )


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WAIT = {"Retry-After": "5"}


def unwritten(error: OperationalError) -> Problem:
    """Return the problem of a database that is full or away; nothing was done, since it could not be written down."""
    log.error("the database cannot be used: %s", error.orig)
    detail = "the server's database cannot be used now (a full disk?); nothing was done; ask again later"
    return Problem.of(503, detail)


def _methods_of(request: Request) -> str:
    """Return what a path may be asked by, all of its routes together."""
    found: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path is not None and compile_path(route.path)[0].match(request.url.path):
            found |= route.methods or set()
    return ", ".join(sorted(found))


def install(app: FastAPI) -> None:
    """Let every error of `app` be answered as a problem, or as a page where a browser asked for one.

    `app.state.error_page(request, problem)`, where set, makes that page; paths under /api are never answered so.
    """
    app.state.error_page = None

    async def answer(
        request: Request, problem: Problem, headers: Mapping[str, str] | None = None
    ) -> Response:
        page: ErrorPage | None = request.app.state.error_page
        wants_page = "text/html" in request.headers.get("accept", "")
        if page is None or not wants_page or request.url.path.startswith("/api/"):
            return problem.response(headers)
        made = page(request, problem)
        response = made if isinstance(made, Response) else await made
        if response.status_code == 200:  # a page may lead elsewhere: to the log-in
            response.status_code = problem.status
        response.headers.update(dict(headers or {}))
        return response

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            allowed = _methods_of(request)
            detail = f"{request.method} is not among what this path takes: {allowed}"
            return await answer(request, Problem.of(405, detail), {"Allow": allowed})
        return await answer(request, Problem.of(error.status_code, str(error.detail)), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [{"loc": [str(part) for part in each["loc"]], "msg": each["msg"]} for each in error.errors()]
        detail = "; ".join(f"{'.'.join(each['loc'])}: {each['msg']}" for each in errors)
        return await answer(request, Problem.of(422, detail, jsonable_encoder(errors)))

    @app.exception_handler(ForewalkError)
    async def ours(request: Request, error: ForewalkError) -> Response:
        status = next((code for kind, code in STATUS_OF if isinstance(error, kind)), 500)
        headers = {"Retry-After": str(error.after_s)} if isinstance(error, TooManyJobs) else None
        return await answer(request, Problem.of(status, str(error)), headers)

    @app.exception_handler(OperationalError)
    async def away(request: Request, error: OperationalError) -> Response:
        return await answer(request, unwritten(error), WAIT)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        detail = "the server failed; its log says where, and the same request may fail again"
        return await answer(request, Problem.of(500, detail))

    @app.exception_handler(OSError)
    async def full(request: Request, error: OSError) -> Response:
        if error.errno not in FULL:
            return await unexpected(request, error)
        log.error("%s %s: %s", request.method, request.url.path, error.strerror)
        return await answer(request, Problem.of(503, "the server's disk is full; ask again later"), WAIT)
