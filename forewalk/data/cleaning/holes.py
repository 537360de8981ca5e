"""Sessions without a bar."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from forewalk.data.cleaning.closing import markets
from forewalk.data.quality import findings_by_symbol
from forewalk.data.table import CLOSE, Rows, joined, since_first, taken
from forewalk.sessions import microseconds, session_grid, session_numbers
from forewalk.settings.sections import DataSettings
from forewalk.types import IntArray

CARRY_SESSIONS = 5


def missing_sessions(rows: Rows, calendars: tuple[str, ...], settings: DataSettings) -> Rows:
    """Apply, exchange by exchange, the policy for sessions without a bar between two bars of a symbol.

    `refuse` ends the series before the gap; `repair` carries the last close with zero volume for up to
    `CARRY_SESSIONS` sessions, also after a symbol's last bar (that it is the last one cannot be known
    then); there is nothing to `drop`, so it acts like `flag`.
    """
    if not len(rows):
        return rows
    parts = [
        _missing(rows.keep(np.isin(rows.code, members)), settings.model_copy(update={"calendar": calendar}))
        for calendar, members in markets(calendars)
    ]
    if len(parts) == 1:
        return parts[0]
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("code", "time", "prices", "volume")
    }
    order = np.lexsort((arrays["time"], arrays["code"]))
    found = [finding for part in parts for finding in part.findings[len(rows.findings) :]]
    extras = taken(joined([(part.extras, len(part)) for part in parts]), order)
    return replace(rows, extras=extras, **{name: values[order] for name, values in arrays.items()}).note(
        found
    )


def _missing(rows: Rows, settings: DataSettings) -> Rows:
    if not len(rows):
        return rows
    policy = settings.cleaning.missing_sessions
    times = np.append(rows.time, rows.last_time).astype("datetime64[us]")
    moments = pd.DatetimeIndex(times, tz="UTC")
    number, dates = session_numbers(settings.exchange, moments, settings.bar_length)
    gap = np.where(rows.first_of_symbol, 0, np.diff(number[:-1], prepend=number[0]) - 1)
    after_gap = gap > 0
    findings = findings_by_symbol(
        rows.symbols, rows.code, rows.time, after_gap, "missing_sessions", policy,
        "sessions without a bar; the times are those of the first bar after a gap",
        "kept" if policy == "drop" else None,
    )  # fmt: skip
    missed = np.bincount(rows.code[after_gap], weights=gap[after_gap], minlength=len(rows.symbols))
    rows = rows.note(replace(f, count=int(missed[rows.symbols.index(f.symbol)])) for f in findings)
    if policy == "refuse":
        return rows.keep(~since_first(after_gap, rows.code))
    return _carry(rows, number[:-1], int(number[-1]), dates, settings) if policy == "repair" else rows


def _carry(rows: Rows, number: IntArray, last: int, dates: pd.DatetimeIndex, settings: DataSettings) -> Rows:
    """Add bars at the last close, with zero volume, on sessions without one."""
    last_of_symbol = np.append(rows.first_of_symbol[1:], True)
    following = np.where(last_of_symbol, last + 1, np.append(number[1:], 0))
    missing = np.minimum(following - number - 1, CARRY_SESSIONS)
    sources, times = [np.arange(len(rows))], [rows.time]
    for row in np.flatnonzero(missing > 0):
        for step in range(1, int(missing[row]) + 1):
            closes = _close(settings, dates[int(number[row]) + step])
            closes = closes[closes <= rows.last_time]
            sources.append(np.full(len(closes), row))
            times.append(closes)
    source, time = np.concatenate(sources), np.concatenate(times)
    added = np.arange(len(source)) >= len(rows)
    prices = np.where(added[:, None], rows.prices[source, CLOSE][:, None], rows.prices[source])
    volume = np.where(added, 0.0, rows.volume[source])
    order = np.lexsort((time, rows.code[source]))
    extras = taken(rows.extras, source)
    if "dividend" in extras:
        extras["dividend"] = np.where(added, 0.0, extras["dividend"])
    extras = taken(extras, order)
    return replace(
        rows, code=rows.code[source][order], time=time[order], prices=prices[order], volume=volume[order],
        extras=extras,
    )  # fmt: skip


def _close(settings: DataSettings, session: pd.Timestamp) -> IntArray:
    """The close of a session: not earlier is it known that a symbol has no bar in it."""
    return microseconds(session_grid(settings.exchange, session, settings.bar_length)[-1:])
