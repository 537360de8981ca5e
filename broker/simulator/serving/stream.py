"""The websockets: `trade_updates` as JSON in binary frames, market data and news as msgpack."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import msgpack
from aiohttp import WSMsgType, web

from broker.simulator.routes.bodies import trade_update
from broker.simulator.serving.core import SimulatorCore
from broker.simulator.serving.faults import Frame
from broker.simulator.serving.responses import reset
from broker.simulator.serving.ticks import ticks
from broker.simulator.values import parse_instant
from broker.simulator.world.book import Event

CHANNELS = {
    "b": "bars",
    "d": "dailyBars",
    "u": "updatedBars",
    "t": "trades",
    "q": "quotes",
    "s": "statuses",
    "n": "news",
}
SUBSCRIBABLE = (*CHANNELS.values(), "corrections", "cancelErrors", "lulds", "orderbooks")
FLUSH_SECONDS = 2.0
ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    406: "connection limit exceeded",
}


class Connection:
    """One listener, what it wants, and the frames that wait for it."""

    def __init__(self, stream: str, request: web.Request) -> None:
        self.stream = stream
        self.request = request
        self.socket = web.WebSocketResponse(max_msg_size=2**24)
        self.packed = stream == "data" and request.headers.get("Content-Type") == "application/msgpack"
        self.outbox: asyncio.Queue[bytes | str] = asyncio.Queue()
        self.authorized = False
        self.wanted: dict[str, set[str]] = {}

    def put(self, message: Any) -> None:
        """Queue a message in this connection's encoding."""
        self.outbox.put_nowait(encode(message, self.stream, self.packed))

    def wants(self, frame: Frame) -> bool:
        """Tell whether the connection listens to the frame."""
        if frame.stream == "trading":
            return self.stream == "trading" and "trade_updates" in self.wanted
        names = self.wanted.get(CHANNELS.get(frame.event, ""), set())
        symbols = set(frame.symbol.split(",")) if frame.symbol else {"*"}
        return self.stream == "data" and bool(names & (symbols | {"*"}))

    async def write(self) -> None:
        """Send the frames of the outbox, for ever."""
        while True:
            data = await self.outbox.get()
            with contextlib.suppress(
                ConnectionError, RuntimeError
            ):  # it hung up; reading ends the connection
                if isinstance(data, str):
                    await self.socket.send_str(data)
                else:
                    await self.socket.send_bytes(data)
            self.outbox.task_done()


class Streams:
    """Everybody who listens."""

    def __init__(self, simulator: SimulatorCore) -> None:
        self.simulator = simulator
        self.connections: list[Connection] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        simulator.wire = self

    def add_routes(self, app: web.Application) -> None:
        """Add the websocket routes."""
        app.router.add_get("/stream", self._serve_trading)
        app.router.add_get("/v2/{feed:iex|sip|delayed_sip|test|boats|overnight}", self.serve_data)

    def publish(self, events: list[Event]) -> None:
        """Send trade updates and the market data of the time that has passed; who is not there misses them."""
        world = self.simulator.world
        first, world.streamed_until = world.streamed_until, max(world.now, world.streamed_until)
        if not self.connections:
            return
        frames = [
            Frame("trading", event.name, {"stream": "trade_updates", "data": trade_update(world, event)})
            for event in events
        ]
        if any(connection.stream == "data" for connection in self.connections):
            frames += ticks(world, first, world.streamed_until, self._subscribed)
        for frame in frames:
            self.send(self.simulator.frames.pass_on(frame))

    def send(self, frames: list[Frame]) -> None:
        """Queue frames for everybody who wants them."""
        for frame in frames:
            for connection in self.connections:
                if connection.authorized and connection.wants(frame):
                    if frame.seconds:
                        asyncio.get_running_loop().call_later(frame.seconds, connection.put, frame.body)
                    else:
                        connection.put(frame.body)

    def send_raw(self, stream: str, data: bytes | str) -> int:
        """Queue bytes or text as they are."""
        chosen = self._of(stream)
        for connection in chosen:
            connection.outbox.put_nowait(data)
        return len(chosen)

    def close(self, stream: str, code: int) -> int:
        """Close the connections of a stream with a code."""
        chosen = self._of(stream)
        for connection in chosen:
            self._background(connection.socket.close(code=code))
        return len(chosen)

    def reset(self, stream: str) -> int:
        """End the connections of a stream with RST."""
        chosen = self._of(stream)
        for connection in chosen:
            reset(connection.request.transport)
        return len(chosen)

    def subscribed(self, stream: str) -> int:
        """Return how many connections of a stream listen to something."""
        if stream == "trading":
            return sum("trade_updates" in connection.wanted for connection in self._of(stream))
        return sum(any(connection.wanted.values()) for connection in self._of(stream))

    def count(self) -> dict[str, int]:
        """Return the number of open connections of each stream."""
        return {stream: len(self._of(stream)) for stream in ("trading", "data")}

    async def flush(self) -> None:
        """Wait until every queued frame is on its way, two seconds at most."""
        waiting = [connection.outbox.join() for connection in self.connections]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*waiting), FLUSH_SECONDS)

    def _of(self, stream: str) -> list[Connection]:
        return [connection for connection in self.connections if connection.stream == stream]

    def _subscribed(self, channel: str, symbol: str) -> bool:
        names = [connection.wanted.get(channel, set()) for connection in self._of("data")]
        return any(symbol in wanted or "*" in wanted for wanted in names)

    def _background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def serve_data(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection of market data or news."""
        return await self._serve(Connection("data", request))

    async def _serve_trading(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(Connection("trading", request))

    async def _serve(self, connection: Connection) -> web.StreamResponse:
        refused = self._refused_handshake(connection)
        record = {"method": "WS", "path": connection.request.path, "status": refused or 101}
        self.simulator.store.log({**record, "query": {}, "at": self.simulator.world.now})
        if refused:
            location = self.simulator.handshake_location
            headers = {"Location": location} if location else {}
            return web.json_response({"message": "connection refused"}, status=refused, headers=headers)
        await connection.socket.prepare(connection.request)
        self.connections.append(connection)
        writer = asyncio.create_task(connection.write())
        try:
            if connection.stream == "data":
                connection.put([{"T": "success", "msg": "connected"}])
            async for message in connection.socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._hear(connection, message.data)
        finally:
            self.connections.remove(connection)
            writer.cancel()
        return connection.socket

    def _refused_handshake(self, connection: Connection) -> int:
        refusals = self.simulator.handshakes_refused
        for status, left in refusals.items():
            if left > 0:
                refusals[status] = left - 1
                return int(status)
        taken = connection.stream == "trading" and self._of("trading")
        return 429 if taken and self.simulator.single_connection else 0

    def _hear(self, connection: Connection, data: bytes | str) -> None:
        try:
            message = decode(data)
        except (ValueError, TypeError, msgpack.UnpackException):
            message = None
        if not isinstance(message, dict):
            if connection.stream == "data":
                connection.put(error(400))
            return
        answer = self._trading_answer if connection.stream == "trading" else self._data_answer
        for reply in answer(connection, message):
            connection.put(reply)

    def _trading_answer(self, connection: Connection, message: dict[str, Any]) -> list[Any]:
        data = message.get("data") or {}
        action = message.get("action")
        if action in ("authenticate", "auth"):
            key, secret = (
                data.get("key_id") or message.get("key"),
                data.get("secret_key") or message.get("secret"),
            )
            connection.authorized = self.simulator.keys.accept(str(key or ""), str(secret or ""))
            status = "authorized" if connection.authorized else "unauthorized"
            return [{"stream": "authorization", "data": {"status": status, "action": "authenticate"}}]
        if action == "listen":
            asked = data.get("streams") or []
            granted = [name for name in asked if name == "trade_updates" and connection.authorized]
            if self.simulator.listening_override is not None:
                granted = self.simulator.listening_override
            connection.wanted = {name: set() for name in granted}
            return [{"stream": "listening", "data": {"streams": granted}}]
        return []

    def _data_answer(self, connection: Connection, message: dict[str, Any]) -> list[Any]:
        action = message.get("action")
        if action == "auth":
            return [self._data_auth(connection, message)]
        if not connection.authorized:
            return [error(401)]
        if action not in ("subscribe", "unsubscribe"):
            return [error(400)]
        for channel in SUBSCRIBABLE:
            names = set(message.get(channel) or ())
            current = connection.wanted.setdefault(channel, set())
            connection.wanted[channel] = current | names if action == "subscribe" else current - names
        granted = {channel: sorted(names) for channel, names in connection.wanted.items()}
        return [[{"T": "subscription", **granted}]]

    def _data_auth(self, connection: Connection, message: dict[str, Any]) -> list[dict[str, Any]]:
        if connection.authorized:
            return error(403)
        if not self.simulator.keys.accept(str(message.get("key", "")), str(message.get("secret", ""))):
            return error(402)
        if self.simulator.single_connection and len(self._of("data")) > 1:
            return error(406)
        connection.authorized = True
        return [{"T": "success", "msg": "authenticated"}]


def error(code: int) -> list[dict[str, Any]]:
    """Return the error message of the market-data stream."""
    return [{"T": "error", "code": code, "msg": ERRORS[code]}]


def decode(data: bytes | str) -> Any:
    """Return a client's message: JSON as text or bytes, or msgpack."""
    if isinstance(data, bytes) and data[:1] not in (b"{", b"["):
        return msgpack.unpackb(data)
    return json.loads(data)


def encode(message: Any, stream: str, packed: bool) -> bytes | str:
    """Return a frame: trading JSON goes out in binary frames, market data as msgpack or as text."""
    if stream == "trading":
        return json.dumps(message).encode()
    if packed:
        packed_bytes: bytes = msgpack.packb([_with_stamps(item) for item in message])
        return packed_bytes
    return json.dumps(message)


def _with_stamps(item: dict[str, Any]) -> dict[str, Any]:
    """Return a message with its times as msgpack timestamps, as alpaca-py demands."""
    return {
        key: msgpack.Timestamp.from_unix_nano(parse_instant(value))
        if key in ("t", "created_at", "updated_at") and isinstance(value, str)
        else value
        for key, value in item.items()
    }
