"""Who asks, and which folders are theirs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

ROLES = ("viewer", "analyst", "trader", "owner")  # each may do what those before it may
LOCAL = "local"


@dataclass(frozen=True)
class Person:
    """Who asks.

    Attributes:
        id: never changes, "local" for the person at this machine. name: to be shown. team: id of the team.
        role: one of ROLES.
    """

    id: str
    name: str
    team: str
    role: str

    def may(self, role: str) -> bool:
        """Whether the person's role is this one or a larger one."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class Places:
    """The folders of a team; no team sees those of another.

    Attributes:
        runs: of run folders. forecasts: the forecast log. uploads: of files that people have given.
    """

    runs: Path
    uploads: Path

    @property
    def forecasts(self) -> Path:
        """The forecast log."""
        return self.runs / "forecasts.sqlite"


LOCAL_OWNER = Person(LOCAL, "you", LOCAL, "owner")


async def current(request: Request) -> Person:
    """Return who asks: on loopback without users the person at this machine."""
    return LOCAL_OWNER


def places_of(request: Request, person: Person) -> Places:
    """Return the folders of the person's team."""
    state = request.app.state
    return Places(state.runs_folder, state.state_folder / "uploads" / person.team)
