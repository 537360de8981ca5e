"""What the server knows of people, in one place."""

from __future__ import annotations

from engine.web.access.audit import Audit
from engine.web.access.keys import Keys
from engine.web.access.people import People
from engine.web.access.plans import Plan, Plans
from engine.web.store.database import Database


class Store:
    """`people` (users, teams, sessions), `keys`, `audit`, `plans`."""

    def __init__(self, database: Database, plan: Plan) -> None:
        self.people = People(database)
        self.keys = Keys(database)
        self.audit = Audit(database)
        self.plans = Plans(database, plan)
