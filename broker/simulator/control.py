"""The control port: time, prices, faults and the ground truth. Never part of the API's port.

Every command is POST /NAME with a JSON object; the answer is JSON. GET /state, /log, /health read.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from aiohttp import web

from broker.simulator import scenario
from broker.simulator.core import Simulator
from broker.simulator.orders import IllegalTransition
from broker.simulator.server import guard_host, read_json
from broker.simulator.values import Refusal, utc_text


def state(simulator: Simulator) -> dict[str, Any]:
    """Return the ground truth: orders, executions, positions, cash."""
    world = simulator.world
    snapshot = world.snapshot()
    return {
        "now": world.now,
        "time": utc_text(world.now),
        "account_id": world.account.id,
        "cash": str(world.book.cash),
        "equity": str(world.worth().equity),
        "positions": {symbol: str(item.qty) for symbol, item in sorted(world.book.positions.items())},
        "orders": snapshot["orders"],
        "ledger": snapshot["ledger"],
        "settings": {name: str(value) for name, value in asdict(world.settings).items()},
    }


def control_app(simulator: Simulator) -> web.Application:
    """Return the application of the control port."""

    async def command(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in scenario.COMMANDS:
            return _json(
                {"error": f"no command {name!r}; there are: {', '.join(sorted(scenario.COMMANDS))}"}, 404
            )
        if request.content_type != "application/json":
            return _json({"error": "send application/json"}, 415)
        try:
            body = await read_json(request) or {}
            result = simulator.command(name, body)
        except (Refusal, IllegalTransition, ValueError, TypeError, KeyError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)
        return _json(result)

    async def get_state(request: web.Request) -> web.Response:
        return _json(state(simulator))

    async def get_log(request: web.Request) -> web.Response:
        return _json(simulator.store.requests(int(request.query.get("since", 0))))

    async def get_health(request: web.Request) -> web.Response:
        return _json({"now": simulator.world.now, "time": utc_text(simulator.world.now)})

    app = web.Application(middlewares=[guard_host], client_max_size=64 * 2**20)
    app.router.add_post("/{name}", command)
    app.router.add_get("/state", get_state)
    app.router.add_get("/log", get_log)
    app.router.add_get("/health", get_health)
    return app


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, text=json.dumps(body, default=str), content_type="application/json")
