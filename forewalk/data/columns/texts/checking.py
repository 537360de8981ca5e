"""What a file of texts was understood to be, as plain data; nothing is run."""

from __future__ import annotations

from typing import Any

import pandas as pd

from forewalk.data.columns.texts.copies import is_copy
from forewalk.data.columns.texts.reading import read_texts
from forewalk.settings.news import NewsSettings

MOST_SYMBOLS = 50  # that are counted by name


def checked_texts(settings: NewsSettings) -> dict[str, Any]:
    """Return rows, span, symbols and what was left out or guessed; ISO moments in UTC.

    Raises:
        ConfigError, DataError: see `read_texts`.
    """
    texts, report = read_texts(settings)
    copies = is_copy(texts.known_at, texts.symbols, texts.headline)
    named = pd.Series([symbol for names in texts.symbols for symbol in names], dtype=object).value_counts()
    return {
        "rows": report.rows,
        "texts": len(texts),
        "first_known_at": _iso(texts.known_at[0]) if len(texts) else None,
        "last_known_at": _iso(texts.known_at[-1]) if len(texts) else None,
        "zone": report.zone or "in each stamp",
        "kinds": sorted(set(texts.kind.tolist())),
        "symbols": {str(name): int(count) for name, count in named.head(MOST_SYMBOLS).items()},
        "symbols_in_all": len(named),
        "without_symbol": int(sum(not names for names in texts.symbols)),
        "duplicates": int(copies.sum()),
        "joined": report.joined,
        "undated": report.dropped,
        "amended": report.amended,
        "backfilled": int(texts.backfilled.sum()),
        "lag_minutes": settings.lag_minutes,
        "fingerprint": texts.fingerprint,
    }


def _iso(moment: int) -> str:
    return pd.Timestamp(int(moment), unit="us", tz="UTC").isoformat()
