"""A universe laid over bars: who is a member at each close, and the last price of those that stopped trading."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from forewalk.data.quality import Finding
from forewalk.data.universe import Universe, read_universe
from forewalk.errors import DataError
from forewalk.sessions import DAILY, microseconds, session_closes, session_numbers
from forewalk.settings.sections import DataSettings
from forewalk.types import PRICE_FIELDS, Bars, BoolArray, IntArray

TOTAL_LOSS = 1e-6  # of the last price: what is left of it after a total loss, since returns are logarithms


def with_universe(
    bars: Bars, universe: Universe, delisting_return: float = 0.0
) -> tuple[Bars, tuple[Finding, ...]]:
    """Return the bars with `member`, with the last price of delisted symbols, and what was done.

    Where a span of a symbol ends and the next bar of the panel has none of it, the symbol stopped trading. Is there a
    delisting return other than 0, that bar gets one last price: the last close times one plus the return. Everything
    is decided by spans and bars up to the bar itself.

    Args:
        bars: every symbol's bars, whether it is a member or not.
        universe: the spans.
        delisting_return: of symbols for which the universe says none.

    Raises:
        DataError: no symbol is ever a member.
    """
    dates = row_dates(bars)
    member = universe.members(bars.symbols, pd.DatetimeIndex(dates.astype("datetime64[us]")))
    if not (member & bars.present).any():
        first, last = (pd.Timestamp(int(dates[row]), unit="us") for row in (0, -1))
        begin = pd.Timestamp(int(universe.first.min()), unit="us")
        raise DataError(
            f"no symbol is a member of {universe.source} on any of its bars; the bars go from {first:%Y-%m-%d} to "
            f"{last:%Y-%m-%d}, the universe begins {begin:%Y-%m-%d}"
        )
    bars, findings = _delisted(bars, universe, delisting_return, dates)
    return bars.with_extras(member=member.astype(np.float64)), findings


def in_universe(bars: Bars, settings: DataSettings) -> Bars:
    """Return bars that did not come from a source with the universe of the settings laid over them, if any."""
    if settings.universe is None:
        return bars
    return with_universe(bars, read_universe(settings.universe), settings.delisting_return)[0]


def row_dates(bars: Bars) -> IntArray:
    """Return the session date of each row as zone-less microseconds, [T].

    A daily row carries the newest session that has closed by then, an intraday row the session it lies in.
    """
    number, dates = session_numbers(bars.calendar, bars.timestamps)
    days = microseconds(dates)
    if bars.interval == DAILY:
        closes = microseconds(session_closes(bars.calendar, dates))
        number = np.searchsorted(closes, microseconds(bars.timestamps), side="right") - 1
    return days[np.clip(number, 0, len(days) - 1)]


def _delisted(
    bars: Bars, universe: Universe, default: float, dates: IntArray
) -> tuple[Bars, tuple[Finding, ...]]:
    prices: dict[str, Any] = {name: np.array(getattr(bars, name)) for name in (*PRICE_FIELDS, "volume")}
    findings = []
    for column, last, told in universe.ends(bars.symbols):
        row = int(np.searchsorted(dates, last, side="right"))  # the first one after the span
        present: BoolArray = bars.present[:, column]
        if row >= len(bars) or present[row] or not present[:row].any():
            continue
        size = default if np.isnan(told) else told
        symbol, at = bars.symbols[column], bars.timestamps[row]
        if size:
            close = prices["close"][:row, column][present[:row]][-1] * max(1.0 + size, TOTAL_LOSS)
            for name in PRICE_FIELDS:
                prices[name][row, column] = close
            prices["volume"][row, column] = 0.0
        message = f"stopped trading; held shares are booked at the last price {size:+.1%}"
        findings.append(Finding(symbol, "delisted", "", "noted", 1, at, at, message))
    return replace(bars, **prices), tuple(findings)
