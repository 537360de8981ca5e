"""A call to the simulator and its reply, and which function answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from broker.simulator.values import Refusal, parse_instant
from broker.simulator.world.state import World


@dataclass(frozen=True)
class Call:
    """One request: the names in its path, its query, its JSON body."""

    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    def flag(self, name: str) -> bool:
        """Return a boolean of the query, in any spelling that alpaca-py uses."""
        return self.query.get(name, "false").lower() in ("true", "1")

    def whole(self, name: str, default: int, most: int) -> int:
        """Return a positive whole number of the query; 422 where it is none, cut at `most`."""
        text = self.query.get(name)
        if text is None:
            return default
        if not text.isdigit() or int(text) < 1:
            raise Refusal(422, 42210000, f"invalid {name}")
        return min(int(text), most)

    def instant(self, name: str) -> int | None:
        """Return an instant of the query, None where it is not given."""
        text = self.query.get(name)
        return parse_instant(text, name) if text else None


@dataclass(frozen=True)
class Reply:
    """Status and JSON body; None is an empty body."""

    status: int
    body: Any = None


Route = Callable[[World, Call], Reply]
