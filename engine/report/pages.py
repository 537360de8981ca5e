"""Pages of a run: QuantStats' tearsheet, the forecast report and the index.

Every page is one file that opens without a network: styles and charts are inside, nothing is fetched.
Text that a user chose (symbols, names, parameters) is escaped. The same input gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from markupsafe import Markup

from engine.evaluation.cautions import of_adjusted_shares
from engine.evaluation.metrics.accounts.luck import passes
from engine.evaluation.subject import Evidence, Metrics, Subject
from engine.report import tables
from engine.report.certificate import NONE_YET, NOT_EXPLAINED
from engine.report.charts import forecasts as charts
from engine.report.evidence import evidence_context
from engine.report.over_time import conformal_table, time_context, year_table
from engine.report.rendering import render
from engine.report.tearsheet import write_tearsheet
from engine.report.wording.words import luck, luck_test_of
from forewalk.data.quality import QualityReport
from forewalk.folds import Fold
from forewalk.returns import drawdown_series
from forewalk.settings.sections import Settings
from forewalk.types import CLOSED_AT, IntArray, TrainingCurve

RUN_FILES: Mapping[str, str] = {
    "tearsheet.html": "returns and risk in detail, by QuantStats",
    "forecast.html": "how good the forecasts are",
    "metrics.json": "every number of these pages",
    "orders.csv": "every order and what became of it",
    "trades.csv": "every closed round trip",
    "config.toml": "the settings that reproduce this run",
}
MAX_PATHS = 6


def write_pages(
    folder: Path,
    subject: Subject,
    evidence: Evidence,
    quality: QualityReport,
    curves: tuple[TrainingCurve, ...],
    verdict: str,
) -> None:
    """Write index.html, forecast.html and tearsheet.html of a run into `folder`.

    Args:
        folder: of the run.
        subject, evidence: what is judged, and the judgement.
        quality: of the data check.
        curves: training and validation losses, empty for models without epochs.
        verdict: the first sentence, see `verdict_sentence`.
    """
    write_forecast_page(folder / "forecast.html", subject, evidence, quality, curves, verdict)
    write_index(folder / "index.html", subject, evidence.metrics, verdict, quality=quality)
    settings = subject.settings
    parameters = {"seed": settings.seed, "symbols": ", ".join(subject.bars.symbols[:12])}
    write_tearsheet(
        subject.simulation.equity,
        folder / "tearsheet.html",
        settings.name,
        parameters,
        subject.year,
        held_title(settings),
    )


def write_forecast_page(
    path: Path,
    subject: Subject,
    evidence: Evidence,
    quality: QualityReport,
    curves: tuple[TrainingCurve, ...],
    verdict: str,
) -> None:
    """Write the forecast report (verdict, errors, charts, folds, training, data quality) as one HTML file."""
    skill, label, forecasts = evidence.metrics.forecast, subject.settings.label, subject.forecasts
    symbols = _symbols_to_draw(subject)
    left = len(forecasts.symbols) - len(symbols)
    own = subject.settings.model.called
    context = {
        **_header("Forecast report", subject, evidence.metrics, verdict),
        "errors": tables.error_table(skill.overall),
        "tests": tables.evidence_lines(skill.overall),
        "horizon": tables.bars_of(label.horizon_bars),
        "relative": label.relative,
        "paths": [
            {"symbol": symbol, "svg": Markup(charts.forecast_chart(forecast_path(subject, symbol)))}
            for symbol in symbols
        ],
        "paths_more": f"Not drawn: {left:,} more." if left > 0 else "",
        "scatter": Markup(charts.scatter_chart(forecasts.mean.ravel(), subject.actual.ravel())),
        "folds": Markup(charts.fold_chart(subject.folds, subject.bars.timestamps)),
        "gaps": _gap_sentence(subject.folds),
        "training": Markup(charts.training_chart(curves)),
        "curves_more": _curves_left_out(curves),
        "per_model": tables.skill_table(skill.per_model, "model"),
        "per_symbol": tables.skill_table(skill.per_symbol, "symbol"),
        "features": subject.panel.names,
        "explanation": Markup(NOT_EXPLAINED),
        "refused": tables.refused_table(quality.refused),
        "findings": tables.findings_table(quality.findings),
        "shares": of_adjusted_shares(quality, subject.settings),
        **time_context(evidence.metrics.time),
        "conformal": conformal_table(forecasts, subject.actual)
        if subject.settings.evaluation.conformal
        else None,
        **evidence_context(evidence, forecasts, subject.actual, subject.simulation, own),
    }
    path.write_text(render("forecast.html", context), encoding="utf-8")


def write_index(
    path: Path,
    subject: Subject,
    metrics: Metrics,
    verdict: str,
    files: Mapping[str, str] = RUN_FILES,
    quality: QualityReport | None = None,
) -> None:
    """Write the run's front page as one HTML file.

    Args:
        path: the file, usually `index.html` of the run folder.
        subject, metrics: what is judged, and its numbers.
        verdict: the first sentence.
        files: neighbours to link, file name (relative) -> what it holds, in this order.
        quality: of the data check, None where there was none.
    """
    account = subject.simulation.equity
    equity, benchmark = (account[name].to_numpy(dtype=np.float64) for name in ("equity", "benchmark"))
    falls = drawdown_series(equity), drawdown_series(benchmark)
    context = {
        **_header("Backtest", subject, metrics, verdict),
        "account": tables.account_table(metrics.strategy, metrics.benchmark, held_title(subject.settings)),
        "equity": Markup(
            charts.equity_chart(
                pd.DatetimeIndex(account["time"]),
                equity,
                benchmark,
                *falls,
                held_title(subject.settings).lower(),
            )
        ),
        "chosen": subject.settings.evaluation.benchmark is not None,
        "held": subject.settings.evaluation.held,
        "errors": tables.error_table(metrics.forecast.overall),
        "trading": tables.trading_table(metrics.strategy, metrics.costs, metrics.orders),
        "files": [{"href": quote(name), "name": name, "text": text} for name, text in files.items()],
        "years": year_table(metrics.time),
        "run": _run_table(subject),
        "understood": _understood(quality),
        "shares": of_adjusted_shares(quality, subject.settings),
        "findings": tables.findings_table(() if quality is None else quality.findings),
        "refused": tables.refused_table({} if quality is None else quality.refused),
    }
    path.write_text(render("index.html", context), encoding="utf-8")


def _understood(quality: QualityReport | None) -> str:
    if quality is None or not quality.understood.format:
        return ""
    return f"{quality.understood.sentence()}."


def held_title(settings: Settings) -> str:
    """Return what the benchmark is called in tables and charts."""
    chosen = settings.evaluation.benchmark is not None
    return f"Holding {settings.evaluation.held}" if chosen else "Buy and hold"


def _header(kind: str, subject: Subject, metrics: Metrics, verdict: str) -> dict[str, Any]:
    times = subject.forecasts.timestamps
    span = f"{times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}" if len(times) else "no bars"
    symbols = metrics.universe.forecast_symbols
    alarm = bool(metrics.alarms) or bool(metrics.own_strategy and metrics.own_strategy.problem)
    return {
        "title": f"{kind}: {subject.settings.name}",
        "subtitle": f"{tables.symbols_of(symbols)}, {tables.bars_of(len(times))} out of sample, {span}",
        "plain": luck(luck_test_of(metrics, leak=False)),
        "verdict": verdict,
        "certificate": Markup(NONE_YET),
        "good": metrics.forecast.claims.any and passes(metrics.luck) and not alarm,
        "alarm": alarm,
    }


def _symbols_to_draw(subject: Subject) -> list[str]:
    """The first six symbols among those that have a forecast with a known outcome."""
    known = np.any(np.isfinite(subject.forecasts.mean) & np.isfinite(subject.actual), axis=0).tolist()
    return [symbol for symbol, has in zip(subject.forecasts.symbols, known, strict=True) if has][:MAX_PATHS]


def forecast_path(subject: Subject, symbol: str) -> charts.ForecastPath:
    """Forecasts of one symbol moved to the bar they speak about; those beyond the last bar are left out."""
    bars, forecasts = subject.bars, subject.forecasts
    column = forecasts.symbols.index(symbol)
    made_at = bars.timestamps.get_indexer(forecasts.timestamps)
    if (made_at < 0).any():
        raise ValueError("a forecast was made at a time that is no bar of the panel")
    target = _ended(subject, made_at, column)
    arrays = (bars.close[len(bars) - len(forecasts) :], forecasts.mean, forecasts.std, subject.actual)
    series = [values[:, column] for values in arrays]
    rows = np.flatnonzero((target < len(bars)) & np.isfinite(series[1]) & np.isfinite(series[3]))
    return charts.ForecastPath(bars.timestamps[target[rows]], *(values[rows] for values in series))


def _ended(subject: Subject, made_at: IntArray, column: int) -> IntArray:
    """Return the row at which the horizon of each forecast ends; where markets close apart, by own bars."""
    horizon, closed = subject.settings.label.horizon_bars, subject.bars.extras.get(CLOSED_AT)
    if closed is None:
        return made_at + horizon
    own = np.flatnonzero(np.isfinite(closed[:, column]))
    place = np.searchsorted(own, made_at) + horizon
    return np.where(place < len(own), own[np.minimum(place, len(own) - 1)], len(subject.bars))


def _gap_sentence(folds: tuple[Fold, ...]) -> str:
    if not folds:
        return ""
    gaps = [int(fold.test[0] - fold.valid[-1]) - 1 for fold in folds]
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


def _symbols_in_words(subject: Subject) -> str:
    """How many symbols there are; where some have no forecast, of how many that were loaded."""
    loaded = len(subject.bars.symbols)
    told = int(np.isfinite(subject.forecasts.mean).any(axis=0).sum())
    return tables.symbols_of(loaded) if told == loaded else f"{told:,} of {tables.symbols_of(loaded)} loaded"


def _run_table(subject: Subject) -> tables.PageTable:
    settings, bars = subject.settings, subject.bars
    label, folds, execution = settings.label, settings.folds, settings.execution
    span = f"{bars.timestamps[0]:%Y-%m-%d} to {bars.timestamps[-1]:%Y-%m-%d}" if len(bars) else "no bars"
    horizon, embargo = tables.bars_of(label.horizon_bars), tables.bars_of(folds.embargo_bars)
    traded = " from the next open" if label.execution == "next_open" else ""
    rows = (
        (
            "Data",
            f"{settings.data.source}, {_symbols_in_words(subject)}, {tables.bars_of(len(bars))}, {span}",
        ),
        ("Data fingerprint", bars.fingerprint[:16]),
        ("Label", f"{label.kind.replace('_', ' ')} return over {horizon}{traded}"),
        ("Folds", f"{len(subject.folds)}, {folds.scheme}, embargo {embargo}"),
        ("Costs per fill", f"{execution.fee_bps:g} bp fee, {execution.slippage_bps:g} bp slippage"),
        ("Starting cash", tables.number(execution.cash)),
        ("Seed", str(settings.seed)),
        *((source.setting, f"{source.name}, sha256 {source.sha256[:12]}") for source in subject.plugins),
    )
    return tables.PageTable(("", ""), rows, (1,))
