"""The application: guards, the API, the pages, and what they share on `app.state`."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.staticfiles import StaticFiles

from engine.web.guards.limits import BodyLimit, KnownHosts, SafeHeaders
from engine.web.options import LOOPBACK, Options
from engine.web.pages import router as pages
from engine.web.problems import install

STATIC = Path(__file__).parent / "static"


def create_app(options: Options) -> FastAPI:
    """Return the application; its folders are made.

    On `app.state`: `options`, `state_folder`, `runs_folder`, and `error_page`, which the pages may set.
    """
    app = FastAPI(
        title="Forewalk",
        version=version("forewalk"),
        docs_url=None,  # both load their scripts from another host
        redoc_url=None,
        middleware=[
            Middleware(SafeHeaders),
            Middleware(KnownHosts, hosts=(*LOOPBACK, *options.allowed_hosts)),
            Middleware(BodyLimit),
        ],
    )
    app.state.options = options
    app.state.state_folder = options.state.expanduser().resolve()
    app.state.runs_folder = options.runs.expanduser().resolve()
    app.state.state_folder.mkdir(parents=True, exist_ok=True)
    install(app)
    app.get("/health", tags=["health"])(health)
    app.include_router(pages)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


async def health() -> dict[str, str]:
    """Say that the server answers."""
    return {"status": "ok"}
