"""Charts that say how far a result can be believed: calibration, skill over time, luck, costs, trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator

from engine.report.charts.base import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    STYLE,
    date_axis,
    date_positions,
    empty_chart,
    new_figure,
    percent_axis,
    thinned,
    thousands,
    to_svg,
)
from forewalk.types import FloatArray

MAX_CURVES = 6
_CURVE_COLOURS = (GREY, ORANGE, GREEN, RED, "#CC79A7", "#56B4E9")


def calibration_chart(predicted: FloatArray, observed: FloatArray, counts: FloatArray) -> str:
    """Draw the observed share of rises against the mean predicted probability of each bin, all [bins].

    Bars show the 95 % binomial range around each observed share (normal approximation).
    """
    with mpl.rc_context(STYLE):
        figure, (axis,) = new_figure(3.4, 1)
        used = counts > 0
        if not used.any():
            return empty_chart(figure, [axis], "no forecast has a known outcome")
        x, y, n = predicted[used], observed[used], counts[used]
        error = 1.96 * np.sqrt(np.maximum(y * (1 - y), 1e-9) / n)
        low, high = float(min(x.min(), (y - error).min())), float(max(x.max(), (y + error).max()))
        axis.plot([low, high], [low, high], "--", color=INK, linewidth=1, label="perfectly calibrated")
        axis.errorbar(x, y, yerr=error, fmt="o-", color=BLUE, capsize=2, markersize=4, label="observed")
        axis.set(xlabel="predicted probability of a rise", ylabel="observed share of rises")
        percent_axis(axis.xaxis)
        percent_axis(axis.yaxis)
        axis.xaxis.set_major_locator(MaxNLocator(6))
        axis.legend(loc="upper left")
        return to_svg(figure, "Predicted probabilities against observed shares")


def monthly_chart(times: pd.DatetimeIndex, values: FloatArray, what: str) -> str:
    """Draw the mean of a per-bar quantity for each calendar month as bars, with its running mean.

    Args:
        times: bar closes, [T].
        values: one value per bar, [T]; NaN counts as missing.
        what: name of the quantity, for the axis.
    """
    naive = times.tz_convert("UTC").tz_localize(None)
    series = pd.Series(values, index=naive).dropna()
    with mpl.rc_context(STYLE):
        figure, (axis,) = new_figure(2.8, 1)
        if series.empty:
            return empty_chart(figure, [axis], f"there is no {what} to show")
        monthly = series.resample("MS").mean().dropna()
        starts = pd.DatetimeIndex(monthly.index).tz_localize("UTC")
        at, level = date_positions(starts), monthly.to_numpy()
        axis.bar(at, level, width=25, color=np.where(level >= 0, BLUE, RED).tolist(), alpha=0.75)
        running = series.expanding(min_periods=min(60, len(series))).mean().dropna()
        rows = thinned(len(running), running.to_numpy())
        index = pd.DatetimeIndex(running.index[rows]).tz_localize("UTC")
        axis.plot(date_positions(index), running.to_numpy()[rows], color=INK, label="mean so far")
        axis.axhline(0, color=GREY, linewidth=0.8)
        axis.set_ylabel(what)
        axis.legend(loc="upper right")
        date_axis(axis)
        return to_svg(figure, f"{what} by month")


def skill_chart(names: Sequence[str], skill: FloatArray, low: FloatArray, high: FloatArray, what: str) -> str:
    """Draw one skill per name with its 95 % range, all [names]; zero is as good as naive."""
    with mpl.rc_context(STYLE):
        figure, (axis,) = new_figure(0.9 + 0.28 * max(len(names), 1), 1)
        if not len(names):
            return empty_chart(figure, [axis], "nothing to compare")
        at = np.arange(len(names))[::-1]
        spread = np.abs(np.stack([skill - low, high - skill]))
        axis.errorbar(skill, at, xerr=spread, fmt="o", color=BLUE, capsize=2, markersize=4)
        axis.axvline(0, color=INK, linewidth=1)
        axis.set_yticks(at, list(names))
        axis.set_xlabel(what)
        axis.margins(y=0.1)
        percent_axis(axis.xaxis)
        return to_svg(figure, what)


def fan_chart(
    times: pd.DatetimeIndex,
    equity: FloatArray,
    others: Mapping[str, FloatArray],
    bands: Mapping[str, tuple[FloatArray, FloatArray]],
) -> str:
    """Draw the account against other accounts, over the range that luck alone could have given it.

    Args:
        times: bar closes, [T].
        equity: account value, [T].
        others: name -> account value [T]; at most six are drawn.
        bands: label -> (low, high) [T], widest first: quantiles of resampled accounts.
    """
    rows = thinned(len(times), equity, *others.values())
    with mpl.rc_context(STYLE):
        figure, (axis,) = new_figure(4.0, 1)
        at = date_positions(times[rows])
        for label, (low, high) in bands.items():
            axis.fill_between(at, low[rows], high[rows], label=label, color=BLUE, alpha=0.14, linewidth=0)
        for colour, (name, values) in zip(_CURVE_COLOURS, list(others.items())[:MAX_CURVES], strict=False):
            axis.plot(at, values[rows], color=colour, linewidth=1, label=name)
        axis.plot(at, equity[rows], color=BLUE, label="strategy")
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(MaxNLocator(6))
        axis.yaxis.set_major_formatter(FuncFormatter(thousands))
        axis.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
        axis.set_title("Account value (log scale)", loc="left")
        figure.legend(loc="outside lower left", ncols=2)
        date_axis(axis)
        return to_svg(figure, "Account value against baselines and luck")


def cost_chart(rows: Sequence[str], columns: Sequence[str], sharpe: FloatArray, held: float = 0.0) -> str:
    """Draw a grid of Sharpe ratios [rows, columns], each number written in its cell; NaN stays empty.

    White is `held`, the ratio of buying and holding: one colour is better than that, the other worse.
    """
    with mpl.rc_context(STYLE):
        figure, (axis,) = new_figure(0.9 + 0.36 * max(len(rows), 1), 1)
        if not sharpe.size or not np.isfinite(sharpe).any():
            return empty_chart(figure, [axis], "no costs were varied")
        reach = float(np.nanmax(np.abs(sharpe - held))) or 1.0
        axis.imshow(sharpe, cmap="PuOr_r", vmin=held - reach, vmax=held + reach, aspect="auto")
        for row, column in np.ndindex(*sharpe.shape):
            value = sharpe[row, column]
            if np.isfinite(value):
                colour = "white" if abs(value - held) > 0.65 * reach else INK
                axis.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8.5)
        axis.set_xticks(range(len(columns)), list(columns))
        axis.set_yticks(range(len(rows)), list(rows))
        axis.grid(visible=False)
        axis.set_title("Sharpe ratio", loc="left")
        return to_svg(figure, "Sharpe ratio by costs")


def capacity_chart(cash: FloatArray, sharpe: FloatArray, held: float | None) -> str:
    """Draw the Sharpe ratio per year over the money at the start, both [N]; `held` is that of buying and holding."""
    with mpl.rc_context(STYLE):
        figure, (axis,) = new_figure(2.4, 1)
        axis.semilogx(cash, sharpe, color=BLUE, marker="o", markersize=4, label="this run")
        if held is not None:
            axis.axhline(held, color=GREY, linestyle="--", label="buying and holding, as it was")
        axis.set_xlabel("money at the start")
        axis.set_title("Sharpe ratio", loc="left")
        figure.legend(loc="outside upper left", ncols=2)
        return to_svg(figure, "Sharpe ratio by size of the account")


def trials_chart(sharpes: FloatArray, own: float, expected_best: float) -> str:
    """Draw how the Sharpe ratios of all tries on the same data are spread, and where this one stands.

    Args:
        sharpes: annual Sharpe ratio of every recorded try, [N].
        own: this run's.
        expected_best: the best that as many tries without any skill would be expected to give.
    """
    with mpl.rc_context(STYLE):
        figure, (axis,) = new_figure(2.6, 1)
        known = sharpes[np.isfinite(sharpes)]
        if len(known) < 2:
            return empty_chart(figure, [axis], "this is the only try on these data so far")
        axis.hist(known, bins=min(40, max(5, len(known) // 3)), color=GREY, alpha=0.7, label="all tries")
        axis.axvline(own, color=BLUE, linewidth=2, label="this run")
        axis.axvline(expected_best, color=RED, linestyle="--", label="best expected from luck")
        axis.set_xlabel("Sharpe ratio per year beyond buying and holding")
        axis.yaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside upper left", ncols=3)
        return to_svg(figure, "Sharpe ratios of all tries")
