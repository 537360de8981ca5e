"""Lay columns over bars by what was known: a value belongs to the bar of its stamp, and is used from the first bar at
whose close it was known.

Causal like all cleaning: what a bar holds depends on values known at its close only.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from forewalk.data.columns.rows import EVERY, NO_TIME, ColumnRows, row_closes
from forewalk.data.quality import COLUMNS, Finding
from forewalk.errors import DataError
from forewalk.sessions import DAILY, microseconds
from forewalk.settings.sections import DataSettings
from forewalk.types import ACCOUNT_EXTRAS, Bars, BoolArray, FloatArray, IntArray


def with_columns(bars: Bars, rows: ColumnRows, settings: DataSettings) -> tuple[Bars, tuple[Finding, ...]]:
    """Return the bars with the columns among their `extras`, each [T, S], and what there is to say about them.

    A value that was known later than its bar's close is treated by `data.cleaning.late_values`; one that stays in
    force beyond its own bar does so for `data.columns_carry_bars` bars.

    Raises:
        DataError: a value came late and the policy is `refuse`; two rows stand for a bar; no value is on one.
    """
    _refuse_zoneless(rows, settings)
    closes = row_closes(rows, settings)
    _refuse_repeated(rows, closes)
    findings: list[Finding] = []
    extras: dict[str, FloatArray] = {}
    for column, name in enumerate(rows.names):
        if name in bars.extras or name in ACCOUNT_EXTRAS:
            raise DataError(f"{rows.origin}: the bars have a column {name!r} already; name yours otherwise")
        known = np.where(rows.known[:, column] == NO_TIME, closes, rows.known[:, column])
        there = np.isfinite(rows.values[:, column]) & (closes != NO_TIME)
        late = there & (known > closes)
        findings += _report(rows, column, closes, there, late, settings)
        place, on_bar = _placed(bars, closes, known, settings.cleaning.late_values == "repair")
        used = there & on_bar & (known <= _close_of(bars, place))
        findings += _left_out(rows, name, there & ~on_bar, closes)
        if there.any() and not used.any():
            raise DataError(
                f"{rows.origin}: no value of {name!r} belongs to a bar and was known at its close"
            )
        extras[name] = _grid(
            bars, rows, rows.values[:, column], closes, place, used, settings.columns_carry_bars
        )
    return bars.with_extras(**extras), tuple(findings)


def _placed(bars: Bars, closes: IntArray, known: IntArray, move: bool) -> tuple[IntArray, BoolArray]:
    """Return the row of the bar for each value, and whether there is one; with `move` the first one that knew it."""
    stamps = microseconds(bars.timestamps)
    wanted = np.maximum(closes, known) if move else closes
    place = np.searchsorted(stamps, wanted)
    inside = place < len(stamps)
    place = np.minimum(place, len(stamps) - 1)
    return place, inside if move else inside & (stamps[place] == closes)


def _close_of(bars: Bars, place: IntArray) -> IntArray:
    return microseconds(bars.timestamps)[place]


def _grid(
    bars: Bars,
    rows: ColumnRows,
    values: FloatArray,
    closes: IntArray,
    place: IntArray,
    used: BoolArray,
    carry_bars: int,
) -> FloatArray:
    """Spread the values over [T, S]; where several come to one bar, that of the latest stamp counts."""
    grid: FloatArray = np.full(bars.close.shape, np.nan)
    for code, columns in _columns_of(bars, rows):
        mine = np.flatnonzero(used & (rows.code == code))
        mine = mine[np.lexsort((closes[mine], place[mine]))]
        newest = np.maximum.accumulate(closes[mine]) if len(mine) else closes[mine]
        mine = mine[
            closes[mine] == newest
        ]  # an old value that became known after a newer one says nothing new
        grid[np.ix_(place[mine], columns)] = values[mine][:, None]
    if carry_bars:
        return pd.DataFrame(grid).ffill(limit=carry_bars).to_numpy()
    return grid


def _columns_of(bars: Bars, rows: ColumnRows) -> Iterator[tuple[int, list[int]]]:
    if not rows.symbols:
        yield EVERY, list(range(len(bars.symbols)))
    for code, symbol in enumerate(rows.symbols):
        if symbol in bars.symbols:
            yield code, [bars.symbols.index(symbol)]


def _report(
    rows: ColumnRows, column: int, closes: IntArray, there: BoolArray, late: BoolArray, settings: DataSettings
) -> Iterator[Finding]:
    """Say what is taken for granted, and what came late; refuse where the policy says so."""
    name, policy = rows.names[column], settings.cleaning.late_values
    if (rows.known[there, column] == NO_TIME).all():
        sentence = (
            f"{name!r} does not say when its values were known; each is taken as known at the close of its bar "
            f"(a column {name}_known_at would say)"
        )
        yield Finding("", COLUMNS, "", "noted", int(there.sum()), None, None, sentence)
    if not late.any():
        return
    row = int(np.flatnonzero(late)[0])
    if policy == "refuse":
        raise DataError(
            f"{rows.where(row)}: {name} was known at {_utc(rows.known[row, column])}, after the close of its bar at "
            f"{_utc(closes[row])} ({late.sum():,} values are): date it by when it was known, or set "
            "data.cleaning.late_values to 'repair' (use it from the first bar that knew it) or 'drop'"
        )
    action = "used from the first bar that knew them" if policy == "repair" else "left out"
    sentence = f"{int(late.sum()):,} values of {name!r} were known after the close of their bar: {action}"
    done = "repaired" if policy == "repair" else "dropped"
    first, last = (
        pd.Timestamp(int(moment), unit="us", tz="UTC") for moment in (closes[late].min(), closes[late].max())
    )
    yield Finding("", COLUMNS, policy, done, int(late.sum()), first, last, sentence)


def _left_out(rows: ColumnRows, name: str, lost: BoolArray, closes: IntArray) -> Iterator[Finding]:
    if lost.any():
        row = int(np.flatnonzero(lost)[0])
        sentence = (
            f"{int(lost.sum()):,} values of {name!r} are on no bar of these data and left out, the first at "
            f"{_utc(closes[row])}"
        )
        yield Finding("", COLUMNS, "", "dropped", int(lost.sum()), None, None, sentence)


def _refuse_zoneless(rows: ColumnRows, settings: DataSettings) -> None:
    naive = rows.instant == NO_TIME
    if settings.bar_length == DAILY or not naive.any() or settings.cleaning.zoneless_timestamps != "refuse":
        return
    raise DataError(
        f"{rows.where(int(np.argmax(naive)))}: the stamp has no time zone; write it with one, such as "
        f"2025-01-02 09:30:00-05:00, or set data.cleaning.zoneless_timestamps = 'repair'"
    )


def _refuse_repeated(rows: ColumnRows, closes: IntArray) -> None:
    key = pd.DataFrame({"code": rows.code, "close": closes})
    again = (key.duplicated() & (key["close"] != NO_TIME)).to_numpy()
    if again.any():
        raise DataError(f"{rows.where(int(np.argmax(again)))}: a second row for the same bar; keep one")


def _utc(moment: int | np.int64) -> str:
    return f"{pd.Timestamp(int(moment), unit='us', tz='UTC'):%Y-%m-%d %H:%M} UTC"
