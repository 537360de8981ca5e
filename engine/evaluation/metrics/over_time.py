"""Where in time a result comes from: by calendar year, without its best year, by how late a forecast is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.evaluation.metrics.accounts.relative import alpha_against
from engine.evaluation.metrics.door import Record
from engine.evaluation.metrics.forecasts.pit import Calibration, calibration
from engine.evaluation.metrics.inference import robust_mean_test
from engine.evaluation.metrics.regimes import RegimeMetrics, regime_metrics
from engine.evaluation.metrics.statistics import rank_ic
from forewalk.returns import DAYS_A_YEAR, simple_returns
from forewalk.types import Bars, BoolArray, FloatArray, Forecasts, IntArray

LAGS = range(1, 21)


@dataclass(frozen=True)
class YearMetrics(Record):
    """One calendar year (UTC).

    Attributes:
        bars: account values in it. total_return, benchmark_return: fractions, from the last bar before it.
        rank_ic: mean per bar; None with fewer than five symbols. direction: share of right ones.
    """

    year: int
    bars: int
    total_return: float
    benchmark_return: float
    rank_ic: float | None
    direction: float | None


@dataclass(frozen=True)
class WithoutYear(Record):
    """The whole result without the year in which the account gained most on buying and holding.

    Attributes:
        total_return, benchmark_return: of all other bars, one after the other. rank_ic: mean of theirs.
        alpha_per_year, t: of theirs, against the benchmark, see `alpha_against`; None where they cannot be computed.
    """

    year: int
    total_return: float
    benchmark_return: float
    rank_ic: float | None
    alpha_per_year: float | None = None
    t: float | None = None


@dataclass(frozen=True)
class RankAt(Record):
    """Mean rank IC of forecasts used some bars late; `t` allows for overlap. None where it cannot be computed."""

    lag_bars: int
    rank_ic: float | None
    t: float | None


@dataclass(frozen=True)
class TimeMetrics(Record):
    """Results over time.

    Attributes:
        years: in order. without: None with fewer than two years.
        decay: rank IC of forecasts against the label that begins 1 to 20 bars later.
        tradable: against the return from the next bar's open to the open `horizon_bars` later, which an order sent
            after the forecast can have; `lag_bars` 0.
        calibration: of the stated spread.
        regimes: by the state of the market; states that hardly occur are left out.
    """

    years: tuple[YearMetrics, ...]
    without: WithoutYear | None
    decay: tuple[RankAt, ...]
    tradable: RankAt
    calibration: Calibration
    regimes: tuple[RegimeMetrics, ...] = ()


def time_metrics(forecasts: Forecasts, actual: FloatArray, bars: Bars, equity: pd.DataFrame) -> TimeMetrics:
    """Take a run apart by time.

    Args:
        forecasts, actual: [T, S], see `forecast_metrics`.
        bars: the whole history; its last T rows are those of the forecasts.
        equity: table of the account with `time`, `equity` and `benchmark`, one row per bar.
    """
    h = forecasts.horizon_bars
    ranks = rank_ic(forecasts.mean, actual)
    years = tuple(_years(forecasts, actual, ranks, equity))
    opens = np.where(bars.open > 0, bars.open, np.nan)[len(bars) - len(forecasts) :]
    return TimeMetrics(
        years=years,
        without=_without(years, forecasts, ranks, equity),
        decay=tuple(_rank_at(lag, forecasts.mean, actual, h) for lag in LAGS),
        tradable=_rank_at(0, forecasts.mean, open_to_open(opens, h), h),
        calibration=calibration(forecasts.mean, forecasts.std, actual, h),
        regimes=regime_metrics(forecasts.mean, actual, ranks, bars.close, equity),
    )


def open_to_open(opens: FloatArray, horizon_bars: int = 1) -> FloatArray:
    """Return the log return from the next bar's open to the open `horizon_bars` after it, [T, S]; NaN at the end."""
    result = np.full(opens.shape, np.nan)
    last = len(opens) - horizon_bars - 1
    if last > 0:
        result[:last] = np.log(opens[horizon_bars + 1 :] / opens[1 : last + 1])
    return result


def _rank_at(lag: int, mean: FloatArray, actual: FloatArray, horizon_bars: int) -> RankAt:
    late = rank_ic(mean[: len(mean) - lag], actual[lag:]) if lag < len(mean) else np.zeros(0)
    test = robust_mean_test(late, horizon_bars)
    return RankAt(lag, test.mean, test.t)


def _years(
    forecasts: Forecasts, actual: FloatArray, ranks: FloatArray, equity: pd.DataFrame
) -> Iterator[YearMetrics]:
    when = pd.DatetimeIndex(equity["time"]).year.to_numpy()
    made = forecasts.timestamps.year.to_numpy()
    values = {name: equity[name].to_numpy(dtype=np.float64) for name in ("equity", "benchmark")}
    for year in np.unique(when).tolist():
        rows = np.flatnonzero(when == year)
        own, held = (_growth(series, rows) for series in values.values())
        mine = made == year
        yield YearMetrics(
            year=year,
            bars=len(rows),
            total_return=own,
            benchmark_return=held,
            rank_ic=_mean(ranks[mine]),
            direction=_direction(forecasts.mean[mine], actual[mine]),
        )


def _growth(values: FloatArray, rows: IntArray) -> float:
    before = values[max(int(rows[0]) - 1, 0)]
    return float(values[int(rows[-1])] / before - 1.0) if before > 0 else 0.0


def _without(
    years: tuple[YearMetrics, ...], forecasts: Forecasts, ranks: FloatArray, equity: pd.DataFrame
) -> WithoutYear | None:
    if len(years) < 2:
        return None
    best = max(years, key=lambda one: one.total_return - one.benchmark_return)
    others = [one for one in years if one.year != best.year]
    times = pd.DatetimeIndex(equity["time"])
    kept = times.year.to_numpy() != best.year
    own, held = (
        simple_returns(equity[name].to_numpy(dtype=np.float64))[kept] for name in ("equity", "benchmark")
    )
    left = alpha_against(own, {"benchmark": held}, len(times) / max(_span_of(times), 1e-9))
    return WithoutYear(
        year=best.year,
        total_return=float(np.prod([1.0 + one.total_return for one in others]) - 1.0),
        benchmark_return=float(np.prod([1.0 + one.benchmark_return for one in others]) - 1.0),
        rank_ic=_mean(ranks[forecasts.timestamps.year.to_numpy() != best.year]),
        alpha_per_year=left.alpha_per_year,
        t=left.t,
    )


def _span_of(times: pd.DatetimeIndex) -> float:
    """Years from the first to the last time."""
    return float((times[-1] - times[0]) / pd.Timedelta(days=DAYS_A_YEAR))


def _direction(mean: FloatArray, actual: FloatArray) -> float | None:
    used: BoolArray = np.isfinite(mean) & np.isfinite(actual) & (mean != 0) & (actual != 0)
    return float(((mean > 0) == (actual > 0))[used].mean()) if used.any() else None


def _mean(values: FloatArray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
