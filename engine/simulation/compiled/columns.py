"""Accounts with one symbol each, in compiled code: the loop of `broker` with everything in registers.

The same rules on one symbol, where lists, sums and ranks fall away. `tests/engine/simulation/compiled` holds
it equal to the Cerebro run on that symbol alone, to the last bit. It knows the thresholds only: by rank, one symbol
is not a case.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.simulation.compiled.broker import claimed, execute, shares, summarise, with_value
from engine.simulation.compiled.feed import feed_bar, strength
from engine.simulation.compiled.policy import wanted_by_threshold
from engine.simulation.compiled.types import (
    BLOCK,
    CANCELLED,
    FEES,
    LIMIT_TOLERANCE,
    LONG_SHORT,
    MARGIN,
    PENDING,
    TRADED,
    VOLATILITY_TARGET,
    compiled,
    compiled_and_kept,
)
from forewalk.types import FloatArray


@compiled_and_kept
def run_columns(
    open_: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    mean: FloatArray,
    std: FloatArray,
    horizon_root: float,
    rules: Any,
    first: int,
    equity: FloatArray,
    totals: FloatArray,
    summary: FloatArray,
) -> None:
    """Simulate one account per column from `first` on, each as if its symbol were alone.

    Prices, volume and forecasts are [T, S], `horizon_root` is sqrt(horizon in years); equity [N, T], totals
    [N, len(TOTALS)] and summary [N, len(SUMMARY)] are filled. Columns are copied out a few at a time: those of
    one cache line are read together, and the copies stay in the cache.
    """
    bars, count = close.shape[0], len(equity)
    copies = np.empty((5, BLOCK, bars))
    for start in range(0, count, BLOCK):
        width = min(BLOCK, count - start)
        carried, seen = np.zeros(width), np.full(width, -1)
        reports = np.zeros(width, np.bool_)
        for t in range(bars):
            for c in range(width):
                s = first + start + c
                copies[0, c, t], carried[c], copies[2, c, t], seen[c], reports[c] = feed_bar(
                    t, open_[t, s], close[t, s], volume[t, s], carried[c], seen[c], reports[c], rules
                )
                copies[1, c, t] = carried[c]
                copies[3, c, t] = strength(mean[t, s], std[t, s])
                copies[4, c, t] = std[t, s] / horizon_root
        for c in range(width):
            row = start + c
            run_alone(
                copies[0, c],
                copies[1, c],
                copies[2, c],
                copies[3, c],
                copies[4, c],
                rules,
                equity[row],
                totals[row],
            )
            summarise(equity[row], summary[row])


@compiled
def run_alone(
    open_: FloatArray,
    close: FloatArray,
    capacity: FloatArray,
    score: FloatArray,
    annual_std: FloatArray,
    rules: Any,
    equity: FloatArray,
    totals: FloatArray,
) -> None:
    """Simulate one account on one symbol; arrays [T]. Equals `run_account` with S = 1."""
    totals[:] = 0.0
    cash, size, price, opened, order = rules.cash, 0.0, 0.0, 0, 0.0
    last = len(close) - 1
    for t in range(len(close)):
        if order != 0.0:
            status, part, paid, fee = MARGIN, 0.0, 0.0, 0.0
            if claimed(cash, order, close[t - 1], rules) >= 0.0:
                status, part, paid, fee, cash = execute(
                    order, size, price, cash, open_[t], capacity[t], rules
                )
            if part != 0.0 and size == 0.0:
                price, opened = paid, t
            size += part
            if status == CANCELLED and t == last:
                status = PENDING
            totals[status] += 1
            totals[FEES] += fee
            totals[TRADED] += abs(part * paid)
        value = cash + with_value(0.0, size, price, close[t])
        equity[t] = value
        order = decide_alone(size, price, t - opened, value, close[t], score[t], annual_std[t], rules)
    totals[PENDING] += 1 if order != 0.0 else 0


@compiled
def decide_alone(
    size: float,
    price: float,
    age: int,
    value: float,
    close: float,
    score: float,
    annual_std: float,
    rules: Any,
) -> float:
    """Return the signed order that the policy sends at this close, 0 for none: `decide` and `send`."""
    weight = size * close / value if size != 0.0 else 0.0
    if weight == 0.0:
        target = entry_alone(close, score, annual_std, rules)
    else:
        target = exit_alone(weight, price, age, close, score, rules)
    if np.isnan(target):
        return 0.0
    return shares(target, value, close, rules.fractional) - size


@compiled
def exit_alone(weight: float, price: float, age: int, close: float, score: float, rules: Any) -> float:
    """Target of a position, NaN to leave it: `close_and_trim`."""
    side = 1.0 if weight > 0 else -1.0
    gain = side * (close / price - 1.0)
    if gain <= -rules.stop_loss or gain >= rules.take_profit or np.isnan(score):
        return 0.0
    if age >= rules.min_hold_bars and wanted_by_threshold(score, side, rules) != side:
        return 0.0
    wide = abs(weight) > rules.max_weight * LIMIT_TOLERANCE
    after = side * rules.max_weight if wide else weight
    gross = abs(after)
    if gross > rules.max_gross * LIMIT_TOLERANCE:
        return float(after * (rules.max_gross / gross))
    return after if wide else np.nan


@compiled
def entry_alone(close: float, score: float, annual_std: float, rules: Any) -> float:
    """Target of a new position, NaN for none: `find_entries` and `size_entries`."""
    if score >= rules.entry and score > 0:
        side = 1.0
    elif rules.direction == LONG_SHORT and -score >= rules.entry and score < 0:
        side = -1.0
    else:
        return np.nan
    if not close > 0.0:
        return np.nan
    size = rules.max_gross if np.isnan(rules.fraction) else rules.fraction
    if rules.sizing == VOLATILITY_TARGET:
        size = size * rules.target_volatility / (annual_std if annual_std > 0 else np.inf)
    size = min(size, rules.max_weight)
    scale = min(1.0, rules.max_gross / size) if size > 0 else 0.0
    return side * size * scale if size * scale > 0 else np.nan
