"""How risky a policy takes its symbols to be: what it makes of the stds that were forecast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forewalk.settings.sections import Settings
from forewalk.types import FloatArray, Forecasts


def smoothed(forecasts: Forecasts, bars: int) -> Forecasts:
    """Return the forecasts with the std of the last `bars` rows, their own included, in place of each row's own.

    One row is the row itself: nothing changes.
    """
    return forecasts if bars <= 1 else replace(forecasts, std=smoothed_std(forecasts.std, bars))


def last_rows(forecasts: Forecasts, rows: int) -> Forecasts:
    """Return the last so many rows."""
    names = ("timestamps", "mean", "std", "p_up", "model_ids", "trained_until")
    return replace(forecasts, **{name: getattr(forecasts, name)[-rows:] for name in names})


def as_told(settings: Settings) -> Settings:
    """Return the settings of a policy that takes stds as they are told: they have been smoothed, or need not be."""
    strategy = settings.strategy.model_copy(update={"smooth_std_bars": 1})
    return settings.model_copy(update={"strategy": strategy})


def smoothed_std(std: FloatArray, bars: int) -> FloatArray:
    """Return the root mean square of the last `bars` rows of std [T, S], of those that are known; NaN stays NaN.

    A row's sum is added up in the same order wherever the rows begin, so that a replay has the backtest's bits as
    soon as it has as many rows.
    """
    total, count = np.zeros(std.shape), np.zeros(std.shape)
    for back in range(min(bars, len(std))):
        earlier = std[: len(std) - back]
        known = np.isfinite(earlier)
        total[back:] += np.where(known, earlier, 0.0) ** 2
        count[back:] += known
    return np.where(np.isfinite(std), np.sqrt(total / np.maximum(count, 1.0)), np.nan)
