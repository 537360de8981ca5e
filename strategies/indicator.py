"""A walk-forward forecast as a backtrader indicator."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from forewalk.types import Bars, FloatArray, Forecasts


def backtrader_times(timestamps: pd.DatetimeIndex) -> FloatArray:
    """Return UTC timestamps as backtrader's day numbers (naive UTC), length T."""
    naive = timestamps.tz_convert("UTC").tz_localize(None)
    return np.array([bt.date2num(moment) for moment in naive.to_pydatetime()], dtype=np.float64)


def now(lines: Iterable[Any]) -> FloatArray:
    """Return the current value of each line, `line[0]` without backtrader's five calls for it."""
    return np.array([line.array[line._idx] for line in lines], dtype=np.float64)


class ForecastTable:
    """Forecasts looked up by symbol and backtrader time; built once and shared by all indicators of a run."""

    def __init__(self, forecasts: Forecasts) -> None:
        self.forecasts = forecasts

    @cached_property
    def rows(self) -> dict[float, int]:
        """Row number of each backtrader time."""
        return {time: row for row, time in enumerate(backtrader_times(self.forecasts.timestamps).tolist())}

    @cached_property
    def columns(self) -> dict[str, tuple[list[float], list[float], list[float]]]:
        """Mean, std and p_up of each symbol as lists."""
        f = self.forecasts
        return {
            symbol: (f.mean[:, s].tolist(), f.std[:, s].tolist(), f.p_up[:, s].tolist())
            for s, symbol in enumerate(f.symbols)
        }

    def __repr__(self) -> str:  # backtrader prints parameters into chart labels
        return "forecasts"


class PastReturns:
    """Log returns of one bar [T, S] of the whole history, looked up by time: the last `bars` known at a close."""

    def __init__(self, bars: Bars, count: int) -> None:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(np.where(bars.close > 0, bars.close, np.nan))
        self._returns = np.vstack([np.full((1, logs.shape[1]), np.nan), np.diff(logs, axis=0)])
        self._rows = {time: row for row, time in enumerate(backtrader_times(bars.timestamps).tolist())}
        self._count = count

    def until(self, time: float) -> FloatArray:
        """Return the returns [<= bars, S] up to the close at backtrader's time `time`, its own included."""
        row = self._rows[time] + 1
        return self._returns[max(0, row - self._count) : row]

    def __repr__(self) -> str:  # backtrader prints parameters into chart labels
        return "returns"


class ForecastIndicator(bt.Indicator):
    """Forecast of the data's own symbol as known at the close of the bar.

    Lines: `mean` and `std` of the log return over the horizon, `p_up` the probability that it is positive;
    NaN where there is no forecast. Parameters: `table`, a `ForecastTable`; `symbol`, by default the name of
    the data feed. Values are the same whether backtrader calculates bar by bar (`next`) or in bulk (`once`).
    """

    lines = ("mean", "std", "p_up")
    params = (("table", None), ("symbol", ""))
    plotinfo = (("subplot", True),)

    def __init__(self) -> None:
        symbol = self.p.symbol or self.data._name
        if self.p.table is None:
            raise ValueError("ForecastIndicator needs table=ForecastTable(forecasts)")
        if symbol not in self.p.table.columns:
            raise ValueError(f"no forecasts for {symbol!r}; there are: {', '.join(self.p.table.columns)}")
        self.values = self.p.table.columns[symbol]

    def __len__(self) -> int:  # asked twice on every bar
        return int(self.lines.lines[0].lencount)

    def advance(self, size: int = 1) -> None:
        """Step on with the feed: every line at once. Anything else than one step is left to backtrader."""
        if size != 1:
            super().advance(size)
        elif len(self) < len(self._clock):
            for line in self.lines.lines:
                line._idx += 1
                line.lencount += 1

    def next(self) -> None:
        """Set the lines at the current bar."""
        row = self.p.table.rows.get(self.data.datetime[0])
        for line, values in zip(self.lines, self.values, strict=True):
            line[0] = values[row] if row is not None else float("nan")

    def once(self, start: int, end: int) -> None:
        """Set the lines of all bars."""
        times = self.data.datetime.array
        rows = [self.p.table.rows.get(times[i]) for i in range(start, end)]
        for line, values in zip(self.lines, self.values, strict=True):
            array = line.array
            for i, row in enumerate(rows, start):
                array[i] = values[row] if row is not None else float("nan")
