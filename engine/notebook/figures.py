"""Matplotlib figures that a notebook shows, whatever its backend."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from engine.report.charts.base import STYLE
from engine.report.charts.forecasts import equity_figure
from forewalk.returns import drawdown_series


class NotebookFigure(Figure):
    """A figure that draws itself where it is the last line of a cell, without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def account_figure(equity: pd.DataFrame, title: str) -> Figure:
    """Draw columns equity and benchmark over time, and their falls from the last peak."""
    own, held = (equity[name].to_numpy(dtype=np.float64) for name in ("equity", "benchmark"))
    times = pd.DatetimeIndex(equity["time"])
    with mpl.rc_context(STYLE):
        figure = equity_figure(times, own, held, drawdown_series(own), drawdown_series(held), NotebookFigure)
        figure.suptitle(title)
    return figure
