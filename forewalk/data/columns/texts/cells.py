"""What the cells of a file of texts say: moments, symbols, wordings.

Nothing is believed that a stamp does not say: one without a zone and one that is only a date are refused with the
setting that decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from forewalk.data.columns.rows import NO_TIME
from forewalk.data.columns.texts.texts import TextArray
from forewalk.errors import ConfigError, DataError
from forewalk.sessions import microseconds
from forewalk.settings.news import NewsSettings
from forewalk.types import IntArray

MOST_LETTERS = 100_000  # of one text that are kept
_ZONED = re.compile(r"(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})\s*$", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCH = re.compile(r"\d{10}(\d{3}|\d{6}|\d{9})?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def moments_of(column: pd.Series, where: str, what: str, settings: NewsSettings) -> tuple[IntArray, bool]:
    """Return a column's moments in microseconds UTC [N], NO_TIME where it is empty, and whether a zone was lent."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        times = pd.DatetimeIndex(column)
        if times.tz is None:
            return _in_zone(times, where, what, settings), True
        return microseconds(times.tz_convert("UTC")), False
    texts = column.map(
        lambda value: "" if value is None or value is pd.NA or value != value else str(value).strip()
    )
    result = np.full(len(texts), NO_TIME)
    there = (texts != "").to_numpy()
    dates = there & texts.str.fullmatch(_DATE.pattern).to_numpy()
    epochs = there & texts.str.fullmatch(_EPOCH.pattern).to_numpy()
    zoned = there & ~dates & ~epochs & texts.str.contains(_ZONED).to_numpy()
    bare = there & ~dates & ~epochs & ~zoned
    for row in np.flatnonzero(epochs).tolist():
        digits = texts.iloc[row]
        result[row] = int(digits) * 10**6 // 10 ** (len(digits) - 10)
    result[zoned] = _parsed(texts[zoned], where, what, utc=True)
    if bare.any():
        naive = pd.DatetimeIndex(_parsed(texts[bare], where, what, utc=False).astype("datetime64[us]"))
        result[bare] = _in_zone(naive, where, what, settings, int(np.argmax(bare)), texts[bare].iloc[0])
    if dates.any():
        result[dates] = _ends_of_days(texts[dates], where, what, settings, int(np.argmax(dates)))
    return result, bool(bare.any() or dates.any())


def _parsed(texts: pd.Series, where: str, what: str, utc: bool) -> IntArray:
    times = pd.DatetimeIndex(pd.to_datetime(texts, errors="coerce", utc=utc, format="mixed"))
    missing = np.asarray(times.isna())
    if missing.any():
        row = int(np.argmax(missing))
        raise DataError(
            f"{where} {int(texts.index[row]) + 1}: {what} {texts.iloc[row][:40]!r} is no moment; write "
            "2020-01-02T16:30:00-05:00"
        )
    return microseconds(times)


def _in_zone(
    times: pd.DatetimeIndex, where: str, what: str, settings: NewsSettings, row: int = 0, text: str = ""
) -> IntArray:
    if settings.zone is None:
        shown = text or (str(times[0]) if len(times) else "")
        raise DataError(
            f"{where} {row + 1}: {what} {shown[:40]!r} has no time zone, and read in the wrong one a text would be "
            "known hours too early: set news.zone, e.g. America/New_York"
        )
    try:  # the later of two readings: nothing is known too early
        placed = times.tz_localize(
            settings.zone, ambiguous=np.zeros(len(times), bool), nonexistent="shift_forward"
        )
    except (KeyError, ValueError) as error:
        raise ConfigError(f"news.zone = {settings.zone!r}: {error}") from None
    return microseconds(placed.tz_convert("UTC"))


def _ends_of_days(texts: pd.Series, where: str, what: str, settings: NewsSettings, row: int) -> IntArray:
    if settings.date_only == "refuse" or settings.zone is None:
        raise DataError(
            f"{where} {row + 1}: {what} {texts.iloc[0]!r} is only a date: before or after the close? Give the "
            "moment, or set news.date_only = 'end_of_day' and news.zone, which takes it as known when the day is over"
        )
    next_days = pd.DatetimeIndex(
        _parsed(texts, where, what, utc=False).astype("datetime64[us]")
    ) + pd.Timedelta(days=1)
    return _in_zone(next_days, where, what, settings, row)


def symbols_in(column: pd.Series) -> TextArray:
    """Return the symbols of each cell, upper case, a tuple each [N]."""
    found = np.full(len(column), None, object)
    for row, value in enumerate(column):
        found[row] = tuple(_named(value))
    return found


def _named(value: Any) -> Iterator[str]:
    """Yield the symbols of a cell, each once: a list, JSON's list, or names between commas, blanks, bars."""
    if isinstance(value, str):
        text = value.strip()
        parts: Sequence[Any] = (
            json.loads(text) if text.startswith("[") and _is_json(text) else re.split(r"[,;|\s]+", text)
        )
    elif value is None or (isinstance(value, float) and value != value):
        parts = ()
    else:
        parts = list(value) if hasattr(value, "__iter__") else [value]
    seen = set()
    for part in parts:
        name = str(part).strip().lstrip("$").upper()[:64]
        if name and name not in seen:
            seen.add(name)
            yield name


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def cleaned(column: pd.Series) -> TextArray:
    """Return texts without control and direction marks, cut to what is kept of one."""
    found = np.full(len(column), "", object)
    for row, value in enumerate(column):
        if isinstance(value, str):
            found[row] = _CONTROL.sub(" ", value[:MOST_LETTERS]).strip()
    return found
