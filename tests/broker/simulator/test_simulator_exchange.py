"""What fills when, and at what price; what ends when. Session k (0 is 2 March): open 100+k, low 98+k, high 104+k,
close 102+k, reached at the open, after one third, after two thirds and at the close."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from exchange_world import EVENING, MORNING, TEN, clock, outcome, send, to, world_at
from hypothesis import given
from hypothesis import strategies as st

from broker.simulator.routes.history import equity_series
from broker.simulator.serving import scenario
from broker.simulator.values import MINUTE, parse_instant
from broker.simulator.world import desk
from broker.simulator.world.exchange import advance
from broker.simulator.world.matching import touch
from broker.simulator.world.state import World
from helpers.simulator_bars import plain_bars

FILLS = [
    ("market at the open", MORNING, {}, "100", "03-02T09:30"),
    ("market in the session", "2026-03-02T11:40:00-05:00", {}, "98", "03-02T11:40"),
    ("market after the close", EVENING, {}, "101", "03-03T09:30"),
    ("market on a weekend", "2026-03-07T12:00:00-05:00", {}, "105", "03-09T09:30"),
    ("market on open", "2026-03-02T09:00:00-05:00", {"time_in_force": "opg"}, "100", "03-02T09:30"),
    ("market on close", MORNING, {"time_in_force": "cls"}, "102", "03-02T16:00"),
    ("market on close, the evening before", "2026-03-02T19:30:00-05:00", {"time_in_force": "cls"}, "103",
     "03-03T16:00"),
    ("market on close, half-day", "2026-11-27T10:00:00-05:00", {"time_in_force": "cls"}, "290", "11-27T13:00"),
    ("limit above the market", MORNING, {"type": "limit", "limit_price": "103"}, "100", "03-02T09:30"),
    ("limit below", MORNING, {"type": "limit", "limit_price": "99"}, "99", "03-02T10:34"),
    ("limit sale above", MORNING, {"side": "sell", "type": "limit", "limit_price": "101"}, "101", "03-02T12:45"),
    ("stop above", MORNING, {"type": "stop", "stop_price": "103"}, "103", "03-02T13:29"),
    ("stop passed in the night", EVENING, {"type": "stop", "stop_price": "100.5"}, "101", "03-03T09:30"),
    ("stop sale", MORNING, {"side": "sell", "type": "stop", "stop_price": "99"}, "99", "03-02T10:35"),
    ("stop limit", MORNING, {"type": "stop_limit", "stop_price": "103", "limit_price": "103"}, "103", "03-02T13:29"),
    ("trailing stop", MORNING, {"side": "sell", "type": "trailing_stop", "trail_price": "1"}, "99", "03-02T10:35"),
    ("trailing stop after the top", "2026-03-02T13:00:00-05:00",
     {"side": "sell", "type": "trailing_stop", "trail_price": "1"}, "103", "03-02T14:55"),
    ("trailing stop keeps its high", MORNING, {"side": "sell", "type": "trailing_stop", "trail_price": "3",
     "time_in_force": "gtc"}, "101", "03-03T09:30"),
    ("trailing stop in per cent", MORNING, {"side": "sell", "type": "trailing_stop", "trail_percent": "1"}, "99",
     "03-02T10:35"),
    ("gtc on a later day", MORNING, {"type": "stop", "stop_price": "106", "time_in_force": "gtc"}, "106",
     "03-04T13:50"),
    ("immediate or cancel", MORNING, {"time_in_force": "ioc"}, "100", "03-02T09:30"),
    ("before the open, extended hours", "2026-03-03T05:00:00-05:00",
     {"type": "limit", "limit_price": "103", "extended_hours": True}, "102", "03-03T05:00"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("start", "fields", "price", "at"), [row[1:] for row in FILLS], ids=[r[0] for r in FILLS]
)
def test_an_order_fills_at_its_price_and_instant(start, fields, price, at):
    world = world_at(start)
    order_id = send(world, **fields)
    for _ in range(3):
        to(world, "close")
    order = world.book.orders[order_id]
    assert (order.status, order.average_price) == ("filled", Decimal(price))
    assert clock(order.filled_at)[:-1] == at[:-1]  # to ten minutes: the bar's thirds are not round


def test_orders_of_several_symbols_fill_in_the_order_of_time():
    world = world_at()
    late = send(world, type="limit", limit_price="98.5")
    early = send(world, symbol="MSFT", type="limit", limit_price="99.5")
    world.book.take_events()
    to(world, "close")
    assert [event.order.id for event in world.book.take_events()] == [early, late]
    third = (world.now - parse_instant(MORNING)) // 3  # in which the price falls from 100 to 98
    for order_id, share in ((early, 0.25), (late, 0.75)):
        expected = parse_instant(MORNING) + int(third * share)
        assert abs(world.book.orders[order_id].filled_at - expected) < MINUTE // 60


ENDS = [
    ("day limit", MORNING, {"type": "limit", "limit_price": "50"}, "expired", "03-02T16:00"),
    ("day limit on a half-day", "2026-11-27T10:00:00-05:00", {"type": "limit", "limit_price": "50"}, "expired",
     "11-27T13:00"),
    ("day limit sent in the evening", EVENING, {"type": "limit", "limit_price": "50"}, "expired", "03-03T16:00"),
    ("extended hours", MORNING, {"type": "limit", "limit_price": "50", "extended_hours": True}, "expired",
     "03-02T20:00"),
    ("limit on open", "2026-03-02T09:00:00-05:00", {"type": "limit", "limit_price": "50", "time_in_force": "opg"},
     "canceled", "03-02T09:30"),
    ("limit on close", MORNING, {"type": "limit", "limit_price": "50", "time_in_force": "cls"}, "canceled",
     "03-02T16:00"),
    ("ioc", MORNING, {"type": "limit", "limit_price": "50", "time_in_force": "ioc"}, "canceled", "03-02T09:30"),
    ("fok", MORNING, {"type": "limit", "limit_price": "50", "time_in_force": "fok"}, "canceled", "03-02T09:30"),
    ("ioc while closed", EVENING, {"time_in_force": "ioc"}, "canceled", "03-02T16:05"),
    ("gtc after 90 days", MORNING, {"type": "limit", "limit_price": "50", "time_in_force": "gtc"}, "expired",
     "06-01T16:00"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("start", "fields", "status", "at"), [row[1:] for row in ENDS], ids=[r[0] for r in ENDS]
)
def test_an_order_that_does_not_fill_ends_in_time(start, fields, status, at):
    world = world_at(start)
    order_id = send(world, **fields)
    advance(world, world.now + 100 * 24 * 60 * MINUTE)
    order = world.book.orders[order_id]
    assert (order.status, order.filled_qty) == (status, 0)
    assert clock(order.expired_at or order.canceled_at) == at


def test_an_order_waits_as_accepted_until_the_open():
    world = world_at(EVENING)
    order_id = send(world)
    assert outcome(world, order_id) == ("accepted", None)
    advance(world, world.calendar.next_open(world.now) - 1)
    assert outcome(world, order_id) == ("accepted", None)


def test_somebody_elses_opening_order_in_the_session_waits_for_the_next_open():
    world = world_at("2026-03-02T11:00:00-05:00")
    body = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "opg", "qty": "1"}
    order_id = scenario.foreign_order(world, **body)["id"]
    assert world.book.orders[order_id].session == "2026-03-03"
    to(world, "close")
    to(world, "open")
    assert outcome(world, order_id) == ("filled", 101)


def test_an_edited_calendar_is_kept():
    world = world_at(EVENING)
    scenario.calendar(world, "2026-03-03", closed=True)
    scenario.calendar(world, "2026-03-04", close="13:00")
    order_id = send(world, type="limit", limit_price="50")
    to(world, "open")
    assert clock(world.now) == "03-04T09:30"
    to(world, "close")
    assert clock(world.now) == "03-04T13:00"
    assert outcome(world, order_id)[0] == "expired"


def test_a_symbol_without_a_bar_does_not_trade():
    bars = plain_bars(("AAPL", "GONE"))
    missing = np.where(
        [[False, False], [False, True], *[[False, False]] * (len(bars) - 2)], np.nan, bars.close
    )
    world = World(replace(bars, close=missing), parse_instant(EVENING))
    order_id = send(world, symbol="GONE")
    to(world, "close")
    assert outcome(world, order_id) == ("expired", None)


def test_the_open_is_exact_whatever_its_digits():
    bars = plain_bars()
    prices = bars.open + 0.123456789
    world = World(type(bars)(bars.timestamps, bars.symbols, prices, prices, prices, prices, bars.volume), 0)
    world.now = parse_instant(EVENING)
    order_id = send(world)
    to(world, "open")
    assert float(outcome(world, order_id)[1]) == prices[1, 0]


@pytest.mark.parametrize(("side", "price"), [("buy", "100.1"), ("sell", "99.9")])
def test_slippage_makes_market_orders_worse(side, price):
    world = world_at(slippage_bps=TEN)
    assert outcome(world, send(world, side=side)) == ("filled", Decimal(price))


def test_market_orders_can_fill_at_the_open_of_the_bar_as_in_a_backtest():
    world = world_at("2026-03-02T11:40:00-05:00", market_fill="open")
    assert outcome(world, send(world)) == ("filled", 100)


@given(minutes=st.integers(0, 389), side=st.sampled_from(["buy", "sell"]))
def test_a_market_order_never_fills_at_a_price_from_before_it(minutes, side):
    moment = pd.Timestamp("2026-03-02T09:30:00-05:00") + pd.Timedelta(minutes=minutes)
    world = world_at(moment.isoformat())
    there = world.price("AAPL")
    assert outcome(world, send(world, side=side)) == ("filled", there)
    assert there == round(there, 2)


def test_a_price_by_hand_is_the_price():
    world = world_at()
    scenario.set_price(world, "AAPL", "77.5")
    assert outcome(world, send(world)) == ("filled", Decimal("77.5"))


def test_slippage_leaves_limit_orders_alone():
    world = world_at(slippage_bps=TEN)
    assert outcome(world, send(world, type="limit", limit_price="100")) == ("filled", Decimal(100))


def test_partial_fills_come_from_the_seed_and_are_finished_later():
    def parts(seed):
        world = world_at(seed=seed, partial_probability=0.5)
        order_id = send(world, qty="100")
        first = world.book.orders[order_id]
        advance(world, world.now + 30 * MINUTE)
        assert world.book.orders[order_id].status == "filled"
        return first.status, [entry.qty for entry in world.book.ledger[1:]]

    assert parts(1) == parts(1)
    found = {parts(seed)[0] for seed in range(10)}
    assert found == {"filled", "partially_filled"}


def test_an_ioc_order_cancels_what_was_not_filled():
    world = world_at(partial_probability=1.0)
    order = world.book.orders[send(world, qty="100", time_in_force="ioc")]
    assert order.status == "canceled"
    assert 0 < order.filled_qty < 100


def test_a_fok_order_is_never_filled_in_part():
    world = world_at(partial_probability=1.0)
    order = world.book.orders[send(world, qty="100", time_in_force="fok")]
    assert (order.status, order.executions) == ("filled", 1)


def test_a_notional_order_buys_what_the_money_pays():
    world = world_at(EVENING)
    order_id = send(world, qty=None, notional="50")
    to(world, "open")
    assert world.book.quantity("AAPL") == Decimal("0.495049504")  # 50 / 101, to nine decimals
    assert outcome(world, order_id)[0] == "filled"


def test_short_orders_end_when_the_stock_gets_hard_to_borrow_overnight():
    world = world_at()
    order = send(world, side="sell", type="limit", limit_price="150", time_in_force="gtc")
    scenario.asset(world, "AAPL", easy_to_borrow=False)
    to(world, "close")
    assert outcome(world, order)[0] == "canceled"


def test_closing_everything_reports_each_symbol_by_itself():
    world = world_at()
    send(world)
    send(world, symbol="MSFT", side="sell", qty="5")
    scenario.asset(world, "MSFT", tradable=False)
    (first, order), (second, refusal) = desk.close_all(world, cancel_orders=False)
    assert (first, order.side, order.qty) == ("AAPL", "sell", 10)
    assert (second, refusal.status) == ("MSFT", 403)


def test_equity_over_time_is_recomputed_from_ledger_and_prices():
    world = world_at()
    send(world)
    noon, evening = parse_instant("2026-03-02T12:45:00-05:00"), parse_instant("2026-03-02T17:00:00-05:00")
    advance(world, evening)
    assert equity_series(world, [world.account.created - 1, noon, evening]) == [0, 100_010, 100_020]


def test_a_line_of_the_ledger_counts_from_its_own_instant():
    world = world_at()
    scenario.equity(world, "5000")
    at = world.book.ledger[-1].at
    assert equity_series(world, [at - 1, at]) == [100_000, 5_000]


def test_the_same_seed_gives_the_same_world():
    def play():
        world = world_at(seed=3, partial_probability=0.5)
        send(world, qty="100")
        send(world, symbol="MSFT", type="limit", limit_price="99", time_in_force="gtc")
        advance(world, parse_instant("2026-03-09"))
        return world.snapshot()

    assert play() == play()


@given(
    sign=st.sampled_from(["buy", "sell"]),
    kind=st.sampled_from(["market", "limit", "stop", "stop_limit"]),
    level=st.integers(1, 400),
    first=st.integers(1, 400),
    last=st.integers(1, 400),
)
def test_an_order_acts_on_the_way_and_never_at_a_worse_price_than_its_limit(sign, kind, level, first, last):
    world = world_at(EVENING)
    fields = {"limit_price": str(level)} if "limit" in kind else {}
    fields |= {"stop_price": str(level)} if "stop" in kind else {}
    order = world.book.orders[send(world, side=sign, type=kind, qty="1", **fields)]
    reached = touch(order, Decimal(first), Decimal(last))
    if reached is None:
        return
    assert 0 <= reached.share <= 1
    assert abs(first + (last - first) * reached.share - reached.price) < Decimal("1e-20")
    if kind == "limit":
        assert (level - reached.price) * order.sign >= 0
    if kind in ("stop", "stop_limit"):
        assert (reached.price - level) * order.sign >= 0
