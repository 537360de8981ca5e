"""The outbox: what is to be told, written in the transaction in which it came about, and how far each telling is."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from engine.web.store.database import Database, now_text
from engine.web.store.tables import deliveries, webhooks

NAMES = uuid.UUID(
    "0b6f7a0e-5a6f-4d5c-9a5e-6f4a0f7b1c2d"
)  # of events, by which a receiver knows one that it has had
WAITING, DELIVERED, GIVEN_UP = "waiting", "delivered", "given_up"
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 6 * 3600.0
MOST_ATTEMPTS = 20  # about three days
MOST_AT_ONCE = 16  # of them four at a time: done before the lease is over
LEASE_S = 60.0  # for which a delivery is one server's; killed meanwhile, it is sent once more
KEPT = timedelta(days=30)  # that ended deliveries stay


@dataclass(frozen=True)
class Due:
    """A delivery to be made now."""

    number: int
    id: str
    webhook: str
    url: str
    body: str
    attempts: int


def announce(connection: Connection, team: str, event: str, key: str, data: Mapping[str, Any]) -> None:
    """Queue an event for every webhook of a team that wants it, within the transaction under way.

    Args:
        event: its type. key: names it among those of its type, for ever. data: plain values.
    """
    wanting = select(webhooks.c.id, webhooks.c.events).where(webhooks.c.team == team)
    for webhook, events in connection.execute(wanting).all():
        if event in events or not events:
            queue(connection, webhook, event, key, data)


def queue(connection: Connection, webhook: str, event: str, key: str, data: Mapping[str, Any]) -> str:
    """Queue an event for one webhook, and return the id of the delivery, the same for the same key."""
    at = now_text()
    made = str(uuid.uuid5(NAMES, f"{webhook}/{event}/{key}"))
    body = json.dumps({"id": made, "type": event, "timestamp": at, "data": data}, default=str)
    values = {"id": made, "webhook": webhook, "event": event, "body": body, "made": at, "due": at}
    connection.execute(insert(deliveries).values(**values, state=WAITING, attempts=0))
    return made


def backoff_s(attempts: int) -> float:
    """Return how long to wait after so many tries that failed."""
    return float(min(FIRST_WAIT_S * 3 ** min(attempts - 1, 20), LONGEST_WAIT_S))


class Outbox:
    """The deliveries that wait, and what became of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self) -> list[Due]:
        """Return the oldest delivery of each webhook that is due; for a while they are this caller's alone."""
        now = now_text()
        with self._database.writing() as connection:
            is_due = (deliveries.c.state == WAITING, deliveries.c.due <= now)
            oldest = (
                select(func.min(deliveries.c.number))
                .where(*is_due)
                .group_by(deliveries.c.webhook)
                .limit(MOST_AT_ONCE)
            )
            rows = connection.execute(
                select(deliveries.c.number, deliveries.c.id, webhooks.c.id, webhooks.c.url, deliveries.c.body)
                .add_columns(deliveries.c.attempts)
                .join(webhooks, webhooks.c.id == deliveries.c.webhook)
                .where(deliveries.c.number.in_(connection.execute(oldest).scalars().all()), *is_due)
                .with_for_update(of=deliveries, skip_locked=True)
            )
            found = [Due(*row) for row in rows]
            numbers = [due.number for due in found]
            connection.execute(
                update(deliveries).where(deliveries.c.number.in_(numbers)).values(due=_later(LEASE_S))
            )
        return found

    def delivered(self, due: Due, answered: int) -> None:
        """Note that the receiver has taken it."""
        self._note(due, state=DELIVERED, answered=answered, problem=None, ended=now_text())

    def failed(self, due: Due, problem: str, answered: int | None) -> None:
        """Note that it was not taken; it is tried again, later each time, and given up in the end."""
        tried, values = due.attempts + 1, {"problem": problem[:200], "answered": answered}
        if tried >= MOST_ATTEMPTS:
            self._note(due, state=GIVEN_UP, ended=now_text(), **values)
        else:
            self._note(due, due=_later(backoff_s(tried)), **values)

    def forget(self) -> None:
        """Drop what ended long ago."""
        before = (datetime.now(UTC) - KEPT).isoformat(timespec="microseconds")
        with self._database.writing() as connection:
            connection.execute(delete(deliveries).where(deliveries.c.ended < before))

    def _note(self, tried: Due, **values: Any) -> None:
        with self._database.writing() as connection:
            which = (deliveries.c.number == tried.number, deliveries.c.state == WAITING)
            connection.execute(update(deliveries).where(*which).values(attempts=tried.attempts + 1, **values))


def _later(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
