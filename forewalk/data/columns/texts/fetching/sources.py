"""The sources of texts by name, and the one way to fetch from any of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace

from forewalk.data.columns.texts.fetching import feeds, filings, gdelt, reddit
from forewalk.data.columns.texts.fetching.store import TextStore
from forewalk.data.columns.texts.fetching.wanted import Wanted
from forewalk.data.sources.pacing import Pace
from forewalk.errors import ConfigError
from forewalk.settings.sections import DataSettings

Fetch = Callable[[TextStore, Wanted], int]
OWN: dict[str, tuple[Fetch, float]] = {  # and requests a minute
    "rss": (feeds.fetch_feeds, feeds.PER_MINUTE),
    "sec": (filings.fetch_filings, filings.PER_MINUTE),
    "gdelt": (gdelt.fetch_gdelt, gdelt.PER_MINUTE),
    "reddit": (reddit.fetch_reddit, reddit.PER_MINUTE),
}


NAMES = ("alpaca", *OWN)


def checked_names(names: str) -> tuple[str, ...]:
    """Return the sources of a list between commas; ConfigError for one that there is not."""
    found = tuple(name.strip().lower() for name in names.split(",") if name.strip())
    strange = [name for name in found if name not in NAMES]
    if strange or not found:
        raise ConfigError(f"{', '.join(strange) or 'nothing'}: texts come from {', '.join(NAMES)}")
    return found


def fetch_texts(name: str, store: TextStore, wanted: Wanted, data: DataSettings) -> int:
    """Append what a source has and `store` has not; return how many texts were new.

    What was fetched before a failure stays; the next call goes on behind it.

    Args:
        name: "alpaca", "rss", "sec", "gdelt" or "reddit". data: `requests_per_minute`, `patience_s`; `url` of Alpaca.

    Raises:
        ConfigError, ConnectionFailed, DataError: see the source.
    """
    if name == "alpaca":
        span = (wanted.symbols, wanted.first, wanted.last)
        return int(_alpaca()(store, *span, data, wanted.now, clock=wanted.clock))
    fetch, per_minute = OWN[name]
    return fetch(store, replace(wanted, pace=Pace(data.requests_per_minute or per_minute, data.patience_s)))


def _alpaca() -> Callable[..., int]:
    """Return the broker's fetch by name: the ground floor imports none of its wings."""
    found: Callable[..., int] = importlib.import_module("broker.alpaca.texts").fetch_into
    return found
