"""ASGI middleware: who asks, whether the request comes from our own pages, how often, and the audit log."""

from __future__ import annotations

import asyncio
import logging
import time
from http.cookies import CookieError, SimpleCookie

from sqlalchemy.exc import OperationalError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.web.access.person import LOCAL_OWNER, Person
from engine.web.access.plans import PERSON_ALONE
from engine.web.access.store import Store
from engine.web.access.throttle import Asked, Throttle
from engine.web.options import Options
from engine.web.problems import WAIT, Problem, unwritten

LOOK_S = 1.0
READING = ("GET", "HEAD", "OPTIONS")
OPEN = ("/health", "/static/")  # asked without a look at who does
log = logging.getLogger("forewalk.web")
COOKIE, SECURE_COOKIE = "forewalk", "__Host-forewalk"


class Doorkeeper:
    """Puts `person` (or None) on `request.state`; refuses foreign writes (403) and too many requests (429).

    Args:
        store: of the people. throttle: that counts. options: of the server.
    """

    def __init__(self, app: ASGIApp, store: Store, throttle: Throttle, options: Options) -> None:
        self._app, self._store, self._throttle, self._options = app, store, throttle, options
        self._alone, self._looked = False, -LOOK_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look, count, write down, and let in."""
        if scope["type"] != "http" or scope["path"].startswith(OPEN):
            await self._app(scope, receive, send)
            return
        begun = False

        async def noticing(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._at_the_door(scope, receive, noticing)
        except OperationalError as error:
            if begun:
                raise
            await unwritten(error).response(WAIT)(scope, receive, send)

    async def _at_the_door(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, method = Headers(scope=scope), scope["method"]
        address = scope["client"][0] if scope.get("client") else "unknown"
        person = await self._person(headers)
        scope.setdefault("state", {})["person"] = person
        asked = await self._count(person, address)
        send = _with_headers(send, asked.headers())
        if "\0" in scope["path"]:
            await Problem.of(404, "nothing has a zero in its name").response()(scope, receive, send)
            return
        if not asked.allowed:
            problem = Problem.of(429, f"{asked.limit} requests a minute are allowed; wait {asked.reset_s} s")
            await problem.response()(scope, receive, send)
            return
        if method in READING:
            await self._app(scope, receive, send)
            return
        number = await asyncio.to_thread(self._store.audit.begin, person, method, scope["path"], address)
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if is_foreign(headers, person):
                problem = Problem.of(
                    403, "this request comes from a page of another site, or hides where from"
                )
                await problem.response()(scope, receive, noting)
            else:
                await self._app(scope, receive, noting)
        finally:
            await asyncio.to_thread(self._note_end, number, status)

    def _note_end(self, number: int, status: int) -> None:
        """Write down how a write was answered, which it has been, also where that cannot be written down."""
        try:
            self._store.audit.end(number, status)
        except OperationalError as error:
            log.error("the answer %s to write %s is not in the audit log: %s", status, number, error.orig)

    async def _person(self, headers: Headers) -> Person | None:
        kind, _, secret = headers.get("authorization", "").partition(" ")
        if kind:
            return (
                await asyncio.to_thread(self._store.keys.person, secret) if kind.lower() == "bearer" else None
            )
        if cookie := cookie_of(headers):
            return await asyncio.to_thread(self._store.people.of_session, cookie)
        if not self._options.is_for_one:
            return None
        if time.monotonic() - self._looked > LOOK_S:  # another server on the same database may have made one
            self._alone = not await asyncio.to_thread(self._store.people.any)
            self._looked = time.monotonic()
        return LOCAL_OWNER if self._alone else None

    async def _count(self, person: Person | None, address: str) -> Asked:
        if person is None:
            return self._throttle.ask(f"nobody at {address}", self._store.plans.own.requests_a_minute)
        if person is LOCAL_OWNER:
            return self._throttle.ask("local", PERSON_ALONE.requests_a_minute)
        plan = await asyncio.to_thread(self._store.plans.of, person.team)
        return self._throttle.ask(f"{person.via} {person.id}", plan.requests_a_minute)


def cookie_of(headers: Headers) -> str:
    """Return the secret of the session in the cookies; "" for none."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    found = cookies.get(SECURE_COOKIE) or cookies.get(COOKIE)
    return found.value if found else ""


def is_foreign(headers: Headers, person: Person | None) -> bool:
    """Whether a write may have been made by a page of another site, with the cookie or the place of a person.

    A key is not sent by a browser of itself. A browser says where a request is from; who says nothing is no browser,
    and is let in only where there is no cookie that could have been stolen.
    """
    if headers.get("authorization"):
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2].lower() != headers.get("host", "").lower()
    return bool(headers.get("cookie"))


def _with_headers(send: Send, more: dict[str, str]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(more)
        await send(message)

    return sending
