"""The settings of alarms: where they go, what may wait until morning, and the sign of life."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from forewalk.settings.base import Section, Text, split_commas

NEVER_QUIET = frozenset(("halt", "breach", "needs_human", "unreachable", "journal", "blocked"))


def _as_variable(value: object) -> object:
    """Take the name of a variable; anything else may be an address with a token, so it is not repeated."""
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", value):
        return "(not shown)"
    return value


def _is_variable(value: str) -> str:
    if value == "(not shown)":
        raise ValueError(
            "write the name of the environment variable that holds it, not the address or key itself"
        )
    return value


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is no IANA time zone, e.g. Europe/London") from None
    return value


def _may_wait(values: tuple[str, ...]) -> tuple[str, ...]:
    if never := NEVER_QUIET.intersection(values):
        raise ValueError(f"{', '.join(sorted(never))} can never wait")
    return values


Variable = Annotated[str, BeforeValidator(_as_variable), AfterValidator(_is_variable)]
Variables = Annotated[tuple[Variable, ...], BeforeValidator(split_commas)]
Zone = Annotated[str, AfterValidator(_known_zone)]
Kinds = Annotated[tuple[str, ...], BeforeValidator(split_commas), AfterValidator(_may_wait)]


class AlertSettings(Section):
    """Alarms of the paper book, kept in the journal until each channel has taken them; see docs/alarms.md."""

    channels: Variables = ()
    """Names of environment variables that hold addresses: `https://` (a webhook), `smtp(s)://` (mail), or those of
    ntfy, Slack, Discord, Telegram and others as apprise writes them."""
    signing_key: Variable | None = None
    """Name of the variable that holds the key webhooks are signed with."""
    heartbeat: Variable | None = None
    """Name of the variable that holds the URL to ask while all is well: a dead man's switch."""
    heartbeat_minutes: float = Field(5.0, ge=0.1, le=1440.0)
    """Minutes between two signs of life."""
    quiet: Text | None = Field(None, pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")
    """Hours in which the kinds of `quiet_kinds` wait, e.g. `22:00-07:00`; none means that nothing waits."""
    quiet_zone: Zone = "America/New_York"
    """Time zone of `quiet`."""
    quiet_kinds: Kinds = ("fill", "started", "stopped", "drift", "summary_failed", "reconciliation", "model")
    """Kinds that may wait; halts, breaches, blockers and what needs a person never do."""
    reconciliation: bool = True
    """After each session tell in a message what the day was: money, orders, fills, book against broker, halts."""

    def is_quiet(self, clock: time) -> bool:
        """Whether it is quiet at this time of day in `quiet_zone`."""
        if self.quiet is None:
            return False
        first, last = (time.fromisoformat(part) for part in self.quiet.split("-"))
        return first <= clock < last if first <= last else clock >= first or clock < last
