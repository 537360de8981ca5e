"""API keys: shown once, stored as their SHA-256, for some of what their user may do."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import OperationalError

from engine.web.access.person import Person, scopes_of
from engine.web.access.secrets import KEY_PREFIX, digest, new_secret
from engine.web.store.database import Database, now_text
from engine.web.store.tables import keys, users

SHOWN = len(KEY_PREFIX) + 6  # letters of a key by which a person tells it from another


@dataclass(frozen=True)
class Key:
    """A key as it is listed; the key itself is nowhere."""

    id: str
    name: str
    begins: str
    scopes: list[str]
    user: str
    created: str
    used: str | None


class Keys:
    """The keys of all users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, user: str, name: str, scopes: Sequence[str]) -> tuple[Key, str]:
        """Make a key; return it as listed, and the secret, which is never shown again."""
        secret = new_secret(KEY_PREFIX)
        key = Key(uuid.uuid4().hex, name, secret[:SHOWN], sorted({*scopes}), user, now_text(), None)
        with self._database.writing() as connection:
            connection.execute(insert(keys).values(sha256=digest(secret), **key.__dict__))
        return key, secret

    def of_team(self, team: str) -> list[Key]:
        """Return the keys of a team's users, the oldest first."""
        with self._database.reading() as connection:
            return [Key(*row) for row in connection.execute(_KEY.where(users.c.team == team))]

    def revoke(self, key: str, team: str) -> bool:
        """End a key of a team; False where there is none."""
        of_team = select(users.c.id).where(users.c.team == team)
        with self._database.writing() as connection:
            done = connection.execute(delete(keys).where(keys.c.id == key, keys.c.user.in_(of_team)))
        return done.rowcount == 1

    def person(self, secret: str) -> Person | None:
        """Return whose key it is, with what key and role both allow; None where it is unknown or revoked."""
        with self._database.reading() as connection:
            row = (
                connection.execute(
                    select(keys.c.id, keys.c.scopes, keys.c.used, users)
                    .join(users, users.c.id == keys.c.user)
                    .where(keys.c.sha256 == digest(secret))
                )
                .mappings()
                .first()
            )
        if row is None:
            return None
        minute = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="microseconds")
        if row[keys.c.used] is None or row[keys.c.used] < minute:
            with (
                suppress(OperationalError),
                self._database.writing() as connection,
            ):  # a full disk can be read
                connection.execute(update(keys).where(keys.c.id == row[keys.c.id]).values(used=now_text()))
        role = row[users.c.role]
        scopes = scopes_of(role) & {*row[keys.c.scopes]}
        return Person(row[users.c.id], row[users.c.name], row[users.c.team], role, "key", scopes)


_KEY = (
    select(keys.c.id, keys.c.name, keys.c.begins, keys.c.scopes, keys.c.user, keys.c.created, keys.c.used)
    .join(users, users.c.id == keys.c.user)
    .order_by(keys.c.created)
)
