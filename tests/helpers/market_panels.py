"""Made-up daily bars of markets that close at different times, alone and together in one panel."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forewalk.sessions import microseconds, session_closes, sessions_between
from forewalk.types import BAR_FIELDS, Bars

WORLD = {
    "XNYS": ("AAA", "BBB"),
    "XLON": ("CCC.L", "DDD.L"),
    "XTKS": ("7001.T", "7002.T"),
    "FX": ("EURUSD",),
    "24/7": ("BTC-USD",),
}


def market_bars(
    calendar: str, symbols: Sequence[str], first: str = "2019-01-01", last: str = "2020-06-30", seed: int = 0
) -> Bars:
    """Random daily bars of one market on its real sessions; a symbol's prices depend on its name and the seed."""
    dates = sessions_between(calendar, first, last)
    columns = [_column(symbol, len(dates), seed) for symbol in symbols]
    fields = {name: np.column_stack([column[name] for column in columns]) for name in BAR_FIELDS}
    return Bars(session_closes(calendar, dates), tuple(symbols), **fields, calendar=calendar)


def _column(symbol: str, rows: int, seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng([seed, *symbol.encode()])
    close = 50 * np.exp(np.cumsum(generator.normal(0.0003, 0.012, rows)))
    opened = close * np.exp(generator.normal(0, 0.004, rows))
    spread = np.abs(generator.normal(0, 0.005, rows)) + 1e-4
    return {
        "open": opened,
        "high": np.maximum(opened, close) * (1 + spread),
        "low": np.minimum(opened, close) * (1 - spread),
        "close": close,
        "volume": generator.integers(500_000, 5_000_000, rows).astype(float),
    }


def together(*parts: Bars) -> Bars:
    """One panel of several markets, a row for each true close, as `load_bars` gives it."""
    stamps = np.unique(np.concatenate([microseconds(part.timestamps) for part in parts]))
    symbols = tuple(symbol for part in parts for symbol in part.symbols)
    fields = {name: np.full((len(stamps), len(symbols)), np.nan) for name in BAR_FIELDS}
    column = 0
    for part in parts:
        rows = np.searchsorted(stamps, microseconds(part.timestamps))
        for name, values in fields.items():
            values[rows, column : column + len(part.symbols)] = getattr(part, name)
        column += len(part.symbols)
    calendars = tuple(part.calendar for part in parts for _ in part.symbols)
    times = pd.DatetimeIndex(stamps.astype("datetime64[us]"), tz="UTC")
    return Bars(times, symbols, **fields, calendar=calendars[0], calendars=calendars)


def world(first: str = "2019-01-01", last: str = "2020-06-30", seed: int = 0) -> Bars:
    """US, London and Tokyo shares, a currency pair and a coin."""
    return together(
        *(market_bars(calendar, symbols, first, last, seed) for calendar, symbols in WORLD.items())
    )
