"""How long bars are, told from their stamps: by the calendar, robust to holes, refused where they disagree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

import numpy as np

from forewalk.settings.choices import Interval
from forewalk.types import BoolArray, IntArray

INTERVALS: tuple[str, ...] = get_args(Interval)
MINUTES = {"1min": 1, "5min": 5, "15min": 15, "30min": 30, "1h": 60, "2h": 120, "4h": 240}
FEWEST_STAMPS = 6  # fewer cannot tell weeks and months from days with holes
_MINUTE = 60 * 10**6
_DAY = 24 * 60 * _MINUTE
_UNITS = {"s": "s", "sec": "s", "m": "min", "min": "min", "mins": "min", "minute": "min", "minutes": "min",
          "h": "h", "hr": "h",
          "hour": "h", "hours": "h", "d": "d", "day": "d", "days": "d", "w": "wk", "wk": "wk", "week": "wk",
        "weeks": "wk",
          "mo": "mo", "mn": "mo", "mon": "mo", "month": "mo", "months": "mo", "y": "y"}  # fmt: skip
_WORDS = {"daily": "1d", "weekly": "1wk", "monthly": "1mo", "hourly": "1h", "minute": "1min", "d": "1d", "w": "1wk",
          "mn": "1mo", "day": "1d", "hour": "1h", "week": "1wk", "month": "1mo"}  # fmt: skip


def interval_named(text: str) -> str | None:
    """Return the interval that h1, 1H, 60, M5, D1, 1d, daily ... mean; None where it is none that is known."""
    word = text.strip().casefold()
    if word in _WORDS:
        return _WORDS[word]
    if word.isdigit():
        return next(
            (name for name, minutes in MINUTES.items() if minutes == int(word)),
            "1d" if word == "1440" else None,
        )
    found = re.fullmatch(r"(\d+)\s*([a-z]+)|([a-z]+)\s*(\d+)", word)
    if found is None:
        return None
    count, unit = int(found[1] or found[4]), _UNITS.get(found[2] or found[3])
    if text.strip() == f"{count}M":
        unit = "mo"  # as exchanges write a month; MetaTrader's minute is M1
    if unit == "min" and count % 60 == 0:
        count, unit = count // 60, "h"
    name = f"{count}{unit}"
    return name if name in INTERVALS else None


@dataclass(frozen=True)
class Length:
    """What the stamps of one symbol say.

    Attributes:
        interval: the bar length, None where it cannot be told or is none that is supported.
        seen: in words, what the stamps are apart.
        clash: several lengths stand in one series.
    """

    interval: str | None
    seen: str
    clash: bool = False


def tell_length(stamps: IntArray, in_order: bool = True) -> Length:
    """Tell the bar length of one symbol from its stamps in microseconds, in the order of the source.

    A clock that shows the same time on each day, daylight saving apart, means bars of a day or longer.
    """
    segments = _segments(stamps) if in_order else [stamps]
    told = [_tell(np.unique(segment)) for segment in segments if len(np.unique(segment)) >= 10]
    lengths = {length.interval for length in told if length.interval}
    if len(lengths) > 1:
        return Length(
            None, f"bars of several lengths one after the other: {', '.join(sorted(lengths))}", clash=True
        )
    return _tell(np.unique(stamps))


def _segments(stamps: IntArray) -> list[IntArray]:
    """Cut where a long run goes back in time: tables put one after the other. Newest first is turned."""
    steps = np.sign(np.diff(stamps))
    if len(steps) and (steps < 0).mean() > 0.5:
        stamps = stamps[::-1]
        steps = np.sign(np.diff(stamps))
    cuts = np.flatnonzero(steps < 0) + 1
    return np.split(stamps, cuts) if len(cuts) <= 12 else [stamps]


def _tell(stamps: IntArray) -> Length:
    if len(stamps) < 2:
        return Length(None, "one stamp only")
    day = _day_numbers(stamps)
    if len(np.unique(day)) == len(stamps):
        return _by_days(day)
    return _by_minutes(stamps, day)


def _day_numbers(stamps: IntArray) -> IntArray:
    """Return the day of each stamp; days are cut where the clock is emptiest, so that daylight saving splits none."""
    clock = stamps % _DAY
    hours = np.bincount((clock // (60 * _MINUTE)).astype(np.int64), minlength=24)
    if (hours > 0).sum() > 3:
        return stamps // _DAY
    busiest = int(np.argmax(hours))
    shift = (busiest - 12) * 60 * _MINUTE  # the busiest hour at noon
    return (stamps - shift) // _DAY


def _by_days(day: IntArray) -> Length:
    gaps = np.diff(day)
    if len(gaps) == 1 and gaps[0] >= 5:
        return Length(None, f"two stamps {gaps[0]} days apart")
    short = (gaps <= 4).mean()
    enough = len(day) >= FEWEST_STAMPS
    weekly, monthly = enough and _is_weekly(day, gaps), enough and _is_monthly(day, gaps)
    if short > 0.5 or (short > 0.05 and not weekly):
        run = _longest_run((gaps >= 6) & (gaps <= 8) & _same_weekday(day))
        if run >= 8:
            return Length(
                None, f"days apart, but {run} times in a row a week: bars of a day and of a week", clash=True
            )
        months = _longest_run((gaps >= 27) & (gaps <= 33))
        if months >= 6:
            return Length(
                None,
                f"days apart, but {months} times in a row a month: bars of a day and of a month",
                clash=True,
            )
        return Length("1d", f"mostly {_mode(gaps)} day{'s' if _mode(gaps) > 1 else ''} apart")
    if weekly:
        return Length("1wk", f"mostly {_mode(gaps)} days apart")
    if monthly:
        return Length("1mo", f"mostly {_mode(gaps)} days apart")
    if short > 0:
        weekdays = np.bincount(((day + 3) % 7).astype(np.int64), minlength=7)
        if (weekdays > 0).sum() >= 4 and np.median(gaps) < 20:
            return Length("1d", f"{int(np.median(gaps))} days apart, on many weekdays")
    return Length(None, f"{int(np.median(gaps))} days apart in the middle, from {gaps.min()} to {gaps.max()}")


def _mode(gaps: IntArray) -> int:
    return int(np.bincount(np.minimum(gaps, 400).astype(np.int64)).argmax())


def _same_weekday(day: IntArray) -> BoolArray:
    return np.asarray(np.abs(((day[1:] - day[:-1] + 3) % 7) - 3) <= 1)


def _longest_run(mask: BoolArray) -> int:
    best = run = 0
    for one in mask.tolist():
        run = run + 1 if one else 0
        best = max(best, run)
    return best


def _is_weekly(day: IntArray, gaps: IntArray) -> bool:
    """One stamp a week, on one weekday but for holidays, some weeks missing or not."""
    weekday = (day + 3) % 7
    usual = np.bincount(weekday.astype(np.int64), minlength=7).argmax()
    near = np.minimum((weekday - usual) % 7, (usual - weekday) % 7)
    return bool(
        (near == 0).mean() >= 0.8
        and (near <= 2).mean() >= 0.97
        and len(gaps) >= 2
        and (gaps <= 22).mean() > 0.5
    )


def _is_monthly(day: IntArray, gaps: IntArray) -> bool:
    """One stamp a month, at its beginning or its end or always on the same day, some months missing or not."""
    dates = day.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    number = (dates - months.astype("datetime64[D]")).astype(int) + 1
    left = ((months + 1).astype("datetime64[D]") - dates).astype(int)
    same = (number == np.bincount(number).argmax()).mean() > 0.9
    ends = (left <= 6).mean() > 0.97 or (number <= 6).mean() > 0.97
    steps = np.diff(months.astype(int))
    return bool(
        len(np.unique(months)) == len(day) and (same or ends) and (steps == 1).mean() > 0.3 and len(gaps) >= 2
    )


def _by_minutes(stamps: IntArray, day: IntArray) -> Length:
    """The longest supported length of which the gaps within a day are multiples, the first of a day apart."""
    gaps = np.diff(stamps)
    same = np.diff(day) == 0
    first = np.concatenate([[True], ~same])[:-1]  # the first and the last gap of a day may belong to a stub
    last = np.concatenate([~same[1:], [True]])
    inner = gaps[same & ~first & ~last]
    inner = inner if len(inner) >= 3 else gaps[same]
    minutes, counts = np.unique(inner, return_counts=True)
    usual = float(minutes[counts.argmax()]) / _MINUTE
    seen = f"mostly {usual:g} minutes apart within a day"
    lonely = (
        (np.diff(day) > 0) & np.concatenate([[True], np.diff(day)[:-1] > 0])
        if len(day) > 2
        else np.zeros(0, bool)
    )
    if lonely.mean() > 0.1 and _longest_run(lonely) >= 10 and (same.mean() > 0.05):
        return Length(
            None, f"{seen}, but for long stretches one bar a day: bars of several lengths", clash=True
        )
    for name, length in reversed(MINUTES.items()):
        step = length * _MINUTE
        fit = (inner % step == 0).mean()
        hits = (inner == step).mean()
        if fit >= 0.97 and hits >= 0.03:
            if shorter := _denser(inner, name):
                return Length(None, f"{seen}, but also {shorter}: bars of several lengths", clash=True)
            return Length(name, seen)
    return Length(None, f"{seen}, which is no bar length supported ({', '.join(INTERVALS)})")


def _denser(inner: IntArray, name: str) -> str:
    """Return a longer length that fills a long stretch of its own, "" where there is none."""
    step = MINUTES[name] * _MINUTE
    for other, length in MINUTES.items():
        if (
            length > MINUTES[name]
            and _longest_run(inner == length * _MINUTE) >= 40
            and (inner == step).mean() < 0.97
        ):
            return other
    return ""
