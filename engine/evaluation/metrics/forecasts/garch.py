"""GARCH(1,1) variance forecasts: fitted once per fold on training bars, filtered forward bar by bar.

Bollerslev (1986), Journal of Econometrics 31; mean zero, Gaussian likelihood, by `arch`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forewalk.folds import Fold
from forewalk.types import FloatArray

FEWEST_BARS = 250


def garch_variance(returns: FloatArray, folds: Sequence[Fold], horizon_bars: int = 1) -> FloatArray:
    """Return the variance of the next `horizon_bars` returns as known at each close, [T - first test row, S].

    The parameters of a fold come from bars up to its last training row; the filter then runs over the bars
    in between and the test rows, one bar behind the forecast. NaN where the symbol has no return, has fewer
    than 250 of them in training, or cannot be fitted.

    Args:
        returns: one-bar log return ending at each bar, [T, S], NaN where there is none.
        folds: of the network; their test rows are contiguous.
    """
    first = int(folds[0].test[0])
    result = np.full((len(returns) - first, returns.shape[1]), np.nan)
    for fold in folds:
        begin, known = int(fold.train[0]), int(fold.valid[-1]) + 1
        for column in range(returns.shape[1]):
            stop = int(fold.test[-1]) + 1
            own = begin + np.flatnonzero(np.isfinite(returns[begin:stop, column]))
            training = int(np.searchsorted(own, known))
            parameters = fit_garch(returns[own[:training], column])
            if parameters is None:
                continue
            ahead = filtered_variance(returns[own, column], parameters, horizon_bars)
            asked = own >= fold.test[0]
            result[own[asked] - first, column] = ahead[asked]
    return result


def fit_garch(returns: FloatArray) -> FloatArray | None:
    """Return omega, alpha, beta and the variance before the first return; None where there is no fit."""
    from arch import arch_model

    spread = float(returns.std()) if len(returns) >= FEWEST_BARS else 0.0
    if spread < 1e-9:
        return None
    model = arch_model(returns / spread, mean="Zero", vol="GARCH", p=1, q=1, rescale=False)
    fitted = model.fit(disp="off", show_warning=False)
    omega, alpha, beta = (float(value) for value in fitted.params)
    start = float(np.asarray(fitted.conditional_volatility)[0]) ** 2
    if not np.isfinite([omega, alpha, beta, start]).all():
        return None
    return np.array([omega * spread**2, alpha, beta, start * spread**2])


def filtered_variance(returns: FloatArray, parameters: FloatArray, horizon_bars: int = 1) -> FloatArray:
    """Return, for each bar, the variance of the sum of the next `horizon_bars` returns given returns up to it.

    `v' = omega + alpha r^2 + beta v` one bar ahead, and `v' = omega + (alpha + beta) v` for each bar after it.
    """
    omega, alpha, beta, variance = (float(value) for value in parameters)
    ahead = np.empty(len(returns))
    for row, square in enumerate((returns**2).tolist()):
        variance = omega + alpha * square + beta * variance
        ahead[row] = variance
    total, step = ahead.copy(), ahead
    for _ in range(horizon_bars - 1):
        step = omega + (alpha + beta) * step
        total += step
    return total
