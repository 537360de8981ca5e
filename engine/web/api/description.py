"""The API described: OpenAPI 3.1, with the one form of its errors, and how to say who asks."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from engine.web.access.doorkeeper import COOKIE
from engine.web.problems import Problem

TEXT = """Forecasts, backtests and the paper book of a Forewalk server.

Errors are problems (RFC 9457) with a `detail` that says what to do. Lists are paged by `limit` and `offset`. Answers
that may be asked again carry an `ETag`; send it as `If-None-Match`. Every answer says in `RateLimit-*` how many
requests are left this minute. A POST that queues a job takes an `Idempotency-Key`. Past results promise nothing."""
OPEN = {"/api/v1/health", "/api/v1/setup", "/api/v1/session"}


def describe(app: FastAPI) -> None:
    """Let `/openapi.json` of the application be complete."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _made(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _made(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, description=TEXT, routes=app.routes)
    parts = found.setdefault("components", {})
    parts["schemas"]["Problem"] = Problem.model_json_schema()
    parts["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "bearerFormat": "fwk_..."},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
    for path, methods in found["paths"].items():
        for operation in methods.values():
            operation["security"] = [] if path in OPEN else [{"key": []}, {"session": []}, {}]
    return found
