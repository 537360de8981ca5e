"""The main job: real prices in, an honest walk-forward backtest out.

`python -m engine.backtest` and `forewalk backtest` are the same code. Libraries are imported inside the
functions, so that `--help` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.data import QualityReport
    from engine.features.pipeline import FeaturePanel, Labels
    from engine.folds import Fold
    from engine.types import Bars, FloatArray, Forecasts, SimulationResult, TrainingCurve
    from models.timeline import Timeline

Progress = Callable[[str, int, int], None]  # (what, done, total)


def _silent(what: str, done: int, total: int) -> None:
    pass


@dataclass(frozen=True, eq=False)
class Backtest:
    """Everything one backtest produced; `actual` and the forecasts cover the same out-of-sample rows."""

    settings: Settings
    bars: Bars
    quality: QualityReport
    panel: FeaturePanel
    labels: Labels
    folds: tuple[Fold, ...]
    timeline: Timeline
    curves: tuple[TrainingCurve, ...]
    forecasts: Forecasts
    actual: FloatArray
    simulation: SimulationResult
    metrics: dict[str, Any]
    verdict: str


def backtest(settings: Settings, progress: Progress = _silent) -> Backtest:
    """Run the whole way from prices to metrics; nothing is written.

    Raises:
        DataError, ConfigError, ConnectionFailed: see `engine.errors`.
    """
    from engine.cluster import workers_of
    from engine.data import load_bars
    from engine.features.pipeline import build_features, build_labels
    from engine.folds import walk_forward_folds
    from engine.simulate import simulate
    from engine.walkforward import walk_forward
    from models.lstm import LSTMForecaster

    progress("data", 0, 1)
    bars, quality = load_bars(settings.data)
    progress("features", 0, 1)
    horizon = settings.label.horizon_bars
    panel = build_features(bars, settings.features, horizon, settings.data.min_history_bars)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    timeline, curves = walk_forward(
        panel,
        labels,
        folds,
        LSTMForecaster(settings.model, settings.seed),
        max_age_bars=settings.model.max_age_bars,
        jobs=workers_of(settings),
        data_fingerprint=bars.fingerprint,
        on_done=lambda done, total: progress("training", done, total),
    )
    forecasts = timeline.forecasts(panel, horizon)
    progress("simulation", 0, 1)
    simulation = simulate(bars, forecasts, settings)
    progress("evaluation", 0, 1)
    actual = labels.returns[len(bars) - len(forecasts) :]
    metrics = evaluate(settings, bars, forecasts, actual, simulation)
    return Backtest(
        settings=settings,
        bars=bars,
        quality=quality,
        panel=panel,
        labels=labels,
        folds=folds,
        timeline=timeline,
        curves=curves,
        forecasts=forecasts,
        actual=actual,
        simulation=simulation,
        metrics=metrics,
        verdict=_verdict(metrics, settings),
    )


def evaluate(
    settings: Settings, bars: Bars, forecasts: Forecasts, actual: FloatArray, simulation: SimulationResult
) -> dict[str, Any]:
    """Return the run's metrics: forecast, strategy, benchmark, costs, orders; JSON-able."""
    from engine.evaluation.forecast import forecast_metrics
    from engine.evaluation.strategy import strategy_metrics
    from engine.features.pipeline import one_bar_returns
    from engine.sessions import bars_per_year

    returns = one_bar_returns(bars, relative=settings.label.kind == "market_relative")
    close = bars.close[len(bars) - len(forecasts) :]
    account = strategy_metrics(
        simulation.equity,
        simulation.trades,
        simulation.orders,
        simulation.counts,
        bars_per_year(bars.calendar, bars.interval),
    )
    return {
        "forecast": forecast_metrics(forecasts, actual, close, returns),
        **account,
        "orders": simulation.counts,
        "universe": universe_metrics(bars, forecasts, settings),
    }


def universe_metrics(bars: Bars, forecasts: Forecasts, settings: Settings) -> dict[str, Any]:
    """Return how many symbols were loaded and traded, over which span, and how many lasted to the end."""
    import numpy as np

    traded = np.isfinite(forecasts.mean).any(axis=0)
    lasting = int((bars.present[-1] & traded).sum())
    return {
        "symbols": len(bars.symbols),
        "forecast_symbols": int(traded.sum()),
        "still_there_at_the_end": lasting,
        "first_bar": bars.timestamps[0].isoformat(),
        "first_test_bar": forecasts.timestamps[0].isoformat(),
        "last_bar": bars.timestamps[-1].isoformat(),
        "source": settings.data.source,
        "survivorship_bias": bool(traded.any()) and lasting == int(traded.sum()),
    }


def write_backtest(result: Backtest, out: Path | None = None) -> Path:
    """Write the run folder, record the trial in the ledger beside it, and return the folder.

    See `engine.runs` for what is inside.

    Raises:
        UsageError: `out` exists already.
        ForewalkError: the trial could not be recorded; the run folder is complete nevertheless.
    """
    from engine.runs import write_run
    from engine.trials import record_backtest

    folder = write_run(out, result.settings.name, lambda folder: _fill(folder, result))
    record_backtest(folder, result.bars, result.settings, result.simulation)
    return folder


def _fill(folder: Path, result: Backtest) -> None:
    from engine.report import ReportInput, write_forecast_page, write_index, write_tearsheet
    from engine.runs import forecast_table, make_manifest, write_tables
    from engine.sessions import bars_per_year

    manifest = make_manifest(
        result.settings,
        result.bars.fingerprint,
        verdict=result.verdict,
        feature_names=list(result.panel.names),
        folds=[_fold_entry(fold) for fold in result.folds],
    )
    write_tables(
        folder,
        result.settings,
        forecast_table(result.forecasts, result.actual),
        result.simulation,
        result.metrics,
        result.quality.to_dict(),
        manifest,
    )
    (folder / "models").mkdir()
    for model in result.timeline.models:
        model.save(folder / "models" / f"{model.model_id}.safetensors")
    report = ReportInput(
        settings=result.settings,
        bars=result.bars,
        forecasts=result.forecasts,
        actual=result.actual,
        close=result.bars.close[len(result.bars) - len(result.forecasts) :],
        folds=result.folds,
        timestamps=result.bars.timestamps,
        curves=result.curves,
        feature_names=result.panel.names,
        simulation=result.simulation,
        metrics=result.metrics,
        quality=result.quality.to_dict(),
        verdict=result.verdict,
    )
    write_forecast_page(report, folder / "forecast.html")
    write_index(report, folder / "index.html")
    write_tearsheet(
        result.simulation.equity,
        folder / "tearsheet.html",
        title=result.settings.name,
        parameters={"seed": result.settings.seed, "symbols": ", ".join(result.bars.symbols[:12])},
        bars_per_year=bars_per_year(result.bars.calendar, result.bars.interval),
    )


def _fold_entry(fold: Fold) -> dict[str, Any]:
    return {
        "model_id": fold.model_id,
        "train_rows": [int(fold.train[0]), int(fold.train[-1])],
        "valid_rows": [int(fold.valid[0]), int(fold.valid[-1])],
        "test_rows": [int(fold.test[0]), int(fold.test[-1])],
        "trained_until": fold.trained_until.isoformat(),
        "valid_from": fold.valid_from.isoformat(),
    }


def _verdict(metrics: dict[str, Any], settings: Settings) -> str:
    from engine.evaluation.verdict import verdict_sentence

    return verdict_sentence(metrics, settings)


if __name__ == "__main__":
    from engine.cli import run

    run("backtest")
