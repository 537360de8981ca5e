"""Put a simulator together from the command line's options, and let it run."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Awaitable

from broker.simulator.loading import load_bars
from broker.simulator.serving.control import control_app
from broker.simulator.serving.core import Keys, SimulatorCore
from broker.simulator.serving.scenario import news
from broker.simulator.serving.server import api_app, loopback_socket, serve
from broker.simulator.serving.store import Store
from broker.simulator.values import SECOND, Refusal
from broker.simulator.world.exchange import advance
from broker.simulator.world.state import SimulatorSettings, World, start_of
from forewalk.errors import ConfigError

PORT, CONTROL_PORT = 8787, 8788
TICK_SECONDS = 0.05  # how often a clock that runs by itself is moved


def build(options: argparse.Namespace) -> tuple[SimulatorCore, tuple[socket.socket, socket.socket]]:
    """Return the simulator and its two bound sockets: API and control.

    Raises:
        ConfigError: the host is not loopback, the key looks real, a port is taken, or an option makes no sense.
        DataError: the bars cannot be used.
    """
    bars = load_bars(options.bars)
    settings = SimulatorSettings(
        seed=options.seed,
        cash=options.cash,
        market_fill=options.market_fill,
        slippage_bps=options.slippage_bps,
        coin_fee_bps=options.coin_fee_bps,
        partial_probability=options.partial_probability,
        running_bar=options.running_bar,
    )
    try:
        keys = Keys(options.key, options.secret)
        world = World(bars, start_of(bars, options.start), settings)
        if options.news is not None:
            news(world, json.loads(options.news.read_text(encoding="utf-8")))
        simulator = SimulatorCore(world, Store(options.state), keys, options.rate_limit)
        return simulator, _bind(options)
    except (ValueError, Refusal) as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        raise ConfigError(f"{error.filename or 'ports'}: {error.strerror}") from None


def _bind(options: argparse.Namespace) -> tuple[socket.socket, socket.socket]:
    api = _socket(options.port, PORT, options.host)
    try:
        return api, _socket(options.control_port, CONTROL_PORT, options.host)
    except OSError as error:
        api.close()
        raise ConfigError(f"port {options.control_port}: {error.strerror}") from None


def _socket(asked: int | None, usual: int, host: str) -> socket.socket:
    """Return a socket on the port asked for; without one on the usual port, or a free one where that is taken."""
    if asked is not None:
        return loopback_socket(asked, host)
    try:
        return loopback_socket(usual, host)
    except OSError:
        return loopback_socket(0, host)


def announce(api: socket.socket, control: socket.socket) -> None:
    """Print the ports and the process as one line of JSON, for whoever started it."""
    ports = {"port": api.getsockname()[1], "control_port": control.getsockname()[1], "pid": os.getpid()}
    print(json.dumps(ports), flush=True)


def run(simulator: SimulatorCore, api: socket.socket, control: socket.socket, speed: float = 0.0) -> None:
    """Serve until SIGTERM or Ctrl-C; with a speed, let the virtual clock run by itself.

    The ports are announced on standard output as soon as they answer.
    """

    async def main() -> None:
        runners = [await serve(api_app(simulator), api), await serve(control_app(simulator), control)]
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        announce(api, control)
        work: list[Awaitable[object]] = [stopped.wait()]
        if speed > 0:
            work.append(_tick(simulator, speed, stopped))
        try:
            await asyncio.gather(*work)
        finally:
            for runner in runners:
                await runner.cleanup()
            simulator.store.close()

    asyncio.run(main())


async def _tick(simulator: SimulatorCore, speed: float, stopped: asyncio.Event) -> None:
    before = time.monotonic()
    while not stopped.is_set():
        await asyncio.sleep(TICK_SECONDS)
        now = time.monotonic()
        advance(simulator.world, simulator.world.now + int((now - before) * speed * SECOND))
        simulator.commit()
        before = now
