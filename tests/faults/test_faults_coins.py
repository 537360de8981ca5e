"""Q. A book of coins: open around the clock, fees taken of what is bought, closed at any hour."""

import signal
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


def next_day(scene, **live):
    """Let the clock pass the next midnight, and run `--once`."""
    scene.control.advance(seconds=24 * 3600)
    assert scene.once(**live) == 0, scene.last_output


def agree(scene):
    """What the journal holds is what the broker does, and nothing is halted."""
    assert scene.halts() == []
    scene.check()
    return scene.ledger()


@pytest.mark.row(104)
def test_coins_are_bought_in_a_weekend_night_and_the_books_agree_less_the_fee(coins):
    assert coins.once(**BUY) == 0, coins.last_output
    (order,) = coins.orders("filled")
    assert (order.symbol, order.client_order_id) == ("BTC/USD", "paper-20260306-BTCxUSD-m-0")
    assert [line["body"]["time_in_force"] for line in coins.posts()] == ["gtc"]
    assert agree(coins) == {"BTC/USD": Decimal("9.975")}
    assert "0.025 taken of the coins bought" in coins.last_output


@pytest.mark.row(104)
def test_every_day_of_a_week_is_decided_and_what_is_held_is_sold_to_the_last_part(coins):
    coins.tree["strategy"] = {"kind": "fault_strategies:AlternateAll"}
    assert coins.once() == 0, coins.last_output
    for day in range(4):
        assert agree(coins) == (dict.fromkeys(PAIRS, Decimal("9.975")) if day % 2 == 0 else {})
        next_day(coins)
    assert len(coins.orders("filled")) == 10
    assert all(event["symbol"] in PAIRS for event in coins.truth()["orders"])


@pytest.mark.row(104)
def test_halt_and_flatten_close_coins_on_a_sunday(coins):
    coins.once(**BUY)
    coins.control.advance(seconds=24 * 3600)
    coins.command("halt")
    _, said = coins.command("flatten")
    assert "the broker has done it" in said
    assert coins.positions() == coins.ledger() == {}
    assert coins.control.account()["configuration"]["suspend_trade"] is True
    coins.check()


@pytest.mark.row(104)
def test_a_flatten_right_after_a_purchase_sells_what_the_fee_has_left(coins):
    coins.once("after_post:kill9", **BUY)
    coins.command("flatten")
    assert coins.once(**BUY) == 0
    assert coins.positions() == coins.ledger() == {}
    coins.check()


@pytest.mark.row(104)
def test_coins_that_are_sold_by_hand_are_no_fee(coins):
    coins.once(**BUY)
    coins.control.manual_trade(symbol="BTC/USD", qty="-1")
    coins.once(**BUY)
    assert [scope for scope, _ in coins.halts()] == ["BTC/USD"]
    assert coins.command("resume", "BTC/USD", "--adopt")[0] == 0
    assert agree(coins) == {"BTC/USD": Decimal("8.975")}


@pytest.mark.row(104)
@pytest.mark.parametrize(
    "point",
    [
        "after_post",
        *(
            pytest.param(point, marks=pytest.mark.faults)
            for point in ("after_intent_commit", "before_fill_commit", "after_fill_commit")
        ),
    ],
)
def test_killed_around_a_purchase_of_coins_nothing_is_lost_or_doubled(coins, point):
    assert coins.once(f"{point}:kill9", **BUY) == -9
    assert coins.once(**BUY) == 0, coins.last_output
    assert agree(coins) == {"BTC/USD": Decimal("9.975")}


@pytest.mark.row(104)
def test_a_daemon_that_stays_decides_at_midnight_and_closes_at_any_hour(coins):
    daemon = coins.start(**BUY)
    coins.until(lambda: coins.positions())
    coins.control.advance(seconds=20 * 3600)
    coins.command("flatten")
    coins.until(lambda: coins.positions() == coins.ledger() == {})  # sold, and booked
    daemon.signal(signal.SIGTERM)
    daemon.wait()
    coins.check()
