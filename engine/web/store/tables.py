"""The tables. Moments are ISO 8601 texts in UTC, which sort; ids are random and say nothing."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

VERSION = 1
metadata = MetaData()

schema = Table("schema_version", metadata, Column("version", Integer, nullable=False))

jobs = Table(
    "jobs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),  # the order of submission
    Column("id", String(36), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("owner", String(64), nullable=False),
    Column("team", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("submitted", String(40), nullable=False),
    Column("started", String(40)),
    Column("finished", String(40)),
    Column("server", String(64)),  # that runs it
    Column("cancelled", Boolean, nullable=False, default=False),  # a person asked for it
    Column("progress", JSON),
    Column("result", JSON),
    Column("problem", Text),
    Index("jobs_of_team", "team", "number"),
    Index("jobs_by_state", "state", "number"),
)

teams = Table(
    "teams",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("created", String(40), nullable=False),
    Column("plan", JSON, nullable=False),  # what differs from the server's own plan
)

users = Table(
    "users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("team", String(64), ForeignKey("teams.id"), nullable=False),
    Column("name", String(100), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("password", Text, nullable=False),  # argon2
    Column("created", String(40), nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("sha256", String(64), primary_key=True),  # of the cookie
    Column("user", String(64), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created", String(40), nullable=False),
    Column("used", String(40), nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),  # of the key
    Column("user", String(64), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("begins", String(16), nullable=False),  # enough of it to tell one from another
    Column("scopes", JSON, nullable=False),
    Column("created", String(40), nullable=False),
    Column("used", String(40)),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("team", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("events", JSON, nullable=False),  # none means all
    Column("created", String(40), nullable=False),
    Column("made_by", String(64), nullable=False),
    Index("webhooks_of_team", "team"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),  # the same however often it is sent
    Column("webhook", String(64), ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("made", String(40), nullable=False),
    Column("due", String(40), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("answered", Integer),  # status of HTTP of the last try
    Column("problem", Text),
    Column("ended", String(40)),
    Index("deliveries_due", "state", "due"),
    Index("deliveries_of_webhook", "webhook", "number"),
)

webhook_places = Table(  # how far the news of other processes have been queued
    "webhook_places",
    metadata,
    Column("team", String(64), primary_key=True),
    Column("source", String(16), primary_key=True),
    Column("place", Integer, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", String(40), nullable=False),
    Column("team", String(64)),
    Column("person", String(64)),
    Column("via", String(16), nullable=False),
    Column("method", String(8), nullable=False),
    Column("path", Text, nullable=False),
    Column("address", String(64), nullable=False),
    Column("status", Integer),  # None: the server did not live to say
    Index("audit_of_team", "team", "number"),
)
