"""The commands of the control port that reach beyond the world: faults, streams, keys, snapshots."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from broker.simulator.serving import scenario
from broker.simulator.serving.core import START, Keys, SimulatorCore
from broker.simulator.serving.faults import FrameFault, HttpFault
from broker.simulator.values import utc_text


def run(simulator: SimulatorCore, name: str, body: Mapping[str, Any]) -> Any:
    """Run a command; what it changed is stored before its answer is known.

    Raises:
        KeyError: there is no such command. ValueError, TypeError, Refusal: it makes no sense here.
    """
    if name in COMMANDS:
        answer = COMMANDS[name](simulator, **body)
    else:
        answer = scenario.COMMANDS[name](simulator.world, **body)
    simulator.commit()
    return answer


def names() -> list[str]:
    """Return the names of all commands."""
    return sorted({*COMMANDS, *scenario.COMMANDS})


def http_fault(simulator: SimulatorCore, **rule: Any) -> Any:
    """Add a rule for requests; see `faults.HttpFault` for its fields."""
    simulator.faults.rules.append(HttpFault(**rule))
    return {}


def stream_fault(simulator: SimulatorCore, **rule: Any) -> Any:
    """Add a rule for frames; see `faults.FrameFault` for its fields."""
    simulator.frames.rules.append(FrameFault(**rule))
    return {}


def clear_faults(simulator: SimulatorCore) -> Any:
    """Let everything work again."""
    simulator.clear_faults()
    return {}


def index_delay(simulator: SimulatorCore, lookups: int, lists: bool = False) -> Any:
    """Answer 404 to the first look-ups of each client id; with `lists`, leave it out of lists until then."""
    simulator.faults.hidden_lookups = lookups
    simulator.faults.hidden_in_lists = lists
    return {}


def stream_mute(simulator: SimulatorCore, muted: bool = True, stream: str = "trading") -> Any:
    """Keep the connections of a stream but send nothing over them, or speak again."""
    if muted:
        simulator.frames.muted.add(stream)
    else:
        simulator.frames.muted.discard(stream)
    return {}


def stream_release(simulator: SimulatorCore, order: str = "fifo") -> Any:
    """Send the held frames: fifo, reverse or shuffle."""
    frames = simulator.frames.release(order)
    if simulator.wire is not None:
        simulator.wire.send(frames)
    return {"frames": len(frames)}


def stream_send(
    simulator: SimulatorCore, text: str | None = None, data: str | None = None, stream: str = "trading"
) -> Any:
    """Send a raw frame: `text` as a text frame, or `data` (base64) as a binary one."""
    if (text is None) == (data is None):
        raise ValueError("give one of `text` and `data`")
    raw: bytes | str = text if text is not None else base64.b64decode(data or "")
    return {"sent": simulator.wire.send_raw(stream, raw) if simulator.wire else 0}


def stream_close(simulator: SimulatorCore, code: int = 1011, stream: str = "trading") -> Any:
    """Close the connections of a stream with a code."""
    return {"closed": simulator.wire.close(stream, code) if simulator.wire else 0}


def stream_reset(simulator: SimulatorCore, stream: str = "trading") -> Any:
    """End the connections of a stream with RST."""
    return {"closed": simulator.wire.reset(stream) if simulator.wire else 0}


def stream_refuse(simulator: SimulatorCore, status: int = 429, count: int = 1, location: str = "") -> Any:
    """Refuse the next websocket handshakes with a status, or send them to another address."""
    simulator.handshake_location = location
    simulator.handshakes_refused[str(status)] = count
    return {}


def stream_listening(simulator: SimulatorCore, streams: list[str] | None = None) -> Any:
    """Grant these streams whatever is asked for, as [] does; None grants what is asked for again."""
    simulator.listening_override = streams
    return {}


def connections(simulator: SimulatorCore, single: bool | None = None) -> Any:
    """Return the number of open connections; `single=True` allows one of each stream only."""
    if single is not None:
        simulator.single_connection = single
    return simulator.wire.count() if simulator.wire else {}


def subscribed(simulator: SimulatorCore, stream: str = "trading") -> Any:
    """Return how many connections of a stream have been granted something to listen to."""
    return simulator.wire.subscribed(stream) if simulator.wire else 0


def keys(
    simulator: SimulatorCore, key: str | None = None, secret: str | None = None, revoked: bool = False
) -> Any:
    """Let in one key pair only (none given: any), or nobody (`revoked`)."""
    simulator.keys = Keys(key, secret)
    simulator.keys.revoked = revoked
    return {}


def rate_limit(simulator: SimulatorCore, per_minute: int) -> Any:
    """Allow so many requests a minute from now on, 0 for any number."""
    simulator.rate.per_minute = per_minute
    simulator.rate.used = 0
    return {}


def settings(simulator: SimulatorCore, **changes: Any) -> Any:
    """Change the market's settings; see `world.SimulatorSettings`. They do not survive a restart."""
    for name in ("slippage_bps", "spread_bps", "coin_fee_bps", "cash"):
        if name in changes:
            changes[name] = Decimal(str(changes[name]))
    if changes.get("market_fill", "path") not in ("open", "path"):
        raise ValueError("market_fill must be open or path")
    simulator.world.settings = replace(simulator.world.settings, **changes)
    return {}


def new_account(simulator: SimulatorCore, cash: str | None = None) -> Any:
    """Reset the paper account: a new id, no orders, no positions."""
    if cash is not None:
        settings(simulator, cash=cash)
    simulator.world.open_account()
    simulator.store.replace(simulator.world.snapshot())
    return {"account_id": simulator.world.account.id}


def snapshot(simulator: SimulatorCore, name: str) -> Any:
    """Keep the whole state under a name."""
    simulator.store.keep_snapshot(name, simulator.world.snapshot())
    return {}


def restore(simulator: SimulatorCore, name: str = START) -> Any:
    """Go back to a kept state; "start" is the one that the simulator began with. Faults are forgotten."""
    state = simulator.store.snapshot(name)
    if state is None:
        raise ValueError(f"no snapshot {name!r}")
    simulator.restore(state)
    clear_faults(simulator)
    return {"now": simulator.world.now, "time": utc_text(simulator.world.now)}


def clear_log(simulator: SimulatorCore) -> Any:
    """Forget the request log."""
    simulator.store.clear_log()
    return {}


COMMANDS: dict[str, Callable[..., Any]] = {
    command.__name__: command
    for command in (
        http_fault,
        stream_fault,
        clear_faults,
        index_delay,
        stream_mute,
        stream_release,
        stream_send,
        stream_close,
        stream_reset,
        stream_refuse,
        stream_listening,
        connections,
        subscribed,
        keys,
        rate_limit,
        settings,
        new_account,
        snapshot,
        restore,
        clear_log,
    )
}
