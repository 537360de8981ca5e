"""Dates with day, month and year in any order, months in words or numbers; the whole column decides the order."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from forewalk.data.formats.words import month_number
from forewalk.data.table import NO_TIME
from forewalk.errors import DataError, Undecided
from forewalk.sessions import microseconds
from forewalk.types import BoolArray, IntArray

YEARS = (1900, 2100)  # stamps outside are mistakes
_TIME = (
    r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
    r"\s*(?P<ap>[AaPp]\.?\s?[Mm]\.?)?\s*(?P<z>.*)"
)
_GAP = r"(?:[\s./,-]+|(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d))"
_TEXT = re.compile(
    r"^(?:[^\W\d_]{2,10}\.?,?\s+)?"  # a weekday
    r"(?P<a>\d{1,4}|[^\W\d_]{3,12})(?:(?<=\d)(?:st|nd|rd|th|er|º))?\.?" + _GAP + r"(?:de\s+)?"
    r"(?P<b>\d{1,2}|[^\W\d_]{3,12})(?:(?<=\d)(?:st|nd|rd|th))?\.?" + _GAP + r"(?:de\s+|del\s+)?"
    r"(?P<c>\d{4}|\d{1,2})(?!\d)\.?"
    rf"(?:[,T\s]+(?:at\s+)?{_TIME})?$"
)
_ORDERS = {"day month year": (2, 1, 0), "month day year": (2, 0, 1), "year month day": (0, 1, 2)}
_CODES = {
    "day month year": "%d{0}%m{0}{1}",
    "month day year": "%m{0}%d{0}{1}",
    "year month day": "{1}{0}%m{0}%d",
}


def read_free(texts: list[str], where: str) -> tuple[IntArray, list[str]]:
    """Day, month and year in any order, months in words or numbers, with or without a time of day."""
    found = [
        _TEXT.match(re.sub(r"[年月]\s*|日", "-", text).strip("- ") if "年" in text else text)
        for text in texts
    ]
    parts = np.full((len(texts), 3), -1, dtype=np.int64)
    words = np.zeros((len(texts), 3), bool)
    short = np.zeros(len(texts), bool)
    for row, match in enumerate(found):
        if match is None:
            continue
        for place, name in enumerate("abc"):
            part = str(match[name])
            if part.isdigit():
                parts[row, place] = int(part)
            elif (month := month_number(part)) is not None:
                parts[row, place], words[row, place] = month, True
        short[row] = len(match["c"]) < 4 and len(match["a"]) < 4
    usable = (parts >= 0).all(axis=1) & (words.sum(axis=1) <= 1)
    wall = np.full(len(texts), NO_TIME)
    spelt = usable & words.any(axis=1)
    wall[spelt] = _spelt(parts[spelt], words[spelt], short[spelt], where)
    plain = usable & ~words.any(axis=1)
    if plain.any():
        first = next(text for text, one in zip(texts, plain, strict=True) if one)
        wall[plain] = _numeric(parts[plain], short[plain], where, first, _clock_code(first))
    zones = [""] * len(texts)
    for row, match in enumerate(found):
        if match is None or match["H"] is None or wall[row] == NO_TIME:
            continue
        clock = _clock(match)
        wall[row] = NO_TIME if clock is None else wall[row] + clock
        zones[row] = match["z"].strip()
    return wall, zones


def _spelt(parts: IntArray, words: BoolArray, short: BoolArray, where: str) -> IntArray:
    found = _with_month(parts, words, short)
    turned = _with_month(parts[:, ::-1], words[:, ::-1], short)  # 19-Dec-02 with the year first
    if words[:, 1].all() and short.all() and not _in_order(found) and _in_order(turned):
        pair = parts[0, 0], parts[0, 2]
        raise Undecided(
            f"{where}: {pair[0]:02d} and {pair[1]:02d} around the month can be the day and the year or the "
            f"other way round, and only then do the rows follow each other",
            "data.date_format",
            (
                ("%d-%b-%y", f"day {pair[0]} of {pair[1]:02d}"),
                ("%y-%b-%d", f"day {pair[1]} of {pair[0]:02d}"),
            ),
            f"{pair[0]:02d} and {pair[1]:02d}",
        )
    return found


def _in_order(wall: IntArray) -> bool:
    steps = np.diff(wall[wall != NO_TIME])
    return len(steps) > 0 and bool((steps >= 0).all() or (steps <= 0).all()) and not (wall == NO_TIME).any()


def _with_month(parts: IntArray, words: BoolArray, short: BoolArray) -> IntArray:
    month_first = words[:, 0]
    year_first = ~month_first & (parts[:, 0] > 31)
    month = np.where(month_first, parts[:, 0], parts[:, 1])
    day = np.where(month_first, parts[:, 1], np.where(year_first, parts[:, 2], parts[:, 0]))
    year = np.where(year_first, parts[:, 0], parts[:, 2])
    return _dates(year, month, day, short)


def _numeric(parts: IntArray, short: BoolArray, where: str, example: str, clock: str) -> IntArray:
    """Place day, month and year by all rows together: the order in which most of them are dates.

    `clock` is how the time of day after the date is written, as in strptime, for the question that is asked.
    """
    orders = list(_ORDERS)
    if not short.any():
        orders = ["year month day"] if (parts[:, 0] > 31).all() else orders[:2]
    readings = {}
    for order in orders:
        year, month, day = (parts[:, place] for place in _ORDERS[order])
        readings[order] = _dates(year, month, day, short)
    right = {order: int((wall != NO_TIME).sum()) for order, wall in readings.items()}
    best = max(right.values())
    fitting = [order for order in orders if right[order] == best]
    same = all(np.array_equal(readings[fitting[0]], readings[order]) for order in fitting[1:])
    mark = next((c for c in example if not c.isalnum()), "/")
    if best < len(parts) and len(orders) > 1:
        other = [readings[order] for order in orders if order not in fitting[:1]]
        only = (readings[fitting[0]] == NO_TIME) & np.any([wall != NO_TIME for wall in other], axis=0)
        if only.any():
            row = int(np.argmax(only))
            raise DataError(
                f"{where}: the dates are written in two orders: {_show(parts[row], mark)} is no {fitting[0]}, but "
                f"most are; "
                f"mend the file, or say how they are written with data.date_format"
            )
    if not same:
        form = "%Y" if not short.any() else "%y"
        codes = [_CODES[order].format(mark, form) + clock for order in fitting]
        walls = [readings[order] for order in fitting]
        row = int(np.argmax([a != b for a, b in zip(walls[0], walls[1], strict=True)]))
        days = [str(np.datetime64(int(wall[row]), "us"))[:10] for wall in walls]
        raise Undecided(
            f"{where}: {_show(parts[row], mark)} can be {' or '.join(days)}, and no other row decides",
            "data.date_format",
            tuple((code, long_date(wall[row])) for code, wall in zip(codes, walls, strict=True)),
            _show(parts[row], mark).strip("'"),
        )
    return readings[fitting[0]]


def long_date(microseconds_: int) -> str:
    """Return a day as everybody reads it: 1 February 2018."""
    day = pd.Timestamp(int(microseconds_), unit="us")
    return f"{day.day} {day:%B %Y}"


def _clock_code(text: str) -> str:
    """Return how the time of day of a text is written, with what stands before it, as in strptime; "" for none."""
    found = re.search(r"(?P<gap>[,T\s]+(?:at\s+)?)" + _TIME + "$", text)
    if found is None:
        return ""
    hours = "%I" if found["ap"] else "%H"
    seconds = (":%S" if found["S"] else "") + (".%f" if found["f"] else "")
    half = re.search(r"\s*(?=[AaPp]\.?\s?[Mm])", text[found.start("M") :]) if found["ap"] else None
    after = re.search(r"\s*$", text[: found.start("z")]) if found["z"] else None
    return (
        f"{found['gap']}{hours}:%M{seconds}"
        + (f"{half[0]}%p" if half else "")
        + (f"{after[0]}%z" if after else "")
    )


def _show(parts: IntArray, mark: str) -> str:
    return repr(mark.join(f"{part:02d}" for part in parts))


def _dates(year: IntArray, month: IntArray, day: IntArray, short: BoolArray) -> IntArray:
    full = np.where(year < 100, year + np.where(year < 70, 2000, 1900), year)
    full = np.where((year < 100) & ~short, 0, full)
    right = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (full >= YEARS[0]) & (full < YEARS[1])
    frame = pd.DataFrame({"year": full, "month": month, "day": day}).where(pd.Series(right), np.nan)
    return microseconds(pd.to_datetime(frame, errors="coerce"))


def _clock(found: re.Match[str]) -> int | None:
    hour, minute, second = int(found["H"]), int(found["M"]), int(found["S"] or 0)
    if found["ap"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["ap"][0] in "pP" else 0)
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and minute + second > 0):
        return None
    return ((hour * 60 + minute) * 60 + second) * 10**6 + int((found["f"] or "0").ljust(6, "0")[:6])
