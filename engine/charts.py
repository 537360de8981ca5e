"""Charts as SVG text: pure functions of arrays, Matplotlib's object interface, no global figure.

Every function returns one `<svg>` element to be placed inline in a page: no XML prolog, no metadata, no
address of another host, ids that no other chart on the page shares, the same bytes for the same data.
Colours are those of Okabe & Ito (2008), which colour-blind readers can tell apart.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from engine.folds import Fold
from engine.types import FloatArray, TrainingCurve

BLUE, ORANGE, GREEN, GREY, RED, INK = "#0072B2", "#E69F00", "#009E73", "#9AA0A6", "#D55E00", "#222222"
WIDTH_INCHES = 5.0
MAX_POINTS = 700
MAX_PANELS = 12
MAX_NETWORKS_PER_PANEL = 10
MAX_SCATTER_POINTS = 1500
MAX_FOLDS = 40

_STYLE: dict[Any, Any] = {
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


@dataclass(frozen=True, eq=False)
class ForecastPath:
    """One symbol's forecasts, each standing at the bar it speaks about; arrays [N] in time order.

    Attributes:
        times: close of the bar at the end of the horizon.
        close: last price known when the forecast was made.
        mean, std: predicted log return over the horizon and its standard deviation.
        actual: realised log return.
    """

    times: pd.DatetimeIndex
    close: FloatArray
    mean: FloatArray
    std: FloatArray
    actual: FloatArray

    def last(self, bars: int) -> ForecastPath:
        """Return the last `bars` forecasts."""
        rows = np.arange(max(0, len(self.times) - bars), len(self.times))
        return self.at(rows)

    def at(self, rows: Any) -> ForecastPath:
        """Return the forecasts at these positions."""
        return ForecastPath(
            self.times[rows], self.close[rows], self.mean[rows], self.std[rows], self.actual[rows]
        )


def forecast_chart(path: ForecastPath, zoom_bars: int = 250, band_z: float = 1.2815515655446004) -> str:
    """Draw predicted against actual: price zoomed, return zoomed, price over the whole span.

    The band is `mean +- band_z std` (80 % of a normal distribution by default), in price units
    `close * exp(...)`. A symbol without forecasts gives an empty chart that says so.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(6.6, 3, {"height_ratios": [3, 2, 2]})
        if not len(path.times):
            return _empty(figure, axes, "no forecast")
        zoom = path.last(zoom_bars)
        _draw_prices(axes[0], zoom, band_z, f"Price, last {len(zoom.times)} bars")
        axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0.1)
        _draw_returns(axes[1], zoom, band_z)
        whole = path.at(_thin(len(path.times)))
        _draw_prices(axes[2], whole, band_z, "Price, all out-of-sample bars")
        return _svg(figure, "Predicted and actual price and return over time")


def scatter_chart(predicted: FloatArray, actual: FloatArray) -> str:
    """Draw predicted against realised returns, 1-D, with the mean outcome of each tenth of the forecasts.

    More than 1500 points are drawn as a raster of counts. The axes leave out the outermost 0.5 %.
    """
    used = np.isfinite(predicted) & np.isfinite(actual)
    x, y = predicted[used], actual[used]
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(3.9, 1)
        if len(x) < 2 or np.ptp(x) == 0:
            return _empty(figure, axes, "the forecasts do not differ")
        axis = axes[0]
        x_limits, y_limits = _limits(x), _limits(y)
        if len(x) > MAX_SCATTER_POINTS:
            extent = (*x_limits, *y_limits)
            shades = axis.hexbin(x, y, gridsize=45, extent=extent, bins="log", mincnt=1, cmap="Blues")
            shades.set_rasterized(True)
        else:
            axis.plot(x, y, ".", color=BLUE, alpha=0.35, markersize=3)
        centres, means, errors = _decile_means(x, y)
        style: dict[str, Any] = {"fmt": "o", "color": RED, "capsize": 2, "markersize": 4}
        axis.errorbar(centres, means, yerr=errors, label="mean outcome of each tenth", **style)
        axis.plot(x_limits, x_limits, "--", color=INK, linewidth=1, label="outcome = forecast")
        axis.axhline(0, color=GREY, linewidth=0.8)
        axis.set(xlim=x_limits, ylim=y_limits, xlabel="predicted return", ylabel="actual return")
        axis.xaxis.set_major_locator(MaxNLocator(5))
        _percent(axis.xaxis)
        _percent(axis.yaxis)
        axis.legend(loc="upper left", frameon=True, facecolor="white", edgecolor="none", framealpha=0.85)
        return _svg(figure, "Predicted return against actual return")


def fold_chart(folds: Sequence[Fold], timestamps: pd.DatetimeIndex) -> str:
    """Draw each fold's training, validation, gap (purge and embargo) and test window by date.

    The row numbers of the folds count `timestamps`. At most 40 folds are drawn, spread evenly.
    """
    shown = (
        [folds[i] for i in np.unique(np.linspace(0, len(folds) - 1, MAX_FOLDS).astype(int))] if folds else []
    )
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(1.1 + 0.24 * max(len(shown), 1), 1)
        if not shown:
            return _empty(figure, axes, "no fold")
        axis = axes[0]
        at = _positions(timestamps)
        for row, fold in enumerate(shown):
            for first, last, colour, hatch in _fold_spans(fold):
                begin, end = at[first], at[min(last, len(at) - 1)]
                edge = "#555555" if hatch else colour
                axis.barh(
                    row,
                    end - begin,
                    left=begin,
                    height=0.62,
                    color=colour,
                    hatch=hatch,
                    edgecolor=edge,
                    linewidth=0.4,
                )
        axis.set_yticks(range(len(shown)), [fold.model_id for fold in shown])
        axis.set_ylim(len(shown) - 0.4, -0.6)
        axis.grid(axis="y", visible=False)
        _dates(axis)
        handles = [
            Patch(color=BLUE, label="train"),
            Patch(color=ORANGE, label="validation"),
            Patch(facecolor="white", hatch="/////", edgecolor="#555555", label="gap"),
            Patch(color=GREEN, label="test"),
        ]
        axis.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)
        return _svg(figure, "Training, validation, gap and test windows of each fold")


def training_chart(curves: Sequence[TrainingCurve]) -> str:
    """Draw training and validation loss per epoch: one panel per model, one pair of lines per network.

    The kept epoch is marked. At most 12 models (spread evenly) with 10 networks each are drawn.
    """
    models = list(dict.fromkeys(curve.model_id for curve in curves))
    if len(models) > MAX_PANELS:
        models = [models[i] for i in np.unique(np.linspace(0, len(models) - 1, MAX_PANELS).astype(int))]
    with mpl.rc_context(_STYLE):
        rows = max(1, -(-len(models) // 3))
        figure = Figure(figsize=(WIDTH_INCHES, 0.5 + 1.45 * rows), layout="constrained")
        axes = figure.subplots(rows, 3, squeeze=False).ravel()
        if not models:
            return _empty(figure, list(axes), "this model has no training epochs")
        for axis, model in zip(axes, models, strict=False):
            chosen = [curve for curve in curves if curve.model_id == model][:MAX_NETWORKS_PER_PANEL]
            _draw_losses(axis, model, chosen)
        for axis in axes[len(models) :]:
            axis.set_axis_off()
        handles = [
            Patch(color=BLUE, label="training loss"),
            Patch(color=ORANGE, label="validation loss"),
            Patch(color=INK, label="kept epoch"),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=3)
        return _svg(figure, "Training and validation loss per epoch")


def equity_chart(
    times: pd.DatetimeIndex, equity: FloatArray, benchmark: FloatArray, drawdown: FloatArray, held: FloatArray
) -> str:
    """Draw account value and drawdown of the strategy against buying and holding; all [T].

    Args:
        times: bar closes.
        equity, benchmark: account values.
        drawdown, held: their falls from the last peak, fractions <= 0.
    """
    rows = _thin(len(times), drawdown, held, equity, benchmark)
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(4.3, 2, {"height_ratios": [2, 1]}, sharex=True)
        at = _positions(times[rows])
        axes[0].plot(at, benchmark[rows], color=GREY, label="buy and hold")
        axes[0].plot(at, equity[rows], color=BLUE, label="strategy")
        axes[0].set_title("Account value", loc="left")
        axes[0].yaxis.set_major_formatter(FuncFormatter(_thousands))
        axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
        axes[1].plot(at, held[rows], color=GREY)
        axes[1].fill_between(at, drawdown[rows], 0, color=BLUE, alpha=0.35, linewidth=0)
        axes[1].set_title("Fall from the last peak", loc="left")
        _percent(axes[1].yaxis)
        _dates(axes[1])
        return _svg(figure, "Account value and drawdown over time")


def _figure(
    height: float, rows: int, ratios: dict[str, Any] | None = None, sharex: bool = False
) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False, gridspec_kw=ratios, sharex=sharex)
    return figure, list(axes.ravel())


def _draw_prices(axis: Axes, path: ForecastPath, band_z: float, title: str) -> None:
    at = _positions(path.times)
    low, high = (path.close * np.exp(path.mean + sign * band_z * path.std) for sign in (-1, 1))
    axis.fill_between(at, low, high, color=ORANGE, alpha=0.3, linewidth=0, label="80 % band")
    axis.plot(at, path.close * np.exp(path.actual), color=BLUE, linewidth=1.1, label="actual")
    axis.plot(at, path.close * np.exp(path.mean), color=RED, linewidth=0.9, label="predicted")
    axis.set_title(title, loc="left")
    _dates(axis)


def _draw_returns(axis: Axes, path: ForecastPath, band_z: float) -> None:
    at = _positions(path.times)
    band = (path.mean - band_z * path.std, path.mean + band_z * path.std)
    axis.fill_between(at, *band, color=ORANGE, alpha=0.3, linewidth=0)
    axis.plot(at, path.actual, color=BLUE, linewidth=0.8)
    axis.plot(at, path.mean, color=RED, linewidth=1.1)
    axis.set_title(f"Return over the horizon, last {len(at)} bars", loc="left")
    _percent(axis.yaxis)
    _dates(axis)


def _draw_losses(axis: Axes, title: str, curves: Sequence[TrainingCurve]) -> None:
    for curve in curves:
        axis.plot(range(1, len(curve.train_loss) + 1), curve.train_loss, color=BLUE, linewidth=0.9)
        axis.plot(range(1, len(curve.valid_loss) + 1), curve.valid_loss, color=ORANGE, linewidth=1.1)
        if curve.best_epoch < len(curve.valid_loss):
            kept = curve.best_epoch + 1, curve.valid_loss[curve.best_epoch]
            axis.plot(*kept, "o", color=INK, markersize=3, clip_on=False)
    axis.set_title(title, loc="left", fontsize=8.5)
    axis.tick_params(labelsize=7.5)
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(4))


def _fold_spans(fold: Fold) -> list[tuple[int, int, str, str | None]]:
    """First row, row after the last, colour and hatch of each part."""
    train, valid, test = ((int(rows[0]), int(rows[-1]) + 1) for rows in (fold.train, fold.valid, fold.test))
    return [
        (*train, BLUE, None),
        (train[1], valid[0], "white", "/////"),
        (*valid, ORANGE, None),
        (valid[1], test[0], "white", "/////"),
        (*test, GREEN, None),
    ]


def _decile_means(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    groups = [rows for rows in np.array_split(np.argsort(x, kind="stable"), 10) if len(rows) > 1]
    centres = np.array([x[rows].mean() for rows in groups])
    means = np.array([y[rows].mean() for rows in groups])
    errors = np.array([y[rows].std(ddof=1) / np.sqrt(len(rows)) for rows in groups])
    return centres, means, errors


def _limits(values: FloatArray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.005, 0.995])
    margin = 0.05 * (high - low) or 1e-6
    return float(low - margin), float(high + margin)


def _thin(length: int, *keep_extremes: FloatArray) -> Any:
    """Positions of at most about 700 points, first, last and the extremes of the given series among them."""
    rows = np.unique(np.linspace(0, length - 1, min(length, MAX_POINTS)).astype(int))
    extremes = [int(pick(series)) for series in keep_extremes for pick in (np.argmin, np.argmax)]
    return np.union1d(rows, np.array(extremes, dtype=int)).astype(int)


def _positions(times: pd.DatetimeIndex) -> Any:
    """Days since 1970, Matplotlib's unit of dates."""
    microseconds = times.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")
    return microseconds.astype(np.int64) / 86_400e6


def _dates(axis: Axes) -> None:
    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_formatter(formatter)
    axis.xaxis_date()


def _percent(axis: Any) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.10g} %"))


def _thousands(value: float, _: object) -> str:
    return f"{value:,.0f}"


def _empty(figure: Figure, axes: Sequence[Axes], text: str) -> str:
    for axis in axes:
        axis.set_axis_off()
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return _svg(figure, text)


def _svg(figure: Figure, label: str) -> str:
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
