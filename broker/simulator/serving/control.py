"""The control port: time, prices, faults and the ground truth. Never part of the API's port.

Every command is POST /NAME with a JSON object; the answer is JSON. GET /state, /log, /health read.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from aiohttp import web

from broker.simulator.serving import commands
from broker.simulator.serving.core import SimulatorCore
from broker.simulator.serving.server import guard_host
from broker.simulator.serving.stream import Streams
from broker.simulator.values import Refusal, utc_text
from broker.simulator.world.orders import IllegalTransition

MAX_COMMAND = 64 * 2**20


def state(simulator: SimulatorCore) -> dict[str, Any]:
    """Return the ground truth: orders, executions, positions, cash; numbers as text."""
    world = simulator.world
    kept = world.snapshot()
    return {
        "now": world.now,
        "time": utc_text(world.now),
        "account": kept["account"],
        "cash": str(world.book.cash),
        "equity": str(world.worth().equity),
        "positions": {symbol: str(item.qty) for symbol, item in sorted(world.book.positions.items())},
        "orders": kept["orders"],
        "ledger": kept["ledger"],
        "marks": kept["marks"],
        "settings": {name: str(value) for name, value in asdict(world.settings).items()},
        "connections": simulator.wire.count() if simulator.wire else {},
    }


def control_app(simulator: SimulatorCore) -> web.Application:
    """Return the application of the control port."""

    async def command(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in commands.names():
            return _json({"error": f"no command {name!r}; there are: {', '.join(commands.names())}"}, 404)
        if request.content_type != "application/json":  # a page in a browser cannot send it across origins
            return _json({"error": "send application/json"}, 415)
        try:
            result = commands.run(simulator, name, json.loads(await request.text() or "{}"))
        except (Refusal, IllegalTransition, ValueError, TypeError, KeyError, ArithmeticError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)
        if isinstance(simulator.wire, Streams):
            await simulator.wire.flush()
        return _json(result)

    async def get_state(request: web.Request) -> web.Response:
        return _json(state(simulator))

    async def get_log(request: web.Request) -> web.Response:
        return _json(simulator.store.requests(int(request.query.get("since", 0))))

    async def get_health(request: web.Request) -> web.Response:
        return _json({"now": simulator.world.now, "time": utc_text(simulator.world.now)})

    app = web.Application(middlewares=[guard_host], client_max_size=MAX_COMMAND)
    app.router.add_post("/{name}", command)
    app.router.add_get("/state", get_state)
    app.router.add_get("/log", get_log)
    app.router.add_get("/health", get_health)
    return app


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, text=json.dumps(body, default=str), content_type="application/json")
