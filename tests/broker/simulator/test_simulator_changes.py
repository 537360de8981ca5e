"""Orders with legs, replaced, cancelled and rejected; splits."""

from decimal import Decimal

import pytest
from exchange_world import EVENING, MORNING, outcome, send, to, world_at

from broker.simulator.serving import scenario
from broker.simulator.values import Refusal, parse_instant
from broker.simulator.world import desk
from broker.simulator.world.exchange import advance

BRACKET = {
    "order_class": "bracket",
    "time_in_force": "gtc",
    "take_profit": {"limit_price": "105"},
    "stop_loss": {"stop_price": "97.5"},
}


def test_bracket_legs_wait_for_the_whole_entry():
    world = world_at()
    scenario.auto_fill(world, False)
    parent = world.book.orders[send(world, **BRACKET)]
    legs = [world.book.orders[leg] for leg in parent.legs]
    scenario.fill(world, parent.id, qty="4")
    assert [world.book.orders[leg.id].status for leg in legs] == ["held", "held"]
    scenario.fill(world, parent.id)
    assert [world.book.orders[leg.id].status for leg in legs] == ["new", "new"]


def test_one_leg_of_a_bracket_ends_the_other():
    world = world_at()
    parent = world.book.orders[send(world, **BRACKET)]
    advance(world, parse_instant("2026-03-04"))
    profit, loss = (world.book.orders[leg] for leg in parent.legs)
    assert (profit.status, profit.average_price, loss.status) == ("filled", 105, "canceled")
    assert world.book.quantity("AAPL") == 0


def test_a_part_of_one_leg_takes_a_part_of_the_other():
    world = world_at()
    parent = world.book.orders[send(world, **BRACKET)]
    profit, loss = parent.legs
    scenario.fill(world, profit, qty="4")
    assert world.book.orders[loss].remaining == 6


def test_a_cancelled_entry_takes_its_legs_along():
    world = world_at()
    parent = world.book.orders[send(world, type="limit", limit_price="98.5", **BRACKET)]
    desk.cancel(world, parent.id)
    assert {world.book.orders[leg].status for leg in parent.legs} == {"canceled"}


def test_an_oco_order_is_two_exits_of_which_one_fills():
    world = world_at()
    send(world)
    exits = {
        "order_class": "oco",
        "type": "limit",
        "side": "sell",
        "time_in_force": "gtc",
        "limit_price": "105",
    }
    parent = world.book.orders[send(world, **exits, **{k: BRACKET[k] for k in ("take_profit", "stop_loss")})]
    advance(world, parse_instant("2026-03-04"))
    assert outcome(world, parent.id) == ("filled", 105)
    assert outcome(world, parent.legs[0])[0] == "canceled"


def test_a_replaced_order_has_a_new_id_and_the_old_one_names_it():
    world = world_at()
    old = send(world, type="limit", limit_price="50", client_order_id="a")
    new = desk.replace_order(world, old, {"limit_price": "51"})
    newer = desk.replace_order(world, new.id, {"qty": "7", "client_order_id": "b"})
    chain = [world.book.orders[item] for item in (old, new.id, newer.id)]
    assert [order.status for order in chain] == ["replaced", "replaced", "new"]
    assert [order.replaced_by for order in chain] == [new.id, newer.id, None]
    assert [order.replaces for order in chain] == [None, old, new.id]
    assert (newer.qty, newer.limit_price, newer.client_order_id) == (7, 51, "b")
    assert new.client_order_id not in ("a", "b")


def test_replacing_after_a_partial_fill_asks_for_the_whole_again():
    world = world_at()
    scenario.auto_fill(world, False)
    old = send(world, type="limit", limit_price="50")
    scenario.fill(world, old, qty="4")
    assert desk.replace_order(world, old, {"limit_price": "51"}).remaining == 10


REPLACES = [
    ({"qty": "1.5"}, "qty must be integer"),
    ({"qty": "0"}, "qty must be integer"),
    ({"limit_price": "50.123"}, "sub-penny"),
    ({"stop_price": "40"}, "require no stop price"),
    ({"time_in_force": "soon"}, "invalid time_in_force"),
    ({"client_order_id": "a"}, "must be unique"),
]


@pytest.mark.parametrize(("patch", "text"), REPLACES)
def test_a_wrong_replacement_leaves_the_order_alone(patch, text):
    world = world_at()
    old = send(world, type="limit", limit_price="50", client_order_id="a")
    with pytest.raises(Refusal, match=text):
        desk.replace_order(world, old, patch)
    assert outcome(world, old)[0] == "new"


@pytest.mark.parametrize("status", ["accepted", "pending_cancel", "pending_replace", "filled"])
def test_some_states_cannot_be_replaced(status):
    world = world_at(EVENING if status == "accepted" else MORNING)
    scenario.auto_fill(world, False)
    order = send(world, type="limit", limit_price="50")
    if status != "accepted":
        scenario.order_status(world, order, status)
    with pytest.raises(Refusal, match="not replaceable"):
        desk.replace_order(world, order, {"qty": "1"})


def test_cancelling_what_is_over_is_422():
    world = world_at()
    with pytest.raises(Refusal, match="filled") as refusal:
        desk.cancel(world, send(world))
    assert refusal.value.status == 422


def test_a_cancel_that_loses_is_refused_and_the_order_fills():
    world = world_at()
    order = send(world, type="limit", limit_price="99")
    scenario.cancel_race(world, "refused")
    with pytest.raises(Refusal, match="filled"):
        desk.cancel(world, order)
    assert outcome(world, order)[0] == "filled"


@pytest.mark.parametrize(("kind", "status"), [("filled", "filled"), ("stuck", "pending_cancel")])
def test_a_cancel_that_was_taken_may_lose_all_the_same(kind, status):
    world = world_at()
    order = send(world, type="limit", limit_price="99")
    scenario.cancel_race(world, kind)
    desk.cancel(world, order)
    assert outcome(world, order)[0] == status
    assert "pending_cancel" in [event.name for event in world.book.take_events()]


def test_a_rejection_comes_after_acceptance():
    world = world_at()
    scenario.reject_next(world)
    assert outcome(world, send(world))[0] == "rejected"
    assert [event.name for event in world.book.take_events()] == ["pending_new", "rejected"]
    assert outcome(world, send(world))[0] == "filled"


def test_a_split_multiplies_shares_and_prices_from_its_day():
    world = world_at()
    send(world)
    order = send(world, type="limit", limit_price="90", time_in_force="gtc")
    scenario.split(world, "AAPL", new=2)
    before = world.worth().equity
    to(world, "close")
    to(world, "open")
    assert world.book.quantity("AAPL") == 20
    assert world.price("AAPL") == Decimal("50.5")
    assert world.worth().equity - before == 10 * (101 - 100)
    replaced = world.book.orders[world.book.orders[order].replaced_by]
    assert (replaced.qty, replaced.limit_price) == (20, 45)


def test_a_reverse_split_pays_the_fraction_in_cash_and_cancels_orders():
    world = world_at()
    send(world, qty="11")
    order = send(world, type="limit", limit_price="90", time_in_force="gtc")
    cash = world.book.cash
    scenario.split(world, "AAPL", new=1, old=2)
    to(world, "open")
    assert world.book.quantity("AAPL") == 5
    assert world.book.cash - cash == Decimal("0.5") * 204  # the last close, in the new shares
    assert outcome(world, order)[0] == "canceled"


def test_bars_are_adjusted_for_a_split_only_once_it_has_happened():
    world = world_at("2026-03-04T18:00:00-05:00")
    scenario.split(world, "AAPL", new=2)
    rows = world.market.rows("AAPL", 0, world.now, world.now)
    assert world.market.bar("AAPL", rows[0], "2026-03-04").open == 100
    assert world.market.bar("AAPL", rows[0], "2026-03-05").open == 50
    assert world.market.bar("AAPL", rows[0]).open == 100


def test_events_of_a_market_order_are_those_of_the_real_stream():
    world = world_at()
    send(world)
    names = [event.name for event in world.book.take_events()]
    assert names == ["pending_new", "new", "fill"]
