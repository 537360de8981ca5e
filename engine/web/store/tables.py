"""The tables. Moments are ISO 8601 texts in UTC, which sort; ids are random and say nothing."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Index, Integer, MetaData, String, Table, Text

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
