"""One running simulator without its sockets: the world, where it is kept, who is let in, who listens."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from broker.simulator import scenario
from broker.simulator.book import Event
from broker.simulator.store import Store
from broker.simulator.trading import Call, Reply, Route
from broker.simulator.values import Refusal
from broker.simulator.world import World, take_batch

Listener = Callable[[list[Event]], None]
_REAL_KEY = re.compile(r"(PK|AK)[A-Z0-9]{14,}", re.IGNORECASE)


class Keys:
    """Which key pair is let in: any that does not look like Alpaca's, or one that was set."""

    def __init__(self, key: str | None = None, secret: str | None = None) -> None:
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


class Simulator:
    """The state of one simulator and the one way to change it.

    Args:
        world: the state; replaced by the stored one where the store has one.
        store: where each command is written before it is answered.
    """

    def __init__(self, world: World, store: Store, keys: Keys | None = None) -> None:
        self.world = world
        self.store = store
        self.keys = keys or Keys()
        self.listeners: list[Listener] = []
        kept = store.load()
        if kept is not None:
            world.restore(kept)
        self.commit()

    def commit(self) -> None:
        """Write what changed, then tell the listeners."""
        self.store.save(take_batch(self.world))
        events = self.world.book.take_events()
        for listener in self.listeners:
            listener(events)

    def answer(self, route: Route, call: Call) -> Reply:
        """Run one route: its changes are stored before its answer is known."""
        try:
            reply = route(self.world, call)
        except Refusal as refusal:
            reply = Reply(refusal.status, refusal.body)
        self.commit()
        return reply

    def command(self, name: str, body: Mapping[str, Any]) -> Any:
        """Run one command of the control port; its changes are stored before its answer is known."""
        answer = scenario.COMMANDS[name](self.world, **body)
        self.commit()
        return answer
