"""Bars for the replay: a .npz that holds `Bars` exactly, the sources of the backtest, or made-up prices."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from forewalk.errors import DataError
from forewalk.sessions import session_closes, sessions_between
from forewalk.types import BAR_FIELDS, Bars


def save_bars(bars: Bars, path: Path) -> None:
    """Write bars bit for bit, as a .npz without pickles."""
    stamps = bars.timestamps.tz_localize(None).to_numpy("M8[us]").astype(np.int64)
    np.savez_compressed(
        path,
        timestamps=stamps,
        symbols=np.array(bars.symbols, dtype=np.str_),
        labels=np.array([bars.calendar, bars.interval], dtype=np.str_),
        **{field: getattr(bars, field) for field in BAR_FIELDS},
    )


def load_bars(source: str) -> Bars:
    """Return bars of `source`.

    Args:
        source: "sample", "synthetic", "synthetic:AAPL,MSFT", or the path of a .npz of `save_bars`, of a CSV or
            Parquet file, or of a folder of such files (cleaned as for the backtest).

    Raises:
        DataError: there is nothing of the kind, or it cannot be used.
    """
    kind, _, names = source.partition(":")
    if kind == "synthetic":
        return synthetic_bars(tuple(filter(None, names.split(","))) or ("AAPL", "MSFT", "SPY"))
    path = Path(source).expanduser()
    if path.suffix == ".npz":
        return _read_npz(path)
    from forewalk.data.loading import load_bars as load
    from forewalk.settings.sections import DataSettings

    if source == "sample":
        return load(DataSettings())[0]
    parquet = path.suffix in (".parquet", ".pq") or (path.is_dir() and any(path.glob("*.parquet")))
    form: Literal["csv", "parquet"] = "parquet" if parquet else "csv"
    return load(DataSettings(source=form, path=path, min_history_bars=2))[0]


def synthetic_bars(
    symbols: tuple[str, ...], first: str = "2024-01-02", sessions: int = 750, seed: int = 0
) -> Bars:
    """Return daily bars of random walks: about 1.5 % a day, in cents, from 100 dollars."""
    dates = sessions_between("XNYS", first, pd.Timestamp(first) + pd.Timedelta(days=sessions * 2))[:sessions]
    random = np.random.default_rng(seed)
    shape = (len(dates), len(symbols))
    close = 100 * np.exp(np.cumsum(random.normal(0.0002, 0.015, shape), axis=0))
    before = np.vstack([np.full(len(symbols), 100.0), close[:-1]])
    opens = before * np.exp(random.normal(0, 0.004, shape))
    high = np.maximum(opens, close) * np.exp(np.abs(random.normal(0, 0.005, shape)))
    low = np.minimum(opens, close) * np.exp(-np.abs(random.normal(0, 0.005, shape)))
    volume = np.round(random.lognormal(14, 0.4, shape))
    opens, high, low, close = (np.round(np.maximum(values, 1.0), 2) for values in (opens, high, low, close))
    return Bars(session_closes("XNYS", dates), symbols, opens, high, low, close, volume)


def _read_npz(path: Path) -> Bars:
    try:
        with np.load(path, allow_pickle=False) as data:
            stamps = pd.DatetimeIndex(data["timestamps"].astype("datetime64[us]"), tz="UTC")
            calendar, interval = (str(label) for label in data["labels"])
            symbols = tuple(str(name) for name in data["symbols"])
            opens, high, low, close, volume = (data[field] for field in BAR_FIELDS)
            return Bars(stamps, symbols, opens, high, low, close, volume, calendar, interval)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a file of bars that save_bars wrote: {error}") from None
