"""Charts as SVG text: pure functions of arrays, Matplotlib's object interface, no global figure.

Every function returns one `<svg>` element to be placed inline in a page: no XML prolog, no metadata, no
address of another host, ids that no other chart on the page shares, the same bytes for the same data.
Colours are those of Okabe & Ito (2008), which colour-blind readers can tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from engine.report.charts.base import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    STYLE,
    WIDTH_INCHES,
    central_limits,
    date_axis,
    date_positions,
    empty_chart,
    new_figure,
    percent_axis,
    thinned,
    thousands,
    to_svg,
)
from forewalk.folds import Fold
from forewalk.types import FloatArray, TrainingCurve

MAX_PANELS = 12
MAX_NETWORKS_PER_PANEL = 10
MAX_SCATTER_POINTS = 1500
MAX_FOLDS = 40


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
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(6.6, 3, {"height_ratios": [3, 2, 2]})
        if not len(path.times):
            return empty_chart(figure, axes, "no forecast")
        zoom = path.last(zoom_bars)
        _draw_prices(axes[0], zoom, band_z, f"Price, last {len(zoom.times)} bars")
        axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0.1)
        _draw_returns(axes[1], zoom, band_z)
        whole = path.at(thinned(len(path.times)))
        _draw_prices(axes[2], whole, band_z, "Price, all out-of-sample bars")
        return to_svg(figure, "Predicted and actual price and return over time")


def scatter_chart(predicted: FloatArray, actual: FloatArray) -> str:
    """Draw predicted against realised returns, 1-D, with the mean outcome of each tenth of the forecasts.

    More than 1500 points are drawn as a raster of counts. The axes leave out the outermost 0.5 %.
    """
    used = np.isfinite(predicted) & np.isfinite(actual)
    x, y = predicted[used], actual[used]
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(3.9, 1)
        if len(x) < 2 or np.ptp(x) == 0:
            return empty_chart(figure, axes, "the forecasts do not differ")
        axis = axes[0]
        x_limits, y_limits = central_limits(x), central_limits(y)
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
        percent_axis(axis.xaxis)
        percent_axis(axis.yaxis)
        axis.legend(loc="upper left", frameon=True, facecolor="white", edgecolor="none", framealpha=0.85)
        return to_svg(figure, "Predicted return against actual return")


def fold_chart(folds: Sequence[Fold], timestamps: pd.DatetimeIndex) -> str:
    """Draw each fold's training, validation, gap (purge and embargo) and test window by date.

    The row numbers of the folds count `timestamps`. At most 40 folds are drawn, spread evenly.
    """
    shown = (
        [folds[i] for i in np.unique(np.linspace(0, len(folds) - 1, MAX_FOLDS).astype(int))] if folds else []
    )
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(1.1 + 0.24 * max(len(shown), 1), 1)
        if not shown:
            return empty_chart(figure, axes, "no fold")
        axis = axes[0]
        at = date_positions(timestamps)
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
        date_axis(axis)
        handles = [
            Patch(color=BLUE, label="train"),
            Patch(color=ORANGE, label="validation"),
            Patch(facecolor="white", hatch="/////", edgecolor="#555555", label="gap"),
            Patch(color=GREEN, label="test"),
        ]
        axis.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)
        return to_svg(figure, "Training, validation, gap and test windows of each fold")


def training_chart(curves: Sequence[TrainingCurve]) -> str:
    """Draw training and validation loss per epoch: one panel per model, one pair of lines per network.

    The kept epoch is marked. At most 12 models (spread evenly) with 10 networks each are drawn.
    """
    models = list(dict.fromkeys(curve.model_id for curve in curves))
    if len(models) > MAX_PANELS:
        models = [models[i] for i in np.unique(np.linspace(0, len(models) - 1, MAX_PANELS).astype(int))]
    with mpl.rc_context(STYLE):
        rows = max(1, -(-len(models) // 3))
        figure = Figure(figsize=(WIDTH_INCHES, 0.5 + 1.45 * rows), layout="constrained")
        axes = figure.subplots(rows, 3, squeeze=False).ravel()
        if not models:
            return empty_chart(figure, list(axes), "this model has no training epochs")
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
        return to_svg(figure, "Training and validation loss per epoch")


def equity_chart(
    times: pd.DatetimeIndex,
    equity: FloatArray,
    benchmark: FloatArray,
    drawdown: FloatArray,
    held: FloatArray,
    held_name: str = "buy and hold",
) -> str:
    """Draw account value and drawdown of the strategy against buying and holding; see `equity_figure`."""
    with mpl.rc_context(STYLE):
        figure = equity_figure(times, equity, benchmark, drawdown, held, held_name=held_name)
        return to_svg(figure, "Account value and drawdown over time")


def equity_figure(
    times: pd.DatetimeIndex,
    equity: FloatArray,
    benchmark: FloatArray,
    drawdown: FloatArray,
    held: FloatArray,
    kind: type[Figure] = Figure,
    held_name: str = "buy and hold",
) -> Figure:
    """Draw account value and drawdown of the strategy against buying and holding; all [T].

    Args:
        times: bar closes.
        equity, benchmark: account values.
        drawdown, held: their falls from the last peak, fractions <= 0.
        kind: class of the figure. held_name: of the benchmark in the legend.
    """
    rows = thinned(len(times), drawdown, held, equity, benchmark)
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(4.3, 2, {"height_ratios": [2, 1]}, sharex=True, kind=kind)
        at = date_positions(times[rows])
        axes[0].plot(at, benchmark[rows], color=GREY, label=held_name)
        axes[0].plot(at, equity[rows], color=BLUE, label="strategy")
        axes[0].set_title("Account value", loc="left")
        axes[0].yaxis.set_major_formatter(FuncFormatter(thousands))
        axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
        axes[1].plot(at, held[rows], color=GREY)
        axes[1].fill_between(at, drawdown[rows], 0, color=BLUE, alpha=0.35, linewidth=0)
        axes[1].set_title("Fall from the last peak", loc="left")
        percent_axis(axes[1].yaxis)
        date_axis(axes[1])
        return figure


def _draw_prices(axis: Axes, path: ForecastPath, band_z: float, title: str) -> None:
    at = date_positions(path.times)
    low, high = (path.close * np.exp(path.mean + sign * band_z * path.std) for sign in (-1, 1))
    axis.fill_between(at, low, high, color=ORANGE, alpha=0.3, linewidth=0, label="80 % band")
    axis.plot(at, path.close * np.exp(path.actual), color=BLUE, linewidth=1.1, label="actual")
    axis.plot(at, path.close * np.exp(path.mean), color=RED, linewidth=0.9, label="predicted")
    axis.set_title(title, loc="left")
    date_axis(axis)


def _draw_returns(axis: Axes, path: ForecastPath, band_z: float) -> None:
    at = date_positions(path.times)
    band = (path.mean - band_z * path.std, path.mean + band_z * path.std)
    axis.fill_between(at, *band, color=ORANGE, alpha=0.3, linewidth=0)
    axis.plot(at, path.actual, color=BLUE, linewidth=0.8)
    axis.plot(at, path.mean, color=RED, linewidth=1.1)
    axis.set_title(f"Return over the horizon, last {len(at)} bars", loc="left")
    percent_axis(axis.yaxis)
    date_axis(axis)


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
