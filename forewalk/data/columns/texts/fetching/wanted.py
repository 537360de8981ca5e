"""What a fetch of texts is asked for, the same for every source."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from forewalk.data.columns.texts.fetching.naming import Names
from forewalk.data.columns.texts.fetching.store import TextStore
from forewalk.data.columns.texts.fetching.web import Answer, Web
from forewalk.data.sources.pacing import Pace
from forewalk.settings.news import NewsSettings


@dataclass(frozen=True)
class Wanted:
    """Texts about some symbols from one moment to another.

    Attributes:
        symbols: names. first, last: publication, UTC, both included. now: the present.
        settings: `feeds`, `subreddits`, `names`, `contact`.
        clock: tells the present when an answer is there; None for `now`, as where time is virtual.
        web: asks. pace: makes its requests; one without a limit for tests.
    """

    symbols: tuple[str, ...]
    first: datetime
    last: datetime
    now: datetime
    settings: NewsSettings
    web: Web
    clock: Callable[[], datetime] | None = None
    pace: Pace = field(default_factory=lambda: Pace(float("inf"), 0.0))

    def present(self) -> datetime:
        """Return the present: what was asked for is first seen when it has come, not when it was asked for."""
        return self.now if self.clock is None else self.clock()

    @functools.cached_property
    def names(self) -> Names:
        """How a text names the symbols."""
        return Names(self.symbols, self.settings.names)

    def holds(self, moment: datetime | None) -> bool:
        """Tell whether a text of that moment is wanted; one without a moment is."""
        return moment is None or self.first <= moment <= self.last


def asked_again(url: str, key: str, store: TextStore, wanted: Wanted) -> tuple[Answer, Callable[[], None]]:
    """Return what is at an address, status 304 where it has not changed since it was last kept, and what keeps it.

    To be kept when all that it says is in the store: what was lost before that is asked for again.
    """
    kept = store.kept(key)
    headers = {"If-None-Match": kept.get("etag", ""), "If-Modified-Since": kept.get("modified", "")}
    answer = wanted.pace(lambda: wanted.web.get(url, {name: said for name, said in headers.items() if said}))
    told = {"etag": answer.headers.get("etag", ""), "modified": answer.headers.get("last-modified", "")}
    return answer, lambda: store.keep(key, told)
