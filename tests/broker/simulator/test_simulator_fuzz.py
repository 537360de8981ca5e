"""Whatever a client sends, the broker answers or refuses; it never breaks and never loses count."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.simulator.calls import Call
from broker.simulator.serving.server import ROUTES, parse_json
from broker.simulator.values import Refusal, parse_instant
from broker.simulator.world import desk
from broker.simulator.world.requests import parse_order
from broker.simulator.world.state import World
from helpers.simulator_bars import plain_bars

BARS = plain_bars()
NUMBERS = [
    "1",
    "0.5",
    "-1",
    "0",
    "1e9",
    "1e-9",
    "1e400",
    "NaN",
    "Infinity",
    "",
    "ten",
    "0.0000000001",
    "999999999999999",
]
WORDS = st.sampled_from(
    [*NUMBERS, "AAPL", "MSFT", "AAPL,MSFT", "day", "true", "2026-03-02", "2026-13-45", "\x00", "é", "all"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
FIELDS = [
    *(
        "symbol",
        "side",
        "type",
        "time_in_force",
        "order_class",
        "qty",
        "notional",
        "limit_price",
        "stop_price",
    ),
    *("trail_price", "trail_percent", "extended_hours", "client_order_id", "position_intent", "take_profit"),
    *("stop_loss", "suspend_trade", "max_margin_multiplier", "name", "symbols", "trail"),
]
NAMES = [
    *("status", "limit", "after", "until", "direction", "nested", "symbols", "side", "after_order_id"),
    *("before_order_id", "start", "end", "period", "timeframe", "page_size", "page_token", "date", "sort"),
    *("adjustment", "feed", "qty", "percentage", "cancel_orders", "client_order_id", "since", "symbol"),
]
PARAMS = st.fixed_dictionaries(dict.fromkeys(("symbol", "order_id", "id", "kind"), WORDS))
QUERIES = st.dictionaries(st.sampled_from(NAMES), WORDS, max_size=5)
BODIES = VALUES | st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8)


def busy_world():
    world = World(BARS, parse_instant("2026-03-04T10:00:00-05:00"))
    for fields in ({}, {"symbol": "MSFT", "side": "sell"}, {"type": "limit", "limit_price": "50"}):
        plain = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "3"}
        desk.submit(world, parse_order({**plain, **fields}))
    return world


def outcome(action):
    """Return what the action returns and None, or None and its refusal."""
    try:
        return action(), None
    except Refusal as refusal:
        return None, refusal


@pytest.mark.parametrize(("method", "path", "route"), ROUTES, ids=[f"{m} {p}" for m, p, _ in ROUTES])
@settings(max_examples=15, deadline=None)
@given(params=PARAMS, query=QUERIES, body=BODIES)
def test_a_route_answers_or_refuses(method, path, route, params, query, body):
    world = busy_world()
    given_params = {name: value for name, value in params.items() if "{" + name in path}
    reply, refusal = outcome(lambda: route(world, Call(given_params, query, body)))
    if refusal is None:
        assert 200 <= reply.status < 300
        json.dumps(reply.body)
    else:
        assert 400 <= refusal.status < 500
        assert refusal.body["message"]


@settings(max_examples=100, deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3),
    kind=st.sampled_from(["market", "limit", "stop", "trailing_stop"]),
    amount=st.sampled_from(NUMBERS),
)
def test_an_order_of_any_fields_leaves_the_account_in_order(changes, kind, amount):
    world = busy_world()
    before = len(world.book.orders)
    plain = {
        "symbol": "AAPL",
        "side": "buy",
        "type": kind,
        "time_in_force": "day",
        "qty": amount,
        "limit_price": amount,
    }
    _, refusal = outcome(lambda: desk.submit(world, parse_order({**plain, **changes})))
    assert (len(world.book.orders) > before) == (refusal is None)
    assert world.book.cash == sum(entry.cash for entry in world.book.ledger)


@given(text=st.text(max_size=40) | VALUES.map(json.dumps))
def test_a_body_is_json_or_refused(text):
    _, refusal = outcome(lambda: parse_json(text))
    assert refusal is None or refusal.status == 400
