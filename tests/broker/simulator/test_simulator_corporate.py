"""Corporate actions as the lists tell of them, as alpaca-py reads them, and as the account feels them."""

from datetime import date
from decimal import Decimal

import pytest
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.requests import CorporateActionsRequest

from broker.simulator.calls import Call
from broker.simulator.routes.corporate import get_actions
from broker.simulator.routes.trading import get_activities
from broker.simulator.serving import scenario
from broker.simulator.values import Refusal, parse_instant
from broker.simulator.world import desk
from broker.simulator.world.exchange import advance
from broker.simulator.world.requests import parse_order
from broker.simulator.world.state import SimulatorSettings, World
from helpers.simulator_bars import plain_bars

BARS = plain_bars(last="2026-12-31")


def world_holding(qty="10"):
    world = World(BARS, parse_instant("2026-03-02T09:30:00-05:00"), SimulatorSettings())
    body = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": qty}
    desk.submit(world, parse_order(body))
    return world


def to_next_open(world):
    advance(world, world.calendar.next_open(world.now))


def listed(world, **query):
    query = {"start": "2026-03-01", "end": "2026-12-31", **query}
    return get_actions(world, Call({}, query, None)).body


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"forward_splits": ["AAPL"], "reverse_splits": ["MSFT"], "cash_dividends": ["AAPL"]}),
        ({"symbols": "MSFT"}, {"reverse_splits": ["MSFT"]}),
        ({"types": "cash_dividend,spin_off"}, {"cash_dividends": ["AAPL"]}),
        ({"end": "2026-03-03"}, {"forward_splits": ["AAPL"], "reverse_splits": ["MSFT"]}),
        ({"start": "2026-05-01"}, {}),
    ],
)
def test_the_list_is_cut_by_symbols_types_and_process_date(query, found):
    world = world_holding()
    scenario.split(world, "AAPL", new=2)
    scenario.split(world, "MSFT", new=1, old=4)
    scenario.dividend(world, "AAPL", "0.5", day="2026-03-05", payable="2026-04-01")
    actions = listed(world, **query)["corporate_actions"]
    assert {group: [item["symbol"] for item in items] for group, items in actions.items()} == found


def test_the_pages_of_the_list_are_the_whole_list():
    world = world_holding()
    for month in range(4, 9):
        scenario.dividend(world, "AAPL", "0.5", day=f"2026-0{month}-01")
    seen, token = [], ""
    while token is not None:
        page = listed(world, limit="2", **({"page_token": token} if token else {}))
        seen += [item["ex_date"] for item in page["corporate_actions"]["cash_dividends"]]
        token = page["next_page_token"]
    assert seen == [f"2026-0{month}-01" for month in range(4, 9)]


@pytest.mark.parametrize("query", [{"types": "rumour"}, {"start": "March"}, {"page_token": "?"}])
def test_a_question_that_makes_no_sense_is_refused(query):
    with pytest.raises(Refusal) as refused:
        listed(world_holding(), **query)
    assert refused.value.status == 400


def test_what_is_not_announced_is_in_no_list_and_still_happens():
    world = world_holding()
    scenario.split(world, "AAPL", new=3, announced=False)
    assert listed(world)["corporate_actions"] == {}
    to_next_open(world)
    assert world.book.quantity("AAPL") == 30


def test_a_split_that_the_account_does_not_follow_leaves_its_shares():
    world = world_holding()
    scenario.split(world, "AAPL", new=3, adjusts=False)
    to_next_open(world)
    assert world.book.quantity("AAPL") == 10
    assert world.price("AAPL") < 40


@pytest.mark.parametrize(("paid", "cash"), [(False, 0), (True, Decimal("5.00"))])
def test_a_dividend_is_cash_on_its_payable_date_for_who_held_it_before_its_ex_date(paid, cash):
    world = world_holding()
    scenario.dividend(world, "AAPL", "0.5", payable="2026-03-05", paid=paid)
    to_next_open(world)
    desk.close_position(world, "AAPL")
    before = world.book.cash
    for _ in range(3):
        to_next_open(world)
    assert world.book.cash - before == cash
    activities = get_activities(world, Call({"kind": "DIV"}, {}, None)).body
    assert [item["net_amount"] for item in activities] == (["5"] if paid else [])


def test_a_dividend_survives_a_snapshot_without_being_paid_twice():
    world = world_holding()
    scenario.dividend(world, "AAPL", "0.5", paid=True)
    to_next_open(world)
    cash = world.book.cash
    world.restore(world.snapshot())
    to_next_open(world)
    assert world.book.cash == cash


@pytest.mark.enable_socket
def test_alpaca_py_reads_the_list(simulator):
    simulator.control.split(symbol="AAPL", new=4)
    simulator.control.dividend(symbol="MSFT", rate="0.75")
    client = CorporateActionsClient("SIMKEY", "simsecret", url_override=simulator.url)
    found = client.get_corporate_actions(
        CorporateActionsRequest(symbols=["AAPL", "MSFT"], start=date(2026, 3, 1), end=date(2026, 12, 31))
    )
    assert [(item.symbol, item.new_rate) for item in found.data["forward_splits"]] == [("AAPL", 4)]
    assert [(item.symbol, item.rate) for item in found.data["cash_dividends"]] == [("MSFT", 0.75)]
