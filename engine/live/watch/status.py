"""What the daemon tells of itself: one record that it keeps up to date and others read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass
class Status:
    """What the daemon is at, for people and monitors."""

    state: str = "starting"
    problem: str = ""
    last_sync: datetime | None = None
    last_decision: datetime | None = None
    broker_time: datetime | None = None
    equity: float | None = None
    cash: float | None = None
    positions: dict[str, float] = field(default_factory=dict)
    halts: list[str] = field(default_factory=list)
    posts: int = 0
    steps: int = 0
    failures: int = 0
    decide_seconds: float | None = None

    def looks(self) -> int:
        """Return how many looks at the broker have succeeded."""
        return self.steps - self.failures
