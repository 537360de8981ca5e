"""One made-up price history, and how it looks in other people's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from forewalk.data.loading import load_bars
from forewalk.sessions import microseconds, session_closes, session_opens, sessions_between
from forewalk.settings.sections import DataSettings
from forewalk.types import Bars


def history(
    calendar: str = "XNYS", start: str = "2018-01-02", rows: int = 320, seed: int = 1, level: float = 100.0
) -> pd.DataFrame:
    """Daily bars on real sessions, prices with two decimals, indexed by session date."""
    random = np.random.default_rng(seed)
    dates = sessions_between(calendar, start, pd.Timestamp(start) + pd.Timedelta(days=rows * 2))[:rows]
    close = level * np.exp(np.cumsum(random.normal(0.0004, 0.012, len(dates))))
    opened = close * np.exp(random.normal(0, 0.004, len(dates)))
    high = np.maximum(opened, close) * (1 + np.abs(random.normal(0, 0.004, len(dates))))
    low = np.minimum(opened, close) * (1 - np.abs(random.normal(0, 0.004, len(dates))))
    prices = np.round(np.column_stack([opened, high, low, close]), 2)
    frame = pd.DataFrame(prices, index=dates, columns=["open", "high", "low", "close"])
    frame["high"] = frame[["open", "high", "low", "close"]].max(axis=1)
    frame["low"] = frame[["open", "high", "low", "close"]].min(axis=1)
    frame["volume"] = random.integers(1_000_000, 5_000_000, len(dates)).astype(float)
    return frame


def hours(
    start: str = "2019-01-02", days: int = 60, minutes: int = 60, calendar: str = "XNYS", seed: int = 2
) -> pd.DataFrame:
    """Intraday bars of regular sessions, indexed by their UTC starts."""
    dates = sessions_between(calendar, start, pd.Timestamp(start) + pd.Timedelta(days=days * 2))[:days]
    step = minutes * 60 * 10**6
    opens, closes = (microseconds(f(calendar, dates)) for f in (session_opens, session_closes))
    starts = np.concatenate([np.arange(o, c, step) for o, c in zip(opens, closes, strict=True)])
    index = pd.DatetimeIndex(starts.astype("datetime64[us]"), tz="UTC")
    frame = history(rows=len(index), seed=seed, start="2000-01-03")
    return frame.set_axis(index)


def adjusted(frame: pd.DataFrame) -> pd.Series:
    """An adjusted close with one dividend of a hundredth in the middle."""
    factor = np.where(np.arange(len(frame)) < len(frame) // 2, 0.99, 1.0)
    return (frame["close"] * factor).round(6)


def load(path: Path, **settings: object) -> Bars:
    """Load bars with the `files` source and no minimum of history."""
    return load_bars(DataSettings(**{"source": "files", "path": path, "min_history_bars": 1, **settings}))[0]  # type: ignore[arg-type]


def session_dates(bars: Bars) -> list[str]:
    """The bars' session dates; New York sessions close on their own UTC date."""
    return [f"{stamp:%Y-%m-%d}" for stamp in bars.timestamps]
