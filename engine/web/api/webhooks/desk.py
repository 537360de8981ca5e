"""Webhooks as the API knows them: register, list, remove, try, and what was delivered."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, func, insert, select, update

from engine.web.api.webhooks.addresses import target_of
from engine.web.api.webhooks.outbox import WAITING, Outbox, queue
from engine.web.api.webhooks.sending import Post, Sender
from engine.web.api.webhooks.signing import Signer
from engine.web.api.webhooks.watching import Watch
from engine.web.places import Places
from engine.web.store.database import Conflict, Database, now_text
from engine.web.store.tables import deliveries, webhooks

SECRET = "webhooks.secret"
MOST = 20  # of a team


@dataclass(frozen=True)
class Webhook:
    """An address that is told; `events` are those that it wants, none of them means all. Its secret is nowhere."""

    id: str
    url: str
    events: list[str]
    created: str
    made_by: str


@dataclass(frozen=True)
class Delivery:
    """One event for one webhook.

    Attributes:
        id: by which a receiver knows one that it has had. event: its type. state: waiting, delivered or given_up.
        made, due, ended: when it came about, when it is tried next, when it ended. attempts: so far.
        answered: status of HTTP of the last. problem: of the last, in words.
    """

    id: str
    event: str
    state: str
    made: str
    due: str
    attempts: int
    answered: int | None
    problem: str | None
    ended: str | None


class Webhooks:
    """The webhooks of all teams, and the thread that sends.

    Args:
        database: where they are written down. state: folder of the server's own secret.
        places: the folders of a team. loopback: whether they may lead to this machine. post: see `Sender`.
    """

    def __init__(
        self,
        database: Database,
        state: Path,
        places: Callable[[str], Places],
        loopback: bool = False,
        post: Post | None = None,
    ) -> None:
        self._database, self._loopback = database, loopback
        self._signer, self._watch = Signer(state / SECRET), Watch(database, places)
        self.sender = Sender(Outbox(database), self._signer, self._watch, loopback, post)

    def start(self) -> None:
        """Begin to send."""
        self.sender.start()

    def stop(self) -> None:
        """Send no more."""
        self.sender.stop()

    def add(self, team: str, person: str, url: str, events: Sequence[str]) -> tuple[Webhook, str]:
        """Register an address; return it and its secret, which is never shown again.

        Raises:
            Forbidden: a webhook may not lead there. Conflict: the team has as many as it may have.
        """
        target_of(url, self._loopback)
        if not self.of_team(team):
            self._watch.begin(team)
        made = Webhook(uuid.uuid4().hex, url, sorted({*events}), now_text(), person)
        with self._database.writing() as connection:
            which = select(func.count()).select_from(webhooks).where(webhooks.c.team == team)
            if connection.execute(which).scalar_one() >= MOST:
                raise Conflict(f"a team has {MOST} webhooks at most; remove one first")
            connection.execute(insert(webhooks).values(team=team, **made.__dict__))
        return made, self._signer.secret(made.id)

    def of_team(self, team: str) -> list[Webhook]:
        """Return the webhooks of a team, the oldest first."""
        with self._database.reading() as connection:
            found = connection.execute(_WEBHOOK.where(webhooks.c.team == team).order_by(webhooks.c.created))
            return [Webhook(*row) for row in found]

    def remove(self, webhook: str, team: str) -> bool:
        """Remove a webhook and what waits for it; False where the team has none of that id."""
        which = (webhooks.c.id == webhook, webhooks.c.team == team)
        with self._database.writing() as connection:
            return connection.execute(delete(webhooks).where(*which)).rowcount == 1

    def ping(self, webhook: str) -> Delivery:
        """Queue an event that says nothing, to see whether it arrives."""
        with self._database.writing() as connection:
            made = queue(connection, webhook, "ping", uuid.uuid4().hex, {})
            return Delivery(*connection.execute(_DELIVERY.where(deliveries.c.id == made)).one())

    def deliveries(self, webhook: str, limit: int, offset: int) -> tuple[list[Delivery], int]:
        """Return what was queued for a webhook, the newest first, and how much there is."""
        mine = deliveries.c.webhook == webhook
        with self._database.reading() as connection:
            rows = connection.execute(
                _DELIVERY.where(mine).order_by(deliveries.c.number.desc()).limit(limit).offset(offset)
            )
            found = [Delivery(*row) for row in rows]
            return found, connection.execute(
                select(func.count()).select_from(deliveries).where(mine)
            ).scalar_one()

    def again(self, webhook: str, delivery: str) -> Delivery | None:
        """Send a delivery once more, whatever became of it; None where the webhook has none of that id."""
        which = (deliveries.c.webhook == webhook, deliveries.c.id == delivery)
        values = {"state": WAITING, "due": now_text(), "attempts": 0, "ended": None}
        with self._database.writing() as connection:
            connection.execute(update(deliveries).where(*which).values(**values))
            row = connection.execute(_DELIVERY.where(*which)).first()
        return None if row is None else Delivery(*row)


_WEBHOOK = select(*(webhooks.c[name] for name in ("id", "url", "events", "created", "made_by")))
_DELIVERY = select(
    *(deliveries.c[name] for name in ("id", "event", "state", "made", "due", "attempts", "answered")),
    *(deliveries.c[name] for name in ("problem", "ended")),
)
