"""Who asks, what they may do, and which folders are theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from engine.web.places import HOME, Places

ROLES = ("viewer", "analyst", "trader", "owner")  # each may do what those before it may
SCOPES_OF = {
    "viewer": ("runs:read", "live:read"),
    "analyst": ("runs:write",),
    "trader": ("live:approve",),
    "owner": ("team:write",),
}
SCOPES = tuple(scope for role in ROLES for scope in SCOPES_OF[role])


def scopes_of(role: str) -> frozenset[str]:
    """Return what a role may do."""
    until = ROLES.index(role) + 1
    return frozenset(scope for each in ROLES[:until] for scope in SCOPES_OF[each])


@dataclass(frozen=True)
class Person:
    """Who asks.

    Attributes:
        id: never changes, "local" for the person at this machine. name: to be shown. team: id of the team.
        role: one of ROLES. via: local, session or key. scopes: what may be done: the role's, or fewer by a key.
    """

    id: str
    name: str
    team: str
    role: str
    via: str = "local"
    scopes: frozenset[str] = field(default_factory=frozenset)

    def may(self, scope: str) -> bool:
        """Whether the person may do this; scopes are in SCOPES."""
        return scope in self.scopes

    @property
    def is_host(self) -> bool:
        """Whether it is an owner of the team of whoever started the server, who may make teams."""
        return self.team == HOME and self.may("team:write")


LOCAL_OWNER = Person("local", "you", HOME, "owner", "local", scopes_of("owner"))


async def current(request: Request) -> Person:
    """Return who asks: on loopback without users the person at this machine. 401 where nobody is known."""
    person: Person | None = getattr(request.state, "person", None)
    if person is None:
        raise HTTPException(
            401,
            "log in, or send a key: Authorization: Bearer fwk_...",
            {"WWW-Authenticate": 'Bearer realm="forewalk"'},
        )
    return person


def needs(scope: str) -> Callable[..., Awaitable[Person]]:
    """Return a dependency: who asks, who must have the scope; 403 otherwise."""

    async def person_with(person: Annotated[Person, Depends(current)]) -> Person:
        if not person.may(scope):
            raise HTTPException(403, f"this needs {scope}, which {person.name} ({person.role}) has not")
        return person

    return person_with


# Who asks, by what must be allowed: parameters of routes.
Anyone = Annotated[Person, Depends(current)]
RunsReader = Annotated[Person, Depends(needs("runs:read"))]
RunsWriter = Annotated[Person, Depends(needs("runs:write"))]
BookReader = Annotated[Person, Depends(needs("live:read"))]
Trader = Annotated[Person, Depends(needs("live:approve"))]
Owner = Annotated[Person, Depends(needs("team:write"))]


def places_of(request: Request, person: Person) -> Places:
    """Return the folders of the person's team."""
    found: Places = request.app.state.places(person.team)
    return found
