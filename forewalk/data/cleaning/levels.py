"""Damage that shows only against earlier bars: wrong units, splits, silent and missing sessions.

Every function looks backwards only: the answer for a row is the same whatever rows follow it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import pandas as pd

from forewalk.data.quality import findings_by_symbol
from forewalk.data.table import CLOSE, HIGH, LOW, OPEN, Rows, since_first
from forewalk.sessions import microseconds, session_grid, session_numbers
from forewalk.settings.sections import DataSettings
from forewalk.types import BoolArray, FloatArray, IntArray

OUTLIER_FACTORS = (10.0, 100.0)
OUTLIER_TOLERANCE = 1.2  # a close within 10 / 1.2 .. 10 * 1.2 times the median is "off by 10"
MEDIAN_BARS = 5
LASTING_BARS = 5  # a level seen this often in a row is accepted from the next bar on
JUMP = 1.4
SPLITS = (2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 1.5)
SPLIT_TOLERANCE = 0.03  # of log(open / previous close) from the ratio: the overnight move on top of it
SPLIT_DAY_RANGE = 1.12  # high / low: a split day trades like any other, a crash does not
CARRY_SESSIONS = 5


def previous_true(mask: BoolArray, first_of_symbol: BoolArray) -> IntArray:
    """Return, for each row, the last earlier row of its symbol where `mask` is true; -1 where none is."""
    rows = np.arange(len(mask))
    last = np.maximum.accumulate(np.where(mask, rows, -1)) if len(mask) else rows
    before = np.concatenate([[-1], last[:-1]])[: len(mask)]
    start = np.maximum.accumulate(np.where(first_of_symbol, rows, 0)) if len(mask) else rows
    return np.where(before >= start, before, -1)


def find_outliers(rows: Rows) -> tuple[BoolArray, FloatArray]:
    """Find closes off by 10 or 100 (or their inverse) from the median of the last five accepted closes.

    Once such a level has lasted for `LASTING_BARS` bars in a row it is accepted from the next bar on:
    it may be the truth, and the bars before it the error.

    Returns:
        True on the outliers [N], and the factor each one is off by [N], 1 elsewhere.
    """
    close = rows.prices[:, CLOSE]
    factor = np.ones(len(rows))
    starts = np.append(np.flatnonzero(rows.first_of_symbol), len(rows))
    suspects = np.unique(rows.code[_suspicious(close, rows.code)])
    for code in suspects:
        begin = int(np.searchsorted(rows.code, code))
        stop = int(starts[np.searchsorted(starts, begin) + 1])
        factor[begin:stop] = _outliers_of_symbol(close[begin:stop])
    return factor != 1.0, factor


def _suspicious(close: FloatArray, code: IntArray) -> BoolArray:
    """True on a superset of the first outliers: far from at least one of the five closes before."""
    limit = np.log(min(OUTLIER_FACTORS) / OUTLIER_TOLERANCE)
    usable = np.flatnonzero(np.isfinite(close) & (close > 0))
    level, code = np.log(close[usable]), code[usable]
    far = np.zeros(len(close), bool)
    for lag in range(1, min(MEDIAN_BARS, len(level) - 1) + 1):
        distance = np.abs(level[lag:] - level[:-lag])
        far[usable[lag:]] |= (distance >= limit * 0.999) & (code[lag:] == code[:-lag])
    return far


def _outliers_of_symbol(close: FloatArray) -> FloatArray:
    factors = np.ones(len(close))
    accepted: deque[float] = deque(maxlen=MEDIAN_BARS)
    pending: list[float] = []
    pending_factor = 1.0
    for row, price in enumerate(close.tolist()):
        if not 0 < price < np.inf:
            continue
        ratio = price / median(accepted) if accepted else 1.0
        factor = _off_by(ratio)
        if pending and not 1 / 3 < ratio < 3 and 0.5 < price / median(pending) < 2:
            factor = pending_factor  # the level goes on, though it left the narrow band
        if factor == 1.0:
            accepted.append(price)
            pending = []
        elif factor == pending_factor and len(pending) == LASTING_BARS:
            accepted.clear()
            accepted.extend([*pending, price])
            pending = []
        else:
            pending = [*pending, price] if factor == pending_factor else [price]
            pending_factor = factor
            factors[row] = factor
    return factors


def _off_by(ratio: float) -> float:
    for factor in (*OUTLIER_FACTORS, *(1 / factor for factor in OUTLIER_FACTORS)):
        if 1 / OUTLIER_TOLERANCE <= ratio / factor <= OUTLIER_TOLERANCE:
            return factor
    return 1.0


def divide_outliers(rows: Rows, damaged: BoolArray, factor: FloatArray) -> Rows:
    """Divide by its factor each price of an outlier bar that is off like the close."""
    prices = rows.prices.copy()
    close = prices[damaged, CLOSE][:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        like_close = np.abs(np.log(prices[damaged] / close)) < np.log(min(OUTLIER_FACTORS)) / 2
    prices[damaged] = np.where(like_close, prices[damaged] / factor[damaged][:, None], prices[damaged])
    return replace(rows, prices=prices)


@dataclass(frozen=True, eq=False)
class Jumps:
    """Opens (or closes) more than 40 % above the previous close, or the inverse; all [N].

    Attributes:
        split: True where the ratio is that of a split or reverse split.
        other: True where it is not.
        ratio: the split's ratio new price / old price, 1 where there is none.
    """

    split: BoolArray
    other: BoolArray
    ratio: FloatArray


def find_jumps(rows: Rows) -> Jumps:
    """Find moves over 40 % (x 1.4 or / 1.4) from one close to the next bar, and tell splits from others."""
    close, opened = rows.prices[:, CLOSE], rows.prices[:, OPEN]
    usable = np.isfinite(close) & (close > 0)
    last = previous_true(usable, rows.first_of_symbol)
    before = np.where(last >= 0, close[last], np.nan) if len(rows) else close
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.log(np.where(opened > 0, opened, np.nan) / before)
        move = np.log(np.where(usable, close, np.nan) / before)
    candidates = np.log(np.concatenate([SPLITS, 1 / np.asarray(SPLITS)]))
    with np.errstate(invalid="ignore"):
        big = (np.abs(gap) > np.log(JUMP)) | (np.abs(move) > np.log(JUMP))
    ratio = np.ones(len(rows))
    at = np.flatnonzero(big & np.isfinite(gap))
    distance = np.abs(gap[at][:, None] - candidates)
    nearest = distance.argmin(axis=1)
    calm = rows.prices[at, HIGH] <= SPLIT_DAY_RANGE * rows.prices[at, LOW]
    matched = (distance[np.arange(len(at)), nearest] <= SPLIT_TOLERANCE) & calm
    ratio[at[matched]] = np.exp(candidates[nearest[matched]])
    split = ratio != 1.0
    return Jumps(split=split, other=big & ~split, ratio=ratio)


def continue_across_splits(rows: Rows, damaged: BoolArray, ratio: FloatArray) -> Rows:
    """Rescale each bar by all splits up to it, so that the series continues at its first level."""
    scale = np.ones(len(rows))
    for code in np.unique(rows.code[damaged]):
        mine = rows.code == code
        scale[mine] = np.cumprod(np.where(damaged[mine], ratio[mine], 1.0))
    return replace(rows, prices=rows.prices / scale[:, None], volume=rows.volume * scale)


def zero_volume_runs(rows: Rows, least: int) -> BoolArray:
    """True from the `least`-th bar in a row without volume; not before the symbol's first volume at all."""
    silent = ~(rows.volume > 0)
    first = rows.first_of_symbol
    last_traded = previous_true(~silent, first)
    run = np.where(silent, np.arange(len(rows)) - last_traded, 0)
    return (last_traded >= 0) & (run >= least)


def missing_sessions(rows: Rows, settings: DataSettings) -> Rows:
    """Apply the policy for sessions without a bar between two bars of a symbol.

    `refuse` ends the series before the gap; `repair` carries the last close with zero volume for up to
    `CARRY_SESSIONS` sessions, also after a symbol's last bar (that it is the last one cannot be known
    then); there is nothing to `drop`, so it acts like `flag`.
    """
    if not len(rows):
        return rows
    policy = settings.cleaning.missing_sessions
    times = np.append(rows.time, rows.last_time).astype("datetime64[us]")
    moments = pd.DatetimeIndex(times, tz="UTC")
    number, dates = session_numbers(settings.calendar, moments)
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
            closes = _grid(settings, dates[int(number[row]) + step])
            closes = closes[closes <= rows.last_time]
            sources.append(np.full(len(closes), row))
            times.append(closes)
    source, time = np.concatenate(sources), np.concatenate(times)
    added = np.arange(len(source)) >= len(rows)
    prices = np.where(added[:, None], rows.prices[source, CLOSE][:, None], rows.prices[source])
    volume = np.where(added, 0.0, rows.volume[source])
    order = np.lexsort((time, rows.code[source]))
    return replace(
        rows, code=rows.code[source][order], time=time[order], prices=prices[order], volume=volume[order]
    )


def _grid(settings: DataSettings, session: pd.Timestamp) -> IntArray:
    return microseconds(session_grid(settings.calendar, session, settings.interval))
