"""`python -m broker.simulator`: Alpaca's paper API on this machine."""

from __future__ import annotations

import argparse
import sys
from decimal import Decimal
from pathlib import Path

try:
    from forewalk.errors import EXIT_INTERRUPTED, EXIT_USAGE, ForewalkError
except ImportError as problem:  # a folder of the user's is in the way
    sys.exit(f"error: {problem}")


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
    command.add_argument(
        "--port", type=_port, help="port of the API; 0 takes a free one; default: 8787, or a free one"
    )
    command.add_argument(
        "--control-port",
        type=_port,
        help="port of the control API; 0 takes a free one; default: 8788, or a free one",
    )
    command.add_argument("--state", type=Path, help="SQLite file that survives a restart; default: memory")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--cash", type=Decimal, default=Decimal(100_000))
    command.add_argument(
        "--market-fill",
        choices=("open", "path"),
        default="path",
        help="at the moment's price, or at the bar's open as in a backtest, which lies before the order",
    )
    command.add_argument(
        "--running-bar", action="store_true", help="show the bar that has not closed yet, too"
    )
    command.add_argument("--slippage-bps", type=Decimal, default=Decimal(0))
    command.add_argument("--coin-fee-bps", type=Decimal, default=Decimal(25), help="of coins (BTC/USD) alone")
    command.add_argument(
        "--partial-probability", type=float, default=0.0, help="of each fill; Alpaca's paper account: 0.1"
    )
    command.add_argument(
        "--rate-limit", type=int, default=200, metavar="N", help="requests a minute, 0 for any number"
    )
    command.add_argument("--key", help="the only API key to let in; default: any that does not look real")
    command.add_argument("--secret", help="and its secret")
    command.add_argument("--host", default="127.0.0.1", help="127.0.0.1; anything else is refused")
    command.add_argument(
        "--speed", type=float, default=0.0, help="virtual seconds to a second; 0: the control port moves time"
    )
    command.add_argument("--news", type=Path, help="JSON file with a list of articles")
    return command


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; 0 to 65535")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        from broker.simulator.running import build, run
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed; run: pip install 'forewalk[simulator]'", file=sys.stderr)
        return EXIT_USAGE
    try:
        simulator, sockets = build(options)
    except ForewalkError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    try:
        run(simulator, *sockets, options.speed)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
