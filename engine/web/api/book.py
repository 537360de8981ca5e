"""A team's paper book: its settings and its journal, and what a person may tell it; only ever through the journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from engine.web.places import Places
from engine.web.store.database import Conflict
from forewalk.errors import ConfigError, DataError
from forewalk.settings.loading import load_settings

if TYPE_CHECKING:
    from broker.journal.journal import Journal
    from forewalk.settings.sections import Settings


class NoBook(DataError):  # noqa: N818 - what is the case
    """The team has no paper book, or its daemon has never run."""


@contextmanager
def as_the_servers_own() -> Iterator[None]:
    """Let a wrong setting or a missing key of the book be a Conflict: who asks cannot mend it."""
    try:
        yield
    except ConfigError as problem:
        raise Conflict(f"the paper book cannot be used: {problem}") from None


def settings_of(places: Places) -> Settings:
    """Return the settings of a team's paper book. NoBook where it has none."""
    if not places.paper.is_file():
        raise NoBook("there is no paper book; start the server with --paper FILE")
    with as_the_servers_own():
        return load_settings(places.paper)


@contextmanager
def journal_of(settings: Settings, readonly: bool = False) -> Iterator[Journal]:
    """Yield the journal of a book. NoBook where its daemon has never run."""
    from engine.live.job import open_journal

    state = settings.live.state.expanduser()
    if not (state / "journal.db").exists():
        raise NoBook("the paper book has no journal yet: its daemon has never run")
    journal = open_journal(state, settings.live.book, readonly)
    try:
        yield journal
    finally:
        journal.close()


def market_time(settings: Settings) -> datetime:
    """Return the broker's time on a simulator, whose clock is virtual; else this machine's."""
    from broker.hosts import is_local
    from broker.trading.commands import now_utc
    from engine.live.job import broker_from_environment

    with as_the_servers_own():
        return broker_from_environment(settings).clock().now if is_local(settings.live.url) else now_utc()


def stop(settings: Settings, symbol: str | None, reason: str, flatten: bool) -> list[str]:
    """Halt a symbol or everything, and close positions if asked; return what came of it, in words.

    Where no daemon runs, the broker is told from here.
    """
    from broker.trading import commands
    from engine.live.job import carry_out_halts
    from engine.live.lock import is_locked

    with journal_of(settings) as journal:
        commands.halt(
            journal, symbol, reason, commands.now_utc(), flatten, suspend=not settings.live.is_shared
        )
    if is_locked(settings.live.state.expanduser()):
        return ["the daemon tells the broker within seconds"]
    return carry_out_halts(settings)
