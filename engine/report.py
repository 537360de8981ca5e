"""Pages of a run: QuantStats' tearsheet, the forecast report and the index.

Every page is one file that opens without a network: styles and charts are inside, nothing is fetched.
Text that a user chose (symbols, names, parameters) is escaped. The same input gives the same bytes.
"""

from __future__ import annotations

import html
import logging
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from engine import charts
from engine import report_tables as tables
from engine.config import Settings
from engine.evaluation.strategy import drawdown_series, return_metrics, simple_returns
from engine.evidence import Evidence, Subject
from engine.folds import Fold
from engine.report_certificate import NONE_YET
from engine.report_evidence import evidence_context
from engine.types import Bars, FloatArray, Forecasts, SimulationResult, TrainingCurve

RUN_FILES: Mapping[str, str] = {
    "tearsheet.html": "returns and risk in detail, by QuantStats",
    "forecast.html": "how good the forecasts are",
    "metrics.json": "every number of these pages",
    "orders.csv": "every order and what became of it",
    "trades.csv": "every closed round trip",
    "config.toml": "the settings that reproduce this run",
}
MAX_PATHS = 6
MIN_TEARSHEET_BARS = 10
_TEMPLATES = Path(__file__).parent / "templates"


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
            {"symbol": symbol, "svg": Markup(charts.forecast_chart(_forecast_path(report, symbol)))}
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
    path.write_text(_render("forecast.html", context), encoding="utf-8")


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
    path.write_text(_render("index.html", context), encoding="utf-8")


def write_tearsheet(
    equity: pd.DataFrame, path: Path, title: str, parameters: Mapping[str, Any], bars_per_year: float
) -> None:
    """Write QuantStats' tearsheet of an account against buying and holding, as one HTML file.

    QuantStats gets returns, never prices, on dates without a zone; the first return is 0 because the
    account still holds its starting cash, and bars without a position are kept. An account that never
    moved, or one of fewer than 10 bars, gets a short page of our own, because QuantStats cannot regress a
    constant; a benchmark that never moved is left out.

    Args:
        equity: columns time (UTC), equity, benchmark, one row per out-of-sample bar.
        path: the file to write.
        title: heading; escaped.
        parameters: shown under the heading; escaped.
        bars_per_year: for annual figures; QuantStats wants a whole number, so it is rounded.
    """
    index = _naive_days(pd.DatetimeIndex(equity["time"]))
    values = {name: equity[name].to_numpy(dtype=np.float64) for name in ("equity", "benchmark")}
    strategy, held = (pd.Series(simple_returns(series), index) for series in values.values())
    if len(index) < MIN_TEARSHEET_BARS or not strategy.any():
        path.write_text(_short_tearsheet(equity, values, title, parameters, bars_per_year), encoding="utf-8")
        return
    with _quiet_plotting():
        import quantstats

        quantstats.reports.html(  # type: ignore[no-untyped-call]
            strategy,
            benchmark=held if held.any() else None,
            benchmark_title="Buy and hold",
            output=str(path),
            title=html.escape(title),
            parameters={html.escape(str(key)): html.escape(str(value)) for key, value in parameters.items()},
            periods_per_year=round(bars_per_year),
            match_dates=False,
        )
    path.write_text(_offline(path.read_text(encoding="utf-8")), encoding="utf-8")


@contextmanager
def _quiet_plotting() -> Iterator[None]:
    """Plot without a display, the same bytes every time, and without the warnings of fonts and QuantStats."""
    if "matplotlib.pyplot" not in sys.modules:
        mpl.use("Agg")
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": "forewalk"}):
            for library in ("quantstats", "seaborn"):
                warnings.filterwarnings("ignore", module=rf"{library}(\.|$)")
            yield
    finally:
        logger.setLevel(level)


def _offline(page: str) -> str:
    """Take out what refers to other hosts, a script that does not exist and the time of writing."""
    page = re.sub(r'\s*<link rel="shortcut icon"[^>]*>', "", page)
    page = re.sub(r'<a href="http[^"]*"[^>]*>(.*?)</a>', r"\1", page)
    page = re.sub(r"<metadata>.*?</metadata>", "", page, flags=re.DOTALL)
    phone = (
        "body{margin:12px}#left,#right{float:none;width:auto;margin:0}"
        "svg{height:auto;margin:0 0 8px!important}"
    )
    page = page.replace(' onload="save()"', "").replace("\ufe6a", " %")  # a sign that few fonts have
    return page.replace("</head>", f"<style>@media(max-width:60rem){{{phone}}}</style></head>", 1)


def _short_tearsheet(
    equity: pd.DataFrame,
    values: Mapping[str, FloatArray],
    title: str,
    parameters: Mapping[str, Any],
    bars_per_year: float,
) -> str:
    times = pd.DatetimeIndex(equity["time"])
    moved = bool(simple_returns(values["equity"]).any())
    verdict = (
        f"Only {len(times)} bars: too few for a tearsheet."
        if moved
        else "The account never moved: nothing was traded, so there is no risk or return to show."
    )
    strategy, benchmark = (return_metrics(series, times, bars_per_year) for series in values.values())
    context = {
        "title": title,
        "subtitle": " · ".join(f"{key}: {value}" for key, value in parameters.items()),
        "verdict": verdict,
        "good": False,
        "account": tables.account_table(strategy, benchmark),
    }
    return _render("short.html", context)


def _naive_days(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Zone-less dates when there is one bar a day, else zone-less UTC times."""
    naive = times.tz_convert("UTC").tz_localize(None)
    days = naive.normalize()
    return days if days.is_unique else naive


def _render(template: str, context: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(context) + "\n"


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


def _forecast_path(report: ReportInput, symbol: str) -> charts.ForecastPath:
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
