"""Pages of a run: QuantStats' tearsheet, the forecast report and the index. All open without a network."""

from __future__ import annotations

import html
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.config import Settings
from engine.evaluation.strategy import simple_returns
from engine.folds import Fold
from engine.types import Bars, FloatArray, Forecasts, SimulationResult, TrainingCurve


@dataclass(frozen=True, eq=False)
class ReportInput:
    """Everything the forecast page and the index show.

    Attributes:
        settings: the run's settings.
        bars: the whole price history.
        forecasts: out-of-sample rows only, T bars of S symbols.
        actual: realised log return over the horizon, [T, S], NaN where not known.
        close: close at which each forecast was made, [T, S].
        folds: walk-forward windows; their row numbers count `timestamps`.
        timestamps: UTC close of every bar of the panel.
        curves: training and validation losses, empty for models without epochs.
        feature_names: in the order the model sees them.
        simulation: the account's history.
        metrics: keys forecast (`forecast_metrics`), strategy, benchmark and costs (`strategy_metrics`).
        quality: refused {symbol: reason} and findings (symbol, kind, policy, action, count, first, last,
            message) of the data check.
        verdict: the first sentence, see `verdict_sentence`.
    """

    settings: Settings
    bars: Bars
    forecasts: Forecasts
    actual: FloatArray
    close: FloatArray
    folds: tuple[Fold, ...]
    timestamps: pd.DatetimeIndex
    curves: tuple[TrainingCurve, ...]
    feature_names: tuple[str, ...]
    simulation: SimulationResult
    metrics: dict[str, Any]
    quality: dict[str, Any]
    verdict: str


def write_forecast_page(report: ReportInput, path: Path) -> None:
    """Write the forecast report as one self-contained HTML file."""
    path.write_text(f"<!doctype html><p>{html.escape(report.verdict)}</p>", encoding="utf-8")


def write_index(report: ReportInput, path: Path) -> None:
    """Write the run's front page as one self-contained HTML file with relative links to its neighbours."""
    path.write_text(f"<!doctype html><p>{html.escape(report.verdict)}</p>", encoding="utf-8")


def write_tearsheet(
    equity: pd.DataFrame, path: Path, title: str, parameters: dict[str, Any], bars_per_year: float
) -> None:
    """Write the QuantStats tearsheet of the account against buying and holding the same symbols."""
    import quantstats

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    index = _naive_days(pd.DatetimeIndex(equity["time"]))
    strategy = pd.Series(simple_returns(equity["equity"].to_numpy(dtype=np.float64)), index)
    benchmark = pd.Series(simple_returns(equity["benchmark"].to_numpy(dtype=np.float64)), index)
    quantstats.reports.html(  # type: ignore[no-untyped-call]
        strategy,
        benchmark=benchmark,
        output=str(path),
        title=html.escape(title),
        parameters={html.escape(str(key)): html.escape(str(value)) for key, value in parameters.items()},
        periods_per_year=bars_per_year,
        match_dates=False,
        benchmark_title="Buy and hold",
    )
    page = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r'<link rel="shortcut icon"[^>]*>', "", page), encoding="utf-8")


def _naive_days(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    naive = times.tz_convert("UTC").tz_localize(None)
    days = naive.normalize()
    return days if days.is_unique else naive
