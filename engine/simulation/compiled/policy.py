"""The decision in compiled code: equals `strategies/policy.py`, target by target, to the last bit.

No rule is made here: each function names the one it equals. What differs is the form: instead of arrays over
all symbols, lists of the few that matter, in column order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.simulation.compiled.sizing import fit, resize, share_of, size_entries, waits
from engine.simulation.compiled.types import (
    CONSTANT_RISK,
    CROSS_SECTION,
    EXIT,
    LIMIT,
    LIMIT_TOLERANCE,
    LONG_SHORT,
    NO_FORECAST,
    NONE,
    RESIZE,
    STOP_LOSS,
    TAKE_PROFIT,
    TURNOVER,
    compiled,
    compiled_inline,
    pairwise,
)
from forewalk.types import FloatArray


@compiled
def wanted_by_threshold(score: float, side: float, rules: Any) -> float:
    """Side of one held symbol with a forecast: `_wanted_by_threshold`."""
    if rules.always_held:
        return 1.0
    long = (score >= rules.entry and score > 0) or (side > 0 and score >= rules.exit)
    short = rules.direction == LONG_SHORT and (
        (-score >= rules.entry and score < 0) or (side < 0 and -score >= rules.exit)
    )
    if long and short:
        return side
    return 1.0 if long else (-1.0 if short else 0.0)


@compiled
def shrink(held: int, factor: float, book: Any) -> int:
    """Scale everything that is kept; return how many had no target before."""
    fresh = 0
    for i in range(held):
        s = book[i].held
        if book[s].weight == 0.0:
            continue
        if np.isnan(book[s].target):
            book[s].target, book[s].reason = book[s].weight * factor, LIMIT
            fresh += 1
        elif book[s].reason == LIMIT:
            book[s].target *= factor
    return fresh


@compiled
def close_and_trim(
    t: int, held: int, ranked: bool, panel: Any, rules: Any, book: Any, sums: FloatArray
) -> int:
    """Close what stops, missing forecasts or signals end; cut back what drifted: `_stops`, `_close`, `_trim`."""
    widest = rules.max_weight * LIMIT_TOLERANCE
    closing, kept = 0, 0
    for i in range(held):
        s = book[i].held
        weight, score = book[s].weight, panel[t, s].score
        book[s].target, book[s].reason = np.nan, NONE
        if weight == 0.0:
            continue
        side = 1.0 if weight > 0 else -1.0
        gain = side * (panel[t, s].close / book[s].price - 1.0)
        wanted = book[s].wanted if ranked else wanted_by_threshold(score, side, rules)
        waiting = waits(t, s, panel, rules)
        if gain <= -rules.stop_loss:
            book[s].target, book[s].reason = 0.0, STOP_LOSS
        elif gain >= rules.take_profit:
            book[s].target, book[s].reason = 0.0, TAKE_PROFIT
        elif np.isnan(score) and not waiting:
            book[s].target, book[s].reason = 0.0, NO_FORECAST
        elif wanted != side and not waiting and t - book[s].opened >= rules.min_hold_bars:
            book[s].target, book[s].reason = 0.0, EXIT
        elif abs(weight) > widest:
            book[s].target, book[s].reason = side * rules.max_weight, LIMIT
            sums[kept] = rules.max_weight
            kept += 1
        else:
            sums[kept] = abs(weight)
            kept += 1
            continue
        closing += 1
    if kept == 0:
        return closing
    gross = pairwise(sums, 0, kept)
    if gross > rules.max_gross * LIMIT_TOLERANCE:
        closing += shrink(held, rules.max_gross / gross, book)
    return closing


@compiled
def find_entries(t: int, panel: Any, rules: Any, book: Any) -> int:
    """List the symbols that are not held and beyond the entry threshold, and the side of each."""
    entering, entry = 0, rules.entry
    both = rules.direction == LONG_SHORT
    for s in range(panel.shape[1]):
        score = panel[t, s].score
        if rules.always_held:
            if np.isnan(score):
                continue
            side = 1.0
        elif score >= entry and score > 0:
            side = 1.0
        elif both and -score >= entry and score < 0:
            side = -1.0
        else:
            continue
        pays = panel[t, s].gain >= rules.min_gain
        if book[s].weight == 0.0 and panel[t, s].close > 0.0 and pays:
            book[s].wanted, book[entering].entering = side, s
            entering += 1
    return entering


@compiled
def fill_places(
    t: int, held: int, count: int, places: int, side: float, panel: Any, rules: Any, book: Any
) -> None:
    """Give the places to held symbols that may stay, then to the best: `_fill_places`."""
    safe = min(count, places + rules.hysteresis)
    stays = 0
    for r in range(safe):
        s = panel[t, r if side > 0 else count - 1 - r].ranked
        if book[s].weight * side > 0:
            if stays < places:
                book[s].wanted = side
            stays += 1
    young = 0  # held, too young to leave, and ranked beyond the hysteresis
    for i in range(held):
        s = book[i].held
        place = panel[t, s].rank if side > 0 else count - 1 - panel[t, s].rank
        known = panel[t, s].rank < count
        if known and place >= safe and book[s].weight * side > 0 and t - book[s].opened < rules.min_hold_bars:
            young += 1
    r = safe
    while young and r < count:
        s = panel[t, r if side > 0 else count - 1 - r].ranked
        if book[s].weight * side > 0 and t - book[s].opened < rules.min_hold_bars:
            if stays < places:
                book[s].wanted = side
            stays += 1
            young -= 1
        r += 1
    free = places - min(places, stays)
    for r in range(places):
        s = panel[t, r if side > 0 else count - 1 - r].ranked
        if free and book[s].wanted == 0.0 and not book[s].weight * side > 0:
            book[s].wanted = side
            free -= 1


@compiled
def choose_by_rank(t: int, held: int, panel: Any, rules: Any, book: Any) -> None:
    """Set the wanted side of every symbol by rank: `_wanted_by_rank`."""
    count = panel[t, 0].known
    both = rules.direction == LONG_SHORT
    places = min(rules.top, count // 2 if both else count)
    fill_places(t, held, count, places, 1.0, panel, rules, book)
    if both:
        fill_places(t, held, count, places, -1.0, panel, rules, book)


@compiled
def find_ranked(t: int, panel: Any, rules: Any, book: Any) -> int:
    """List the symbols that are wanted and not held, in column order."""
    count, entering = panel[t, 0].known, 0
    both = rules.direction == LONG_SHORT
    places = min(rules.top, count // 2 if both else count)
    for r in range(places * 2 if both else places):
        s = panel[t, r if r < places else count - 1 - (r - places)].ranked
        pays = panel[t, s].gain >= rules.min_gain
        if book[s].wanted != 0.0 and book[s].weight == 0.0 and panel[t, s].close > 0.0 and pays:
            i = entering
            while i > 0 and book[i - 1].entering > s:
                book[i].entering = book[i - 1].entering
                i -= 1
            book[i].entering = s
            entering += 1
    return entering


@compiled
def forget_ranks(t: int, held: int, panel: Any, rules: Any, book: Any) -> None:
    """Set every wanted side back to none."""
    count = panel[t, 0].known
    places = min(rules.top, count)
    for r in range(places):
        book[panel[t, r].ranked].wanted = 0.0
        book[panel[t, count - 1 - r].ranked].wanted = 0.0
    for i in range(held):
        book[book[i].held].wanted = 0.0


@compiled
def take_strongest(count: int, room: float, book: Any) -> float:
    """Drop what does not fit into `room`, strongest first, equals in column order; return the room that is left.

    The list is in `order_symbol` and the strength in `order_size`, where no order is at this moment.
    """
    for i in range(1, count):
        s, strength = book[i].order_symbol, book[i].order_size
        j = i
        while j > 0 and book[j - 1].order_size < strength:
            book[j].order_symbol, book[j].order_size = book[j - 1].order_symbol, book[j - 1].order_size
            j -= 1
        book[j].order_symbol, book[j].order_size = s, strength
    for i in range(count):
        s = book[i].order_symbol
        change = abs(book[s].target - book[s].weight)
        if change <= room + 1e-12:
            room -= change
        else:
            book[s].target, book[s].reason = np.nan, TURNOVER
    return room


@compiled
def cap_turnover(
    t: int, held: int, entering: int, panel: Any, rules: Any, book: Any, sums: FloatArray
) -> int:
    """Drop the changes that do not fit: `_cap_turnover`. Return how many entries are left."""
    forced = 0
    for i in range(held):
        s = book[i].held
        if book[s].reason != NONE and book[s].reason != EXIT and book[s].reason != RESIZE:
            sums[forced] = abs(book[s].target - book[s].weight)
            forced += 1
    room = rules.turnover_cap - pairwise(sums, 0, forced)
    for reason in (EXIT, RESIZE):
        count = 0
        for i in range(held):
            s = book[i].held
            if book[s].reason == reason:
                book[count].order_symbol, book[count].order_size = s, abs(panel[t, s].score)
                count += 1
        room = take_strongest(count, room, book)
    for i in range(entering):
        s = book[i].entering
        book[i].order_symbol, book[i].order_size = s, abs(panel[t, s].score)
    take_strongest(entering, room, book)
    chosen = 0
    for i in range(entering):
        s = book[i].entering
        if not np.isnan(book[s].target):
            book[chosen].entering = s
            chosen += 1
    return chosen


@compiled_inline
def decide(
    t: int, value: float, held: int, panel: Any, rules: Any, book: Any, sums: FloatArray
) -> tuple[int, int]:
    """Set targets and reasons; return how many held symbols have a target and how many are to be entered.

    Equals `policy.decide`.
    """
    for i in range(held):
        s = book[i].held
        book[s].weight = book[s].size * panel[t, s].close / value
    ranked = rules.kind == CROSS_SECTION
    if ranked:
        choose_by_rank(t, held, panel, rules, book)
    closing = close_and_trim(t, held, ranked, panel, rules, book, sums)
    entering = find_ranked(t, panel, rules, book) if ranked else find_entries(t, panel, rules, book)
    resizing = rules.sizing == CONSTANT_RISK and held > 0
    share = share_of(t, held, panel, rules, book) if entering or resizing else 0.0
    scale = 1.0
    if rules.sizing == CONSTANT_RISK and (entering or resizing):
        scale = fit(t, held, entering, share, panel, rules, book, sums)
        closing += resize(t, held, share, scale, panel, rules, book)
    if entering:
        entering = size_entries(t, held, entering, share, scale, panel, rules, book, sums)
    if ranked and not np.isnan(rules.turnover_cap) and (closing or entering):
        entering = cap_turnover(t, held, entering, panel, rules, book, sums)
    if ranked:
        forget_ranks(t, held, panel, rules, book)
    return closing, entering
