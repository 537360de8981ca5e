"""What the compiled simulation works on: the panel, the rules, the account's book, and sums as NumPy takes them.

`tests/engine/simulation/compiled` holds the compiled code equal to the Cerebro run, order by order. `fastmath` stays
off: it would let the compiler take sums in another order, and a sum in another order may tip a comparison.

Shapes: T bars, S symbols; all matrices [T, S], C-contiguous. Prices are carried over missing bars.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np

from engine.simulation import money
from forewalk.types import FloatArray
from strategies import limits

Function = TypeVar("Function", bound=Callable[..., Any])
_njit: Any = numba.njit  # its stub does not know all that it takes


def _compiled(function: Function, **options: Any) -> Function:
    return cast(Function, _njit(error_model="numpy", nogil=True, no_cfunc_wrapper=True, **options)(function))


def compiled(function: Function) -> Function:
    """Compile a helper, for compiled code alone: what would let Python call it takes a quarter of the time."""
    return _compiled(function, no_cpython_wrapper=True)


def compiled_inline(function: Function) -> Function:
    """Compile into the caller, which spares one more round of the optimiser over all that it calls."""
    return _compiled(function, no_cpython_wrapper=True, inline="always")


def compiled_and_kept(function: Function) -> Function:
    """Compile an entry point and keep the machine code on disk, if there is a folder that it may be kept in."""
    try:
        return _compiled(function, cache=True)
    except RuntimeError:  # neither beside the source, nor in the user's cache, nor in NUMBA_CACHE_DIR
        return _compiled(function)


CROSS_SECTION = 1
LONG_SHORT = 1
SIZINGS = ("fixed_fraction", "volatility_target", "constant_risk")
FIXED_FRACTION, VOLATILITY_TARGET, CONSTANT_RISK = range(3)
STALE = -1.0
BARRED = -2.0
LIMIT_TOLERANCE = 1.1
DEPTH = 96
STACK = 3 * DEPTH  # cells that `pairwise` needs beside its values
NONE, ENTRY, EXIT, STOP_LOSS, TAKE_PROFIT, NO_FORECAST, LIMIT, TURNOVER, RESIZE = range(9)
PENDING, FILLED, PARTIAL, CANCELLED, MARGIN = range(5)
KINDS = ("market", "close", "limit", "stop")
AT_MARKET, AT_CLOSE, AT_LIMIT, AT_STOP = range(4)
MOMENTS = 3  # of a bar: its open, within it, its close


def _source_digest() -> str:
    """Return a digest of the compiled sources.

    Numba keeps machine code on disk under the types of its arguments and the age of one file only. With this
    digest among the names of RULES, code compiled from other sources is never taken for ours.
    """
    sources = [*sorted(Path(__file__).parent.glob("*.py")), Path(money.__file__), Path(limits.__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


_WHOLE = (
    "kind",
    "direction",
    "sizing",
    "always_held",
    "min_hold_bars",
    "top",
    "hysteresis",
    "fractional",
    "stale_exit_bars",
    *("entry_kind", "exit_kind", "stop_orders", "resting"),
)
_REAL = (
    *("entry", "min_gain", "exit", "stop_loss", "take_profit", "turnover_cap"),
    *("fraction", "target_volatility", "trade_band", "tilt", "max_weight", "max_gross"),
    *("cash", "fee", "fee_per_share", "fee_min", "cash_yield", "borrow"),
    *("margin", "slippage", "impact", "max_volume_share", "limit_bps"),
)
RULES = np.dtype(
    [(name, np.int64) for name in _WHOLE]
    + [(name, np.float64) for name in _REAL]
    + [(f"source_{_source_digest()}", np.int64)],
    align=True,
)
TOTALS = (
    "pending",
    "filled",
    "partial",
    "cancelled",
    "margin",
    "fees",
    "traded",
    "interest",
    "dividends",
    "fills",
)
FEES, TRADED, INTEREST, DIVIDENDS, BOOKED = 5, 6, 7, 8, 9  # sums and a count; those before count by status
SUMMARY = ("total_return", "sharpe_per_bar", "max_drawdown", "mean_equity")

# One target that was decided on, or a stop order: at which bar for which column, and what became of its order.
# `quantity` 0 is no order. `filled` is signed, `price` the average and `fee` the sum of its fills; `asked` is the
# price that it was made at: the close, a limit, a stop.
LOG = np.dtype(
    [(name, np.float64) for name in ("target", "quantity", "filled", "price", "fee", "asked")]
    + [(name, np.int64) for name in ("decided", "symbol", "reason", "kind", "status", "filled_at")],
    align=True,
)

# One fill: of the order in which row of the log, at which bar, what was `filled` of it so far at which average price
# and fee, and what was `held` afterwards.
FILLS = np.dtype(
    [(name, np.float64) for name in ("filled", "price", "fee", "held")]
    + [(name, np.int64) for name in ("row", "bar")],
    align=True,
)

# The orders, [2 S]: column s has its order in record s and its resting stop in record S + s; `size` 0 is none. `left`
# and `done` are signed. `queue` from record 0 on lists who waits, in the broker's order; `again` and `touched` are
# lists of the bar: who goes on waiting, and what was filled.
ORDERS = np.dtype(
    [(name, np.float64) for name in ("size", "left", "done", "price")]
    + [
        (name, np.int64) for name in ("symbol", "kind", "row", "fresh", "moment", "queue", "again", "touched")
    ],
    align=True,
)

# One cell of the panel, [T, S]: what all settings share. `score` is mean / std, NaN where there is no forecast,
# `annual_std` the std scaled to a year, `gain` |mean|. `ranked` of cell [t, r] is the column with the r-th best
# score, `rank` of cell [t, s] the place of column s; `known`, in column 0, is the number of scores.
PANEL = np.dtype(
    [(name, np.float64) for name in ("open", "close", "capacity", "score", "annual_std", "gain")]
    + [(name, np.int64) for name in ("ranked", "rank", "known")],
    align=True,
)

# The account's memory, one record per symbol. `held` and `entering` are lists that begin at record 0; `order_symbol`
# and `order_size` are a list to sort. `claim` is what is held once the orders checked so far are filled, `stays` what
# the targets leave.
BOOK = np.dtype(
    [
        (name, np.float64)
        for name in ("size", "price", "weight", "target", "wanted", "order_size", "claim", "stays")
    ]
    + [(name, np.int64) for name in ("opened", "reason", "held", "entering", "order_symbol")],
    align=True,
)


class Terms(NamedTuple):
    """What an account bears besides its orders, and sees of a bar besides the panel; [0, 0] where there is none.

    Attributes:
        years: since the bar before, [T].
        dividends, half_spread, impact: paid per share; half the spread; what the root of one unit moves the price by.
        high, low: of the bar, where orders may be filled within it.
        coins: whether a symbol is a coin, [1, S], where limits are on the grid of coins.
    """

    years: FloatArray
    dividends: FloatArray
    half_spread: FloatArray
    impact: FloatArray
    high: FloatArray
    low: FloatArray
    coins: FloatArray


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
    recursion, which Numba cannot keep on disk: the last STACK cells of `values` are it.
    """
    if count <= 128:
        return short_sum(values, start, count)
    firsts = len(values) - STACK  # of the parts still to be added up, their lengths, the sums that are ready
    lengths, sums = firsts + DEPTH, firsts + 2 * DEPTH
    values[firsts], values[lengths] = start, count
    pending, ready = 1, 0
    while pending:
        pending -= 1
        first, length = int(values[firsts + pending]), int(values[lengths + pending])
        if length < 0:  # both halves are there
            values[sums + ready - 2] += values[sums + ready - 1]
            ready -= 1
        elif length <= 128:
            values[sums + ready] = short_sum(values, first, length)
            ready += 1
        else:
            half = length // 2
            half -= half % 8
            values[lengths + pending] = -1
            values[firsts + pending + 1], values[lengths + pending + 1] = first + half, length - half
            values[firsts + pending + 2], values[lengths + pending + 2] = first, half
            pending += 3
    return float(values[sums])
