"""Q. A book of coins: open around the clock, fees taken of what is bought, closed at any hour."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scene import Scene

from broker.simulator.harness import Simulator
from forewalk.types import Bars

PAIRS = ("BTC/USD", "ETH/USD")
BUY = {"strategy": "fault_strategies:BuyOnce"}
SATURDAY = "2026-03-07T00:02:00Z"


def days_of_coins(days=60, first="2026-02-02"):
    """The k-th day, from midnight to midnight UTC, opens at 100 + k/10 and closes half a dollar higher."""
    closes = (pd.date_range(first, periods=days, tz="UTC") + pd.Timedelta(days=1)).as_unit("us")
    level = 100 + np.arange(days, dtype=float)[:, None] / 10 + np.zeros(len(PAIRS))
    return Bars(
        closes, PAIRS, level, level + 2, level - 2, level + 0.5, np.full(level.shape, 1e6), "24/7", "1d"
    )


@pytest.fixture(scope="module")
def coin_market():
    with Simulator(days_of_coins(), start=SATURDAY, market_fill="open") as handle:
        yield handle


@pytest.fixture
def coins(coin_market, socket_enabled, tmp_path):
    coin_market.control.restore()
    coin_market.control.clear_log()
    scene = Scene(coin_market, tmp_path)
    scene.tree["data"] = {"symbols": list(PAIRS), "market": "crypto"}
    scene.tree["execution"] = {"fractional": True}
    yield scene
    scene.check_secrets()


@pytest.mark.row(104)
def test_coins_are_bought_in_a_weekend_night_and_the_books_agree_less_the_fees(coins):
    assert coins.once(**BUY) == 0, coins.last_output
    print(coins.last_output, coins.states(), coins.halts(), coins.positions(), coins.ledger())
    assert 0
