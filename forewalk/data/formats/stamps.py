"""Dates and times as people write them. The order of day and month is decided by the whole column, or asked.

Two forms of every stamp are kept: `wall`, the clock as it is written, and `instant`, the moment in UTC, where the
stamp says its zone (an offset, a zone's name, seconds since 1970).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from forewalk.data.formats.spelling import YEARS, long_date, read_free
from forewalk.data.table import NO_TIME
from forewalk.errors import ConfigError, DataError, Undecided
from forewalk.sessions import microseconds
from forewalk.types import BoolArray, IntArray
from forewalk.zones import to_utc

EPOCHS = {10: 10**6, 13: 10**3, 16: 1}  # digits -> microseconds a unit; 19 digits are nanoseconds
_DAY = 24 * 3600 * 10**6
_EXCEL = 25_569  # day number of 1970-01-01
_ISO = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}(?:[T ].*)?$")
_COMPACT = re.compile(r"^(\d{4})(\d{2})(\d{2})[T;\s]+(\d{2}):?(\d{2})(?::?(\d{2}))?(?=\D|$)")
_OFFSET = re.compile(r"^(?:GMT|UTC)?\s*([+-])(\d{1,2}):?(\d{2})?(?:\s*\(.*\))?$")
_ABBREVIATIONS = {
    "Z": 0,
    "UTC": 0,
    "GMT": 0,
    "EST": -5,
    "EDT": -4,
    "CET": 1,
    "CEST": 2,
    "MSK": 3,
    "JST": 9,
    "HKT": 8,
}
_ZONES = {
    "ET": "America/New_York",
    "US/EASTERN": "America/New_York",
    "EASTERN": "America/New_York",
    "KST": "Asia/Seoul",
}


@dataclass(frozen=True, eq=False)
class Stamps:
    """One column of stamps, length N.

    Attributes:
        wall: the clock as written, microseconds; NO_TIME where it is no date.
        instant: UTC, microseconds; NO_TIME where no zone is written.
        epoch: they are counted from 1970, so that `wall` is UTC by definition.
    """

    wall: IntArray
    instant: IntArray
    epoch: bool = False

    def __len__(self) -> int:
        return len(self.wall)

    @property
    def bad(self) -> BoolArray:
        """True where there is no date between 1900 and 2100."""
        return implausible(self.wall)

    def take(self, rows: Any) -> Stamps:
        """Return the given rows."""
        return replace(self, wall=self.wall[rows], instant=self.instant[rows])


def implausible(wall: IntArray) -> BoolArray:
    """True where a wall-clock stamp is missing or outside the years that make sense."""
    low, high = (np.datetime64(f"{year}-01-01", "us").astype(np.int64) for year in YEARS)
    return (wall < low) | (wall >= high)


@lru_cache(maxsize=256)
def offset_seconds(text: str) -> int | None:
    """Return the seconds that a written zone is ahead of UTC, None where it is no fixed offset."""
    upper = text.strip().upper()
    if upper in _ABBREVIATIONS:
        return _ABBREVIATIONS[upper] * 3600
    found = _OFFSET.match(text.strip())
    if found is None or int(found[2]) > 15:
        return None
    size = int(found[2]) * 3600 + int(found[3] or 0) * 60
    return -size if found[1] == "-" else size


def localise(wall: IntArray, zone: str) -> IntArray:
    """Return the UTC instants of clocks in a zone, NO_TIME where daylight saving repeats or skips the hour.

    Args:
        wall: microseconds [N].
        zone: a name of `forewalk.zones` (IANA, NY+7, MetaTrader, ...), a fixed offset like +02:00, or ET.

    Raises:
        ConfigError: there is no such zone.
    """
    if (seconds := offset_seconds(zone)) is not None:
        return np.where(wall == NO_TIME, NO_TIME, wall - seconds * 10**6)
    return to_utc(wall, _ZONES.get(zone.upper(), zone.removeprefix("broker:")))


def read_stamps(column: pd.Series, where: str, date_format: str | None = None, excel: bool = False) -> Stamps:
    """Read one column of stamps of any type; what is no date has `wall` NO_TIME.

    Raises:
        DataError: day and month can be told in two ways, or the stamps are written in several.
    """
    if isinstance(column.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
        moments = pd.DatetimeIndex(column)
        zoned = moments.tz is not None
        wall = microseconds(moments.tz_localize(None)) if zoned else microseconds(moments)
        return Stamps(wall, microseconds(moments) if zoned else np.full(len(wall), NO_TIME))
    if pd.api.types.is_float_dtype(column.dtype):
        column = column.map(
            lambda v: "" if pd.isna(v) else (f"{v:.0f}" if v == int(v) else repr(v)), na_action=None
        )
    codes, distinct = pd.factorize(column.astype("str").str.strip())
    texts = [str(text) for text in distinct]
    found = _read_texts(texts, where, date_format, excel)
    missing = codes < 0
    wall, instant = (
        np.where(missing, NO_TIME, v[codes]) if len(v) else np.full(len(codes), NO_TIME)
        for v in (found.wall, found.instant)
    )
    return Stamps(wall, instant, found.epoch)


def _read_texts(texts: list[str], where: str, date_format: str | None, excel: bool) -> Stamps:
    if date_format is not None:
        return _by_format(texts, date_format)
    if len(texts) and (plain := _plain_iso(texts)) is not None:
        return plain
    if sum(_COMPACT.match(text) is not None for text in texts) >= 0.5 * len(texts):
        texts = [
            _COMPACT.sub(lambda m: f"{m[1]}-{m[2]}-{m[3]} {m[4]}:{m[5]}:{m[6] or '00'}", text)
            for text in texts
        ]
    digits = [text for text in texts if re.fullmatch(r"\d+(?:\.\d*)?", text)]
    if digits and len(digits) >= 0.5 * len(texts):
        return _digits(texts, digits, where, excel)
    if sum(_ISO.match(text) is not None for text in texts) >= 0.5 * len(texts):
        return _iso(texts)
    return _with_zones(*read_free(texts, where))


def _by_format(texts: list[str], date_format: str) -> Stamps:
    try:
        moments = pd.to_datetime(
            pd.Series(texts, dtype="str"), format=date_format, errors="coerce", utc="%z" in date_format
        )
    except ValueError as error:
        raise DataError(f"data.date_format = {date_format!r}: {error}") from None
    if "%z" not in date_format:
        return Stamps(microseconds(moments), np.full(len(texts), NO_TIME))
    naive = pd.Series(texts, dtype="str").str.replace(r"\s*(?:Z|[+-]\d{2}:?\d{2})$", "", regex=True)
    wall = pd.to_datetime(naive, format=re.sub(r"\s*%z", "", date_format), errors="coerce")
    return Stamps(microseconds(wall), microseconds(moments))


def _plain_iso(texts: list[str]) -> Stamps | None:
    """Read the two commonest forms at once; None where a single text is written otherwise."""
    form = {10: "%Y-%m-%d", 19: "%Y-%m-%d %H:%M:%S"}.get(len(texts[0]))
    if form is None:
        return None
    wall = microseconds(pd.to_datetime(pd.Series(texts, dtype="str"), format=form, errors="coerce"))
    return None if (wall == NO_TIME).any() else Stamps(wall, np.full(len(wall), NO_TIME))


def _iso(texts: list[str]) -> Stamps:
    """Year first, as ISO 8601 or with / and . between the parts; a zone may follow the time of day."""
    series = pd.Series(texts, dtype="str")
    series = series.str.replace(r"^(\d{4})[/.](\d{1,2})[/.]", r"\1-\2-", regex=True)
    series = series.str.replace(r"^(\d{4}-)(\d-)", r"\g<1>0\2", regex=True)
    series = series.str.replace(r"^(\d{4}-\d{2}-)(\d)(?!\d)", r"\g<1>0\2", regex=True)
    parts = series.str.extract(
        r"^(\d{4}-\d{2}-\d{2})(?:[T ]+(\d{1,2}(?::\d{2}(?::\d{2}(?:[.,]\d+)?)?)?(?:\d{2}(?=Z|$|[+-]))?)\s*(.*))?$"
    )
    clock = parts[1].str.replace(r"^(\d):", r"0\1:", regex=True).str.replace(",", ".")
    zone = parts[2].fillna("").str.strip()
    wall = microseconds(
        pd.to_datetime(parts[0] + " " + clock.fillna("00:00"), format="ISO8601", errors="coerce")
    )
    date_zone = series.str.extract(r"^(\d{4}-\d{2}-\d{2})\s*(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)$")[
        0
    ]  # a date with a zone is a date
    dates = microseconds(pd.to_datetime(date_zone, format="%Y-%m-%d", errors="coerce"))
    wall = np.where(wall == NO_TIME, dates, wall)
    return _with_zones(wall, zone.tolist())


def _with_zones(wall: IntArray, zones: list[str]) -> Stamps:
    """Turn written zones into instants; an afternoon mark or an unknown zone makes the stamp unreadable."""
    instant = np.full(len(wall), NO_TIME)
    codes, names = pd.factorize(np.array(zones, dtype=object))
    for number, name in enumerate(names):
        rows = np.flatnonzero((codes == number) & (wall != NO_TIME))
        if not name or not len(rows):
            continue
        seconds = offset_seconds(name)
        if seconds is not None:
            instant[rows] = wall[rows] - seconds * 10**6
            continue
        try:
            instant[rows] = localise(wall[rows], name.partition(" (")[0])
        except ConfigError:
            wall[rows] = NO_TIME
    return Stamps(wall, instant)


def _digits(texts: list[str], digits: list[str], where: str, excel: bool) -> Stamps:
    whole = [text.partition(".")[0] for text in digits]
    sizes = pd.Series([len(text) for text in whole]).mode()
    size = int(sizes.iloc[0])
    series = pd.Series(
        [text if re.fullmatch(r"\d+(?:\.\d*)?", text) else None for text in texts], dtype="object"
    )
    numbers = series.str.partition(".")[0]
    if size in (8, 12, 14) or size == 6:
        wall = _packed(numbers.where(numbers.str.len() == size), size, where)
        return Stamps(wall, np.full(len(wall), NO_TIME))
    if size == 5 or (excel and size < 10):
        days = pd.to_numeric(series, errors="coerce").to_numpy(np.float64)
        wall = np.where(np.isfinite(days), np.round((np.nan_to_num(days) - _EXCEL) * 86_400) * 10**6, NO_TIME)
        _refuse_other_epochs(wall.astype(np.int64), where, digits[0])
        return Stamps(wall.astype(np.int64), np.full(len(texts), NO_TIME))
    if size in (9, *EPOCHS, 19):
        return _epochs(series, 10 if size == 9 else size)
    raise DataError(
        f"{where}: {digits[0]!r} is no stamp known here (YYYYMMDD, or seconds, ms, us or ns since 1970); "
        f"say how it is written with data.date_format"
    )


def _refuse_other_epochs(wall: IntArray, where: str, example: str) -> None:
    """Raise DataError for day numbers that are counted from another day than a spreadsheet's: 1904 or 1960.

    Both are a day off in the week: what trades from Monday to Friday falls on Tuesday to Saturday.
    """
    days = wall[wall != NO_TIME] // (86_400 * 10**6)
    share = np.bincount((days + 3) % 7, minlength=7) / max(len(days), 1)  # Monday is 0
    if len(days) >= 10 and share[5] > 0.1 and share[0] + share[6] < 0.02:
        raise DataError(
            f"{where}: {example!r} and the other day numbers, counted as a spreadsheet counts, fall on Saturdays and "
            f"on no Monday: they may be counted from 1904, or from 1960 as SAS and Stata do; write YYYY-MM-DD"
        )


def _epochs(series: pd.Series, size: int) -> Stamps:
    def moment(text: Any) -> int:
        if not isinstance(text, str):
            return NO_TIME
        whole, _, fraction = text.partition(".")
        if size == 19:
            return int(whole) // 1000
        extra = round(float(f"0.{fraction}") * EPOCHS[size]) if fraction else 0
        return int(whole) * EPOCHS[size] + extra if abs(int(whole)) < 10**16 or size == 16 else NO_TIME

    wall = np.array([moment(text) for text in series], dtype=np.int64)
    wall = np.where(implausible(wall), NO_TIME, wall)
    return Stamps(wall, wall.copy(), epoch=True)


def _packed(numbers: pd.Series, size: int, where: str) -> IntArray:
    """Read dates without separators, the order of their parts told by all of them."""
    clock = {8: "", 12: "%H%M", 14: "%H%M%S", 6: ""}[size]
    dates = {"%Y%m%d": "year month day", "%d%m%Y": "day month year", "%m%d%Y": "month day year"}
    if size == 6:
        dates = {
            "%Y%m": "year month",
            "%y%m%d": "year month day",
            "%d%m%y": "day month year",
            "%m%d%y": "month day year",
        }
    texts = numbers.astype("str").where(numbers.notna())
    readings = {}
    for form in dates:
        wall = microseconds(pd.to_datetime(texts, format=form + clock, errors="coerce"))
        readings[form] = np.where(implausible(wall), NO_TIME, wall)
    best = max(int((wall != NO_TIME).sum()) for wall in readings.values())
    fitting = [form for form, wall in readings.items() if int((wall != NO_TIME).sum()) == best]
    chosen = fitting[0]
    if any(not np.array_equal(readings[form], readings[chosen]) for form in fitting[1:]) and best:
        example = texts[readings[chosen] != NO_TIME].iloc[0]
        row = int(np.argmax(readings[chosen] != NO_TIME))
        raise Undecided(
            f"{where}: {example!r} can be read as {' or as '.join(dates[form] for form in fitting)}, and no other "
            "stamp decides",
            "data.date_format",
            tuple((form + clock, long_date(readings[form][row])) for form in fitting),
            str(example),
        )
    return readings[chosen]


def join_clock(dates: pd.Series, clocks: pd.Series) -> pd.Series:
    """Return dates and times of day as one text; times may be 09:30, 9:30 PM, 930, 0930 or 093000."""
    texts = clocks.astype("str").where(clocks.notna(), "").str.strip().str.replace(r"\.0$", "", regex=True)
    plain = texts.str.fullmatch(r"\d{1,6}")
    if plain.any():
        width = 4 if int(texts[plain].str.len().max()) <= 4 else 6
        padded = texts[plain].str.zfill(width)
        pieces = [padded.str[at : at + 2] for at in range(0, width, 2)]
        texts = texts.copy()
        joined = pieces[0]
        for piece in pieces[1:]:
            joined = joined + ":" + piece
        texts[plain] = joined
    days = dates.astype("str").str.strip().str.replace(r"[T ]00:00(?::00)?$", "", regex=True)
    packed = days.str.fullmatch(r"\d{8}")
    days = days.where(~packed, days.str.replace(r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3", regex=True))
    return (days + " " + texts).str.strip()
