"""Damage that shows only against earlier bars: wrong units, splits, silent sessions.

Every function looks backwards only: the answer for a row is the same whatever rows follow it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from forewalk.data.table import CLOSE, HIGH, LOW, OPEN, Rows
from forewalk.types import BoolArray, FloatArray, IntArray

OUTLIER_FACTORS = (10.0, 100.0)
OUTLIER_TOLERANCE = 1.2  # a close within 10 / 1.2 .. 10 * 1.2 times the median is "off by 10"
MEDIAN_BARS = 5
LASTING_BARS = 5  # a level seen this often in a row is accepted from the next bar on
JUMP = 1.4
USUAL_MONEY = 3.5  # times the money of the bars before, or that part of it: what a split leaves as it was
VOLUME_BARS = (
    20  # a split day trades as much money as the days before, a crash or a takeover several times as much
)


@dataclass(frozen=True)
class Ratio:
    """A ratio of new to old price that a split has, and how alike a bar must look to count as one.

    What it finds among 1,186 US names whose corporate actions are known stands in docs/decisions.md.

    Attributes:
        value: above 1; its inverse is meant, too.
        tolerance: largest distance of log(open / previous close) from it: the overnight move on top.
        day_range: largest high / low of the bar.
        money: largest traded value of the bar over the median of the bars before.
        alone: counts for symbols without volume, too.
    """

    value: float
    tolerance: float
    day_range: float
    money: float
    alone: bool = False


def _ratios() -> tuple[Ratio, ...]:
    whole = [Ratio(float(n), 0.035, 1.12 if n < 4 else 1.3, 3.5, alone=True) for n in range(2, 101)]
    pairs = {n / m for m in range(2, 6) for n in range(m + 1, 11) if math.gcd(n, m) == 1 and n / m >= 1.25}
    large = [Ratio(value, 0.02, 1.12, 2.0) for value in sorted(pairs - {1.5}) if value >= JUMP]
    small = [Ratio(value, 0.015, 1.12, 1.5) for value in sorted(pairs) if value < JUMP]
    return (*whole, Ratio(1.5, 0.03, 1.12, 3.0), *large, *small)


RATIOS = _ratios()
LEAST_SPLIT = math.log(min(ratio.value for ratio in RATIOS)) - 0.015


def previous_true(mask: BoolArray, first_of_symbol: BoolArray) -> IntArray:
    """Return, for each row, the last earlier row of its symbol where `mask` is true; -1 where none is."""
    rows = np.arange(len(mask))
    last = np.maximum.accumulate(np.where(mask, rows, -1)) if len(mask) else rows
    before = np.concatenate([[-1], last[:-1]])[: len(mask)]
    start = np.maximum.accumulate(np.where(first_of_symbol, rows, 0)) if len(mask) else rows
    return np.where(before >= start, before, -1)


def find_outliers(rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Find closes off by 10 or 100 (or their inverse) from the median of the last five accepted closes.

    Once such a level has lasted for `LASTING_BARS` bars in a row it is accepted from the next bar on: the unit has
    changed, pence to pounds or back, or the bars before were the error. A bar that looks like a split and trades
    about as much money as the bars before begins a level at once: in another unit the money would be off like the
    price. Without volume nothing tells the two apart, and the level counts as another unit.

    Returns:
        the factor by which each outlier is off [N], 1 elsewhere; and the factor by which the level has changed on
        the bar that is accepted first [N], 1 elsewhere.
    """
    close = rows.prices[:, CLOSE]
    factor, switch = np.ones(len(rows)), np.ones(len(rows))
    starts = np.append(np.flatnonzero(rows.first_of_symbol), len(rows))
    suspects = np.unique(rows.code[_suspicious(close, rows.code)])
    for code in suspects:
        begin = int(np.searchsorted(rows.code, code))
        stop = int(starts[np.searchsorted(starts, begin) + 1])
        factor[begin:stop], switch[begin:stop] = _outliers_of_symbol(rows, begin, stop)
    return factor, switch


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


def _outliers_of_symbol(rows: Rows, begin: int, stop: int) -> tuple[FloatArray, FloatArray]:
    close = rows.prices[begin:stop, CLOSE]
    factors, switches = np.ones(len(close)), np.ones(len(close))
    usable = np.flatnonzero((close > 0) & (close < np.inf))
    prices = close[usable].tolist()
    jumps = np.append(np.flatnonzero(_leaps(close[usable])), len(prices)).tolist()
    accepted: deque[float] = deque(maxlen=MEDIAN_BARS)
    pending: list[float] = []
    pending_factor = 1.0
    at = calm = 0  # calm: how many closes up to here were accepted one after the other
    while at < len(prices):
        if not pending and calm >= min(at, MEDIAN_BARS):  # until the next leap every close is accepted
            leap = jumps[bisect_left(jumps, at)]
            accepted.extend(prices[max(at, leap - MEDIAN_BARS) : leap])
            if leap == len(prices):
                break
            at, calm = leap, calm + leap - at
        row, price = int(usable[at]), prices[at]
        at += 1
        ratio = price / median(accepted) if accepted else 1.0
        factor = _off_by(ratio)
        if pending and not 1 / 3 < ratio < 3 and 0.5 < price / median(pending) < 2:
            factor = pending_factor  # the level goes on, though it left the narrow band
        far = factor != 1.0 or not 1 / 3 < ratio < 3  # 80 times and a drift upon it is no hundred times
        if far and not pending and _is_split(rows, begin + row, accepted[-1]):
            accepted.clear()
            accepted.append(price)
            calm = 0
        elif factor == 1.0:
            accepted.append(price)
            pending = []
            calm += 1
        elif factor == pending_factor and len(pending) == LASTING_BARS:
            accepted.clear()
            accepted.extend([*pending, price])
            switches[row] = pending_factor
            pending = []
            calm = 0
        else:
            pending = [*pending, price] if factor == pending_factor else [price]
            pending_factor = factor
            factors[row] = factor
            calm = 0
    return factors, switches


def _leaps(close: FloatArray) -> BoolArray:
    """True where a close is far from one of the five before, far enough to be looked at; all are > 0."""
    limit = min(math.log(min(OUTLIER_FACTORS) / OUTLIER_TOLERANCE), math.log(3.0)) * 0.999
    level = np.log(close)
    leaps = np.zeros(len(level), bool)
    for lag in range(1, min(MEDIAN_BARS, len(level) - 1) + 1):
        leaps[lag:] |= np.abs(level[lag:] - level[:-lag]) >= limit
    return leaps


def _is_split(rows: Rows, row: int, before: float) -> bool:
    """Whether a bar looks like a split from the close before, and trades as much money as the bars before."""
    opened, money = float(rows.prices[row, OPEN]), _money_ratio(rows, row)
    if money is None or not 0 < opened < np.inf:
        return False
    return _split_ratio(rows, row, math.log(opened / before)) != 1.0


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
    """Unexplained jumps from one close to the next bar; all [N].

    Attributes:
        split: True where the bar looks like the day of a split or reverse split n:m up to 1:100.
        other: True on other moves of the open or the close over 40 % (x 1.4 or / 1.4).
        ratio: the split's ratio new price / old price, 1 where there is none.
    """

    split: BoolArray
    other: BoolArray
    ratio: FloatArray


def find_jumps(rows: Rows, suspect: BoolArray) -> Jumps:
    """Find jumps from one close to the next open near the ratio of a split, and other moves over 40 %.

    A split leaves the day calm and the money traded as it was; a crash, a takeover or an offering does neither.
    Bars that are `suspect` [N], flagged as outliers, neither jump nor are jumped from.
    """
    close, opened = rows.prices[:, CLOSE], rows.prices[:, OPEN]
    usable = np.isfinite(close) & (close > 0) & ~suspect
    last = previous_true(usable, rows.first_of_symbol)
    before = np.where((last >= 0) & ~suspect, close[last], np.nan) if len(rows) else close
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.log(np.where(opened > 0, opened, np.nan) / before)
        move = np.log(np.where(usable, close, np.nan) / before)
        big = (np.abs(gap) > np.log(JUMP)) | (np.abs(move) > np.log(JUMP))
        candidates = np.flatnonzero(np.abs(gap) > LEAST_SPLIT)
    ratio = np.ones(len(rows))
    for row in candidates.tolist():
        ratio[row] = _split_ratio(rows, row, float(gap[row]))
    split = ratio != 1.0
    return Jumps(split=split, other=big & ~split, ratio=ratio)


def _split_ratio(rows: Rows, row: int, gap: float) -> float:
    """Return the ratio of the split that a bar looks like, 1 where it looks like none."""
    high, low, size = rows.prices[row, HIGH], rows.prices[row, LOW], abs(gap)
    money = _money_ratio(rows, row)
    fits = [
        ratio
        for ratio in RATIOS
        if abs(size - math.log(ratio.value)) <= ratio.tolerance
        and high <= ratio.day_range * low
        and (1 / USUAL_MONEY <= money <= ratio.money if money is not None else ratio.alone)
    ]
    if not fits:
        return 1.0
    value = min(fits, key=lambda ratio: abs(size - math.log(ratio.value))).value
    return value if gap > 0 else 1.0 / value


def _money_ratio(rows: Rows, row: int) -> float | None:
    """Return the value traded on a bar over the median of the bars before it; None where there is no volume."""
    first = int(np.searchsorted(rows.code, rows.code[row]))
    past = slice(max(first, row - VOLUME_BARS), row)
    with np.errstate(invalid="ignore"):
        money = rows.volume[past] * rows.prices[past, CLOSE]
        now = rows.volume[row] * rows.prices[row, CLOSE]
    money = money[np.isfinite(money) & (money > 0)]
    return float(now / np.median(money)) if len(money) and 0 < now < np.inf else None


def level_scale(rows: Rows, ratio: FloatArray) -> FloatArray:
    """Return the product of all ratios of a symbol up to each bar, [N]."""
    scale = np.ones(len(rows))
    for code in np.unique(rows.code[ratio != 1.0]):
        mine = rows.code == code
        scale[mine] = np.cumprod(ratio[mine])
    return np.where(np.abs(scale - 1.0) < 1e-9, 1.0, scale)


def continue_across_splits(rows: Rows, damaged: BoolArray, ratio: FloatArray) -> Rows:
    """Rescale each bar by all splits up to it, so that the series continues at its first level."""
    scale = level_scale(rows, np.where(damaged, ratio, 1.0))
    return replace(rows, prices=rows.prices / scale[:, None], volume=rows.volume * scale)


def continue_across_units(rows: Rows, switch: FloatArray) -> Rows:
    """Rescale each bar by all changes of unit up to it; the volume counts shares and stays."""
    return replace(rows, prices=rows.prices / level_scale(rows, switch)[:, None])


def zero_volume_runs(rows: Rows, least: int) -> BoolArray:
    """True from the `least`-th bar in a row without volume; not before the symbol's first volume at all."""
    silent = ~(rows.volume > 0)
    first = rows.first_of_symbol
    last_traded = previous_true(~silent, first)
    run = np.where(silent, np.arange(len(rows)) - last_traded, 0)
    return (last_traded >= 0) & (run >= least)
