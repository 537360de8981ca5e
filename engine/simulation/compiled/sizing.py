"""How large positions are in compiled code: equals the sizes of `strategies/policy.py`, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.simulation.compiled.types import (
    CONSTANT_RISK,
    CROSS_SECTION,
    ENTRY,
    FIXED_FRACTION,
    LONG_SHORT,
    RESIZE,
    compiled,
    pairwise,
)
from forewalk.types import FloatArray


@compiled
def waits(t: int, s: int, panel: Any, rules: Any) -> bool:
    """Whether a held symbol is left alone until its next bar: `_waits`."""
    cell = panel[t, s]
    return bool(rules.sizing == CONSTANT_RISK and np.isnan(cell.score) and cell.capacity == 0.0)


@compiled
def gross_kept(held: int, symbols: int, book: Any, sums: FloatArray) -> float:
    """Sum of |weights| after the closings, over all columns, as NumPy adds it up."""
    for i in range(held):
        s = book[i].held
        sums[symbols + s] = abs(book[s].weight if np.isnan(book[s].target) else book[s].target)
    total = pairwise(sums, symbols, symbols)
    for i in range(held):
        sums[symbols + book[i].held] = 0.0
    return total


@compiled
def share_of(t: int, held: int, panel: Any, rules: Any, book: Any) -> float:
    """|weight| of one place of the target volatility: the first half of `_position_size`."""
    if not np.isnan(rules.fraction):
        return float(rules.fraction)
    if rules.kind == CROSS_SECTION:
        places = rules.top * (2 if rules.direction == LONG_SHORT else 1)
    else:
        places = panel[t, 0].known
        for i in range(held):
            s = book[i].held
            places += 1 if book[s].weight != 0.0 and waits(t, s, panel, rules) else 0
    return float((1.0 if rules.sizing == CONSTANT_RISK else rules.max_gross) / max(places, 1))


@compiled
def size_of(t: int, s: int, side: float, share: float, panel: Any, rules: Any) -> float:
    """|weight| of the position of a symbol with a forecast: `_position_size`."""
    size = share
    if rules.sizing != FIXED_FRACTION:
        annual = panel[t, s].annual_std
        size = share * rules.target_volatility / (annual if annual > 0 else np.inf)
    if rules.sizing == CONSTANT_RISK:
        size = size * min(max(1.0 + rules.tilt * (panel[t, s].score * side), 0.0), 2.0)
    return float(min(size, rules.max_weight))


@compiled
def may_resize(t: int, s: int, panel: Any, book: Any) -> bool:
    """Whether a held symbol counts by its wanted size."""
    cell = panel[t, s]
    return bool(
        book[s].weight != 0.0 and np.isnan(book[s].target) and not np.isnan(cell.score) and cell.close > 0.0
    )


@compiled
def fit(
    t: int, held: int, entering: int, share: float, panel: Any, rules: Any, book: Any, sums: FloatArray
) -> float:
    """Factor by which all sizes fit beside what stays as it is: `_fit`."""
    symbols = panel.shape[1]
    for i in range(held):
        s = book[i].held
        if not may_resize(t, s, panel, book):
            sums[symbols + s] = abs(book[s].weight if np.isnan(book[s].target) else book[s].target)
    room = max(0.0, rules.max_gross - pairwise(sums, symbols, symbols))
    for i in range(held):
        s = book[i].held
        side = 1.0 if book[s].weight > 0 else -1.0
        counts = may_resize(t, s, panel, book)
        sums[symbols + s] = size_of(t, s, side, share, panel, rules) if counts else 0.0
    for i in range(entering):
        s = book[i].entering
        sums[symbols + s] = size_of(t, s, book[s].wanted, share, panel, rules)
    asked = pairwise(sums, symbols, symbols)
    for i in range(held):
        sums[symbols + book[i].held] = 0.0
    for i in range(entering):
        sums[symbols + book[i].entering] = 0.0
    return min(1.0, room / asked) if asked > 0 else 0.0


@compiled
def resize(t: int, held: int, share: float, scale: float, panel: Any, rules: Any, book: Any) -> int:
    """Set what is outside the band back to its size: `_resize`. Return how many targets that gives."""
    resized = 0
    for i in range(held):
        s = book[i].held
        if not may_resize(t, s, panel, book):
            continue
        side = 1.0 if book[s].weight > 0 else -1.0
        size = size_of(t, s, side, share, panel, rules) * scale
        if size > 0 and abs(size - abs(book[s].weight)) > rules.trade_band * size:
            book[s].target, book[s].reason = side * size, RESIZE
            resized += 1
    return resized


@compiled
def size_entries(
    t: int,
    held: int,
    entering: int,
    share: float,
    fitted: float,
    panel: Any,
    rules: Any,
    book: Any,
    sums: FloatArray,
) -> int:
    """Set the targets of the new positions within the room that is left: `_enter`, `_position_size`.

    Return how many are left; `entering` then lists those.
    """
    for i in range(entering):
        s = book[i].entering
        sums[i] = size_of(t, s, book[s].wanted, share, panel, rules) * fitted
    asked = pairwise(sums, 0, entering)
    room = max(0.0, rules.max_gross - gross_kept(held, panel.shape[1], book, sums))
    scale = min(1.0, room / asked) if asked > 0 else 0.0
    chosen = 0
    for i in range(entering):
        s = book[i].entering
        size = sums[i]
        if size * scale > 0:
            book[s].target, book[s].reason = book[s].wanted * size * scale, ENTRY
            book[chosen].entering = s
            chosen += 1
    return chosen
