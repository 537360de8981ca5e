"""What a team may use."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from sqlalchemy import select

from engine.web.store.database import Database
from engine.web.store.tables import teams


@dataclass(frozen=True)
class Plan:
    """Quotas of one team.

    Attributes:
        running_jobs: at a time. waiting_jobs: queued or running. jobs_a_day: within 24 hours. symbols: of one job.
        requests_a_minute: of one person or key.
    """

    running_jobs: int = 1
    waiting_jobs: int = 20
    jobs_a_day: int = 500
    symbols: int = 1000
    requests_a_minute: int = 600


PERSON_ALONE = Plan(requests_a_minute=60_000)


class Plans:
    """The plans of the teams.

    Args:
        database: where they are written down. own: of the home team, and of the others what theirs do not say.
    """

    def __init__(self, database: Database, own: Plan) -> None:
        self._database, self.own = database, own

    def of(self, team: str) -> Plan:
        """Return the plan of a team."""
        with self._database.reading() as connection:
            said = connection.execute(select(teams.c.plan).where(teams.c.id == team)).scalar()
        return replace(self.own, **(said or {}))

    def to_dict(self, team: str) -> dict[str, int]:
        """Return the plan of a team as plain values."""
        return asdict(self.of(team))
