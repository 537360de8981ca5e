"""The texts behind the features of a bar: what was said, when it was known, what it counts and how it sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forewalk.data.columns.rows import NO_TIME
from forewalk.data.columns.texts.placing import places_of, scored
from forewalk.data.columns.texts.reading import read_wordings, unknown_rows
from forewalk.data.columns.texts.rows import pairs_of, rows_of
from forewalk.data.columns.texts.wordings import first_wordings, later_wordings
from forewalk.errors import DataError
from forewalk.settings.news import NewsSettings
from forewalk.types import Bars


@dataclass(frozen=True)
class TextBehind:
    """One text of a bar.

    Attributes:
        known_at: from when it counts, UTC. published: when its source says it was written, None where it does not.
        headline: without control and direction marks; it may hold markup, which a page has to escape.
        source, kind: its maker; "news" or "social".
        weight: what it counts for this symbol. tone: in [-1, 1], None before a learner knows enough.
        repeats: whether it repeats an earlier one and counts as a repeat only.
        backfilled: whether `known_at` is a guess.
        later: what was known to be changed in it afterwards: (from when, headline), which counted for nothing.
    """

    known_at: pd.Timestamp
    published: pd.Timestamp | None
    headline: str
    source: str
    kind: str
    weight: float
    tone: float | None
    repeats: bool
    backfilled: bool
    later: tuple[tuple[pd.Timestamp, str], ...] = ()


def texts_behind(settings: NewsSettings, bars: Bars, symbol: str, asof: pd.Timestamp) -> list[TextBehind]:
    """Return the texts of one symbol that its bar at `asof` was the first to know, in the order of `known_at`.

    Args:
        settings: `path` and how it is read and scored. bars: as the features were made of them.

    Raises:
        ConfigError, DataError: the texts cannot be read; there is no such symbol or bar.
    """
    if symbol not in bars.symbols:
        raise DataError(f"{symbol}: not among the symbols {', '.join(bars.symbols[:6])}")
    row = int(bars.timestamps.searchsorted(asof))
    if row >= len(bars) or bars.timestamps[row] != asof:
        raise DataError(f"no bar closes at {asof}; the last one closes at {bars.timestamps[-1]}")
    wordings, _ = read_wordings(settings)
    texts, _ = first_wordings(wordings)
    texts = texts.keep(~unknown_rows(texts, bars.symbols))
    rows = rows_of(texts, bars.symbols, settings)
    which = pairs_of(texts, bars.symbols)[0]
    tone = scored(bars, rows)
    mine = (places_of(bars, rows) == row) & (rows.code == bars.symbols.index(symbol))
    return [
        TextBehind(
            known_at=_moment(int(rows.known[pair])),
            published=None if texts.published[text] == NO_TIME else _moment(int(texts.published[text])),
            headline=str(texts.headline[text]),
            source=str(texts.source[text]),
            kind=str(texts.kind[text]),
            weight=float(rows.weight[pair]),
            tone=float(tone[pair]) if np.isfinite(tone[pair]) else None,
            repeats=bool(rows.copy[pair]),
            backfilled=bool(texts.backfilled[text]),
            later=tuple(
                (_moment(int(wordings.known_at[at])), str(wordings.headline[at]))
                for at in later_wordings(wordings, texts.id[text], int(texts.version[text]))
            ),
        )
        for pair, text in ((pair, int(which[pair])) for pair in np.flatnonzero(mine).tolist())
    ]


def _moment(microseconds: int) -> pd.Timestamp:
    return pd.Timestamp(microseconds, unit="us", tz="UTC")
