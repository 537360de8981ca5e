"""Forecasters side by side on the same cells, and how much of a number is the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from engine.evaluation.metrics.forecast import Metrics
from engine.evaluation.metrics.plain import json_ready
from engine.evaluation.metrics.statistics import (
    clark_west,
    diebold_mariano,
    information_coefficient,
    matthews_correlation,
    mean_test,
    rank_ic,
)
from forewalk.types import BoolArray, FloatArray, Forecasts
from models.base import SeedMixture
from models.timeline import Timeline


def compare_forecasters(
    forecasts: Forecasts, baselines: Mapping[str, Forecasts], actual: FloatArray, name: str = "lstm"
) -> Metrics:
    """Measure the network and every baseline on the cells that all of them forecast.

    Args:
        forecasts, baselines: same rows and symbols.
        actual: realised log return over the horizon, [T, S], NaN where it is not known.
        name: of the network in the result.

    Returns:
        JSON-able: `n` and `bars` counted; `forecasters`, by name, with mse, mae, rmse, `skill_mse` (against a
        return of zero), accuracy, mcc, brier, ic and rank_ic (mean, icir, t); `against`, by baseline, what the
        network's errors are to the baseline's: `skill_mse`, `diebold_mariano` on squared and
        `diebold_mariano_absolute` on absolute errors (negative: the network is better). Against `zero`, which
        is the network with nothing learned, also `clark_west`: Diebold-Mariano is too strict there.

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
    against = {other: _against(errors[name], errors[other], h) for other in baselines}
    if "zero" in baselines:
        test = clark_west(np.where(counted, actual, np.nan), np.where(counted, forecasts.mean, np.nan), h)
        against["zero"]["clark_west"] = asdict(test)
    result = {
        "n": int(counted.sum()),
        "bars": int(counted.any(axis=1).sum()),
        "forecasters": {other: _measure(theirs, actual, counted) for other, theirs in everyone.items()},
        "against": against,
    }
    return dict(json_ready(result))


def _measure(forecasts: Forecasts, actual: FloatArray, counted: BoolArray) -> Metrics:
    if not counted.any():
        return {}
    error = (actual - forecasts.mean)[counted]
    mse = float(np.mean(error**2))
    naive = float(np.mean(actual[counted] ** 2))
    mean, outcome = np.where(counted, forecasts.mean, np.nan), np.where(counted, actual, np.nan)
    return {
        "mse": mse,
        "rmse": mse**0.5,
        "mae": float(np.mean(np.abs(error))),
        "skill_mse": 1 - mse / naive if naive > 0 else None,
        **_directions(forecasts, actual, counted),
        "ic": _summary(information_coefficient(mean, outcome), forecasts.horizon_bars),
        "rank_ic": _summary(rank_ic(mean, outcome), forecasts.horizon_bars),
    }


def _directions(forecasts: Forecasts, actual: FloatArray, counted: BoolArray) -> Metrics:
    """Accuracy and MCC without zero forecasts and outcomes, Brier score without zero outcomes."""
    moved = counted & (actual != 0)
    outcome = actual[moved] > 0
    called = forecasts.mean[moved]
    hits = outcome == (called > 0)
    decided = called != 0
    up, right = called[decided] > 0, hits[decided]
    table = [int(np.sum(side)) for side in (up & right, ~up & right, up & ~right, ~up & ~right)]
    return {
        "accuracy": float(right.mean()) if len(right) else None,
        "mcc": matthews_correlation(*table),
        "brier": float(np.mean((forecasts.p_up[moved] - outcome) ** 2)) if len(outcome) else None,
    }


def _summary(per_bar: FloatArray, horizon_bars: int) -> Metrics | None:
    test = mean_test(per_bar, horizon_bars)
    return {"mean": test.mean, "icir": test.ratio, "t": test.t} if test.observations else None


def _against(own: FloatArray, other: FloatArray, horizon_bars: int) -> Metrics:
    naive = float(np.nanmean(other**2)) if np.isfinite(other).any() else 0.0
    return {
        "skill_mse": 1 - float(np.nanmean(own**2)) / naive if naive > 0 else None,
        "diebold_mariano": asdict(diebold_mariano(own**2, other**2, horizon_bars)),
        "diebold_mariano_absolute": asdict(diebold_mariano(np.abs(own), np.abs(other), horizon_bars)),
    }


def seed_timelines(timeline: Timeline) -> tuple[Timeline, ...]:
    """Return one timeline per seed of a network's timeline; empty where the models have no seeds.

    The forecasts of the whole timeline are the mixture of these.
    """
    parts = [model.by_seed() for model in timeline.models if isinstance(model, SeedMixture)]
    if not parts or len(parts) < len(timeline.models):
        return ()
    return tuple(Timeline(models, timeline.max_age_bars) for models in zip(*parts, strict=True))


def spread_over_seeds(metrics: Sequence[Mapping[str, Any]]) -> Metrics:
    """Return mean and standard deviation over seeds of every number in equally nested metrics.

    A number becomes `{"mean", "std", "n"}`, std with one degree of freedom taken off and None for a single
    seed; seeds in which it is None do not count. Text, lists, truth values and what is missing in the first
    seed are left out.
    """
    result: Metrics = {}
    for key, value in metrics[0].items():
        values = [other.get(key) for other in metrics]
        if isinstance(value, Mapping):
            inner = spread_over_seeds([item for item in values if isinstance(item, Mapping)])
            if inner:
                result[key] = inner
        elif any(_is_number(item) for item in values):
            numbers = np.array([item for item in values if _is_number(item)], dtype=np.float64)
            std = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
            result[key] = {"mean": float(numbers.mean()), "std": std, "n": len(numbers)}
    return result


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
