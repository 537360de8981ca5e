"""The application: guards, the API, the pages, and what they share on `app.state`."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.staticfiles import StaticFiles

from engine.web.access.doorkeeper import Doorkeeper
from engine.web.access.secrets import new_secret
from engine.web.access.store import Store
from engine.web.access.throttle import Throttle
from engine.web.api.description import describe
from engine.web.api.routes import api
from engine.web.api.webhooks.desk import Webhooks
from engine.web.guards.limits import BodyLimit, KnownHosts, SafeHeaders
from engine.web.jobs.desk import Jobs
from engine.web.jobs.practising import Practices
from engine.web.options import LOOPBACK, Options
from engine.web.pages import router as pages
from engine.web.pages.rendering import error_page
from engine.web.places import places_of_team
from engine.web.problems import install
from engine.web.screens.companies import example_prices
from engine.web.store.database import Database

STATIC = Path(__file__).parent / "static"
DATABASE = "server.sqlite"


def create_app(options: Options) -> FastAPI:
    """Return the application; its folders and its database are made. Jobs run from its start to its end.

    On `app.state`: `options`; `state_folder`, `runs_folder`; `places(team)`, the folders of a team; `jobs`,
    `practices`, `webhooks`; `store`, `throttle`: people, keys, audit, plans; `first_owner`, the secret that makes
    the first user, None where there is one or none is needed; and `error_page`, which the pages may set.

    Raises:
        ConfigError: the database cannot be used.
    """
    state, runs = options.state.expanduser().resolve(), options.runs.expanduser().resolve()
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(options.database or f"sqlite:///{state / DATABASE}")
    places = partial(places_of_team, state, runs, options.paper)
    store, throttle = Store(database, options.plan), Throttle()
    app = FastAPI(
        title="Forewalk",
        version=version("forewalk"),
        docs_url=None,  # both load their scripts from another host
        redoc_url=None,
        lifespan=_at_work,
        middleware=[
            Middleware(SafeHeaders),
            Middleware(KnownHosts, hosts=(*LOOPBACK, *options.allowed_hosts)),
            Middleware(BodyLimit),
            Middleware(Doorkeeper, store=store, throttle=throttle, options=options),
        ],
    )
    app.state.options = options
    app.state.state_folder, app.state.runs_folder = state, runs
    app.state.places = places
    app.state.database, app.state.store, app.state.throttle = database, store, throttle
    app.state.first_owner = None if options.is_for_one or store.people.any() else new_secret()
    app.state.jobs = Jobs(database, state / "jobs", places, store.plans.of, options.limits)
    app.state.webhooks = Webhooks(database, state, places, options.local_webhooks)
    app.state.practices = Practices(options.limits.memory_mb)
    install(app)
    app.state.error_page = error_page
    app.get("/health", include_in_schema=False)(health)
    app.include_router(api)
    app.include_router(pages)
    describe(app)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


@asynccontextmanager
async def _at_work(app: FastAPI) -> AsyncIterator[None]:
    app.state.jobs.start()
    app.state.webhooks.start()
    threading.Thread(target=_warm, daemon=True).start()
    try:
        yield
    finally:
        app.state.jobs.stop()
        app.state.webhooks.stop()
        app.state.practices.stop()
        app.state.database.close()


def _warm() -> None:
    """Load what takes a second, pandas and the example's prices, which the first reader need not wait for."""
    import_module("engine.forecast.track")
    example_prices()


async def health() -> dict[str, str]:
    """Say that the server answers."""
    return {"status": "ok"}
