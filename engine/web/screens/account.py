"""What the account did day by day: its value beside just holding, how far below its peak, how much was invested."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd
from markupsafe import Markup

from engine.web.screens import drawing
from engine.web.screens.windows import Moves, moves_of, window_of
from forewalk.errors import UsageError
from forewalk.returns import drawdown_series
from forewalk.types import FloatArray, IntArray

EARLIEST, LATEST = date(1700, 1, 1), date(2260, 1, 1)  # days of a series of nanoseconds
WHOLE = 1_000_000  # bars: as many as there are, up to the widest window


@dataclass(frozen=True)
class AccountScreen:
    """The screen; every chart is of the same window.

    Attributes:
        value, fall, invested: charts. said: of this window, in words.
        moves: (what, query) of links to other windows. since, until: first and last day of this one.
        months: (month, value at its end, change, change of just holding) of the window, the newest first, as text.
        years: chart of the change of each year beside that of just holding. calendar: (year, January to December, the
            year, just holding), each change in 100 as text, "" where there is none, the newest first.
    """

    value: Markup
    fall: Markup
    invested: Markup
    said: str
    moves: Moves
    months: tuple[tuple[str, str, str, str], ...]
    since: str
    until: str
    years: Markup
    calendar: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class AccountSeries:
    """The account of a run as numbers, [rows of the window that are shown].

    Attributes:
        bars: of the run. within: of the window. shown: of those. thinned: whether some of the window are left out.
        first, last: moments of the run's first and last bar, UTC.
        time: UTC. equity, benchmark: money; just holding begins with the account's money at the run's first bar.
        drawdown, benchmark_drawdown: share below the highest of the run so far, 0 or less.
        exposure: gross value held over equity.
    """

    bars: int
    within: int
    shown: int
    thinned: bool
    first: str
    last: str
    time: list[str]
    equity: list[float | None]
    benchmark: list[float | None]
    drawdown: list[float | None]
    benchmark_drawdown: list[float | None]
    exposure: list[float | None]


def account_series(folder: Path, since: date | None, until: date | None, points: int) -> AccountSeries:
    """Return the account between two days, both included; None means the run's first and last.

    Beyond `points` rows the window is cut into parts and the lowest and the highest account of each is kept, with the
    first and the last row: falls and peaks are not lost. A value that cannot be told is None.

    Raises:
        UsageError: the days are in the wrong order.
    """
    if since is not None and until is not None and since > until:
        raise UsageError(f"since {since} is after until {until}: turn them round")
    table = pd.read_parquet(folder / "equity.parquet")
    times = pd.DatetimeIndex(table["time"])
    first = 0 if since is None else int(times.searchsorted(_moment(since)))
    last = len(times) if until is None else int(times.searchsorted(_moment(until) + pd.Timedelta(days=1)))
    own, held, exposure = (
        table[name].to_numpy(dtype=np.float64) for name in ("equity", "benchmark", "gross_exposure")
    )
    rows = first + kept_rows(own[first:last], points)
    return AccountSeries(
        bars=len(times),
        within=max(last - first, 0),
        shown=len(rows),
        thinned=len(rows) < last - first,
        first=times[0].isoformat(),
        last=times[-1].isoformat(),
        time=[times[row].isoformat() for row in rows],
        equity=_plain(own[rows]),
        benchmark=_plain(held[rows]),
        drawdown=_plain(drawdown_series(own)[rows]),
        benchmark_drawdown=_plain(drawdown_series(held)[rows]),
        exposure=_plain(exposure[rows]),
    )


def kept_rows(values: FloatArray, points: int) -> IntArray:
    """Return rows of a series, in order and at most `points`, its first, last, lowest and highest among them."""
    count = len(values)
    if count <= points:
        return np.arange(count)
    parts = np.array_split(np.arange(count), max((points - 2) // 2, 1))
    ends = [part[each] for part in parts for each in (np.argmin(values[part]), np.argmax(values[part]))]
    return np.unique([0, *ends, count - 1])


def _moment(day: date) -> pd.Timestamp:
    """Return the beginning of a day, UTC; one that no series holds is as good as the nearest that it can hold."""
    return pd.Timestamp(min(max(day, EARLIEST), LATEST), tz="UTC")


def _plain(values: FloatArray) -> list[float | None]:
    return [float(each) if np.isfinite(each) else None for each in values]


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
        since=f"{dates[0]:%Y-%m-%d}",
        until=f"{dates[-1]:%Y-%m-%d}",
        years=_years(dates, shown, beside),
        calendar=_calendar(dates, shown, beside),
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
    ends, change = _spans(dates, own, held, "M")
    return tuple(
        (
            str(month),
            f"{ends['own'][month]:,.0f}",
            f"{change['own'][month]:+.1%}",
            f"{change['held'][month]:+.1%}",
        )
        for month in reversed(ends.index)
    )


def _spans(
    dates: pd.DatetimeIndex, own: FloatArray, held: FloatArray, each: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the values at the end of each month ("M") or year ("Y"), and the changes in it; of `own` and `held`."""
    table = pd.DataFrame({"own": own, "held": held}, index=dates.tz_localize(None).to_period(each))
    ends = table.groupby(level=0).last()
    before = ends.shift(1)
    before.iloc[0] = own[0], held[0]
    return ends, ends / before - 1


def _years(dates: pd.DatetimeIndex, own: FloatArray, held: FloatArray) -> Markup:
    _, change = _spans(dates, own, held, "Y")
    heights = (100 * change[["own", "held"]]).to_numpy().tolist()
    parts = drawing.columns(("own", "held"), [str(year) for year in change.index], heights)
    return drawing.chart(
        f"Change of each year beside just holding, in 100, {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}", parts
    )


def _calendar(dates: pd.DatetimeIndex, own: FloatArray, held: FloatArray) -> tuple[tuple[str, ...], ...]:
    _, months = _spans(dates, own, held, "M")
    _, years = _spans(dates, own, held, "Y")
    each = pd.PeriodIndex(months.index)
    changes = zip(each.year, each.month, months["own"].tolist(), strict=True)
    told = {(year, month): f"{100 * value:+.1f}" for year, month, value in changes}
    return tuple(
        (
            str(year),
            *(told.get((year.year, month), "") for month in range(1, 13)),
            f"{100 * years['own'][year]:+.1f}",
            f"{100 * years['held'][year]:+.1f}",
        )
        for year in reversed(years.index)
    )
