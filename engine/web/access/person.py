"""Who asks, and which folders are theirs."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from engine.web.places import HOME, Places

ROLES = ("viewer", "analyst", "trader", "owner")  # each may do what those before it may


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


LOCAL_OWNER = Person("local", "you", HOME, "owner")


async def current(request: Request) -> Person:
    """Return who asks: on loopback without users the person at this machine."""
    return LOCAL_OWNER


def places_of(request: Request, person: Person) -> Places:
    """Return the folders of the person's team."""
    found: Places = request.app.state.places(person.team)
    return found
