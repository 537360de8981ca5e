"""A job as a plain value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "queued", "running", "succeeded", "failed", "cancelled"
ENDED = (SUCCEEDED, FAILED, CANCELLED)


@dataclass(frozen=True)
class Job:
    """A piece of long work.

    Attributes:
        id: its name for ever. kind: backtest, forecast, sweep or audit. settings: what was asked.
        owner, team: ids of who asked. state: queued, running, succeeded, failed or cancelled.
        submitted, started, finished: ISO 8601 in UTC; started and finished are None until then.
        progress: `what`, `done`, `total` of the step at work; None before the first.
        result: what the command printed as JSON, where it succeeded. problem: in words, where it failed.
        cancelled: whether a person asked to stop it.
    """

    id: str
    kind: str
    settings: dict[str, Any]
    owner: str
    team: str
    state: str
    submitted: str
    started: str | None = None
    finished: str | None = None
    progress: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    problem: str | None = None
    cancelled: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)
