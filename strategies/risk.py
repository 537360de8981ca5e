"""How risky a policy takes its symbols to be: what it makes of forecast stds and of past returns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forewalk.settings.sections import Settings
from forewalk.types import FloatArray, Forecasts

FEWEST_RETURNS = 60  # bars that all symbols of a side have, below which their correlations are not told
LEAST_SHARE = 0.25  # of an equal size: the smallest of a portfolio


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


def shrunk_correlation(returns: FloatArray) -> FloatArray:
    """Return the correlation [S, S] of returns [W, S], of a covariance shrunk towards independence.

    Ledoit & Wolf (2004), Journal of Multivariate Analysis 88, as scikit-learn has it, on returns of standard
    deviation one, over the rows in which all symbols have one. With fewer than `FEWEST_RETURNS` of those: none.
    """
    from sklearn.covariance import ledoit_wolf

    count = returns.shape[1]
    rows = returns[np.isfinite(returns).all(axis=1)]
    spread = rows.std(axis=0) if len(rows) else np.zeros(count)
    if len(rows) < FEWEST_RETURNS or not (spread > 0).all():
        return np.eye(count)
    covariance, _ = ledoit_wolf(rows / spread)
    own = np.sqrt(np.diag(covariance))
    return np.asarray(covariance / np.outer(own, own))


def least_variance(covariance: FloatArray, side: FloatArray) -> FloatArray:
    """Return the sizes, with sum 1, of positions on the sides 1 or -1 [S] that vary least together.

    No size is below `LEAST_SHARE` of an equal one, so that all that was chosen is held: sizes below it are set to it,
    and the others found again beside them, until none is.
    """
    signed = covariance * np.outer(side, side)
    count = len(side)
    least = LEAST_SHARE / count
    free = np.ones(count, dtype=bool)
    size = np.full(count, least)
    while free.any():
        # minimise w'Cw over the free ones, given what is fixed, with the sum that is left
        inner = signed[np.ix_(free, free)]
        pull = signed[np.ix_(free, ~free)] @ size[~free]
        one, drawn = np.linalg.solve(inner, np.column_stack([np.ones(int(free.sum())), pull])).T
        left = 1.0 - least * int((~free).sum())
        found = one * ((left + drawn.sum()) / one.sum()) - drawn
        low = found < least
        if not low.any():
            size[free] = found
            return size
        size[free] = np.where(low, least, found)
        free[np.flatnonzero(free)[low]] = False
    return np.full(count, 1.0 / count)
