"""Calendars that exchange_calendars does not have: currencies, 24 hours on five days, by a vendor's day.

The market opens on Sunday at 17:00 in New York and closes there on Friday at 17:00. Where one day ends and the next
begins is a matter of the vendor: `FX` ends it at 17:00 in New York, as the market itself does, `FX@ZONE` at midnight
of a zone of `forewalk.zones`, as the vendor's daily bars do: `FX@UTC`, `FX@Europe/London`, `FX@NY+7` (the same as
`FX`). There are no holidays: on most of them some vendor has bars.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from forewalk.types import IntArray
from forewalk.zones import NEW_YORK, check_zone, to_utc

FOREX = "FX"
FOREX_OF_ZONE = "FX@"
_DAY = 24 * 3600 * 10**6
_CLOSE_HOUR = 17  # in New York


def is_forex(calendar: str) -> bool:
    """Tell whether a calendar is one of currencies."""
    return calendar == FOREX or calendar.startswith(FOREX_OF_ZONE)


def day_zone(calendar: str) -> str:
    """Return the zone whose midnight ends a day of a currency calendar."""
    return calendar.removeprefix(FOREX_OF_ZONE) if calendar != FOREX else f"NY+{24 - _CLOSE_HOUR}"


class ForexCalendar:
    """Sessions from Monday to Friday, in the form of exchange_calendars: `opens`, `closes` by date, `tz`.

    A session opens when the one before closes, Monday's on Sunday at 17:00 in New York and not before Friday closes.
    """

    tz = ZoneInfo(NEW_YORK)

    def __init__(self, calendar: str, start: pd.Timestamp, end: pd.Timestamp) -> None:
        zone = check_zone(day_zone(calendar), "data.calendar")
        days = pd.bdate_range(start, end).as_unit("us")
        closes = _instants(days + pd.Timedelta(days=1), zone)
        sunday = _instants(days - pd.Timedelta(days=1) + pd.Timedelta(hours=_CLOSE_HOUR), NEW_YORK)
        before = np.concatenate([[np.iinfo(np.int64).min], closes[:-1]])
        opens = np.where(np.asarray(days.dayofweek == 0), np.maximum(sunday, before), before)
        opens[0] = opens[0] if days[0].dayofweek == 0 else closes[0] - _DAY
        self.closes = pd.Series(_utc(closes), index=days)
        self.opens = pd.Series(_utc(opens), index=days)

    @classmethod
    def bound_min(cls) -> None:
        """Return the first date known: all are."""

    @classmethod
    def bound_max(cls) -> None:
        """Return the last date known: all are."""


def _instants(wall: pd.DatetimeIndex, zone: str) -> IntArray:
    found = to_utc(np.asarray(wall.values).astype(np.int64), zone)
    # a midnight that daylight saving skips or repeats (in some zones of the world) is taken an hour later
    missing = found == np.iinfo(np.int64).min
    if missing.any():
        later = np.asarray((wall[missing] + pd.Timedelta(hours=1)).values).astype(np.int64)
        found[missing] = to_utc(later, zone)
    return found


def _utc(instants: IntArray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(instants.astype("datetime64[us]"), tz="UTC")
