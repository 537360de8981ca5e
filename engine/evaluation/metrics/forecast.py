"""Forecast skill: every number beside the naive forecast of the same cells.

Only cells where both the forecast mean and the realised return are finite count. The naive forecast is
"no change": a return of zero, so a price equal to the last close. Skill is `1 - loss / naive loss`;
positive is better than naive. Numbers that cannot be computed are None, never NaN.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from engine.evaluation.metrics.plain import json_ready
from engine.evaluation.metrics.statistics import (
    clopper_pearson,
    clustered_share,
    diebold_mariano,
    information_coefficient,
    matthews_correlation,
    mean_test,
    rank_ic,
)
from engine.evaluation.metrics.volatility import ewma_variance, qlike, qlike_normalised
from forewalk.types import FloatArray, Forecasts

COVERAGE_LEVELS = (50, 80, 95)
SIGNIFICANCE = 0.05
RELIABILITY_BINS = 10

Metrics = dict[str, Any]


def forecast_metrics(
    forecasts: Forecasts,
    actual: FloatArray,
    close: FloatArray,
    trailing_returns: FloatArray,
    garch: FloatArray | None = None,
) -> Metrics:
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

    Returns:
        A nested dict that JSON can hold: `overall`, `per_symbol` and `per_model` (by model id), each with
        `n`, `bars`, `returns`, `prices`, `direction`, `brier`, `ic`, `rank_ic`, `diebold_mariano`,
        `variance`, `coverage` and `beats_naive`: lower MSE than naive and a one-sided Diebold-Mariano
        p-value below 0.05. Blocks that need symbols to compare (`ic`, `rank_ic`) hold None per symbol.
        Beside them `reliability` of `p_up`, see `reliability_curve`.

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
    return {
        "overall": _measure(cells),
        "per_symbol": {
            symbol: _measure(cells.part(np.s_[:, [column]]))
            for column, symbol in enumerate(forecasts.symbols)
        },
        "per_model": {
            str(model): _measure(cells.part(np.s_[model_ids == model, :]))
            for model in dict.fromkeys(forecasts.model_ids)
            if model
        },
        "reliability": reliability_curve(cells.p_up, cells.actual, cells.horizon_bars),
    }


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


def _measure(cells: _Cells) -> Metrics:
    counted = np.isfinite(cells.actual)
    returns = _errors(cells.mean, cells.actual, np.zeros_like(cells.mean))
    test = diebold_mariano((cells.actual - cells.mean) ** 2, cells.actual**2, cells.horizon_bars)
    better = returns["mse"] is not None and returns["mse"] < returns["naive_mse"]
    block = {
        "n": int(counted.sum()),
        "bars": int(counted.any(axis=1).sum()),
        "returns": returns,
        "prices": _price_errors(cells),
        "direction": _direction(cells),
        "brier": _brier(cells),
        "ic": _ic(information_coefficient(cells.mean, cells.actual), cells.horizon_bars),
        "rank_ic": _ic(rank_ic(cells.mean, cells.actual), cells.horizon_bars),
        "diebold_mariano": asdict(test),
        "variance": _variance(cells),
        "coverage": _coverage(cells),
        "beats_naive": bool(better and test.p_less < SIGNIFICANCE),
    }
    return dict(json_ready(block))


def _errors(predicted: FloatArray, actual: FloatArray, naive: FloatArray) -> Metrics:
    """MAE, RMSE and MSE of two forecasts of the same cells, and the skill of the first over the second."""
    used = np.isfinite(predicted) & np.isfinite(actual) & np.isfinite(naive)
    if not used.any():
        names = ("mae", "rmse", "mse")
        return {f"{prefix}{name}": None for prefix in ("", "naive_", "skill_") for name in names}
    own = _losses(predicted[used] - actual[used])
    base = _losses(naive[used] - actual[used])
    skill = {f"skill_{name}": _skill(own[name], base[name]) for name in own}
    return {**own, **{f"naive_{name}": loss for name, loss in base.items()}, **skill}


def _losses(error: FloatArray) -> dict[str, float]:
    mse = float(np.mean(error**2))
    return {"mae": float(np.mean(np.abs(error))), "rmse": math.sqrt(mse), "mse": mse}


def _skill(loss: float, naive: float) -> float | None:
    return 1.0 - loss / naive if naive > 0 else None


def _price_errors(cells: _Cells) -> Metrics:
    return _errors(cells.close * np.exp(cells.mean), cells.close * np.exp(cells.actual), cells.close)


def _direction(cells: _Cells) -> Metrics:
    """Share of right directions; cells whose outcome or forecast is exactly zero are left out."""
    counted = np.isfinite(cells.actual) & (cells.actual != 0) & (cells.mean != 0)
    up, called_up = cells.actual > 0, cells.mean > 0
    n, right = int(counted.sum()), int((counted & (up == called_up)).sum())
    ups = int((counted & up).sum())
    repeated = counted & np.isfinite(cells.last) & (cells.last != 0)
    repeats = int((repeated & (up == (cells.last > 0))).sum())
    low, high = clopper_pearson(right, n)
    clustered_low, clustered_high = clustered_share(up == called_up, counted, cells.horizon_bars)
    table = [int((counted & (up == truth) & (called_up == call)).sum()) for truth, call in _TABLE]
    return {
        "n": n,
        "accuracy": right / n if n else None,
        "exact_low": low,
        "exact_high": high,
        "clustered_low": clustered_low,
        "clustered_high": clustered_high,
        "base_rate": max(ups, n - ups) / n if n else None,
        "share_up": ups / n if n else None,
        "persistence_accuracy": repeats / int(repeated.sum()) if repeated.any() else None,
        "persistence_n": int(repeated.sum()),
        "mcc": matthews_correlation(*table),
        "zero_outcomes": int((cells.actual == 0).sum()),
        "zero_forecasts": int((cells.mean == 0).sum()),
    }


_TABLE = ((True, True), (False, False), (False, True), (True, False))  # as matthews_correlation wants it


def _brier(cells: _Cells) -> Metrics:
    """Brier (1950) score of `p_up`, beside a coin's 0.25 and the share of ups; zero outcomes are left out."""
    used = np.isfinite(cells.p_up) & np.isfinite(cells.actual) & (cells.actual != 0)
    if not used.any():
        return {"n": 0, "score": None, "coin": 0.25, "base_rate_score": None, "skill": None}
    outcome = (cells.actual[used] > 0).astype(np.float64)
    score = float(np.mean((cells.p_up[used] - outcome) ** 2))
    share = float(outcome.mean())
    return {
        "n": int(used.sum()),
        "score": score,
        "coin": 0.25,
        "base_rate_score": share * (1 - share),
        "skill": _skill(score, 0.25),
    }


def _ic(per_bar: FloatArray, horizon_bars: int) -> Metrics | None:
    test = mean_test(per_bar, horizon_bars)
    if not test.observations:
        return None
    return {
        "mean": test.mean,
        "std": test.std,
        "icir": test.ratio,
        "t": test.t,
        "days": test.observations,
        "lag": test.lag,
    }


def _variance(cells: _Cells) -> Metrics | None:
    """Losses of `std ** 2` and of RiskMetrics' EWMA variance times h, on the cells where both exist.

    The realised variance is the squared outcome, not its deviation from the forecast mean. `qlike` is
    `log(s2 / v) + r2 / s2` with v the EWMA variance of the cell as unit, so EWMA's own value is the mean
    of `r2 / v`. `qlike_normalised` is `r2 / s2 - log(r2 / s2) - 1` without the zero outcomes, which are
    counted in `zero_outcomes`. `diebold_mariano` is of QLIKE, `diebold_mariano_mse` of the squared errors.
    None when there is no such cell; `garch` is there where GARCH forecasts are.
    """
    own, naive, realised = cells.std**2, cells.naive_variance, cells.actual**2
    used = (own > 0) & (naive > 0) & np.isfinite(own) & np.isfinite(realised)
    if not used.any():
        return None
    own, naive, realised = (np.where(used, values, np.nan) for values in (own, naive, realised))
    loss, base = qlike(own, realised, naive), qlike(naive, realised, naive)
    square, base_square = (realised - own) ** 2, (realised - naive) ** 2
    test = diebold_mariano(loss, base, cells.horizon_bars)
    better = np.nanmean(loss) < np.nanmean(base)
    garch = _against_garch(cells, own, naive, realised)
    return {
        "n": int(used.sum()),
        "zero_outcomes": int((realised == 0).sum()),
        "qlike": np.nanmean(loss),
        "ewma_qlike": np.nanmean(base),
        "qlike_normalised": _mean(qlike_normalised(own, realised)),
        "ewma_qlike_normalised": _mean(qlike_normalised(naive, realised)),
        "mse": np.nanmean(square),
        "ewma_mse": np.nanmean(base_square),
        "skill_mse": _skill(float(np.nanmean(square)), float(np.nanmean(base_square))),
        "diebold_mariano": asdict(test),
        "diebold_mariano_mse": asdict(diebold_mariano(square, base_square, cells.horizon_bars)),
        "beats_ewma": bool(better and test.p_less < SIGNIFICANCE),
        **({} if garch is None else {"garch": garch}),
    }


def _against_garch(
    cells: _Cells, own: FloatArray, unit: FloatArray, realised: FloatArray
) -> dict[str, Any] | None:
    """Losses of `std ** 2` and of GARCH(1,1) on the cells where both exist; None when there is none."""
    used = np.isfinite(own) & (cells.garch > 0)
    if not used.any():
        return None
    own, garch, realised = (np.where(used, values, np.nan) for values in (own, cells.garch, realised))
    loss, base = qlike(own, realised, unit), qlike(garch, realised, unit)
    square, base_square = (realised - own) ** 2, (realised - garch) ** 2
    test = diebold_mariano(loss, base, cells.horizon_bars)
    better = np.nanmean(loss) < np.nanmean(base)
    return {
        "n": int(used.sum()),
        "own_qlike": np.nanmean(loss),
        "qlike": np.nanmean(base),
        "own_mse": np.nanmean(square),
        "mse": np.nanmean(base_square),
        "skill_mse": _skill(float(np.nanmean(square)), float(np.nanmean(base_square))),
        "diebold_mariano": asdict(test),
        "diebold_mariano_mse": asdict(diebold_mariano(square, base_square, cells.horizon_bars)),
        "beats_garch": bool(better and test.p_less < SIGNIFICANCE),
    }


def reliability_curve(
    p_up: FloatArray, actual: FloatArray, horizon_bars: int = 1, bins: int = RELIABILITY_BINS
) -> Metrics | None:
    """Compare stated probabilities of a rise with how often it came, in bins of equal size.

    Args:
        p_up, actual: [T, S]; cells that are not finite, and outcomes of exactly zero, are left out.
        horizon_bars: of the label, for the intervals.
        bins: at the most; equal probabilities stay in one bin.

    Returns:
        `bins`, from the lowest probability, each with n, mean_p_up, share_up and the 95 % interval low, high
        (all symbols of a bar are one cluster, see `clustered_share`), and the three parts of the Brier score
        by Murphy (1973), Journal of Applied Meteorology 12: `reliability` (0 is perfect), `resolution` and
        `uncertainty`; the score is about reliability - resolution + uncertainty. None without a cell.
    """
    used = np.isfinite(p_up) & np.isfinite(actual) & (actual != 0)
    if not used.any():
        return None
    edges = np.unique(np.quantile(p_up[used], np.linspace(0, 1, bins + 1)[1:-1]))
    number = np.searchsorted(edges, p_up, side="left")
    share = float((actual[used] > 0).mean())
    rows = []
    for bin_number in np.unique(number[used]).tolist():
        inside = used & (number == bin_number)
        low, high = clustered_share(actual > 0, inside, horizon_bars)
        ups = float((actual[inside] > 0).mean())
        rows.append(
            {
                "n": int(inside.sum()),
                "mean_p_up": float(p_up[inside].mean()),
                "share_up": ups,
                "low": low,
                "high": high,
            }
        )
    weight = np.array([row["n"] for row in rows]) / used.sum()
    stated, came = (np.array([row[key] for row in rows]) for key in ("mean_p_up", "share_up"))
    return dict(
        json_ready(
            {
                "bins": rows,
                "reliability": float(weight @ (stated - came) ** 2),
                "resolution": float(weight @ (came - share) ** 2),
                "uncertainty": share * (1 - share),
            }
        )
    )


def _mean(values: FloatArray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan


def _coverage(cells: _Cells) -> Metrics:
    """Share of outcomes inside the central normal interval `mean +- z std` of each level, in per cent."""
    distance = np.abs(cells.actual - cells.mean) / np.where(cells.std > 0, cells.std, np.nan)
    used = distance[np.isfinite(distance)]
    shares = {
        str(level): float(np.mean(used <= stats.norm.ppf(0.5 + level / 200))) if len(used) else None
        for level in COVERAGE_LEVELS
    }
    return {"n": len(used), **shares}
