"""The page of a sweep: heat maps over two of the varied settings, the best tries, and what luck would do.

A cell shows the *median* over all settings that are not drawn. The best of them would flatter every cell.
"""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from engine.report.charts.base import INK, STYLE, empty_chart, new_figure, to_svg
from engine.report.rendering import render
from engine.report.tables import PageTable
from engine.sweep.grid import Axis
from engine.sweep.result import METRICS, Sweep, best_rows, sweep_lines
from engine.sweep.surface import SCALE, TITLES, drawn_axes, heat_table, own_cell, value_text
from forewalk.types import FloatArray

BEST_SHOWN = 12
MAX_LABELS = 14
MAX_ANNOTATED = 150


def heat_map(result: Sweep, metric: str) -> str:
    """Draw the medians of `metric` as one `<svg>`; the run's own settings are framed."""
    across, down = drawn_axes(result)
    values = heat_table(result, metric)
    with mpl.rc_context(STYLE):
        figure, (axis,) = new_figure(1.3 + 0.24 * min(max(values.shape[0], 3), 16), 1)
        if not np.isfinite(values).any():
            return empty_chart(figure, [axis], "no setting traded")
        held = result.held.get(metric)
        if held is not None:  # blue is more than buying and holding gave, red less, white the same
            held *= SCALE.get(metric, 1.0)
            reach = float(np.nanmax(np.abs(values - held))) or 1.0
            look: dict[str, Any] = {"cmap": "RdBu", "vmin": held - reach, "vmax": held + reach}
        else:
            look = {"cmap": "cividis"}
        cells = axis.pcolormesh(np.ma.masked_invalid(values), edgecolors="white", linewidth=0.4, **look)
        axis.set_facecolor("#eeeeee")
        axis.grid(visible=False)
        _label(axis, across, down)
        _annotate(axis, values, cells)
        _frame_own(axis, result, across, down)
        figure.colorbar(cells, ax=axis, shrink=0.9, pad=0.02)
        axis.set_title(TITLES[metric])
        return to_svg(
            figure, f"{TITLES[metric]} over {across.key}{'' if down is None else ' and ' + down.key}"
        )


def standalone(svg: str) -> str:
    """Return an inline `<svg>` as a file of its own."""
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return svg.replace("<svg", f"<svg {names}", 1) + "\n"


def sweep_page(result: Sweep) -> str:
    """Return the page, self-contained: sentences, four heat maps, the best tries."""
    across, down = drawn_axes(result)
    others = [axis for axis in result.axes if axis not in (across, down)]
    first, *more = sweep_lines(result)
    context = {
        "title": f"Sweep: {result.name}",
        "subtitle": f"{len(result.table):,} settings on the stored forecasts of {result.run.name}",
        "verdict": first,
        "good": result.luck.passes,
        "sentences": more,
        "heat_maps": [heat_map(result, metric) for metric in METRICS],
        "others": ", ".join(f"{axis.key} ({len(axis.values)} values)" for axis in others),
        "framed": own_cell(result, across, down) is not None,
        "own": ", ".join(f"{key} = {value_text(value)}" for key, value in result.own.items()),
        "best": best_table(result),
    }
    return render("sweep.html", context)


def best_table(result: Sweep) -> PageTable:
    """Return the settings with the highest Sharpe ratios as a table of text."""
    keys = [axis.key for axis in result.axes]
    rows = []
    for _, row in best_rows(result, BEST_SHOWN).iterrows():
        numbers = (
            f"{row['sharpe']:.2f}",
            f"{row['total_return']:.1%}",
            f"{row['max_drawdown']:.1%}",
            f"{row['turnover_per_year']:.1f}",
            f"{row['fees']:,.0f}",
            f"{row['filled'] + row['partial']:.0f}",
            f"{row['margin']:.0f}",
        )
        rows.append((*(value_text(row[key]) for key in keys), *numbers))
    heads = ("Sharpe", "return", "drawdown", "turnover", "fees", "filled", "refused")
    left = len(result.table) - len(rows)
    return PageTable((*keys, *heads), tuple(rows), more=f"{left:,} more in settings.csv" if left else "")


def _label(axis: Axes, across: Axis, down: Axis | None) -> None:
    for side, setter, name in ((across, axis.set_xticks, "x"), (down, axis.set_yticks, "y")):
        if side is None:
            axis.set_yticks([])
            continue
        step = -(-len(side.values) // MAX_LABELS)
        shown = range(0, len(side.values), step)
        setter([number + 0.5 for number in shown], [value_text(side.values[number]) for number in shown])
        (axis.set_xlabel if name == "x" else axis.set_ylabel)(side.key)


def _annotate(axis: Axes, values: FloatArray, cells: Any) -> None:
    if values.size > MAX_ANNOTATED:
        return
    form = "{:.2f}" if np.nanmax(np.abs(values)) < 10 else "{:.0f}"
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = cells.cmap(cells.norm(value))
            colour = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else INK
            place = (column + 0.5, row + 0.5)
            axis.annotate(form.format(value), place, ha="center", va="center", fontsize=6.5, color=colour)


def _frame_own(axis: Axes, result: Sweep, across: Axis, down: Axis | None) -> None:
    place = own_cell(result, across, down)
    if place is not None:
        axis.add_patch(Rectangle(place, 1, 1, fill=False, edgecolor=INK, linewidth=2))
