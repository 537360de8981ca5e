"""Two runs on what they share: the same forecasts' outcomes, the same bars of two accounts.

Pairs are compared by their differences, bar by bar: what moves both runs alike cancels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.evaluation.metrics.accounts.bootstrap import FEWEST_BARS, Interval, optimal_block
from engine.evaluation.metrics.statistics import DieboldMariano, diebold_mariano
from forewalk.errors import DataError
from forewalk.returns import simple_returns
from forewalk.types import FloatArray

TAIL = 0.025
SAME_OUTCOME = 1e-9  # log return; prices that a source adjusts anew agree to their last digits only


@dataclass(frozen=True)
class ForecastPair:
    """Forecasts of a and b of the same returns.

    Attributes:
        cells, bars: forecasts with a known outcome that both made, and the bars they stand on.
        mse_a, mse_b: mean squared error, log returns over the horizon.
        skill: 1 - mse_a / mse_b; None where b makes no error.
        test: Diebold-Mariano on the squared errors, the symbols of a bar as one observation; negative: a is better.
    """

    cells: int
    bars: int
    mse_a: float
    mse_b: float
    skill: float | None
    test: DieboldMariano


@dataclass(frozen=True)
class AccountPair:
    """Accounts of a and b over the bars that both have.

    Attributes:
        bars: shared returns.
        return_a, return_b: total, over these bars.
        sharpe_a, sharpe_b: annual; None where an account does not move.
        return_difference: mean of a's return minus b's, a year, with its 95 % interval.
        sharpe_difference: of the annual Sharpe ratios, with its 95 % interval.
    """

    bars: int
    return_a: float
    return_b: float
    sharpe_a: float | None
    sharpe_b: float | None
    return_difference: Interval
    sharpe_difference: Interval


def pair_forecasts(a: pd.DataFrame, b: pd.DataFrame) -> ForecastPair:
    """Compare two tables of `forecast_table` where both forecast the same bar and symbol.

    Raises:
        DataError: other horizons, no shared forecast with a known outcome, or the outcomes differ.
    """
    horizons = {int(table["horizon_bars"].iloc[0]) for table in (a, b) if len(table)}
    if len(horizons) > 1:
        raise DataError(f"their horizons are {' and '.join(map(str, sorted(horizons)))} bars")
    both = _shared(a, b)
    losses = _bar_losses(both)
    # the mean over the symbols of a bar is what the test takes of each bar
    test = diebold_mariano(losses["a"].to_numpy(), losses["b"].to_numpy(), horizons.pop())
    mse_a, mse_b = (float(((both["actual_a"] - both[f"mean_{name}"]) ** 2).mean()) for name in ("a", "b"))
    skill = 1.0 - mse_a / mse_b if mse_b > 0 else None
    return ForecastPair(len(both), len(losses["a"]), mse_a, mse_b, skill, test)


def lead_of(a: pd.DataFrame, b: pd.DataFrame) -> pd.Series:
    """Return the sum up to each shared bar of b's squared error minus a's; it rises where a forecasts better.

    Errors are means over the symbols of a bar; index UTC closes. Goyal & Welch (2003), Management Science 49.

    Raises:
        DataError: see `pair_forecasts`.
    """
    losses = _bar_losses(_shared(a, b))
    return (losses["b"] - losses["a"]).cumsum()


def _shared(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    both = a.merge(b, on=["asof", "symbol"], suffixes=("_a", "_b")).dropna(subset=["actual_a", "actual_b"])
    if not len(both):
        raise DataError("they share no forecast with a known outcome")
    if ((both["actual_a"] - both["actual_b"]).abs() > SAME_OUTCOME).any():
        raise DataError("the outcomes are not the same: other data, or another label")
    return both


def _bar_losses(both: pd.DataFrame) -> dict[str, pd.Series]:
    return {
        name: ((both["actual_a"] - both[f"mean_{name}"]) ** 2).groupby(both["asof"]).mean()
        for name in ("a", "b")
    }


def pair_accounts(
    a: pd.DataFrame, b: pd.DataFrame, bars_per_year: float, seed: int, repetitions: int = 1000
) -> AccountPair:
    """Compare two equity tables over the bars they share, by the stationary bootstrap of their paired returns.

    Politis & Romano (1994), Journal of the American Statistical Association 89. Equal inputs and seed give equal
    numbers. Bounds are unknown with fewer than 30 shared bars, or where the accounts do not differ.

    Raises:
        DataError: they share fewer than two bars.
    """
    both = a[["time", "equity"]].merge(b[["time", "equity"]], on="time", suffixes=("_a", "_b"))
    if len(both) < 2:
        raise DataError("their accounts share fewer than two bars")
    values = both[["equity_a", "equity_b"]].to_numpy(dtype=np.float64)
    returns = np.column_stack([simple_returns(column)[1:] for column in values.T])
    sharpes = [float(x) if math.isfinite(x) else None for x in _sharpe(returns, bars_per_year)]
    low, high = _bounds(returns, bars_per_year, seed, repetitions)
    measured = _differences(returns, bars_per_year)
    intervals = [Interval(*map(float, bound)) for bound in zip(measured, low, high, strict=True)]
    total = values[-1] / values[0] - 1.0
    return AccountPair(
        len(returns),
        float(total[0]),
        float(total[1]),
        sharpes[0],
        sharpes[1],
        *intervals,
    )


def _bounds(
    returns: FloatArray, bars_per_year: float, seed: int, repetitions: int
) -> tuple[FloatArray, FloatArray]:
    gap = returns[:, 0] - returns[:, 1]
    if len(returns) < FEWEST_BARS or not gap.std() > 1e-12:
        return np.full(2, np.nan), np.full(2, np.nan)
    from arch.bootstrap import StationaryBootstrap

    resampled = StationaryBootstrap(optimal_block(gap), returns, seed=seed).bootstrap(repetitions)
    draws = np.array([_differences(np.asarray(sample[0]), bars_per_year) for sample, _ in resampled])
    known = np.isfinite(draws).any(axis=0)  # an account that never moves has no Sharpe ratio in any draw
    bounds = np.full((2, draws.shape[1]), np.nan)
    bounds[:, known] = np.nanquantile(draws[:, known], [TAIL, 1.0 - TAIL], axis=0)
    return bounds[0], bounds[1]


def _differences(returns: FloatArray, bars_per_year: float) -> FloatArray:
    """Return the difference of the mean returns a year, and of the annual Sharpe ratios."""
    mean, sharpe = returns.mean(axis=0) * bars_per_year, _sharpe(returns, bars_per_year)
    return np.array([mean[0] - mean[1], sharpe[0] - sharpe[1]])


def _sharpe(returns: FloatArray, bars_per_year: float) -> FloatArray:
    spread = returns.std(axis=0, ddof=1) if len(returns) > 1 else np.zeros(2)
    moving = spread > 1e-12
    ratio = np.full(2, np.nan)
    ratio[moving] = returns.mean(axis=0)[moving] / spread[moving] * math.sqrt(bars_per_year)
    return ratio
