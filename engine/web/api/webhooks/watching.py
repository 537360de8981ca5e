"""What other processes write, told as events: forecasts in a team's log, halts and alarms of its paper book.

How far each source has been told is noted in the transaction that queues it: nothing is missed or told under two ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from engine.web.api.book import NoBook, journal_of, settings_of
from engine.web.api.logged import logged, state_of
from engine.web.api.webhooks.outbox import announce
from engine.web.places import Places
from engine.web.store.database import Conflict, Database
from engine.web.store.tables import webhook_places, webhooks
from forewalk.errors import ForewalkError

FORECASTS, BOOK = "forecasts", "book"
HALTS = ("halt", "breach")  # by a person or a limit; of the journal's alarms
Found = Iterable[tuple[int, str, dict[str, Any]]]  # number, type of the event, data


class Watch:
    """Looks at the logs and journals of teams that have webhooks.

    Args:
        database: of the server. places: the folders of a team.
    """

    def __init__(self, database: Database, places: Callable[[str], Places]) -> None:
        self._database, self._places = database, places
        self._seen: dict[tuple[str, str], str] = {}

    def __call__(self) -> None:
        """Queue what has come since the last look; a source that cannot be read now is read at the next one."""
        with self._database.reading() as connection:
            teams = list(connection.execute(select(webhooks.c.team).distinct()).scalars())
        for team in teams:
            for source in (FORECASTS, BOOK):
                try:
                    self._look(team, source)
                except (ForewalkError, OSError, IntegrityError):
                    self._seen.pop((team, source), None)

    def begin(self, team: str) -> None:
        """Tell a team of what comes from now on; call it before its first webhook is there."""
        for source in (FORECASTS, BOOK):
            newest = max((number for number, _, _ in self._entries(team, source)), default=0)
            with self._database.writing() as connection:
                which = (webhook_places.c.team == team, webhook_places.c.source == source)
                connection.execute(delete(webhook_places).where(*which))
                connection.execute(insert(webhook_places).values(team=team, source=source, place=newest))

    def _look(self, team: str, source: str) -> None:
        state = self._state(team, source)
        if self._seen.get((team, source)) == state:
            return
        entries = list(self._entries(team, source))
        with self._database.writing() as connection:
            _tell(connection, team, source, entries)
        self._seen[team, source] = state

    def _state(self, team: str, source: str) -> str:
        places = self._places(team)
        if source == FORECASTS:
            return state_of(places.forecasts)
        try:
            return state_of(settings_of(places).live.state.expanduser() / "journal.db")
        except (NoBook, Conflict):
            return "none"

    def _entries(self, team: str, source: str) -> Found:
        places = self._places(team)
        if source == FORECASTS:
            for row in reversed(logged(places.forecasts).rows):
                yield row["number"], "forecast.written", row
            return
        try:
            with journal_of(settings_of(places), readonly=True) as journal:
                alarms = journal.outbox.alarms()
        except (NoBook, Conflict):
            return
        for alarm in alarms:
            kind = "live.halt" if alarm.kind in HALTS else "live.alarm"
            said = {
                "kind": alarm.kind,
                "symbol": alarm.symbol or None,
                "at": alarm.at.isoformat(),
                "text": alarm.text,
            }
            yield alarm.number, kind, said


def _tell(connection: Connection, team: str, source: str, entries: Found) -> None:
    which = (webhook_places.c.team == team, webhook_places.c.source == source)
    place = connection.execute(select(webhook_places.c.place).where(*which).with_for_update()).scalar()
    newest = place or 0
    for number, event, data in entries:
        if number > (place or 0):
            announce(connection, team, event, str(number), data)
            newest = max(newest, number)
    if place is None:
        connection.execute(insert(webhook_places).values(team=team, source=source, place=newest))
    else:
        connection.execute(update(webhook_places).where(*which).values(place=newest))
