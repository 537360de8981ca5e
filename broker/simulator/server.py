"""The shell: sockets in front of the pure routes. One port serves HTTP and websockets, loopback only."""

from __future__ import annotations

import asyncio
import json
import socket
from decimal import Decimal
from typing import Any

from aiohttp import web

from broker.simulator import prices, trading
from broker.simulator.core import Simulator
from broker.simulator.stream import Streams
from broker.simulator.trading import Call, Reply, Route
from broker.simulator.values import Refusal

LOOPBACK = "127.0.0.1"
HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
UNAUTHORIZED = Reply(401, {"message": "unauthorized."})
MAX_BODY = 1_000_000


def api_app(simulator: Simulator) -> web.Application:
    """Return the application of the API's port."""
    app = web.Application(middlewares=[guard_host], client_max_size=MAX_BODY)
    for method, path, route in (*trading.ROUTES, *prices.ROUTES):
        app.router.add_route(method, path, handler(simulator, route))
    app.router.add_get("/stream", Streams(simulator).trading)
    return app


def handler(simulator: Simulator, route: Route) -> Any:
    """Return the aiohttp handler of a route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return as_response(await reply_to(simulator, request, route))

    return handle


async def reply_to(simulator: Simulator, request: web.Request, route: Route) -> Reply:
    """Return the answer to one request, and log it."""
    key = request.headers.get("APCA-API-KEY-ID", "")
    if not simulator.keys.accept(key, request.headers.get("APCA-API-SECRET-KEY", "")):
        return UNAUTHORIZED
    try:
        call = Call(dict(request.match_info), dict(request.query), await read_json(request))
    except Refusal as refusal:
        return Reply(refusal.status, refusal.body)
    reply = simulator.answer(route, call)
    simulator.store.log(
        {
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "body": json.loads(json.dumps(call.body, default=str)),
            "status": reply.status,
            "at": simulator.world.now,
        }
    )
    return reply


async def read_json(request: web.Request) -> Any:
    """Return the JSON body with exact numbers, None for an empty one; 400 for what is no JSON."""
    text = await request.text()
    if not text:
        return None
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError):
        raise Refusal(400, 40010000, "request body format is invalid") from None


def as_response(reply: Reply) -> web.Response:
    """Return the HTTP response of a reply."""
    if reply.body is None:
        return web.Response(status=reply.status)
    return web.Response(status=reply.status, text=json.dumps(reply.body), content_type="application/json")


@web.middleware
async def guard_host(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer 421 to a Host that is not loopback, so that no web page can reach the simulator by a name."""
    if request.host.rpartition(":")[0] not in HOSTS:
        return web.Response(status=421, text="only loopback hosts are served")
    response: web.StreamResponse = await handler(request)
    return response


def loopback_socket(port: int) -> socket.socket:
    """Return a listening socket on 127.0.0.1; port 0 takes a free one."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    return listener


async def serve(app: web.Application, listener: socket.socket) -> web.AppRunner:
    """Start serving an application on a socket."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner


def run_until_cancelled(*apps: tuple[web.Application, socket.socket]) -> None:
    """Serve until the process is told to stop."""

    async def main() -> None:
        runners = [await serve(app, listener) for app, listener in apps]
        try:
            await asyncio.Event().wait()
        finally:
            for runner in runners:
                await runner.cleanup()

    asyncio.run(main())
