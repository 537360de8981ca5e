"""What an account sees at each bar, in compiled code: equals the feeds of `engine/simulation/cerebro.py`.

A symbol without a bar keeps its last close and fills nothing, until it has been silent so long that a position
may be closed at that price. Arrays are [T, S], as in `Bars` and `Forecasts`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.simulation.compiled.types import STALE, compiled, compiled_and_kept
from forewalk.types import FloatArray


@compiled
def feed_bar(
    t: int,
    open_: float,
    close: float,
    volume: float,
    carried: float,
    seen: int,
    reports: bool,
    rules: Any,
) -> tuple[float, float, float, int, bool]:
    """Return open, close and capacity of one bar, and the last row with a price and whether volume is reported.

    `carried`, `seen` and `reports` are what the bar before returned, at first 0, -1 and False. Equals
    `feed_columns` and `fill_capacity`.
    """
    if volume > 0:
        reports = True
    if np.isnan(close):
        stale = seen >= 0 and t - seen > rules.stale_exit_bars
        return carried, carried, STALE if stale else 0.0, seen, reports
    if not reports or np.isnan(rules.max_volume_share):
        return open_, close, np.inf, t, reports
    capacity = volume * rules.max_volume_share if volume == volume else 0.0
    return open_, close, capacity if rules.fractional else np.floor(capacity), t, reports


@compiled
def strength(mean: float, std: float) -> float:
    """Return mean / std, NaN where it is not finite: no forecast."""
    score = mean / std
    return score if np.isfinite(score) else np.nan


@compiled_and_kept
def fill_panel(
    open_: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    mean: FloatArray,
    std: FloatArray,
    horizon_root: float,
    rules: Any,
    panel: Any,
) -> None:
    """Fill the records of `panel`, [T, S], all but the ranks; `horizon_root` is sqrt(horizon in years)."""
    bars, symbols = close.shape
    carried, seen = np.zeros(symbols), np.full(symbols, -1)
    reports = np.zeros(symbols, np.bool_)
    for t in range(bars):
        known = 0
        for s in range(symbols):
            bar = panel[t, s]
            bar.open, bar.close, bar.capacity, seen[s], reports[s] = feed_bar(
                t, open_[t, s], close[t, s], volume[t, s], carried[s], seen[s], reports[s], rules
            )
            carried[s] = bar.close
            bar.score = strength(mean[t, s], std[t, s])
            bar.annual_std = std[t, s] / horizon_root
            known += 0 if np.isnan(bar.score) else 1
        panel[t, 0].known = known
