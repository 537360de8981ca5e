"""Hand-made tables and settings for the tests of loading and cleaning."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forewalk.data.table import NO_TIME, Table
from forewalk.sessions import microseconds, sessions_between
from forewalk.settings.cleaning import CleaningSettings
from forewalk.settings.sections import DataSettings


def make_table(closes, symbol="AAA", dates=None, **columns) -> Table:
    """Return a daily table whose bars are flat at `closes`; `columns` replace open, high, low or volume."""
    closes = np.asarray(closes, np.float64)
    count = len(closes)
    if dates is None:
        dates = sessions_between("XNYS", "2020-01-02", "2026-01-01")[:count]
    volume = np.asarray(columns.get("volume", np.full(count, 1000.0)), np.float64)
    prices = [np.asarray(columns.get(name, closes), np.float64) for name in ("open", "high", "low")]
    return Table(
        symbols=(symbol,),
        origins=("prices.csv",),
        code=np.zeros(count, np.int64),
        wall=microseconds(pd.DatetimeIndex(dates)),
        instant=np.full(count, NO_TIME),
        line=np.arange(count) + 2,
        prices=np.column_stack([*prices, closes]),
        volume=volume,
        line_word="line",
    )


def daily(least: int = 1, **policies: str) -> DataSettings:
    """Return settings of daily New York bars with the given cleaning policies."""
    return DataSettings(min_history_bars=least, cleaning=CleaningSettings(**policies))
