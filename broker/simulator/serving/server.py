"""The API's port: who is let in, how fast, with which faults, and a line in the log for each request."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from decimal import Decimal
from typing import Any

from aiohttp import web

from broker.simulator.calls import Call, Reply, Route
from broker.simulator.routes import coins, corporate, extras, history, news, prices, trading
from broker.simulator.serving.core import SimulatorCore
from broker.simulator.serving.responses import as_response, misbehave
from broker.simulator.serving.stream import Streams
from broker.simulator.values import Refusal

LOOPBACK = "127.0.0.1"
HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
UNAUTHORIZED = Reply(401, {"message": "unauthorized."})
TOO_MANY = Reply(429, {"code": 42910000, "message": "rate limit exceeded"})
MAX_BODY = 1_000_000
# Calls that Alpaca has and this simulator has not: who makes one must not take the answer for Alpaca's own.
NOT_MODELLED = re.compile(
    r"/(v1beta[123]/(options|crypto|screener|forex|fixed_income|logos)|v2/(options|crypto|wallets|perpetuals|rfq|tokenization)|v3)\b"
    r"|/v2/positions/[^/]+/do-not-exercise|/v1/locates\b|/v2/stocks/(meta|auctions|[^/]+/auctions)\b"
)
KEYLESS = "/v1beta3/crypto/"  # as alpaca-py says of its client for coins: no authentication needed
ROUTES = (
    *trading.ROUTES,
    *history.ROUTES,
    *extras.ROUTES,
    *corporate.ROUTES,
    *prices.ROUTES,
    *coins.ROUTES,
    *news.ROUTES,
)


def api_app(simulator: SimulatorCore) -> web.Application:
    """Return the application of the API's port."""
    app = web.Application(middlewares=[guard_host], client_max_size=MAX_BODY)
    streams = Streams(simulator)
    for method, path, route in ROUTES:
        handler = _handler(simulator, route)
        if route is news.get_news:  # the one path that is REST and stream at once
            handler = _either(handler, streams.serve_data)
        app.router.add_route(method, path, handler)
    streams.add_routes(app)
    app.router.add_route("*", "/{path:.*}", _handler(simulator, _no_such_endpoint))
    return app


def _no_such_endpoint(world: Any, call: Call) -> Reply:
    path = "/" + call.params.get("path", "")
    if not NOT_MODELLED.match(path):
        return Reply(404, {"code": 40410000, "message": "endpoint not found"})
    modelled = sorted({f"{method} {place}" for method, place, _ in ROUTES})
    message = f"{path[:100]} is a call of Alpaca's that this simulator does not model"
    return Reply(501, {"code": 50110000, "message": message, "modelled": modelled})


def _either(rest: Any, websocket: Any) -> Any:
    async def handle(request: web.Request) -> web.StreamResponse:
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        response: web.StreamResponse = await (websocket if upgrade else rest)(request)
        return response

    return handle


def _handler(simulator: SimulatorCore, route: Route) -> Any:
    async def handle(request: web.Request) -> web.StreamResponse:
        record: dict[str, Any] = {
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "body": None,
            "status": 0,
            "at": simulator.world.now,
            "accepted": False,
            "fault": None,
        }
        cleared = simulator.store.logs_cleared
        try:
            return await _answer(simulator, request, route, record)
        finally:
            if simulator.store.logs_cleared == cleared:  # a stalled answer may outlive the log it belongs to
                simulator.store.log(record)

    return handle


async def _answer(
    simulator: SimulatorCore, request: web.Request, route: Route, record: dict[str, Any]
) -> web.StreamResponse:
    """Return the answer to one request; `record` is filled in for the log."""
    fault = simulator.faults.take(request.method, request.path)
    refused = _refused(simulator, request)
    headers = simulator.rate.headers()
    if refused is not None:
        record["status"] = refused.status
        return as_response(refused, headers)
    if fault is not None:
        record["fault"] = f"{fault.when}: {fault.action}"
    if fault is not None and fault.when == "before":
        if fault.action != "stall":
            record["body"] = _logged(await request.text())
            return _seen(record, await misbehave(request, fault, None, headers))
        await asyncio.sleep(fault.seconds)
    reply = await _perform(simulator, request, route, record)
    if fault is not None and fault.when == "after":
        return _seen(record, await misbehave(request, fault, reply, headers))
    record["status"] = reply.status
    return as_response(reply, headers)


def _refused(simulator: SimulatorCore, request: web.Request) -> Reply | None:
    pair = [request.headers.get(f"APCA-API-{name}") for name in ("KEY-ID", "SECRET-KEY")]
    keyless = pair == [None, None] and request.path.startswith(KEYLESS)
    if not keyless and not simulator.keys.accept(pair[0] or "", pair[1] or ""):
        return UNAUTHORIZED
    # Wall time: the limit protects the server from a client, whatever the virtual clock says.
    return None if simulator.rate.take(time.time()) else TOO_MANY


async def _perform(
    simulator: SimulatorCore, request: web.Request, route: Route, record: dict[str, Any]
) -> Reply:
    """Run the route; the order that a request made is in the log, for the ground truth."""
    text = await request.text()
    record["body"] = _logged(text)
    try:
        call = Call(dict(request.match_info), dict(request.query), parse_json(text))
    except Refusal as refusal:
        return Reply(refusal.status, refusal.body)
    client_id = call.query.get("client_order_id")
    if route is trading.get_order_by_client_id and client_id and simulator.faults.hide_lookup(client_id):
        return Reply(404, {"code": 40410000, "message": f"order not found for {client_id[:128]}"})
    reply = simulator.answer(route, call)
    record["accepted"] = reply.status < 400
    if isinstance(reply.body, dict) and request.method == "POST":
        record["order_id"] = reply.body.get("id")
    if route is trading.get_orders and isinstance(reply.body, list):
        shown = [item for item in reply.body if not simulator.faults.hides(item["client_order_id"])]
        return Reply(reply.status, shown)
    return reply


def _seen(record: dict[str, Any], response: web.StreamResponse) -> web.StreamResponse:
    record["status"] = response.status
    return response


def _logged(text: str) -> Any:
    """Return the body for the log: JSON where it is JSON."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text[:1000]


def parse_json(text: str) -> Any:
    """Return the JSON body with exact numbers, None for an empty one; 400 for what is no JSON."""
    if not text:
        return None
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError):
        raise Refusal(400, 40010000, "request body format is invalid") from None


@web.middleware
async def guard_host(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer 421 to a Host that is not loopback, so that no web page can reach the simulator by a name."""
    host, _, port = request.host.rpartition(":")
    if (host or port) not in HOSTS:
        return web.Response(status=421, text="only loopback hosts are served")
    response: web.StreamResponse = await handler(request)
    return response


def loopback_socket(port: int, host: str = LOOPBACK) -> socket.socket:
    """Return a bound socket on 127.0.0.1; port 0 takes a free one; any other host raises ValueError."""
    if host != LOOPBACK:
        raise ValueError(f"the simulator listens on {LOOPBACK} only, not on {host!r}")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)  # from here on a client is queued, not refused
    except OSError:
        listener.close()
        raise
    return listener


async def serve(app: web.Application, listener: socket.socket) -> web.AppRunner:
    """Start serving an application on a socket."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner
