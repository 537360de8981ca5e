"""The next forecast as a page: for each symbol the last prices and a fan of where they may go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from engine.forecast.answer import Answer, SymbolForecast
from engine.forecast.text import record
from engine.report.charts.base import BLUE, INK, STYLE, date_axis, date_positions, new_figure, to_svg
from engine.report.rendering import render
from forewalk.types import Bars

SHOWN_BARS = 60
MOST_CHARTS = 40  # on one page; all symbols are in the table
SHADES = (("95", 0.15), ("80", 0.3), ("50", 0.5))


def write_page(answer: Answer, bars: Bars, path: Path) -> None:
    """Write the page; charts for the first MOST_CHARTS symbols, and a table of all."""
    charts = [
        {"symbol": each.symbol, "figure": fan(each, bars), "aid": _aid(each)}
        for each in answer.symbols[:MOST_CHARTS]
    ]
    context: dict[str, Any] = {
        "title": f"What may come by the close of {answer.session}",
        "subtitle": f"As of {answer.asof:%Y-%m-%d %H:%M} UTC"
        + (f", by the newest model of {answer.run}" if answer.run else ", by a model trained just now"),
        "verdict": _verdict(answer),
        "good": False,
        "answer": answer,
        "charts": charts,
        "left": len(answer.symbols) - len(charts),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render("next.html", context), encoding="utf-8")


def fan(each: SymbolForecast, bars: Bars) -> str:
    """Return the last prices of a symbol and its ranges at the close that the forecast is about, as SVG."""
    column = bars.symbols.index(each.symbol)
    close = bars.close[-SHOWN_BARS:, column]
    times = bars.timestamps[-SHOWN_BARS:]
    there = np.isfinite(close)
    with mpl.rc_context(STYLE):
        figure, (axis,) = new_figure(2.6, 1)
        ends = pd.DatetimeIndex([each.asof, each.closes_at])
        axis.plot(date_positions(times[there]), close[there], color=INK)
        where = date_positions(ends)
        for level, strength in SHADES:
            if level in each.price_bands:
                low, high = each.price_bands[level]
                axis.fill_between(
                    where, [each.close, low], [each.close, high], color=BLUE, alpha=strength, linewidth=0
                )
                axis.vlines(where[1], low, high, color=BLUE, linewidth=2 + 6 * strength, alpha=0.6)
        date_axis(axis)
        return to_svg(figure, f"{each.symbol}: last prices and ranges of 50, 80 and 95 %")


def _verdict(answer: Answer) -> str:
    return (
        f"So far, out of sample: {record(answer.skill)}. Most of what moves a price next is not known now; "
        "this is no advice."
    )


def _aid(each: SymbolForecast) -> str:
    if "80" not in each.price_bands:
        return f"Up beside the others with {each.p_up:.0%}."
    low, high = each.price_bands["80"]
    return (
        f"In 80 of 100 such cases it closes between {low:,.2f} and {high:,.2f} "
        f"(the dark parts: 50 of 100). Up with {each.p_up:.0%}."
    )
