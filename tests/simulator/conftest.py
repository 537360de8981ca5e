"""A handful of bars with round prices, so that every expected number can be seen in the test."""

import numpy as np
import pandas as pd
import pytest

from broker.simulator.harness import start_simulator
from engine.sessions import session_closes, sessions_between
from engine.types import Bars


def plain_bars(symbols=("AAPL", "MSFT"), first="2026-03-02", last="2026-03-31"):
    """Daily bars: the k-th session opens at 100 + k, falls to 98 + k, climbs to 104 + k, closes at 102 + k."""
    dates = sessions_between("XNYS", pd.Timestamp(first), pd.Timestamp(last))
    level = np.arange(len(dates), dtype=float)[:, None] + np.zeros(len(symbols))
    volume = np.full(level.shape, 1e6)
    closes = session_closes("XNYS", dates)
    return Bars(closes, symbols, level + 100, level + 104, level + 98, level + 102, volume)


@pytest.fixture(scope="session")
def bars():
    return plain_bars()


@pytest.fixture(scope="module")
def simulator(bars):
    with start_simulator(bars, start="2026-03-02T10:00:00-05:00") as handle:
        yield handle
