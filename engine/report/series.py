"""A page with a picture of each series of a source and what it was understood to be; one file, nothing fetched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from engine.report.charts.base import BLUE, RED, date_axis, date_positions, new_figure, thinned, to_svg
from engine.report.rendering import render
from engine.report.tables import PageTable, capped, findings_table, refused_table
from forewalk.data.checking import Checked
from forewalk.types import Bars

MAX_DRAWN = 60


def write_series_page(checked: Checked, path: Path) -> None:
    """Write what was understood of a source, and a picture of each series, as one HTML file."""
    said = checked.to_dict()
    drawn = list(checked.bars.symbols[:MAX_DRAWN]) if checked.bars is not None else []
    left = len(said["symbols"]) - len(drawn)
    rows = [
        (name, str(e["rows"]), str(e["first"]), str(e["last"]), f"{e['first_close']:g}", f"{e['last_close']:g}",
         str(e["dropped"]), str(e["repaired"]), ", ".join(e["flags"]))
        for name, e in said["symbols"].items()
    ]  # fmt: skip
    names = ("Symbol", "Bars", "First", "Last", "First close", "Last close", "Dropped", "Repaired", "Flags")
    context = {
        "title": f"Data: {checked.settings.path.name if checked.settings.path else checked.settings.source}",
        "subtitle": f"{said['rows']:,} bars, {len(said['symbols']):,} series",
        "verdict": _verdict(checked),
        "good": checked.usable and not said["warnings"],
        "certificate": "",
        "understood": _understood(said),
        "warnings": said["warnings"],
        "symbols": capped(names, rows, "symbols", (0, 8)) if rows else PageTable(names, ()),
        "series": [
            {"symbol": s, "svg": Markup(_chart(checked.bars, s))} for s in drawn if checked.bars is not None
        ],
        "more": f"Not drawn: {left:,} more." if left > 0 else "",
        "findings": findings_table(checked.report.findings if checked.report else ()),
        "refused": refused_table(checked.report.refused if checked.report else {}),
    }
    path.write_text(render("data.html", context), encoding="utf-8")


def _verdict(checked: Checked) -> str:
    if not checked.usable:
        return f"This cannot be used: {checked.problem}"
    assert checked.report is not None
    return f"Understood as {checked.report.understood.sentence()}."


def _understood(said: dict[str, object]) -> PageTable:
    keys = ("format", "interval", "interval_inferred", "calendar", "zone", "stamp", "adjusted")
    return PageTable(("", ""), tuple((key.replace("_", " "), _word(said[key])) for key in keys), (0, 1))


def _word(value: object) -> str:
    words = {"True": "yes", "False": "no", "None": "not told", "": "not told"}
    return words.get(str(value), str(value))


def _chart(bars: Bars, symbol: str) -> str:
    """Draw the closes of a symbol, its jumps marked, over its volume."""
    column = bars.symbols.index(symbol)
    rows = np.flatnonzero(bars.present[:, column])
    close, volume = bars.close[rows, column], np.nan_to_num(bars.volume[rows, column])
    times = date_positions(pd.DatetimeIndex(bars.timestamps[rows]))
    figure, (price, below) = new_figure(2.6, 2, {"height_ratios": [3, 1]}, sharex=True)
    shown = thinned(len(rows), close)
    price.plot(times[shown], close[shown], color=BLUE)
    if (close > 0).all() and close.max() > 5 * close.min():
        price.set_yscale("log")
    jumps = np.flatnonzero(np.abs(np.diff(np.log(close))) > np.log(1.4)) + 1
    price.plot(times[jumps], close[jumps], "o", color=RED, markersize=3)
    below.fill_between(times[shown], volume[shown], color=BLUE, alpha=0.4, linewidth=0)
    below.set_yticks([])
    date_axis(below)
    return to_svg(figure, f"closes and volume of {symbol}")
