"""One running simulator without its sockets: the world, where it is kept, who is let in, what goes wrong."""

from __future__ import annotations

import re
from typing import Any, Protocol

from broker.simulator.calls import Call, Reply, Route
from broker.simulator.serving.faults import Faults, Frame, FrameFilter, RateLimit
from broker.simulator.serving.store import Store
from broker.simulator.values import Refusal
from broker.simulator.world.book import Event
from broker.simulator.world.state import World, take_batch

START = "start"  # name of the snapshot that every new simulator keeps of itself
_REAL_KEY = re.compile(r"(PK|AK)[A-Z0-9]{14,}", re.IGNORECASE)


class Keys:
    """Which key pair is let in: any that does not look like Alpaca's, or one that was set."""

    def __init__(self, key: str | None = None, secret: str | None = None) -> None:
        if key is not None and looks_real(key):
            raise ValueError(
                "this looks like a key of a real Alpaca account; the simulator takes made-up keys only"
            )
        self.expected = None if key is None else (key, secret or "")
        self.revoked = False

    def accept(self, key: str, secret: str) -> bool:
        """Tell whether the pair is let in; one that looks real never is."""
        if not key or not secret or self.revoked or looks_real(key):
            return False
        return self.expected is None or (key, secret) == self.expected


def looks_real(key: str) -> bool:
    """Tell whether a key id has the form of Alpaca's own (PK... for paper, AK... for live)."""
    return _REAL_KEY.fullmatch(key) is not None


class Wire(Protocol):
    """The open websockets, as far as the control port commands them."""

    def publish(self, events: list[Event]) -> None:
        """Send trade updates and the market data of the time that has passed."""

    def send(self, frames: list[Frame]) -> None:
        """Send frames past the filter."""

    def send_raw(self, stream: str, data: bytes | str) -> int:
        """Send bytes (a binary frame) or text as they are; returns to how many."""

    def close(self, stream: str, code: int) -> int:
        """Close the connections of a stream with a code; returns how many."""

    def reset(self, stream: str) -> int:
        """End the connections of a stream with RST; returns how many."""

    def subscribed(self, stream: str) -> int:
        """Return how many connections of a stream listen to something."""

    def count(self) -> dict[str, int]:
        """Return the number of open connections of each stream."""


class SimulatorCore:
    """The state of one simulator and the one way to change it.

    Args:
        world: the state; replaced by the stored one where the store has one.
        store: where each command is written before it is answered.
        keys: who is let in.
        per_minute: rate limit of the API, 0 for none.
    """

    def __init__(self, world: World, store: Store, keys: Keys | None = None, per_minute: int = 0) -> None:
        self.world = world
        self.store = store
        self.keys = keys or Keys()
        self.rate = RateLimit(per_minute)
        self.faults = Faults(world.settings.seed)
        self.frames = FrameFilter(world.settings.seed)
        self.handshakes_refused: dict[str, int] = {}  # status -> how many more
        self.handshake_location = ""  # where a refused handshake is sent
        self.listening_override: list[str] | None = None
        self.single_connection = False
        self.wire: Wire | None = None
        kept = store.load()
        if kept is None:
            store.keep_snapshot(START, world.snapshot())
            self.commit()
        else:
            world.restore(kept)

    def commit(self) -> None:
        """Write what changed, then tell the listeners."""
        self.store.save(take_batch(self.world))
        events = self.world.book.take_events()
        if self.wire is not None:
            self.wire.publish(events)

    def answer(self, route: Route, call: Call) -> Reply:
        """Run one route: its changes are stored before its answer is known."""
        try:
            reply = route(self.world, call)
        except Refusal as refusal:
            reply = Reply(refusal.status, refusal.body)
        self.commit()
        return reply

    def clear_faults(self) -> None:
        """Let everything work again; held frames are lost."""
        self.faults, self.frames = Faults(self.world.settings.seed), FrameFilter(self.world.settings.seed)
        self.handshakes_refused.clear()
        self.listening_override = None
        self.single_connection = False
        self.keys.revoked = False
        self.world.races, self.world.rejections = [], 0

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a whole state and store it."""
        self.world.restore(state)
        self.world.book.take_events()
        self.store.replace(state)
        take_batch(self.world)
