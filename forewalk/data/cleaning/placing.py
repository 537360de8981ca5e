"""Place rows in time: stamps become UTC closes, sorted, one per symbol, inside the exchange's hours.

Causal like all cleaning: whether a row stays depends on rows at or before its own time only. Therefore a
row counts as out of order when a row of an *earlier* time stands after it in the source, and not the
other way round.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from forewalk.data.cleaning.closing import calendars_of, closes_of, local_starts, markets
from forewalk.data.cleaning.weekends import with_sundays_joined
from forewalk.data.quality import Finding, findings_by_symbol
from forewalk.data.table import NO_TIME, Rows, Table, since_first, taken
from forewalk.errors import ConfigError, DataError
from forewalk.sessions import is_intraday, microseconds, regular_closes, session_closes, sessions_between
from forewalk.settings.cleaning import Policy
from forewalk.settings.sections import DataSettings
from forewalk.types import BoolArray, IntArray


def place(table: Table, settings: DataSettings) -> Rows:
    """Return the rows of `table` between `settings.start` and `settings.end`, sorted by symbol and time.

    Applies the policies for `zoneless_timestamps`, `off_session`, `unordered_timestamps` and
    `duplicate_timestamps`, in this order. Where a policy has nothing to work with, it does the nearest
    sensible thing and the report says what: a bar off session cannot be mended and is dropped under
    `repair`; of repeated rows the first one is kept, whatever the policy; rows are sorted and stamps read
    in the exchange's zone under `flag` too, for bars have neither two rows nor no zone.

    Raises:
        DataError: one of the policies is `refuse` and the source has such rows (file and line are named).
    """
    policy = settings.cleaning
    table = with_sundays_joined(table, settings)
    found = list(table.findings)
    start = table.instant
    if is_intraday(settings.bar_length):
        table, start = _with_zone(table, settings, found)
    time, inside = closes_of(table, start, settings)
    order = np.lexsort((np.arange(len(table)), time, table.code))
    code, time, inside = table.code[order], time[order], inside[order]
    keep = np.ones(len(table), bool)

    def report(damaged: BoolArray, kind: str, choice: Policy, message: str, action: str) -> None:
        found.extend(findings_by_symbol(table.symbols, code, time, damaged, kind, choice, message, action))

    off = ~inside
    report(off, "off_session", policy.off_session, _OFF_MESSAGE, _OFF_ACTIONS[policy.off_session])
    if policy.off_session != "flag":
        keep[since_first(off, code) if policy.off_session == "refuse" else off] = False
    late = _out_of_order(order, code, keep)
    _refuse_file(table, order, late, policy.unordered_timestamps, "is out of time order; sort the file")
    dropped = policy.unordered_timestamps == "drop"
    action = "dropped" if dropped else "repaired"
    report(late, "unordered_timestamps", policy.unordered_timestamps, _LATE_MESSAGE, action)
    keep[late] = not dropped
    again = _repeated(code, time, keep)
    _refuse_file(
        table, order, again, policy.duplicate_timestamps, "repeats a timestamp; remove one of the rows"
    )
    report(again, "duplicate_timestamps", policy.duplicate_timestamps, _AGAIN_MESSAGE, "dropped")
    keep[again] = False
    rows = Rows(
        symbols=table.symbols,
        code=code,
        time=time,
        prices=table.prices[order],
        volume=table.volume[order],
        last_time=int(time.max(initial=NO_TIME)),
        findings=tuple(found),
        extras=taken(table.extras, order),
    )
    return _between(rows.keep(keep), calendars_of(table, settings), settings)


_OFF_ACTIONS: dict[Policy, str] = {"refuse": "ended", "drop": "dropped", "repair": "dropped", "flag": "kept"}
_OFF_MESSAGE = "bars at times when the exchange was closed"
_LATE_MESSAGE = "rows standing before rows of an earlier time"
_AGAIN_MESSAGE = "rows repeating a timestamp; the first one counts"
_ZONE_MESSAGE = "intraday stamps without a zone, read in the exchange's zone"
_UNREADABLE_MESSAGE = "stamps without a zone in an hour that daylight saving repeats or skips"


def _with_zone(table: Table, settings: DataSettings, found: list[Finding]) -> tuple[Table, IntArray]:
    """Return the rows whose start is known, and their UTC starts."""
    naive = table.instant == NO_TIME
    if not naive.any():
        return table, table.instant
    policy = settings.cleaning.zoneless_timestamps
    if policy == "refuse":
        raise DataError(
            f"{table.where(int(np.argmax(naive)))}: the stamp has no time zone; write it with one, such as "
            f"2025-01-02 09:30:00-05:00, or set data.cleaning.zoneless_timestamps = 'repair' to read it as "
            f"local time of {settings.exchange}"
        )
    start = local_starts(table, settings)
    kind = "zoneless_timestamps"
    known = start != NO_TIME
    time = np.where(known, start, table.wall)
    action = "dropped" if policy == "drop" else "repaired"
    symbols, code = table.symbols, table.code
    found += findings_by_symbol(symbols, code, time, naive & known, kind, policy, _ZONE_MESSAGE, action)
    found += findings_by_symbol(symbols, code, time, ~known, kind, policy, _UNREADABLE_MESSAGE, "dropped")
    keep = known & ~naive if policy == "drop" else known
    return table.keep(keep), start[keep]


def _out_of_order(order: IntArray, code: IntArray, keep: BoolArray) -> BoolArray:
    """True on sorted rows that stand, in the source, before a row of an earlier time of their symbol."""
    late = np.zeros(len(order), bool)
    place_in_source = order[keep] + code[keep] * len(order)  # symbols apart, so that the maximum restarts
    late[keep] = place_in_source < np.maximum.accumulate(place_in_source)
    return late


def _repeated(code: IntArray, time: IntArray, keep: BoolArray) -> BoolArray:
    again = np.zeros(len(code), bool)
    same = (np.diff(code[keep], prepend=-1) == 0) & (np.diff(time[keep], prepend=NO_TIME + 1) == 0)
    again[keep] = same
    return again


def _refuse_file(table: Table, order: IntArray, damaged: BoolArray, policy: Policy, what: str) -> None:
    if policy == "refuse" and damaged.any():
        row = int(order[damaged].min())
        raise DataError(f"{table.where(row)}: {table.symbols[int(table.code[row])]} {what}")


def _bounds(calendar: str, low: int, high: int, settings: DataSettings) -> tuple[int, int]:
    """Return the times after and until which bars lie in the sessions from `start` to `end`."""
    first, last = session_date(settings.start, "data.start"), session_date(settings.end, "data.end")
    if first is not None:
        past = sessions_between(calendar, _moment(low) - pd.Timedelta(days=15), first - pd.Timedelta(days=1))
        if len(past):
            low = max(low, int(microseconds(session_closes(calendar, past[-1:]))[0]))
    if last is not None:
        high = min(high, int(microseconds(regular_closes(calendar, pd.DatetimeIndex([last])))[0]))
    return low, high


def _between(rows: Rows, calendars: tuple[str, ...], settings: DataSettings) -> Rows:
    """Cut to the sessions from `start` to `end`, both included."""
    if settings.start is None and settings.end is None:
        return rows
    if not len(rows):
        return rows
    low, high = (
        np.full(len(rows.symbols), rows.time.min() - 1),
        np.full(len(rows.symbols), np.int64(rows.last_time)),
    )
    for calendar, members in markets(calendars):
        low[members], high[members] = _bounds(calendar, int(low[0]), int(high[0]), settings)
    inside = (rows.time > low[rows.code]) & (rows.time <= high[rows.code])
    if not inside.any():
        raise DataError(
            f"no bar from {settings.start or 'the beginning'} to {settings.end or 'the end'}; "
            f"the data goes from {_moment(rows.time.min()):%Y-%m-%d} to {_moment(rows.time.max()):%Y-%m-%d}"
        )
    cut = replace(rows.keep(inside), last_time=min(rows.last_time, int(high.max())))
    low_time, high_time = _moment(low.min()), _moment(high.max())
    kept = tuple(
        finding
        for finding in rows.findings
        if not finding.policy
        or finding.last is None
        or (finding.last > low_time and (finding.first or low_time) <= high_time)
    )
    return replace(cut, findings=kept)


def session_date(text: str | None, key: str) -> pd.Timestamp | None:
    """Return the date of a setting, zone-less at midnight; None for None; ConfigError for no date."""
    if text is None:
        return None
    try:
        date = pd.Timestamp(text)
    except ValueError:
        raise ConfigError(f"{key} = {text!r}: write a date as YYYY-MM-DD") from None
    if pd.isna(date):
        raise ConfigError(f"{key} = {text!r}: write a date as YYYY-MM-DD")
    return date.tz_localize(None).normalize()


def _moment(microseconds_utc: int | np.int64) -> pd.Timestamp:
    return pd.Timestamp(int(microseconds_utc), unit="us", tz="UTC")
