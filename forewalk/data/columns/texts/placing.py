"""Lay texts over bars: each belongs to the first bar of its symbol at whose close it was known.

Causal like all cleaning: what a bar holds depends on texts known at its close only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forewalk.data.columns.texts.polling import in_touch
from forewalk.data.columns.texts.rows import TextRows
from forewalk.data.columns.texts.scoring.learner import learned_tone
from forewalk.data.columns.texts.texts import SOCIAL
from forewalk.data.quality import TEXTS, Finding
from forewalk.sessions import microseconds
from forewalk.types import Bars, BoolArray, FloatArray, IntArray

SUMS = ("count", "all", "tone", "square")


def extra(kind: str, what: str) -> str:
    """Return the name in `Bars.extras` of a sum over the texts of a bar.

    `all` is that of their weights and `count` without copies; `tone` and `square` are those of weight times tone and
    times its square, without copies.
    """
    return f"text_{kind}_{what}"


def with_texts(bars: Bars, rows: TextRows) -> Bars:
    """Return the bars with the sums of their texts among the `extras`, each [T, S].

    0 where a bar had no text; NaN before the first text of that kind was known, and while none of any symbol has come
    for `silent_bars` bars: a silent source says nothing, and not "no news". Texts from before a learner knows enough
    are not there, and nothing is known of bars that closed too long after a source was last asked.
    """
    tone = scored(bars, rows)
    rows = replace(rows, tone=tone).keep(np.isfinite(tone))
    extras: dict[str, FloatArray] = {}
    asked = in_touch(microseconds(bars.timestamps), rows.polls, rows.patience_us)
    for kind in rows.kinds:
        own = rows.keep(rows.social == (kind == SOCIAL))
        place = places_of(bars, own)
        inside = place < len(bars)
        own, place = own.keep(inside), place[inside]
        said = _speaks(bars, own.known, rows.silent_bars) & asked
        fresh = np.where(own.copy, 0.0, own.weight)
        column = _columns(bars, own)
        values = {"count": fresh, "all": own.weight, "tone": fresh * own.tone, "square": fresh * own.tone**2}
        for what in SUMS:
            grid = np.zeros(bars.close.shape)
            np.add.at(grid, (place, column), values[what])
            grid[~said] = np.nan
            extras[extra(kind, what)] = grid
    return bars.with_extras(**extras)


def scored(bars: Bars, rows: TextRows) -> FloatArray:
    """Return the tone of each row, [M]: its own, or what a learner says; NaN before that knows enough."""
    if rows.corpus is None:
        return rows.tone
    told = (rows.text, _columns(bars, rows), places_of(bars, rows), rows.copy)
    return learned_tone(bars, rows.corpus, *told)


def unasked(bars: Bars, rows: TextRows) -> tuple[Finding, ...]:
    """Return what there is to say about bars that closed too long after a source was last asked."""
    late = ~in_touch(microseconds(bars.timestamps), rows.polls, rows.patience_us)
    if not late.any():
        return ()
    when = bars.timestamps[late]
    message = (
        f"{int(late.sum()):,} bars closed more than {rows.patience_us / 60e6:g} minutes after a source of texts "
        "was last asked: their features of texts are missing (news.patience_minutes)"
    )
    return (Finding("", TEXTS, "", "noted", int(late.sum()), when[0], when[-1], message),)


def _columns(bars: Bars, rows: TextRows) -> IntArray:
    column = {symbol: number for number, symbol in enumerate(bars.symbols)}
    names = np.array([column.get(symbol, -1) for symbol in rows.symbols], dtype=np.int64)
    return names[rows.code] if len(rows) else np.zeros(0, np.int64)


def places_of(bars: Bars, rows: TextRows) -> IntArray:
    """Return the row of the first bar of its symbol that closes when the text is known, or later; T without one."""
    stamps, column = microseconds(bars.timestamps), _columns(bars, rows)
    found = np.full(len(rows), len(bars))
    for number in np.unique(column[column >= 0]).tolist():
        own = np.flatnonzero(bars.present[:, number])
        mine = np.flatnonzero(column == number)
        after = np.searchsorted(stamps[own], rows.known[mine])
        there = after < len(own)
        found[mine[there]] = own[after[there]]
    return found


def _speaks(bars: Bars, known: IntArray, silent_bars: int) -> BoolArray:
    """Tell for each bar whether a text of any symbol has come within the last `silent_bars` bars, [T]."""
    stamps = microseconds(bars.timestamps)
    count = np.searchsorted(np.sort(known), stamps, side="right")  # known at or before each close
    before = np.concatenate(
        [np.zeros(min(silent_bars, len(count)), np.int64), count[: max(len(count) - silent_bars, 0)]]
    )
    return np.asarray(count > before)
