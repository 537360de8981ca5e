"""What the compiled simulation works on: the panel, the rules, the account's book, and sums as NumPy takes them.

`tests/vector` holds the compiled code equal to the Cerebro run, order by order. `fastmath` stays off: it would
let the compiler take sums in another order, and a sum in another order may tip a comparison.

Shapes: T bars, S symbols; all matrices [T, S], C-contiguous. Prices are carried over missing bars.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

from engine.types import FloatArray, IntArray

compiled: Callable[..., Any] = numba.njit(error_model="numpy", nogil=True)
compiled_and_kept: Callable[..., Any] = numba.njit(error_model="numpy", nogil=True, cache=True)

CROSS_SECTION = 1
LONG_SHORT = 1
VOLATILITY_TARGET = 1
STALE = -1.0
BLOCK = 8  # columns that share a cache line of 64 bytes
LIMIT_TOLERANCE = 1.1
NONE, ENTRY, EXIT, STOP_LOSS, TAKE_PROFIT, NO_FORECAST, LIMIT, TURNOVER = range(8)
PENDING, FILLED, PARTIAL, CANCELLED, MARGIN = range(5)


def _source_digest() -> str:
    """Return a digest of the compiled sources.

    Numba keeps machine code on disk under the types of its arguments and the age of one file only. With this
    digest among the names of RULES, code compiled from other sources is never taken for ours.
    """
    sources = sorted(Path(__file__).parent.glob("vector_*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


RULES = np.dtype(
    [
        (name, np.int64)
        for name in ("kind", "direction", "sizing", "min_hold_bars", "top", "hysteresis", "fractional")
    ]
    + [
        (name, np.float64)
        for name in (
            "entry",
            "exit",
            "stop_loss",
            "take_profit",
            "turnover_cap",
            "fraction",
            "target_volatility",
            "max_weight",
            "max_gross",
            "cash",
            "fee",
            "slippage",
        )
    ]
    + [(f"source_{_source_digest()}", np.int64)]
)
TOTALS = ("pending", "filled", "partial", "cancelled", "margin", "fees", "traded")  # by status, then sums
FEES, TRADED = 5, 6
SUMMARY = ("total_return", "sharpe_per_bar", "max_drawdown", "mean_equity")
LOG = ("decided", "symbol", "quantity", "reason", "status", "filled_at", "filled", "price", "fee")


class Panel(NamedTuple):
    """What the market and the models say; all settings share it.

    `score` is mean / std, NaN where there is no forecast; `annual_std` the std scaled to a year; `ranking` the
    columns with a score, best first; `rank` the place of each column in it; `known` the number of scores.
    """

    open: FloatArray
    close: FloatArray
    capacity: FloatArray
    score: FloatArray
    annual_std: FloatArray
    ranking: IntArray
    rank: IntArray
    known: IntArray


class Book(NamedTuple):
    """The account's memory, one entry per symbol; `held`, `entering` and the orders are lists, column order."""

    size: FloatArray
    price: FloatArray
    opened: IntArray
    weight: FloatArray
    target: FloatArray
    reason: IntArray
    wanted: FloatArray
    held: IntArray
    entering: IntArray
    order_symbol: IntArray
    order_size: FloatArray
    order_row: IntArray
    scratch: FloatArray
    dense: FloatArray


@compiled
def new_book(symbols: int) -> Any:
    """Return an empty book."""
    return Book(
        np.zeros(symbols),
        np.zeros(symbols),
        np.zeros(symbols, np.int64),
        np.zeros(symbols),
        np.full(symbols, np.nan),
        np.zeros(symbols, np.int64),
        np.zeros(symbols),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols),
        np.zeros(symbols, np.int64),
        np.zeros(symbols),
        np.zeros(symbols),
    )


@compiled
def short_sum(values: FloatArray, start: int, count: int) -> float:
    """Return the sum of at most 128 values as NumPy takes it."""
    total = 0.0
    whole = 0
    if count >= 8:
        r0, r1, r2, r3 = values[start], values[start + 1], values[start + 2], values[start + 3]
        r4, r5, r6, r7 = values[start + 4], values[start + 5], values[start + 6], values[start + 7]
        whole = count - count % 8
        for i in range(start + 8, start + whole, 8):
            r0 += values[i]
            r1 += values[i + 1]
            r2 += values[i + 2]
            r3 += values[i + 3]
            r4 += values[i + 4]
            r5 += values[i + 5]
            r6 += values[i + 6]
            r7 += values[i + 7]
        total = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
    for i in range(start + whole, start + count):
        total += values[i]
    return total


@compiled
def pairwise(values: FloatArray, start: int, count: int) -> float:
    """Return the sum of values[start:start+count], bit for bit as `np.sum` of a contiguous array.

    NumPy halves what is longer than 128, and adds eight running sums within. A stack stands in for its
    recursion, which Numba cannot keep on disk.
    """
    if count <= 128:
        return short_sum(values, start, count)
    todo, sums = np.empty((96, 2), np.int64), np.empty(96)
    todo[0, 0], todo[0, 1] = start, count
    pending, ready = 1, 0
    while pending:
        pending -= 1
        first, length = todo[pending, 0], todo[pending, 1]
        if length < 0:  # both halves are there
            sums[ready - 2] += sums[ready - 1]
            ready -= 1
        elif length <= 128:
            sums[ready] = short_sum(values, first, length)
            ready += 1
        else:
            half = length // 2
            half -= half % 8
            todo[pending, 1] = -1
            todo[pending + 1, 0], todo[pending + 1, 1] = first + half, length - half
            todo[pending + 2, 0], todo[pending + 2, 1] = first, half
            pending += 3
    return sums[0]
