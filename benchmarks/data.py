"""Bars to measure on: real ones where they are at hand, else made up, and the report says which."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from forewalk.sessions import session_closes, sessions_between
from forewalk.types import BAR_FIELDS, Bars, FloatArray

SHARED = Path(
    os.environ.get("FOREWALK_SHARED_DATA", Path(__file__).resolve().parent.parent.parent / "shared" / "data")
)
KDD17 = SHARED / "kdd17" / "bars.parquet"
SP500 = SHARED / "market" / "equity_sp500_daily_2010_2020.parquet"
SP500_ROWS = 2600  # members with nearly the whole span: 218


def kdd17() -> tuple[Bars, str]:
    """50 US stocks, 2007 to 2016, or 50 random walks over the same sessions; and what it is in words."""
    if KDD17.exists():
        return _read(KDD17), "kdd17: 50 US stocks, 2007-01-03..2016-12-30"
    return made_up(50, 2518), "made-up random walks, 50 symbols x 2518 days (no shared data here)"


def sp500() -> tuple[Bars, str]:
    """S&P 500 members with a whole history 2010 to 2020, or random walks; and what it is in words."""
    if SP500.exists():
        bars = _read(SP500, SP500_ROWS)
        return bars, f"{len(bars.symbols)} S&P 500 names, 2010-01-04..2020-06-24"
    return made_up(
        218, 2637, "2010-01-04"
    ), "made-up random walks, 218 symbols x 2637 days (no shared data here)"


def tiled(bars: Bars, symbols: int, seed: int = 0) -> Bars:
    """Return `symbols` columns: those of `bars`, then copies of them with new noise in every price."""
    generator = np.random.default_rng(seed)
    columns = [column % len(bars.symbols) for column in range(symbols)]
    fields = {name: np.array(getattr(bars, name)[:, columns]) for name in BAR_FIELDS}
    fresh = symbols - len(bars.symbols)
    if fresh > 0:
        noise = generator.normal(0.0, 0.01, (len(bars), fresh))
        factor = np.exp(np.cumsum(noise, axis=0))  # keeps every bar consistent in itself
        for name in ("open", "high", "low", "close"):
            fields[name][:, -fresh:] *= factor
    return Bars(
        timestamps=bars.timestamps, symbols=tuple(f"X{column:04d}" for column in range(symbols)), **fields
    )


def made_up(symbols: int, rows: int, start: str = "2007-01-03", seed: int = 0) -> Bars:
    """Random walks with a plausible range and volume, on real sessions."""
    generator = np.random.default_rng(seed)
    end = pd.Timestamp(start) + pd.Timedelta(days=int(rows * 1.5) + 30)
    sessions = sessions_between("XNYS", start, end)[:rows]
    close = 50.0 * np.exp(np.cumsum(generator.normal(0.0003, 0.015, (rows, symbols)), axis=0))
    opens = close * np.exp(generator.normal(0.0, 0.004, close.shape))
    spread = 1.0 + np.abs(generator.normal(0.0, 0.006, close.shape))
    return Bars(
        timestamps=session_closes("XNYS", sessions),
        symbols=tuple(f"X{column:04d}" for column in range(symbols)),
        open=opens,
        high=np.maximum(opens, close) * spread,
        low=np.minimum(opens, close) / spread,
        close=close,
        volume=generator.integers(500_000, 5_000_000, close.shape).astype(np.float64),
    )


def _read(path: Path, minimum_rows: int = 0) -> Bars:
    table = pd.read_parquet(path)
    table["date"] = pd.to_datetime(table["date"])
    if minimum_rows:
        table = table[table.groupby("symbol")["close"].transform("size") >= minimum_rows]
    fields: dict[str, FloatArray] = {}
    for name in BAR_FIELDS:
        wide = table.pivot_table(index="date", columns="symbol", values=name).astype(np.float64)
        fields[name] = wide.to_numpy()
    return Bars(
        timestamps=session_closes("XNYS", pd.DatetimeIndex(wide.index)),
        symbols=tuple(str(symbol) for symbol in wide.columns),
        **fields,
    )
