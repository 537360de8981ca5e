"""The websockets: `trade_updates` as JSON in binary frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from aiohttp import WSMsgType, web

from broker.simulator.bodies import trade_update
from broker.simulator.book import Event
from broker.simulator.core import Simulator


class Connection:
    """One listener and the frames that wait for it."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.listening = False

    async def write(self) -> None:
        """Send the frames of the outbox, for ever."""
        while True:
            await self.socket.send_bytes(await self.outbox.get())


class Streams:
    """Everybody who listens."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.connections: list[Connection] = []
        simulator.listeners.append(self.publish)

    def publish(self, events: Iterable[Event]) -> None:
        """Queue trade updates for everybody who listens to them; nothing is kept for who does not."""
        for event in events:
            frame = encode({"stream": "trade_updates", "data": trade_update(self.simulator.world, event)})
            for connection in self.connections:
                if connection.listening:
                    connection.outbox.put_nowait(frame)

    async def trading(self, request: web.Request) -> web.StreamResponse:
        """Serve /stream."""
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        connection = Connection(socket)
        self.connections.append(connection)
        writer = asyncio.create_task(connection.write())
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    for answer in self._answers(connection, json.loads(message.data)):
                        connection.outbox.put_nowait(encode(answer))
        finally:
            self.connections.remove(connection)
            writer.cancel()
        return socket

    def _answers(self, connection: Connection, message: dict[str, Any]) -> list[dict[str, Any]]:
        data = message.get("data") or {}
        if message.get("action") in ("authenticate", "auth"):
            key = data.get("key_id") or message.get("key") or ""
            secret = data.get("secret_key") or message.get("secret") or ""
            status = "authorized" if self.simulator.keys.accept(key, secret) else "unauthorized"
            return [{"stream": "authorization", "data": {"status": status, "action": "authenticate"}}]
        if message.get("action") == "listen":
            granted = [name for name in data.get("streams", []) if name == "trade_updates"]
            connection.listening = bool(granted)
            return [{"stream": "listening", "data": {"streams": granted}}]
        return []


def encode(message: Any) -> bytes:
    """Return the binary frame of a message."""
    return json.dumps(message).encode()
