"""One database behind the server: SQLite in the state folder, or PostgreSQL for teams.

Writers of SQLite take their turn from the start (BEGIN IMMEDIATE): what they decide after a look is not overtaken.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, make_url, select
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from engine.web.store.tables import VERSION, metadata, schema
from forewalk.errors import ConfigError, ForewalkError

BUSY_SECONDS = 30.0


class Conflict(ForewalkError):  # noqa: N818 - what is the case
    """What was asked for is against what is there already."""


class Database:
    """Connections to the server's database; the tables are made where they are missing.

    Args:
        url: of SQLAlchemy, `sqlite:////path/file` or `postgresql://user@host/name`.

    Raises:
        ConfigError: it is no such URL, cannot be reached, or was written by a newer version of this program.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._writer = self._engine.execution_options(immediate=True)
        weakref.finalize(self, self._engine.dispose)
        try:
            self._prepare()
        except SQLAlchemyError as problem:
            self.close()
            said = str(getattr(problem, "orig", None) or problem).strip()
            raise ConfigError(
                f"the database {make_url(url).render_as_string()} cannot be used: {said}"
            ) from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection to read with."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection whose changes become true together, or not at all."""
        with self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self.writing() as connection:
            metadata.create_all(connection)
            found = connection.execute(select(schema.c.version)).scalar()
            if found is None:
                connection.execute(insert(schema).values(version=VERSION))
            elif found > VERSION:
                raise ConfigError(
                    f"the database is of version {found}, and this program knows {VERSION}: start the newer one"
                )


def now_text() -> str:
    """Return the moment as text that sorts: ISO 8601, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _engine(url: str) -> Engine:
    try:
        kind = make_url(url)
        if kind.get_backend_name() == "postgresql":
            return create_engine(kind.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
        if kind.get_backend_name() != "sqlite":
            raise ConfigError(
                f"--database {kind.render_as_string()}: give sqlite:///FILE or postgresql://USER@HOST/NAME"
            )
        engine = create_engine(kind, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    except (ArgumentError, NoSuchModuleError):
        raise ConfigError("--database: give sqlite:///FILE or postgresql://USER@HOST/NAME") from None
    except ModuleNotFoundError as missing:
        raise ConfigError(f"--database needs {missing.name}: pip install 'forewalk[postgresql]'") from None
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin transactions late; see _begin_sqlite
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
