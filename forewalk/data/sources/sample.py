"""The `sample` source: five US stocks, 2000 to 2013, shipped with bokeh_sampledata (public domain)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forewalk.data.quality import Finding
from forewalk.data.sources.schema import adjust
from forewalk.data.table import NO_TIME, Table, concatenate, missing_symbol
from forewalk.sessions import microseconds

SAMPLE_SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
_ORIGIN = "sample data"


def read_sample(symbols: Sequence[str] = ()) -> Table:
    """Return the rows of `symbols` (all five when empty), total-return adjusted, dates without zone.

    FB has 196 rows only and is refused later by `data.min_history_bars`.

    Raises:
        DataError: a symbol is not one of the five.
    """
    wanted = tuple(symbols) or SAMPLE_SYMBOLS
    for symbol in wanted:
        if symbol not in SAMPLE_SYMBOLS:
            raise missing_symbol(symbol, SAMPLE_SYMBOLS, _ORIGIN)
    return concatenate([_read(symbol) for symbol in wanted])


def _read(symbol: str) -> Table:
    from bokeh_sampledata import stocks

    columns = getattr(stocks, symbol)
    prices = np.column_stack([columns[name] for name in ("open", "high", "low", "close")]).astype(np.float64)
    count = len(prices)
    dates = pd.DatetimeIndex(pd.to_datetime(columns["date"], format="%Y-%m-%d"))
    message = "prices rescaled by adj_close / close"
    return Table(
        symbols=(symbol,),
        origins=(_ORIGIN,),
        code=np.zeros(count, np.int64),
        wall=microseconds(dates),
        instant=np.full(count, NO_TIME),
        line=np.zeros(count, np.int64),
        prices=adjust(prices, np.asarray(columns["adj_close"], np.float64)),
        volume=np.asarray(columns["volume"], np.float64),
        findings=(Finding(symbol, "adjusted", "", "noted", count, None, None, message),),
    )
