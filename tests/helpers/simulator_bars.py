"""Bars with round prices, so that every expected number can be seen in the test."""

import numpy as np
import pandas as pd

from forewalk.sessions import session_closes, sessions_between
from forewalk.types import Bars


def plain_bars(symbols=("AAPL", "MSFT"), first="2026-03-02", last="2026-03-31"):
    """Daily bars: the k-th session opens at 100 + k, falls to 98 + k, climbs to 104 + k, closes at 102 + k."""
    dates = sessions_between("XNYS", pd.Timestamp(first), pd.Timestamp(last))
    level = np.arange(len(dates), dtype=float)[:, None] + np.zeros(len(symbols))
    closes = session_closes("XNYS", dates)
    volume = np.full(level.shape, 1e6)
    return Bars(closes, tuple(symbols), level + 100, level + 104, level + 98, level + 102, volume)
