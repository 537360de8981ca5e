"""Answers as they must not be: cut short, dripping, reset. Works on the connection below HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

from aiohttp import web

from broker.simulator.calls import Reply
from broker.simulator.serving.faults import HttpFault, edited

HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
NOWHERE = "http://127.0.0.1:9/moved"


def as_response(reply: Reply, headers: dict[str, str] | None = None) -> web.Response:
    """Return the HTTP response of a reply."""
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    text = json.dumps(reply.body)
    return web.Response(status=reply.status, text=text, content_type="application/json", headers=headers)


async def misbehave(
    request: web.Request, fault: HttpFault, reply: Reply | None, headers: dict[str, str]
) -> web.StreamResponse:
    """Answer as the fault says; `reply` is the honest answer where the broker has one.

    A "stall" without a reply must be waited for by the caller, who then goes on.
    """
    honest = reply if reply is not None else Reply(200, {})
    if fault.action == "stall":
        await asyncio.sleep(fault.seconds)
        return as_response(honest, headers)
    if fault.action == "edit":
        body = edited(honest.body, fault.body or {}, request.query.get("page_token"))
        return as_response(Reply(honest.status, body), headers)
    if fault.action == "reset":
        reset(request.transport)
        return web.Response()
    if fault.action == "truncate":
        return await _truncate(request, honest)
    if fault.action == "drip":
        return await _drip(request, honest, fault.seconds)
    return _instead(fault, honest)


def reset(transport: asyncio.BaseTransport | None) -> None:
    """End a connection with RST instead of FIN."""
    if not isinstance(transport, asyncio.Transport):
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _instead(fault: HttpFault, honest: Reply) -> web.Response:
    """Return a whole answer that is not the honest one."""
    if fault.action == "empty":
        return web.Response(status=200, headers=fault.headers)
    if fault.action == "html":
        status = fault.status if fault.status != 500 else 502
        return web.Response(status=status, text=HTML, content_type="text/html", headers=fault.headers)
    if fault.action == "redirect":
        return web.Response(status=301, headers={"Location": NOWHERE, **fault.headers})
    body: Any = fault.body
    if body is None:
        body = {"code": fault.status * 100_000, "message": "injected fault"}
    text = body if isinstance(body, str) else json.dumps(body)
    status = honest.status if fault.action == "body" and fault.status == 500 else fault.status
    return web.Response(status=status, text=text, content_type="application/json", headers=fault.headers)


async def _truncate(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Promise the whole body, send half of it, hang up."""
    data = json.dumps(reply.body).encode()
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": "application/json"})
    response.content_length = len(data)
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _drip(request: web.Request, reply: Reply, seconds: float) -> web.StreamResponse:
    """Send the body byte by byte."""
    data = json.dumps(reply.body).encode()
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": "application/json"})
    response.content_length = len(data)
    await response.prepare(request)
    try:
        for position in range(len(data)):
            await response.write(data[position : position + 1])
            await asyncio.sleep(seconds)
    except ConnectionError:  # the client had enough
        pass
    return response
