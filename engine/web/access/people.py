"""Teams, users and their sessions."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from engine.web.access.person import ROLES, Person, scopes_of
from engine.web.access.secrets import LEAST_PASSWORD, NOBODY, digest, fits, hashed, new_secret
from engine.web.places import HOME
from engine.web.store.database import Conflict, Database, now_text
from engine.web.store.tables import sessions, teams, users
from forewalk.errors import UsageError

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=14)


@dataclass(frozen=True)
class User:
    """A user as others of the team see it."""

    id: str
    name: str
    role: str
    team: str
    created: str


@dataclass(frozen=True)
class Team:
    """A team; `plan` is what differs from the server's own."""

    id: str
    name: str
    created: str
    plan: dict[str, int]


class People:
    """The users and teams of the server."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._any = False

    def any(self) -> bool:
        """Whether there are users; then nobody may do anything unknown."""
        if not self._any:
            with self._database.reading() as connection:
                self._any = connection.execute(select(users.c.id).limit(1)).first() is not None
        return self._any

    def add_team_with_owner(self, name: str, owner: str, password: str) -> Team:
        """Make a team and its owner. Conflict where a name is taken, UsageError where the password is too short."""
        made = Team(uuid.uuid4().hex, name, now_text(), {})
        user = User(uuid.uuid4().hex, owner, ROLES[-1], made.id, made.created)
        stored = _checked(password)
        with self._database.writing() as connection:
            _insert(connection, teams, made.__dict__, f"there is a team called {name} already")
            _insert_user(connection, user, stored)
        return made

    def teams(self) -> list[Team]:
        """Return all teams by name."""
        with self._database.reading() as connection:
            return [Team(*row) for row in connection.execute(select(teams).order_by(teams.c.name))]

    def set_plan(self, team: str, plan: Mapping[str, int]) -> bool:
        """Give a team its quotas; False where there is no such team."""
        with self._database.writing() as connection:
            done = connection.execute(update(teams).where(teams.c.id == team).values(plan=dict(plan)))
        return done.rowcount == 1

    def add_user(self, name: str, password: str, role: str, team: str) -> User:
        """Make a user. Conflict where the name is taken, UsageError where the password is too short."""
        user = User(uuid.uuid4().hex, name, role, team, now_text())
        stored = _checked(password)
        with self._database.writing() as connection:
            _insert_user(connection, user, stored)
        return user

    def add_first(self, name: str, password: str) -> User:
        """Make the first user, owner of the home team. Conflict where there are users already."""
        user = User(uuid.uuid4().hex, name, ROLES[-1], HOME, now_text())
        stored = _checked(password)
        with self._database.writing() as connection:
            if connection.execute(select(users.c.id).limit(1)).first() is not None:
                raise Conflict("there is an owner already; the link has done its work")
            if connection.execute(select(teams.c.id).where(teams.c.id == HOME)).first() is None:
                connection.execute(insert(teams).values(id=HOME, name="home", created=user.created, plan={}))
            _insert_user(connection, user, stored)
        return user

    def users(self, team: str) -> list[User]:
        """Return the users of a team by name."""
        with self._database.reading() as connection:
            return [
                User(*row)
                for row in connection.execute(_USER.where(users.c.team == team).order_by(users.c.name))
            ]

    def set_role(self, user: str, team: str, role: str) -> User | None:
        """Change what a user of a team may do; the last owner stays one (Conflict)."""
        with self._database.writing() as connection:
            _keep_an_owner(connection, user, team, role)
            connection.execute(
                update(users).where(users.c.id == user, users.c.team == team).values(role=role)
            )
            row = connection.execute(_USER.where(users.c.id == user, users.c.team == team)).first()
        return None if row is None else User(*row)

    def remove(self, user: str, team: str) -> bool:
        """Remove a user with sessions and keys; the last owner stays (Conflict)."""
        with self._database.writing() as connection:
            _keep_an_owner(connection, user, team, None)
            done = connection.execute(delete(users).where(users.c.id == user, users.c.team == team))
        return done.rowcount == 1

    def set_password(self, user: str, old: str, new: str) -> bool:
        """Change a password and end all sessions; False where the old one is wrong."""
        stored = _checked(new)
        with self._database.reading() as connection:
            there = connection.execute(select(users.c.password).where(users.c.id == user)).scalar()
        if not fits(there or NOBODY, old):
            return False
        with self._database.writing() as connection:
            connection.execute(update(users).where(users.c.id == user).values(password=stored))
            connection.execute(delete(sessions).where(sessions.c.user == user))
        return True

    def log_in(self, name: str, password: str) -> str | None:
        """Return the secret of a new session; None where name and password do not belong together."""
        with self._database.reading() as connection:
            row = connection.execute(select(users.c.id, users.c.password).where(users.c.name == name)).first()
        if not fits(NOBODY if row is None else row.password, password) or row is None:
            return None
        secret, now = new_secret(), now_text()
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.created < _before(LONGEST)))
            connection.execute(
                insert(sessions).values(sha256=digest(secret), user=row.id, created=now, used=now)
            )
        return secret

    def log_out(self, secret: str) -> None:
        """End a session."""
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.sha256 == digest(secret)))

    def of_session(self, secret: str) -> Person | None:
        """Return who has this session; None where it is unknown or has ended."""
        told = digest(secret)
        with self._database.reading() as connection:
            row = connection.execute(
                select(users.c.id, users.c.name, users.c.team, users.c.role, sessions.c.used)
                .join(users, users.c.id == sessions.c.user)
                .where(sessions.c.sha256 == told, sessions.c.created >= _before(LONGEST))
                .where(sessions.c.used >= _before(IDLE))
            ).first()
        if row is None:
            return None
        if row.used < _before(timedelta(minutes=1)):
            with (
                suppress(OperationalError),
                self._database.writing() as connection,
            ):  # a full disk can be read
                connection.execute(update(sessions).where(sessions.c.sha256 == told).values(used=now_text()))
        return Person(row.id, row.name, row.team, row.role, "session", scopes_of(row.role))


_USER = select(users.c.id, users.c.name, users.c.role, users.c.team, users.c.created)


def _insert_user(connection: Connection, user: User, password: str) -> None:
    _insert(connection, users, {**user.__dict__, "password": password}, f"the name {user.name} is taken")


def _insert(connection: Connection, table: Any, values: Mapping[str, Any], taken: str) -> None:
    try:
        connection.execute(insert(table).values(**values))
    except IntegrityError:
        raise Conflict(taken) from None


def _keep_an_owner(connection: Connection, user: str, team: str, role: str | None) -> None:
    owners = select(func.count()).select_from(users).where(users.c.team == team, users.c.role == ROLES[-1])
    others = connection.execute(owners.where(users.c.id != user)).scalar_one()
    if role != ROLES[-1] and not others:
        raise Conflict("a team keeps an owner: make another one first")


def _checked(password: str) -> str:
    if len(password) < LEAST_PASSWORD:
        raise UsageError(f"the password is too short; {LEAST_PASSWORD} letters are the least")
    return hashed(password)


def _before(age: timedelta) -> str:
    return (datetime.now(UTC) - age).isoformat(timespec="microseconds")
