"""People: the first owner, log-in, users, keys, teams with their plans, and the audit log."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from engine.web.access import Anyone, Owner, Person
from engine.web.access.audit import Entry
from engine.web.access.doorkeeper import COOKIE, SECURE_COOKIE, cookie_of
from engine.web.access.keys import Key
from engine.web.access.people import LONGEST, Team, User
from engine.web.access.secrets import same
from engine.web.access.store import Store
from engine.web.api.common import Asked, Limit, Offset, Page, missing, problems

router = APIRouter(tags=["people"])
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Password = Annotated[str, Field(min_length=1, max_length=1000)]
Role = Literal["viewer", "analyst", "trader", "owner"]
Scope = Literal["runs:read", "live:read", "runs:write", "live:approve", "team:write"]
Quota = Annotated[int, Field(ge=0, le=1_000_000)]


class FirstOwner(Asked):
    """The secret of the link that the terminal printed, and who the owner shall be."""

    secret: str = Field(min_length=1, max_length=200)
    name: Name
    password: Password


class LogIn(Asked):
    """Who logs in."""

    name: Name
    password: Password


class Me(BaseModel):
    """Who asks, what they may do, and the quotas of their team."""

    id: str
    name: str
    team: str
    role: str
    via: str
    scopes: list[str]
    plan: dict[str, int]


class NewUser(Asked):
    """A user of the team."""

    name: Name
    password: Password
    role: Role = "viewer"


class NewRole(Asked):
    """What a user may do from now on."""

    role: Role


class NewPassword(Asked):
    """The old password, and the new one."""

    old: Password
    new: Password


class NewKey(Asked):
    """What a key is called, and what may be done with it: never more than its user may."""

    name: Name
    scopes: list[Scope] = Field(min_length=1, max_length=5)


class ShownKey(BaseModel):
    """A new key; `secret` is shown here and never again."""

    key: Key
    secret: str


class NewTeam(Asked):
    """A team and its first owner."""

    name: Name
    owner: Name
    password: Password


class Quotas(Asked):
    """What differs for a team from the server's own plan; null for what does not."""

    running_jobs: Quota | None = None
    waiting_jobs: Quota | None = None
    jobs_a_day: Quota | None = None
    symbols: Quota | None = None
    requests_a_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


@router.post("/setup", status_code=201, responses=problems(409))
def set_up(request: Request, asked: FirstOwner) -> User:
    """Make the first owner by the link that the terminal printed; it works once."""
    secret = request.app.state.first_owner
    if secret is None or not same(secret, asked.secret):
        raise HTTPException(403, "this link is not, or no more, the one that the server printed")
    made = _store(request).people.add_first(asked.name, asked.password)
    request.app.state.first_owner = None
    return made


@router.post("/session", status_code=204, responses=problems())
def log_in(request: Request, response: Response, asked: LogIn) -> None:
    """Log in; the session is a cookie that scripts cannot read."""
    address = request.client.host if request.client else "unknown"
    throttle = request.app.state.throttle
    wait = throttle.log_in_waits(asked.name, address)
    if wait:
        raise HTTPException(429, f"too many wrong passwords; wait {wait} s", {"Retry-After": str(wait)})
    secret = _store(request).people.log_in(asked.name, asked.password)
    if secret is None:
        throttle.log_in_was_wrong(asked.name, address)
        raise HTTPException(401, "name and password do not belong together")
    secure = request.app.state.options.is_encrypted
    response.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        secret,
        max_age=int(LONGEST.total_seconds()),
        secure=secure,
        httponly=True,
        samesite="strict",
    )


@router.delete("/session", status_code=204, responses=problems())
def log_out(request: Request, response: Response, person: Anyone) -> None:
    """Log out."""
    _store(request).people.log_out(cookie_of(request.headers))
    response.delete_cookie(COOKIE)
    response.delete_cookie(SECURE_COOKIE, secure=True)


@router.get("/me", responses=problems())
def me(request: Request, person: Anyone) -> Me:
    """Return who asks."""
    return Me(
        id=person.id,
        name=person.name,
        team=person.team,
        role=person.role,
        via=person.via,
        scopes=sorted(person.scopes),
        plan=_store(request).plans.to_dict(person.team),
    )


@router.put("/me/password", status_code=204, responses=problems())
def change_password(request: Request, person: Anyone, asked: NewPassword) -> None:
    """Change one's password; every session ends."""
    if person.via != "session":
        raise HTTPException(403, "only who has logged in has a password to change")
    if not _store(request).people.set_password(person.id, asked.old, asked.new):
        raise HTTPException(403, "the old password is wrong")


@router.get("/team/users", responses=problems())
def users(request: Request, person: Owner) -> list[User]:
    """Return the users of the team."""
    return _store(request).people.users(person.team)


@router.post("/team/users", status_code=201, responses=problems(409))
def add_user(request: Request, person: Owner, asked: NewUser) -> User:
    """Make a user of the team."""
    if person.via == "local":
        raise HTTPException(403, "start the server with --users first: alone nobody needs to log in")
    return _store(request).people.add_user(asked.name, asked.password, asked.role, person.team)


@router.put("/team/users/{user}/role", responses=problems(404, 409))
def set_role(request: Request, person: Owner, user: str, asked: NewRole) -> User:
    """Change what a user may do."""
    found = _store(request).people.set_role(user, person.team, asked.role)
    if found is None:
        raise missing("such user")
    return found


@router.delete("/team/users/{user}", status_code=204, responses=problems(404, 409))
def remove_user(request: Request, person: Owner, user: str) -> None:
    """Remove a user with sessions and keys."""
    store = _store(request)
    if user not in [each.id for each in store.people.users(person.team)]:
        raise missing("such user")
    store.people.remove(user, person.team)


@router.get("/team/keys", responses=problems())
def keys(request: Request, person: Owner) -> list[Key]:
    """Return the keys of the team; the keys themselves are nowhere."""
    return _store(request).keys.of_team(person.team)


@router.post("/team/keys", status_code=201, responses=problems())
def add_key(request: Request, person: Owner, asked: NewKey) -> ShownKey:
    """Make a key; it is shown in this answer and never again."""
    if person.via != "session":
        raise HTTPException(403, "a key is made by somebody who has logged in")
    key, secret = _store(request).keys.add(person.id, asked.name, asked.scopes)
    return ShownKey(key=key, secret=secret)


@router.delete("/team/keys/{key}", status_code=204, responses=problems(404))
def revoke(request: Request, person: Owner, key: str) -> None:
    """End a key at once."""
    if not _store(request).keys.revoke(key, person.team):
        raise missing("such key")


@router.get("/team/audit", responses=problems())
def audit(request: Request, person: Owner, limit: Limit = 100, offset: Offset = 0) -> Page[Entry]:
    """Return every write that the team has asked for, the newest first."""
    found, total = _store(request).audit.of_team(person.team, limit, offset)
    return Page(items=found, total=total, limit=limit, offset=offset)


@router.get("/teams", responses=problems())
def teams(request: Request, person: Owner) -> list[Team]:
    """Return the teams of the server; for owners of the team that started it."""
    _host(person)
    return _store(request).people.teams()


@router.post("/teams", status_code=201, responses=problems(409))
def add_team(request: Request, person: Owner, asked: NewTeam) -> Team:
    """Make a team and its owner; for owners of the team that started the server."""
    _host(person)
    if person.via == "local":
        raise HTTPException(403, "start the server with --users first: alone nobody needs to log in")
    people = _store(request).people
    return people.add_team_with_owner(asked.name, asked.owner, asked.password)


@router.put("/teams/{team}/plan", status_code=204, responses=problems(404))
def set_plan(request: Request, person: Owner, team: str, asked: Quotas) -> None:
    """Set the quotas of a team; for owners of the team that started the server."""
    _host(person)
    if not _store(request).people.set_plan(team, asked.model_dump(exclude_none=True)):
        raise missing("such team")


def _host(person: Person) -> None:
    if not person.is_host:
        raise HTTPException(403, "this is for owners of the team that started the server")
