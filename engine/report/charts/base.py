"""What all charts share: style, colours, axes, and the way a figure becomes an inline SVG.

Colours are those of Okabe & Ito (2008), which colour-blind readers can tell apart.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from forewalk.types import FloatArray

BLUE, ORANGE, GREEN, GREY, RED, INK = "#0072B2", "#E69F00", "#009E73", "#9AA0A6", "#D55E00", "#222222"
WIDTH_INCHES = 5.0
MAX_POINTS = 700

STYLE: dict[Any, Any] = {
    "font.size": 9.5,
    "axes.titlesize": 9.5,
    "axes.edgecolor": "#666666",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.xmargin": 0.01,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.columnspacing": 1.2,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.3,
    "svg.fonttype": "none",
    "svg.hashsalt": "forewalk",
    "text.parse_math": False,
}


def new_figure(
    height: float,
    rows: int,
    ratios: dict[str, Any] | None = None,
    sharex: bool = False,
    kind: type[Figure] = Figure,
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `height` inches with `rows` panels under one another."""
    figure = kind(figsize=(WIDTH_INCHES, height), layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False, gridspec_kw=ratios, sharex=sharex)
    return figure, list(axes.ravel())


def central_limits(values: FloatArray) -> tuple[float, float]:
    """Return axis limits that leave out the outermost 0.5 % on both sides."""
    low, high = np.quantile(values, [0.005, 0.995])
    margin = 0.05 * (high - low) or 1e-6
    return float(low - margin), float(high + margin)


def thinned(length: int, *keep_extremes: FloatArray) -> Any:
    """Positions of at most about 700 points, first, last and the extremes of the given series among them."""
    rows = np.unique(np.linspace(0, length - 1, min(length, MAX_POINTS)).astype(int))
    extremes = [int(pick(series)) for series in keep_extremes for pick in (np.argmin, np.argmax)]
    return np.union1d(rows, np.array(extremes, dtype=int)).astype(int)


def date_positions(times: pd.DatetimeIndex) -> Any:
    """Days since 1970, Matplotlib's unit of dates."""
    microseconds = times.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")
    return microseconds.astype(np.int64) / 86_400e6


def date_axis(axis: Axes) -> None:
    """Label the horizontal axis with a few short dates."""
    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_formatter(formatter)
    axis.xaxis_date()


def percent_axis(axis: Any) -> None:
    """Write the axis in percent."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.10g} %"))


def thousands(value: float, _: object) -> str:
    """Format a number with thousands separators, for a FuncFormatter."""
    return f"{value:,.0f}"


def empty_chart(figure: Figure, axes: Sequence[Axes], text: str) -> str:
    """Return a chart that only says why there is nothing to draw."""
    for axis in axes:
        axis.set_axis_off()
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return to_svg(figure, text)


def to_svg(figure: Figure, label: str) -> str:
    """Return the figure as one `<svg>` element, the same bytes for the same data."""
    FigureCanvasAgg(figure)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    mark = "c" + hashlib.sha256(text.encode()).hexdigest()[:8]
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{mark}-", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1).strip()
