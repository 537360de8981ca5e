"""The audit log: every write that was asked for, before it is done, and how it was answered."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, insert, select, update

from engine.web.access.person import Person
from engine.web.store.database import Database, now_text
from engine.web.store.tables import audit

LONGEST = 1000  # letters of a path


@dataclass(frozen=True)
class Entry:
    """One write: when, by whom (ids; None where nobody is known), how they were known, what, and the answer.

    `status` is None where the server did not live to say.
    """

    number: int
    at: str
    team: str | None
    person: str | None
    via: str
    method: str
    path: str
    address: str
    status: int | None


class Audit:
    """The log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, person: Person | None, method: str, path: str, address: str) -> int:
        """Write down what is asked; return the number of the entry."""
        who = (None, None, "nobody") if person is None else (person.team, person.id, person.via)
        values = dict(zip(("team", "person", "via"), who, strict=True))
        with self._database.writing() as connection:
            done = connection.execute(
                insert(audit).values(
                    at=now_text(),
                    method=method,
                    path=path[:LONGEST],
                    address=address,
                    **values,
                )
            )
        assert done.inserted_primary_key is not None
        return int(done.inserted_primary_key[0])

    def end(self, number: int, status: int) -> None:
        """Write down how it was answered."""
        with self._database.writing() as connection:
            connection.execute(update(audit).where(audit.c.number == number).values(status=status))

    def of_team(self, team: str, limit: int, offset: int) -> tuple[list[Entry], int]:
        """Return entries of a team, the newest first, and how many there are."""
        with self._database.reading() as connection:
            rows = connection.execute(
                select(audit)
                .where(audit.c.team == team)
                .order_by(audit.c.number.desc())
                .limit(limit)
                .offset(offset)
            )
            found = [Entry(*row) for row in rows]
            which = select(func.count()).select_from(audit).where(audit.c.team == team)
            return found, connection.execute(which).scalar_one()
