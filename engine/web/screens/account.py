"""What the account did day by day: its value beside just holding, how far below its peak, how much was invested."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd
from markupsafe import Markup

from engine.web.screens import drawing
from engine.web.screens.windows import Moves, moves_of, window_of
from forewalk.returns import drawdown_series
from forewalk.types import FloatArray

WHOLE = 1_000_000  # bars: as many as there are, up to the widest window


@dataclass(frozen=True)
class AccountScreen:
    """The screen; every chart is of the same window.

    Attributes:
        value, fall, invested: charts. said: of this window, in words.
        moves: (what, query) of links to other windows.
        months: (month, value at its end, change, change of just holding) of the window, the newest first, as text.
    """

    value: Markup
    fall: Markup
    invested: Markup
    said: str
    moves: Moves
    months: tuple[tuple[str, str, str, str], ...]


def account_screen(folder: Path, bars: int = WHOLE, to: str | None = None) -> AccountScreen:
    """Return the screen of a run's folder; see `window_of` for `bars` and `to`."""
    table = pd.read_parquet(folder / "equity.parquet")
    times = pd.DatetimeIndex(table["time"])
    first, last, span = window_of(times, bars, to)
    own, held, exposure = (
        table[name].to_numpy(dtype=np.float64) for name in ("equity", "benchmark", "gross_exposure")
    )
    rows = slice(first, last)
    shown, dates = own[rows], times[rows]
    beside = held[rows] * (shown[0] / held[first])  # both begin with the same money
    deepest = drawdown_series(own)[rows]
    return AccountScreen(
        value=_chart("Value of the account beside just holding", dates, ("own", shown), ("held", beside)),
        fall=_chart(
            "How far below its highest value so far, in 100",
            dates,
            ("own", 100 * deepest),
            ("held", 100 * drawdown_series(held)[rows]),
        ),
        invested=_chart("How much was invested, in 100", dates, ("own", 100 * exposure[rows])),
        said=(
            f"{len(dates):,} bars from {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}: {shown[-1] / shown[0] - 1:+.1%}, "
            f"just holding {beside[-1] / beside[0] - 1:+.1%}; deepest {deepest.min():.1%} below the highest so far; "
            f"{exposure[rows].mean():.0%} invested on average."
        ),
        moves=moves_of(_link, times, first, last, span),
        months=_months(dates, shown, beside),
    )


def _link(bars: int, to: str | None) -> str:
    return "?" + urlencode({"bars": bars} | ({"to": to} if to else {}))


def _chart(label: str, dates: pd.DatetimeIndex, *lines: tuple[str, FloatArray]) -> Markup:
    x, y = drawing.axes([value for _, values in lines for value in values.tolist()], len(dates))
    parts = [drawing.frame(y, "{:,.0f}", f"{dates[0]:%Y-%m-%d}", f"{dates[-1]:%Y-%m-%d}")]
    for kind, values in reversed(lines):
        places = drawing.thinned(values)
        parts.append(
            drawing.line(kind, [x(row) for row in places], [y(float(values[row])) for row in places])
        )
    return drawing.chart(f"{label}, {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}", parts)


def _months(
    dates: pd.DatetimeIndex, own: FloatArray, held: FloatArray
) -> tuple[tuple[str, str, str, str], ...]:
    """Return the months of the window; the first is counted from its first bar."""
    table = pd.DataFrame({"own": own, "held": held}, index=dates.tz_localize(None).to_period("M"))
    ends = table.groupby(level=0).last()
    before = ends.shift(1)
    before.iloc[0] = own[0], held[0]
    change = ends / before - 1
    return tuple(
        (
            str(month),
            f"{ends['own'][month]:,.0f}",
            f"{change['own'][month]:+.1%}",
            f"{change['held'][month]:+.1%}",
        )
        for month in reversed(ends.index)
    )
