"""Forecast skill: every number beside the naive forecast of the same cells.

Only cells where both the forecast mean and the realised return are finite count. The naive forecast is
"no change": a return of zero, so a price equal to the last close. Skill is `1 - loss / naive loss`;
positive is better than naive. Numbers that cannot be computed are None, never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from engine.evaluation.metrics.door import Record, named
from engine.evaluation.metrics.forecasts.calibration import (
    Brier,
    ReliabilityCurve,
    brier_score,
    reliability_curve,
)
from engine.evaluation.metrics.forecasts.claims import SkillClaims, skill_claims
from engine.evaluation.metrics.forecasts.direction import Direction, direction_hits
from engine.evaluation.metrics.forecasts.volatility import VarianceSkill, ewma_variance, variance_skill
from engine.evaluation.metrics.inference import robust_mean_test
from engine.evaluation.metrics.statistics import (
    DieboldMariano,
    diebold_mariano,
    information_coefficient,
    mean_test,
    rank_ic,
    skill,
)
from forewalk.types import FloatArray, Forecasts


@dataclass(frozen=True)
class Errors(Record):
    """Errors of two forecasts of the same cells, in log return or in price, and the skill of the first."""

    mae: float | None
    rmse: float | None
    mse: float | None
    naive_mae: float | None
    naive_rmse: float | None
    naive_mse: float | None
    skill_mae: float | None
    skill_rmse: float | None
    skill_mse: float | None


@dataclass(frozen=True)
class InformationCoefficient(Record):
    """Correlation of forecast and outcome across the symbols of a bar, over the bars.

    Attributes:
        mean, std: per bar.
        icir: mean / std.
        t: of the mean, see `robust_mean_test`; None below four horizons.
        bars: that have at least five symbols.
        lag_bars: 0; of a run by version 0.1 the autocovariances in the Newey-West errors that its `t` has.
        p: two-sided, of `t` with as few degrees of freedom as overlap leaves; None also in a run by version 0.1.
    """

    mean: float | None
    std: float | None
    icir: float | None
    t: float | None
    bars: int = field(metadata=named("days"))
    lag_bars: int = field(default=0, metadata=named("lag"))
    p: float | None = None


@dataclass(frozen=True)
class Coverage(Record):
    """Share of outcomes inside the central normal interval `mean +- z std` of each level.

    Attributes:
        forecasts: cells counted.
        in_50_percent, in_80_percent, in_95_percent: shares; those of calibrated forecasts are 0.5, 0.8, 0.95.
    """

    forecasts: int = field(metadata=named("n"))
    in_50_percent: float | None = field(metadata=named("50"))
    in_80_percent: float | None = field(metadata=named("80"))
    in_95_percent: float | None = field(metadata=named("95"))


@dataclass(frozen=True)
class ForecastSkill(Record):
    """Everything about some cells: all of them, one symbol's or one model's.

    Attributes:
        forecasts: cells counted. bars: bars with at least one.
        returns, prices: errors in log return over the horizon, and in price.
        direction, brier, coverage: how well direction, probability and spread were stated.
        ic, rank_ic: across the symbols of a bar; None with fewer than five symbols.
        diebold_mariano: of squared errors against naive; negative: the forecasts are better.
        variance: of the volatility forecasts; None where no cell has an EWMA variance.
        beats_naive: lower MSE than naive, and the one-sided test agrees at 5 %.
    """

    forecasts: int = field(metadata=named("n"))
    bars: int
    returns: Errors
    prices: Errors
    direction: Direction
    brier: Brier
    ic: InformationCoefficient | None
    rank_ic: InformationCoefficient | None
    diebold_mariano: DieboldMariano
    variance: VarianceSkill | None
    coverage: Coverage
    beats_naive: bool


@dataclass(frozen=True)
class ForecastMetrics(Record):
    """Skill of all forecasts, of each symbol's and of each model's, what may be claimed, calibration of `p_up`."""

    overall: ForecastSkill
    per_symbol: Mapping[str, ForecastSkill]
    per_model: Mapping[str, ForecastSkill]
    reliability: ReliabilityCurve | None
    claims: SkillClaims


def forecast_metrics(
    forecasts: Forecasts,
    actual: FloatArray,
    close: FloatArray,
    trailing_returns: FloatArray,
    garch: FloatArray | None = None,
) -> ForecastMetrics:
    """Measure out-of-sample forecasts against what happened and against naive forecasts.

    Args:
        forecasts: T bars of S symbols, out-of-sample rows only.
        actual: realised log return over the horizon, [T, S], in the label's units (minus the universe's
            mean for a market-relative label); NaN where it is not known (yet).
        close: close at which the forecast was made, [T, S]. With a market-relative label the "price"
            errors are of the close moved by the relative return, not of the quoted price.
        trailing_returns: one-bar log return ending at each bar, [H + T, S], in the label's units; its last
            T rows belong to the forecasts, the H before them are history. Its sign is the persistence
            forecast; its EWMA variance over all rows so far is the naive variance.
        garch: variance of the return over the horizon, [T, S], as from `garch_variance`; None leaves it out.

    Raises:
        ValueError: the arrays are not all [T, S].
    """
    shape = forecasts.mean.shape
    history = max(len(trailing_returns) - len(forecasts), 0)
    own_rows = trailing_returns[history:]
    for name, values in (("actual", actual), ("close", close), ("trailing_returns", own_rows)):
        if np.shape(values) != shape:
            raise ValueError(
                f"{name} has shape {np.shape(values)}, but the forecasts are {shape} (bars x symbols)"
            )
    cells = _Cells.build(forecasts, actual, close, trailing_returns, garch)
    model_ids = np.array(forecasts.model_ids)
    return ForecastMetrics(
        overall=_measure(cells),
        per_symbol={
            symbol: _measure(cells.part(np.s_[:, [column]]))
            for column, symbol in enumerate(forecasts.symbols)
        },
        per_model={
            str(model): _measure(cells.part(np.s_[model_ids == model, :]))
            for model in dict.fromkeys(forecasts.model_ids)
            if model
        },
        reliability=reliability_curve(cells.p_up, cells.actual, cells.horizon_bars),
        claims=skill_claims(cells.mean, cells.actual, cells.horizon_bars),
    )


@dataclass(frozen=True, eq=False)
class _Cells:
    """Aligned [T, S] arrays; `mean` and `actual` are NaN together."""

    horizon_bars: int
    mean: FloatArray
    std: FloatArray
    p_up: FloatArray
    actual: FloatArray
    close: FloatArray
    last: FloatArray
    naive_variance: FloatArray
    garch: FloatArray

    @classmethod
    def build(
        cls,
        forecasts: Forecasts,
        actual: FloatArray,
        close: FloatArray,
        trailing: FloatArray,
        garch: FloatArray | None,
    ) -> _Cells:
        h = forecasts.horizon_bars
        counted = np.isfinite(forecasts.mean) & np.isfinite(actual)
        arrays = (
            forecasts.mean,
            forecasts.std,
            forecasts.p_up,
            actual,
            close,
            trailing[-len(forecasts) :],
            h * ewma_variance(trailing)[-len(forecasts) :],
            np.full(actual.shape, np.nan) if garch is None else garch,
        )
        return cls(h, *(np.where(counted, values, np.nan) for values in arrays))

    def part(self, where: Any) -> _Cells:
        arrays = (self.mean, self.std, self.p_up, self.actual, self.close, self.last)
        parts = (values[where] for values in (*arrays, self.naive_variance, self.garch))
        return _Cells(self.horizon_bars, *parts)


def _measure(cells: _Cells) -> ForecastSkill:
    counted, h = np.isfinite(cells.actual), cells.horizon_bars
    returns = _errors(cells.mean, cells.actual, np.zeros_like(cells.mean))
    prices = _errors(cells.close * np.exp(cells.mean), cells.close * np.exp(cells.actual), cells.close)
    test = diebold_mariano((cells.actual - cells.mean) ** 2, cells.actual**2, h)
    lower = returns.mse is not None and returns.naive_mse is not None and returns.mse < returns.naive_mse
    return ForecastSkill(
        forecasts=int(counted.sum()),
        bars=int(counted.any(axis=1).sum()),
        returns=returns,
        prices=prices,
        direction=direction_hits(cells.mean, cells.actual, cells.last, h),
        brier=brier_score(cells.p_up, cells.actual),
        ic=_ic(information_coefficient(cells.mean, cells.actual), h),
        rank_ic=_ic(rank_ic(cells.mean, cells.actual), h),
        diebold_mariano=test,
        variance=variance_skill(cells.std**2, cells.naive_variance, cells.garch, cells.actual**2, h),
        coverage=_coverage(cells),
        beats_naive=lower and test.a_is_better,
    )


def _errors(predicted: FloatArray, actual: FloatArray, naive: FloatArray) -> Errors:
    used = np.isfinite(predicted) & np.isfinite(actual) & np.isfinite(naive)
    if not used.any():
        return Errors(*[None] * 9)
    own, base = _losses(predicted[used] - actual[used]), _losses(naive[used] - actual[used])
    return Errors(*own, *base, *(skill(loss, naive_loss) for loss, naive_loss in zip(own, base, strict=True)))


def _losses(error: FloatArray) -> tuple[float, float, float]:
    """Return MAE, RMSE and MSE."""
    mse = float(np.mean(error**2))
    return float(np.mean(np.abs(error))), math.sqrt(mse), mse


def _ic(per_bar: FloatArray, horizon_bars: int) -> InformationCoefficient | None:
    test = mean_test(per_bar, horizon_bars)
    if not test.observations:
        return None
    robust, bars = robust_mean_test(per_bar, horizon_bars), test.observations
    return InformationCoefficient(test.mean, test.std, test.ratio, robust.t, bars=bars, p=robust.p_two_sided)


def _coverage(cells: _Cells) -> Coverage:
    distance = np.abs(cells.actual - cells.mean) / np.where(cells.std > 0, cells.std, np.nan)
    used = distance[np.isfinite(distance)]
    shares = [
        float(np.mean(used <= stats.norm.ppf(0.5 + level / 200))) if len(used) else None
        for level in (50, 80, 95)
    ]
    return Coverage(len(used), *shares)
