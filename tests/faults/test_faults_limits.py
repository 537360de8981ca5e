"""M. The broker's limits: slow answers are no wrong clock, and requests are counted before the broker counts them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from scene import START, Scene, plain_bars

from broker.ids import client_order_id
from broker.journal.journal import Journal
from broker.simulator.harness import Simulator
from broker.simulator.loading import synthetic_bars
from broker.trading.reconcile import Reconciler
from engine.live.schedule import skew_problem
from forewalk.settings.trading import LiveSettings
from helpers.book_values import a_decision, a_new_order
from helpers.world_broker import WorldBroker

ORDERS = 160
ANSWER_S = 0.2
MANY = tuple(f"S{first}{second}" for first in "ABCDEFGHIJKL" for second in "ABCDEFGHIJ")


class SlowBroker(WorldBroker):
    """Every answer takes a while; the broker's clock is read half way through."""

    def __init__(self, bars, start, off_s=0.0):
        super().__init__(bars, start)
        self.calls = 0
        self.off_s = off_s

    def wall(self):
        return self.now() + timedelta(seconds=self.off_s)

    def call(self, *arguments, **more):
        self.calls += 1
        self.command("advance", seconds=ANSWER_S / 2)
        try:
            return super().call(*arguments, **more)
        finally:
            self.command("advance", seconds=ANSWER_S / 2)


def looked(tmp_path, off_s):
    """A book of 160 resting orders that have just been filled looks at a slow broker."""
    broker = SlowBroker(synthetic_bars(("AAPL",), sessions=6), "2024-01-03T09:40:00-05:00", off_s)
    broker.command("auto_fill", enabled=False)
    journal = Journal(tmp_path / "journal.db", "paper")
    now = broker.now()
    times = {"send_from": now, "valid_until": now + timedelta(minutes=20), "made_at": now}
    names = [client_order_id("paper", now.date(), "AAPL", "m", number) for number in range(ORDERS)]
    orders = [a_new_order(name, quantity=Decimal(1)) for name in names]
    journal.decisions.record(a_decision(**times), [], orders, ask=False)
    reconciler = Reconciler(journal, broker, ("AAPL",), lambda: 0.0, (1.0,), lambda *_: None, broker.wall)
    for name in names:
        body = {"symbol": "AAPL", "side": "buy", "qty": "1", "type": "limit", "limit_price": "1"}
        broker.command("foreign_order", client_order_id=name, time_in_force="day", **body)
    reconciler.sync()
    assert {str(order.state) for order in journal.orders.all()} == {"acked"}
    for name in names:
        broker.command("order_status", order=name, status="canceled")
    before = broker.calls
    look = reconciler.sync()
    assert {str(order.state) for order in journal.orders.all()} == {"canceled"}
    journal.close()
    return look, broker.calls - before


@pytest.mark.row(93)
def test_slow_answers_are_no_wrong_clock_and_many_orders_are_read_from_one_list(tmp_path):
    look, calls = looked(tmp_path, off_s=0.0)
    assert look.skew_s == 0.0
    assert calls < 10


@pytest.mark.row(40, 93)
@pytest.mark.parametrize("off_s", [-300.0, 31.0, 86_400.0])
def test_a_wrong_clock_is_found_behind_slow_answers_all_the_same(tmp_path, off_s):
    look, _ = looked(tmp_path, off_s)
    assert abs(look.skew_s - off_s) <= ANSWER_S
    assert skew_problem(look.skew_s, LiveSettings())[1]


@pytest.mark.row(94)
def test_a_hundred_and_twenty_orders_at_one_open_meet_no_refusal_and_are_cancelled_at_once(
    tmp_path, socket_enabled
):
    with Simulator(plain_bars(MANY), start=START, cash=1_000_000, market_fill="open") as simulator:
        simulator.control.rate_limit(per_minute=200)
        simulator.control.auto_fill(enabled=False)
        scene = Scene(simulator, tmp_path, requests_per_minute=200)
        scene.tree["data"]["symbols"] = list(MANY)
        began = datetime.now(UTC)
        assert scene.decide_and_send() == [0, 0]
        assert set(scene.states()) == {"acked"}
        assert len(scene.posts()) == len(MANY)
        _, said = scene.command("halt")
        assert "the broker has done it" in said
        assert set(scene.states()) == {"canceled"}
        answers = Counter(line["status"] for line in simulator.control.log())
        assert answers[429] == 0
        asked = Counter(line["method"] for line in simulator.control.log())
        assert asked["DELETE"] == 1
        minutes = 1 + (datetime.now(UTC) - began) // timedelta(minutes=1)
        assert asked.total() <= 200 * minutes


@pytest.mark.faults
@pytest.mark.row(94)
def test_more_orders_than_a_minute_allows_go_out_in_the_next_one(tmp_path, socket_enabled):
    with Simulator(plain_bars(MANY), start=START, cash=1_000_000, market_fill="open") as simulator:
        simulator.control.rate_limit(per_minute=100)
        scene = Scene(simulator, tmp_path, requests_per_minute=100, poll_s=20.0)
        scene.tree["data"]["symbols"] = list(MANY)
        daemon = scene.start()
        scene.until(lambda: "started" in daemon.said())
        scene.after_close()
        scene.until(lambda: scene.orders())
        scene.after_open()
        scene.until(lambda: set(scene.states()) == {"filled"})
        daemon.kill()
        assert 429 not in {line["status"] for line in simulator.control.log()}
        scene.check()
