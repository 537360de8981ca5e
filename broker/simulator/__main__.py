"""`python -m broker.simulator`: Alpaca's paper API on this machine."""

from __future__ import annotations

import argparse
import json
import os
import sys
from decimal import Decimal
from pathlib import Path

from engine.errors import EXIT_INTERRUPTED, EXIT_USAGE, ForewalkError


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    command = argparse.ArgumentParser(prog="python -m broker.simulator", description=__doc__)
    command.add_argument(
        "--bars",
        default="synthetic",
        help="prices to replay: sample, synthetic[:A,B], .npz, csv, parquet, folder",
    )
    command.add_argument(
        "--start", help="start of the virtual clock (RFC 3339 or a date); default: the first bar"
    )
    command.add_argument("--port", type=int, default=8787, help="port of the API; 0 takes a free one")
    command.add_argument(
        "--control-port", type=int, default=8788, help="port of the control API; 0 takes a free one"
    )
    command.add_argument("--state", type=Path, help="SQLite file that survives a restart; default: memory")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--cash", type=Decimal, default=Decimal(100_000))
    command.add_argument("--slippage-bps", type=Decimal, default=Decimal(0))
    command.add_argument("--partial-probability", type=float, default=0.0)
    return command


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        from broker.simulator.control import control_app
        from broker.simulator.core import Simulator
        from broker.simulator.server import api_app, loopback_socket, run_until_cancelled
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed; run: pip install 'forewalk[simulator]'", file=sys.stderr)
        return EXIT_USAGE
    from broker.simulator.loading import load_bars
    from broker.simulator.store import Store
    from broker.simulator.world import SimulatorSettings, World, start_of

    try:
        bars = load_bars(options.bars)
    except ForewalkError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    settings = SimulatorSettings(
        options.seed, options.cash, options.slippage_bps, options.partial_probability
    )
    api, control = loopback_socket(options.port), loopback_socket(options.control_port)
    simulator = Simulator(World(bars, start_of(bars, options.start), settings), Store(options.state))
    ports = {"port": api.getsockname()[1], "control_port": control.getsockname()[1], "pid": os.getpid()}
    print(json.dumps(ports), flush=True)
    try:
        run_until_cancelled((api_app(simulator), api), (control_app(simulator), control))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
