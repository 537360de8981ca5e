"""Time zones by name: those of the tz database, and the clocks of brokers that no database knows.

A zone is written as

- an IANA name: `America/New_York`, `Etc/GMT+5` (five hours *west* of Greenwich), `UTC`;
- `NY+7`: New York's wall clock plus seven hours. Most MetaTrader servers keep it, so that their midnight is 17:00
  in New York, where the currency day ends; `MetaTrader` is another name for it;
- a clock that was changed: `Europe/Berlin until 2014-11-23, Europe/Helsinki`. A date is one of the wall clock.
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd

from forewalk.errors import ConfigError
from forewalk.types import IntArray

NAMED = {"MetaTrader": "NY+7"}
NEW_YORK = "America/New_York"
_SHIFTED = re.compile(r"NY([+-]\d{1,2})")
_NO_TIME = int(np.iinfo(np.int64).min)
_HOUR = 3600 * 10**6


def check_zone(zone: str, key: str = "data.zone") -> str:
    """Return `zone` if it can be read, else raise ConfigError with the nearest name.

    >>> check_zone("NY+7")
    'NY+7'
    """
    for name, _ in _parts(zone, key):
        _clock(name, key)
    return zone


def to_utc(wall: IntArray, zone: str) -> IntArray:
    """Return the UTC microseconds of wall-clock microseconds, [N].

    The smallest int64 stays what it is (no time), and stands for a time that daylight saving repeats or skips.

    Raises:
        ConfigError: there is no such zone.
    """
    result = np.full(len(wall), _NO_TIME)
    for name, (first, last) in _spans(zone):
        mine = (wall >= first) & (wall < last) & (wall != _NO_TIME)
        base, hours = _clock(name)
        local = pd.DatetimeIndex((wall[mine] - hours * _HOUR).astype("datetime64[us]"))
        moments = local.tz_localize(base, ambiguous="NaT", nonexistent="NaT").tz_convert("UTC")
        result[mine] = np.asarray(moments.as_unit("us").values).astype(np.int64)
    return result


def to_wall(instant: IntArray, zone: str) -> IntArray:
    """Return what the clock of `zone` shows at UTC microseconds, [N]; raises like `to_utc`."""
    result = np.full(len(instant), _NO_TIME)
    begin = _NO_TIME
    for name, (_, last) in _spans(zone):
        base, hours = _clock(name)
        end = (
            np.iinfo(np.int64).max
            if last == np.iinfo(np.int64).max
            else int(to_utc(np.array([last]), name)[0])
        )
        mine = (instant >= begin) & (instant < end) & (instant != _NO_TIME)
        moments = pd.DatetimeIndex(instant[mine].astype("datetime64[us]"), tz="UTC").tz_convert(base)
        wall = np.asarray(moments.tz_localize(None).as_unit("us").values).astype(np.int64)
        result[mine] = wall + hours * _HOUR
        begin = end
    return result


def _spans(zone: str) -> list[tuple[str, tuple[int, int]]]:
    """Return each clock's name with the wall-clock microseconds from and until which it was kept."""
    spans, begin = [], _NO_TIME
    for name, until in _parts(zone, "data.zone"):
        end = int(np.iinfo(np.int64).max) if until is None else int(until.value // 1000)
        spans.append((name, (begin, end)))
        begin = end
    return spans


def _parts(zone: str, key: str) -> list[tuple[str, pd.Timestamp | None]]:
    found: list[tuple[str, pd.Timestamp | None]] = []
    pieces = [piece.strip() for piece in zone.split(",")]
    for number, piece in enumerate(pieces):
        name, until, date = piece.partition(" until ")
        if bool(until) == (number == len(pieces) - 1):
            raise ConfigError(
                f"{key} = {zone!r}: write a clock that was changed as 'ZONE until YYYY-MM-DD, ZONE'"
            )
        try:
            found.append((name.strip(), pd.Timestamp(date.strip()).as_unit("ns") if until else None))
        except ValueError:
            raise ConfigError(f"{key} = {zone!r}: {date.strip()!r} is no date; write YYYY-MM-DD") from None
    dates = [until for _, until in found if until is not None]
    if dates != sorted(set(dates)):
        raise ConfigError(f"{key} = {zone!r}: the dates must come one after the other")
    return found


@lru_cache(maxsize=64)
def _clock(name: str, key: str = "data.zone") -> tuple[ZoneInfo, int]:
    """Return the zone and the hours that its wall clock is put forward."""
    shifted = _SHIFTED.fullmatch(NAMED.get(name, name))
    if shifted:
        return ZoneInfo(NEW_YORK), int(shifted[1])
    if name in available_timezones():
        return ZoneInfo(name), 0
    known = [*NAMED, *sorted(available_timezones())]
    folded = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower().replace(" ", "_"), folded, n=1, cutoff=0.5)
    hint = f"did you mean {folded[near[0]]!r}?" if near else "for example America/New_York, UTC or NY+7"
    raise ConfigError(f"{key} = {name!r}: no such time zone; {hint}")
