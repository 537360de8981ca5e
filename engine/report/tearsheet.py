"""The tearsheet of the account. The only file that knows QuantStats."""

from __future__ import annotations

import html
import logging
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from engine.evaluation.metrics.accounts.account import return_metrics
from engine.report import tables
from engine.report.rendering import render
from forewalk.returns import simple_returns
from forewalk.types import FloatArray

MIN_TEARSHEET_BARS = 10


def write_tearsheet(
    equity: pd.DataFrame,
    path: Path,
    title: str,
    parameters: Mapping[str, Any],
    bars_per_year: float,
    held_title: str = "Buy and hold",
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
        held_title: what the benchmark is called; escaped.
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
            benchmark_title=html.escape(held_title),
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
    return render("short.html", context)


def _naive_days(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Zone-less dates when there is one bar a day, else zone-less UTC times."""
    naive = times.tz_convert("UTC").tz_localize(None)
    days = naive.normalize()
    return days if days.is_unique else naive
