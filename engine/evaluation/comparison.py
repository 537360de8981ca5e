"""Forecasters side by side on the same cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from engine.evaluation.metrics.door import LEFT_OUT, Record, named
from engine.evaluation.metrics.forecasts.confidence_set import confidence_set
from engine.evaluation.metrics.inference import robust_mean_test
from engine.evaluation.metrics.statistics import (
    DieboldMariano,
    MeanTest,
    clark_west,
    diebold_mariano,
    information_coefficient,
    matthews_correlation,
    mean_test,
    rank_ic,
    row_means,
    skill,
)
from forewalk.types import BoolArray, FloatArray, Forecasts

ZERO = "zero"  # the network with nothing learned


@dataclass(frozen=True)
class MeanCorrelation(Record):
    """Correlation across the symbols of a bar: mean over the bars, mean / std, and t (`robust_mean_test`)."""

    mean: float | None
    icir: float | None
    t: float | None


@dataclass(frozen=True)
class ForecasterScore(Record):
    """One forecaster on the cells that all of them forecast.

    Attributes:
        mse, rmse, mae: errors in log return over the horizon.
        skill_mse: against a return of zero.
        accuracy, mcc: share of right directions and Matthews' correlation, without zero forecasts and outcomes.
        brier: score of `p_up` without zero outcomes.
        ic, rank_ic: None with fewer than five symbols, or where a forecaster says the same of all.
    """

    mse: float | None
    rmse: float | None
    mae: float | None
    skill_mse: float | None
    accuracy: float | None
    mcc: float | None
    brier: float | None
    ic: MeanCorrelation | None
    rank_ic: MeanCorrelation | None


@dataclass(frozen=True)
class RankDifference(Record):
    """The network's rank IC minus a baseline's, bar by bar, on the bars where both have one.

    Attributes:
        mean: of the difference.
        t, p: against no difference, allowing for overlap and clusters (`robust_mean_test`); `p` is one-sided, small
            is evidence that the network ranks better. None where it cannot be tested.
        bars: with both.
    """

    mean: float | None
    t: float | None
    p: float | None
    bars: int


@dataclass(frozen=True)
class AgainstBaseline(Record):
    """The network's errors beside a baseline's; a negative test statistic says that the network is better.

    Attributes:
        skill_mse: 1 - network's / baseline's mean squared error.
        diebold_mariano, diebold_mariano_absolute: on squared and on absolute errors.
        clark_west: against `zero` only, where Diebold-Mariano is too strict; else None and absent from the file.
        rank_difference: of the rank ICs; None, and absent, where one of the two ranks nothing.
    """

    skill_mse: float | None
    diebold_mariano: DieboldMariano
    diebold_mariano_absolute: DieboldMariano
    clark_west: MeanTest | None = field(default=None, metadata=LEFT_OUT)
    rank_difference: RankDifference | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class BaselineMetrics(Record):
    """Every forecaster on the cells that all of them forecast.

    Attributes:
        forecasts: cells counted. bars: bars with at least one.
        forecasters: by name, the network first.
        against: by name of the baseline.
        confidence_set: by name, the p-value with which the squared errors leave a forecaster out of the model
            confidence set; above 0.1 it is in the set. None, and absent, where nothing can be tested.
    """

    forecasts: int = field(metadata=named("n"))
    bars: int
    forecasters: Mapping[str, ForecasterScore]
    against: Mapping[str, AgainstBaseline]
    confidence_set: Mapping[str, float] | None = field(default=None, metadata=LEFT_OUT)


def compare_forecasters(
    forecasts: Forecasts,
    baselines: Mapping[str, Forecasts],
    actual: FloatArray,
    name: str = "lstm",
    seed: int = 0,
) -> BaselineMetrics:
    """Measure the network and every baseline on the cells that all of them forecast.

    Args:
        forecasts, baselines: same rows and symbols.
        actual: realised log return over the horizon, [T, S], NaN where it is not known.
        name: of the network in the result.
        seed: of the bootstrap behind the model confidence set.

    Raises:
        ValueError: rows or symbols differ.
    """
    everyone = {name: forecasts, **baselines}
    for other, theirs in everyone.items():
        if theirs.mean.shape != np.shape(actual) or theirs.symbols != forecasts.symbols:
            raise ValueError(f"{other}: {theirs!r} is not about the same bars and symbols as {forecasts!r}")
    counted = np.isfinite(actual)
    for theirs in everyone.values():
        counted &= np.isfinite(theirs.mean)
    h = forecasts.horizon_bars
    errors = {other: np.where(counted, actual - theirs.mean, np.nan) for other, theirs in everyone.items()}
    ranks = {
        other: rank_ic(np.where(counted, theirs.mean, np.nan), actual) for other, theirs in everyone.items()
    }
    against = {
        other: replace(
            _against(errors[name], errors[other], h),
            rank_difference=_rank_difference(ranks[name], ranks[other], h),
        )
        for other in baselines
    }
    if ZERO in baselines:
        test = clark_west(np.where(counted, actual, np.nan), np.where(counted, forecasts.mean, np.nan), h)
        against[ZERO] = replace(against[ZERO], clark_west=test)
    return BaselineMetrics(
        forecasts=int(counted.sum()),
        bars=int(counted.any(axis=1).sum()),
        forecasters={other: _measure(theirs, actual, counted) for other, theirs in everyone.items()},
        against=against,
        confidence_set=_best_of(errors, h, seed),
    )


def _best_of(errors: Mapping[str, FloatArray], horizon_bars: int, seed: int) -> dict[str, float] | None:
    """The symbols of a bar are one observation, as in the tests of pairs."""
    losses = {name: row_means(error**2) for name, error in errors.items()}
    return confidence_set(losses, horizon_bars, seed) or None


def _measure(forecasts: Forecasts, actual: FloatArray, counted: BoolArray) -> ForecasterScore:
    if not counted.any():
        return ForecasterScore(*[None] * 9)
    error = (actual - forecasts.mean)[counted]
    mse = float(np.mean(error**2))
    mean, outcome = np.where(counted, forecasts.mean, np.nan), np.where(counted, actual, np.nan)
    accuracy, mcc, brier = _directions(forecasts, actual, counted)
    return ForecasterScore(
        mse=mse,
        rmse=mse**0.5,
        mae=float(np.mean(np.abs(error))),
        skill_mse=skill(mse, float(np.mean(actual[counted] ** 2))),
        accuracy=accuracy,
        mcc=mcc,
        brier=brier,
        ic=_summary(information_coefficient(mean, outcome), forecasts.horizon_bars),
        rank_ic=_summary(rank_ic(mean, outcome), forecasts.horizon_bars),
    )


def _directions(
    forecasts: Forecasts, actual: FloatArray, counted: BoolArray
) -> tuple[float | None, float, float | None]:
    """Accuracy and MCC without zero forecasts and outcomes, Brier score without zero outcomes."""
    moved = counted & (actual != 0)
    outcome = actual[moved] > 0
    called = forecasts.mean[moved]
    hits = outcome == (called > 0)
    decided = called != 0
    up, right = called[decided] > 0, hits[decided]
    table = [int(np.sum(side)) for side in (up & right, ~up & right, up & ~right, ~up & ~right)]
    accuracy = float(right.mean()) if len(right) else None
    brier = float(np.mean((forecasts.p_up[moved] - outcome) ** 2)) if len(outcome) else None
    return accuracy, matthews_correlation(*table), brier


def _summary(per_bar: FloatArray, horizon_bars: int) -> MeanCorrelation | None:
    test = mean_test(per_bar, horizon_bars)
    t = robust_mean_test(per_bar, horizon_bars).t
    return MeanCorrelation(test.mean, test.ratio, t) if test.observations else None


def _rank_difference(own: FloatArray, other: FloatArray, horizon_bars: int) -> RankDifference | None:
    test = robust_mean_test(own - other, horizon_bars)
    return RankDifference(test.mean, test.t, test.p_greater, test.observations) if test.observations else None


def _against(own: FloatArray, other: FloatArray, horizon_bars: int) -> AgainstBaseline:
    known = np.isfinite(other).any()
    return AgainstBaseline(
        skill_mse=skill(float(np.nanmean(own**2)), float(np.nanmean(other**2))) if known else None,
        diebold_mariano=diebold_mariano(own**2, other**2, horizon_bars),
        diebold_mariano_absolute=diebold_mariano(np.abs(own), np.abs(other), horizon_bars),
    )
