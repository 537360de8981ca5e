"""Pages of a run: QuantStats' tearsheet, the forecast report and the index.

Every page is one file that opens without a network: styles and charts are inside, nothing is fetched.
Text that a user chose (symbols, names, parameters) is escaped. The same input gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from markupsafe import Markup

from engine.evaluation.subject import Evidence, Subject
from engine.report import tables
from engine.report.certificate import NONE_YET
from engine.report.charts import forecasts as charts
from engine.report.evidence import evidence_context
from engine.report.rendering import render
from engine.report.tearsheet import write_tearsheet
from forewalk.folds import Fold
from forewalk.returns import drawdown_series
from forewalk.settings.sections import Settings
from forewalk.types import Bars, FloatArray, Forecasts, SimulationResult, TrainingCurve

RUN_FILES: Mapping[str, str] = {
    "tearsheet.html": "returns and risk in detail, by QuantStats",
    "forecast.html": "how good the forecasts are",
    "metrics.json": "every number of these pages",
    "orders.csv": "every order and what became of it",
    "trades.csv": "every closed round trip",
    "config.toml": "the settings that reproduce this run",
}
MAX_PATHS = 6


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
    evidence: Evidence | None = None


def write_pages(
    folder: Path,
    subject: Subject,
    evidence: Evidence,
    quality: dict[str, Any],
    curves: tuple[TrainingCurve, ...],
    verdict: str,
) -> None:
    """Write index.html, forecast.html and tearsheet.html of a run into `folder`."""
    settings, bars, forecasts = subject.settings, subject.bars, subject.forecasts
    report = ReportInput(
        settings=settings,
        bars=bars,
        forecasts=forecasts,
        actual=subject.actual,
        close=bars.close[len(bars) - len(forecasts) :],
        folds=subject.folds,
        timestamps=bars.timestamps,
        curves=curves,
        feature_names=subject.panel.names,
        simulation=subject.simulation,
        metrics=evidence.metrics,
        quality=quality,
        verdict=verdict,
        evidence=evidence,
    )
    write_forecast_page(report, folder / "forecast.html")
    write_index(report, folder / "index.html")
    parameters = {"seed": settings.seed, "symbols": ", ".join(bars.symbols[:12])}
    write_tearsheet(
        subject.simulation.equity, folder / "tearsheet.html", settings.name, parameters, subject.year
    )


def write_forecast_page(report: ReportInput, path: Path) -> None:
    """Write the forecast report (verdict, errors, charts, folds, training, data quality) as one HTML file."""
    skill = report.metrics["forecast"]
    symbols = _symbols_to_draw(report)
    left = len(report.forecasts.symbols) - len(symbols)
    context = {
        **_header(report, "Forecast report"),
        "errors": tables.error_table(skill["overall"]),
        "tests": tables.evidence_lines(skill["overall"]),
        "horizon": tables.bars_of(report.settings.label.horizon_bars),
        "relative": report.settings.label.kind == "market_relative",
        "paths": [
            {"symbol": symbol, "svg": Markup(charts.forecast_chart(forecast_path(report, symbol)))}
            for symbol in symbols
        ],
        "paths_more": f"Not drawn: {left:,} more." if left > 0 else "",
        "scatter": Markup(charts.scatter_chart(report.forecasts.mean.ravel(), report.actual.ravel())),
        "folds": Markup(charts.fold_chart(report.folds, report.timestamps)),
        "gaps": _gap_sentence(report),
        "training": Markup(charts.training_chart(report.curves)),
        "curves_more": _curves_left_out(report.curves),
        "per_model": tables.skill_table(skill["per_model"], "model"),
        "per_symbol": tables.skill_table(skill["per_symbol"], "symbol"),
        "features": report.feature_names,
        "refused": tables.refused_table(report.quality["refused"]),
        "findings": tables.findings_table(report.quality["findings"]),
        **_evidence(report),
    }
    path.write_text(render("forecast.html", context), encoding="utf-8")


def write_index(report: ReportInput, path: Path, files: Mapping[str, str] = RUN_FILES) -> None:
    """Write the run's front page as one HTML file.

    Args:
        report: what to show.
        path: the file, usually `index.html` of the run folder.
        files: neighbours to link, file name (relative) -> what it holds, in this order.
    """
    account, counts = report.simulation.equity, report.simulation.counts
    equity, benchmark = (account[name].to_numpy(dtype=np.float64) for name in ("equity", "benchmark"))
    falls = drawdown_series(equity), drawdown_series(benchmark)
    metrics = report.metrics
    context = {
        **_header(report, "Backtest"),
        "account": tables.account_table(metrics["strategy"], metrics["benchmark"]),
        "equity": Markup(charts.equity_chart(pd.DatetimeIndex(account["time"]), equity, benchmark, *falls)),
        "errors": tables.error_table(metrics["forecast"]["overall"]),
        "trading": tables.trading_table(metrics["strategy"], metrics["costs"], counts),
        "files": [{"href": quote(name), "name": name, "text": text} for name, text in files.items()],
        "run": _run_table(report),
    }
    path.write_text(render("index.html", context), encoding="utf-8")


def _header(report: ReportInput, kind: str) -> dict[str, Any]:
    times = report.forecasts.timestamps
    span = f"{times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}" if len(times) else "no bars"
    return {
        "title": f"{kind}: {report.settings.name}",
        "subtitle": f"{_forecast_symbols(report):,} symbols, {len(times):,} bars out of sample, {span}",
        "verdict": report.verdict,
        "certificate": Markup(NONE_YET),
        "good": report.metrics["forecast"]["overall"]["beats_naive"],
    }


def _forecast_symbols(report: ReportInput) -> int:
    return int(np.isfinite(report.forecasts.mean).any(axis=0).sum())


def _evidence(report: ReportInput) -> dict[str, Any]:
    if report.evidence is None:
        return {}
    cell = report.settings.model.cell
    return evidence_context(report.evidence, report.forecasts, report.actual, report.simulation, cell)


def _symbols_to_draw(report: ReportInput) -> list[str]:
    """The first six symbols among those that have a forecast with a known outcome."""
    known = np.any(np.isfinite(report.forecasts.mean) & np.isfinite(report.actual), axis=0).tolist()
    return [symbol for symbol, has in zip(report.forecasts.symbols, known, strict=True) if has][:MAX_PATHS]


def forecast_path(report: ReportInput, symbol: str) -> charts.ForecastPath:
    """Forecasts of one symbol moved to the bar they speak about; those beyond the last bar are left out."""
    column = report.forecasts.symbols.index(symbol)
    made_at = report.timestamps.get_indexer(report.forecasts.timestamps)
    if (made_at < 0).any():
        raise ValueError("a forecast was made at a time that is no bar of the panel")
    target = made_at + report.settings.label.horizon_bars
    arrays = (report.close, report.forecasts.mean, report.forecasts.std, report.actual)
    series = [values[:, column] for values in arrays]
    rows = np.flatnonzero((target < len(report.timestamps)) & np.isfinite(series[1]) & np.isfinite(series[3]))
    return charts.ForecastPath(report.timestamps[target[rows]], *(values[rows] for values in series))


def _gap_sentence(report: ReportInput) -> str:
    if not report.folds:
        return ""
    gaps = [int(fold.test[0] - fold.valid[-1]) - 1 for fold in report.folds]
    size = f"{min(gaps)}" if min(gaps) == max(gaps) else f"{min(gaps)} to {max(gaps)}"
    return f"The gap before each test window is {size} bars, which may be too narrow to see."


def _curves_left_out(curves: tuple[TrainingCurve, ...]) -> str:
    networks = Counter(curve.model_id for curve in curves)
    models, most = len(networks), max(networks.values(), default=0)
    notes = []
    if models > charts.MAX_PANELS:
        notes.append(f"{charts.MAX_PANELS} of {models:,} models are drawn.")
    if most > charts.MAX_NETWORKS_PER_PANEL:
        notes.append(
            f"At most {charts.MAX_NETWORKS_PER_PANEL} of up to {most:,} networks per model are drawn."
        )
    return " ".join(notes)


def _run_table(report: ReportInput) -> tables.Table:
    settings, bars = report.settings, report.bars
    label, folds, execution = settings.label, settings.folds, settings.execution
    span = f"{bars.timestamps[0]:%Y-%m-%d} to {bars.timestamps[-1]:%Y-%m-%d}" if len(bars) else "no bars"
    horizon, embargo = tables.bars_of(label.horizon_bars), tables.bars_of(folds.embargo_bars)
    rows = (
        ("Data", f"{settings.data.source}, {len(bars.symbols):,} symbols, {len(bars):,} bars, {span}"),
        ("Data fingerprint", bars.fingerprint[:16]),
        ("Label", f"{label.kind.replace('_', ' ')} return over {horizon}"),
        ("Folds", f"{len(report.folds)}, {folds.scheme}, embargo {embargo}"),
        ("Costs per fill", f"{execution.fee_bps:g} bp fee, {execution.slippage_bps:g} bp slippage"),
        ("Starting cash", tables.number(execution.cash)),
        ("Seed", str(settings.seed)),
    )
    return tables.Table(("", ""), rows, (1,))
