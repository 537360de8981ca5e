"""Windows on a long history: how many bars a chart shows, up to which day, and the links that move it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

SPANS = (60, 120, 250, 500, 1000, 2500)  # bars that a chart shows, the closest first
Moves = tuple[tuple[str, str], ...]


def window_of(dates: pd.DatetimeIndex, bars: int, to: str | None) -> tuple[int, int, int]:
    """Return the first and last place (one past it) of the window asked for, and its span.

    Args:
        dates: of all bars. bars: asked for; the nearest span is taken. to: its last day; None, a day that is none
            or one beyond the last means the end.
    """
    span = int(min(SPANS, key=lambda each: abs(each - bars)))
    last = len(dates)
    if to:
        end = pd.to_datetime(to, utc=True, errors="coerce")
        if not pd.isna(end):
            last = int(dates.searchsorted(end + pd.Timedelta(days=1)))
    last = max(min(last, len(dates)), min(span, len(dates)))
    return max(0, last - span), last, span


def moves_of(
    link: Callable[[int, str | None], str], dates: pd.DatetimeIndex, first: int, last: int, span: int
) -> Moves:
    """Return (what, query) of the windows beside, within and around this one; `link(bars, to)` writes a query."""
    place = SPANS.index(span)
    here = f"{dates[last - 1]:%Y-%m-%d}" if len(dates) else None
    found = []
    if first > 0:
        found.append(("earlier", link(span, f"{dates[max(first - 1, 0)]:%Y-%m-%d}")))
    if last < len(dates):
        found.append(("later", link(span, f"{dates[min(last + span, len(dates)) - 1]:%Y-%m-%d}")))
    if place > 0:
        found.append(("closer", link(SPANS[place - 1], here)))
    if place + 1 < len(SPANS) and len(dates) > span:
        found.append(("wider", link(SPANS[place + 1], here)))
    return tuple(found)
