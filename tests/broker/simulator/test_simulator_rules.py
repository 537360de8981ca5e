"""Each refusal of ALPACA.md, section 1.2: what was asked, and the exact answer."""

from decimal import Decimal

import pytest

from broker.simulator.routes.bodies import account_body
from broker.simulator.serving import scenario
from broker.simulator.values import Refusal, parse_instant
from broker.simulator.world import desk
from broker.simulator.world.exchange import advance
from broker.simulator.world.requests import parse_order
from broker.simulator.world.state import World
from helpers.simulator_bars import plain_bars

BARS = plain_bars(first="2026-03-02", last="2026-12-31")
NOON = "2026-03-04T12:45:00-05:00"  # half-way through the session: 103, between the low and the high
ASSETS = ("AAPL", "MSFT")


def world_at(instant=NOON):
    return World(BARS, parse_instant(instant))


def body(**fields):
    plain = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "10"}
    return {name: value for name, value in {**plain, **fields}.items() if value is not None}


def send(world, **fields):
    return desk.submit(world, parse_order(body(**fields)))


def limit(price, **fields):
    return body(type="limit", limit_price=price, **fields)


BRACKET = {"order_class": "bracket", "take_profit": {"limit_price": "150"}, "stop_loss": {"stop_price": "50"}}

MALFORMED = [
    ({"symbol": None}, 422, 40010001, "symbol is required"),
    ({"side": "hold"}, 422, 40010001, "invalid side"),
    ({"type": "magic"}, 422, 40010001, "invalid type"),
    ({"time_in_force": "soon"}, 422, 40010001, "invalid time_in_force"),
    ({"order_class": "mleg"}, 422, 40010001, "invalid order_class"),
    ({"qty": None}, 422, 42210000, "qty or notional is required"),
    ({"qty": "0"}, 422, 40010001, "qty must be > 0"),
    ({"qty": "-5"}, 422, 40010001, "qty must be > 0"),
    ({"qty": "NaN"}, 422, 40010001, "invalid qty"),
    ({"qty": "1e400"}, 422, 40010001, "invalid qty"),
    ({"qty": True}, 422, 40010001, "invalid qty"),
    ({"qty": [1]}, 422, 40010001, "invalid qty"),
    ({"qty": "0.1234567891"}, 422, 42210000, "at most 9 decimal places"),
    ({"notional": "5"}, 422, 42210000, "only one of qty or notional"),
    ({"qty": None, "notional": "0.99"}, 403, 40310000, "minimal amount of order 1"),
    ({"type": "limit"}, 422, 42210000, "limit orders require limit price"),
    ({"type": "stop"}, 422, 42210000, "stop orders require stop price"),
    ({"limit_price": "100"}, 422, 42210000, "market orders require no limit price"),
    ({"type": "trailing_stop"}, 422, 42210000, "one of trail_price or trail_percent"),
    (
        {"type": "trailing_stop", "trail_price": "1", "trail_percent": "1"},
        422,
        42210000,
        "one of trail_price",
    ),
    ({"type": "limit", "limit_price": "-1"}, 422, 42210000, "limit_price must be > 0"),
    ({"type": "limit", "limit_price": "290.123"}, 422, 42210000, "sub-penny increment"),
    ({"type": "limit", "limit_price": "0.12345"}, 422, 42210000, "sub-penny increment"),
    ({"qty": "0.5", "time_in_force": "gtc"}, 422, 42210000, "fractional orders must be DAY orders"),
    ({"qty": "0.5", **BRACKET}, 422, 42210000, "fractional orders must be simple orders"),
    ({"extended_hours": True}, 422, 42210000, "extended hours order must be DAY limit orders"),
    ({"extended_hours": "yes"}, 422, 40010001, "invalid extended_hours"),
    ({"client_order_id": "x" * 129}, 422, 40010001, "no more than 128 characters"),
    ({"client_order_id": 7}, 422, 40010001, "invalid client_order_id"),
    ({"take_profit": {"limit_price": "150"}}, 422, 42210000, "simple orders must not have"),
    ({**BRACKET, "stop_loss": None}, 422, 42210000, "bracket orders require"),
    ({**BRACKET, "time_in_force": "ioc"}, 422, 42210000, "must be DAY or GTC"),
    ({**BRACKET, "stop_loss": {"stop_price": "151"}}, 422, 42210000, "wrong sides"),
    ({**BRACKET, "stop_loss": "50"}, 422, 40010001, "invalid stop_loss"),
    (
        {"order_class": "oto", **{k: BRACKET[k] for k in ("take_profit", "stop_loss")}},
        422,
        42210000,
        "one of",
    ),
]


@pytest.mark.parametrize(("fields", "status", "code", "text"), MALFORMED)
def test_a_malformed_order_is_refused(fields, status, code, text):
    with pytest.raises(Refusal) as refusal:
        parse_order(body(**fields))
    assert (refusal.value.status, refusal.value.body["code"]) == (status, code)
    assert text in refusal.value.body["message"]


@pytest.mark.parametrize("price", ["1.00", "290.12", "0.1234", "0.9999"])
def test_a_price_on_the_grid_is_taken(price):
    assert parse_order(limit(price)).limit_price == Decimal(price)


@pytest.mark.parametrize("wrong", [None, [], "order", 7])
def test_a_body_that_is_no_object_is_400(wrong):
    with pytest.raises(Refusal) as refusal:
        parse_order(wrong)
    assert refusal.value.status == 400


def flags(**changes):
    return lambda world: scenario.account(world, **changes)


def asset(**changes):
    return lambda world: scenario.asset(world, "AAPL", **changes)


def holding(qty, price=None):
    return lambda world: scenario.manual_trade(world, "AAPL", str(qty), price)


def resting(**fields):
    return lambda world: scenario.foreign_order(world, **body(**fields))


def both(*steps):
    def run(world):
        for step in steps:
            step(world)

    return run


FORBIDDEN = [
    (flags(configuration={"suspend_trade": True}), {}, 403, "new orders are rejected by user request"),
    (flags(status="ACCOUNT_CLOSED_PENDING"), {}, 403, "account is not active: ACCOUNT_CLOSED_PENDING"),
    (flags(account_blocked=True), {}, 403, "account is not allowed to trade"),
    (flags(trading_blocked=True), {}, 403, "account is not allowed to trade"),
    (asset(remove=True), {}, 422, 'asset "AAPL" not found'),
    (asset(status="inactive"), {}, 422, 'asset "AAPL" is not active'),
    (asset(tradable=False), {}, 403, 'asset "AAPL" is not tradable'),
    (asset(fractionable=False), {"qty": "0.5"}, 403, 'asset "AAPL" is not fractionable'),
    (asset(fractionable=False), {"qty": None, "notional": "50"}, 403, 'asset "AAPL" is not fractionable'),
    (asset(easy_to_borrow=False), {"side": "sell"}, 403, 'asset "AAPL" cannot be sold short'),
    (asset(shortable=False), {"side": "sell"}, 403, 'asset "AAPL" cannot be sold short'),
    (flags(shorting_enabled=False), {"side": "sell"}, 403, "account is not allowed to short"),
    (flags(configuration={"no_shorting": True}), {"side": "sell"}, 403, "account is not allowed to short"),
    (lambda world: scenario.equity(world, "1999"), {"side": "sell"}, 403, "account is not allowed to short"),
    (flags(), {"side": "sell", "qty": "0.5"}, 422, "fractional orders cannot be sold short"),
    (flags(), {**BRACKET, "stop_loss": {"stop_price": "103"}}, 422, "stop_loss.stop_price must be <="),
    (
        both(holding(-5), asset(easy_to_borrow=False)),
        {"side": "sell", "qty": "1"},
        403,
        "cannot be sold short",
    ),
]


@pytest.mark.parametrize(("prepare", "fields", "status", "text"), FORBIDDEN)
def test_an_order_that_may_not_be_is_refused(prepare, fields, status, text):
    world = world_at()
    prepare(world)
    with pytest.raises(Refusal) as refusal:
        send(world, **fields)
    assert refusal.value.status == status
    assert refusal.value.body["code"] == (40310000 if status == 403 else 42210000)
    assert text in refusal.value.body["message"]


def test_a_client_id_is_unique_for_ever():
    world = world_at()
    first = send(world, client_order_id="a", type="limit", limit_price="50")
    desk.cancel(world, first.id)
    advance(world, parse_instant("2026-09-01"))
    scenario.account(world, trading_blocked=True)  # even then a resend gets the same answer
    with pytest.raises(Refusal) as refusal:
        send(world, client_order_id="a")
    assert refusal.value.body == {"code": 40010001, "message": "client_order_id must be unique"}


def test_selling_more_than_is_free_names_what_is_held():
    world = world_at()
    holding(10)(world)
    resting(side="sell", type="limit", limit_price="150", qty="7")(world)
    with pytest.raises(Refusal) as refusal:
        send(world, side="sell", qty="4")
    assert refusal.value.body == {
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 4, available: 3)",
        "available": "3",
        "existing_qty": "10",
        "held_for_orders": "7",
        "symbol": "AAPL",
    }


@pytest.mark.parametrize(("held", "side"), [(10, "sell"), (-10, "buy")])
def test_no_order_turns_a_position_around(held, side):
    world = world_at()
    holding(held)(world)
    with pytest.raises(Refusal, match="insufficient qty available"):
        send(world, side=side, qty="11")
    assert send(world, side=side, qty="10").position_intent == f"{side}_to_close"


WASH = [
    ({"type": "stop", "stop_price": "50", "side": "sell"}, {}, "opposite side market/stop order exists"),
    ({"type": "limit", "limit_price": "150", "side": "sell"}, {}, "opposite side limit order exists"),
    (
        {"type": "limit", "limit_price": "150", "side": "sell"},
        {"type": "limit", "limit_price": "150"},
        "opposite",
    ),
    ({"type": "limit", "limit_price": "150", "side": "sell"}, {"type": "limit", "limit_price": "149"}, None),
    ({"type": "limit", "limit_price": "150", "side": "sell"}, BRACKET, None),
    ({"type": "limit", "limit_price": "50"}, {}, None),
]


@pytest.mark.parametrize(("existing", "fields", "reason"), WASH)
def test_orders_that_could_trade_with_each_other_are_refused(existing, fields, reason):
    world = world_at()
    stored = scenario.foreign_order(world, **body(**existing))
    if reason is None:
        assert send(world, **fields).status == "pending_new"
        return
    with pytest.raises(Refusal) as refusal:
        send(world, **fields)
    assert refusal.value.body["message"] == "potential wash trade detected. use complex orders"
    assert refusal.value.body["existing_order_id"] == stored["id"]
    assert refusal.value.body["reject_reason"].startswith(reason)


def test_buying_power_of_a_market_buy_has_a_collar():
    world = world_at()  # 100,000 dollars, four times
    price = world.price("AAPL")
    most = int(Decimal(400_000) / (price * Decimal("1.025")))
    with pytest.raises(Refusal) as refusal:
        send(world, qty=str(most + 1))
    assert refusal.value.body["message"] == "insufficient buying power"
    assert refusal.value.body["buying_power"] == "400000"
    assert Decimal(refusal.value.body["cost_basis"]) == round((most + 1) * price * Decimal("1.025"), 2)
    assert send(world, qty=str(most)).status == "pending_new"


def test_a_cheap_share_has_the_wider_collar():
    world = world_at()
    scenario.set_price(world, "AAPL", "10")
    with pytest.raises(Refusal, match="insufficient buying power"):
        send(world, qty=str(400_000 // 10.4 + 1))
    assert send(world, qty=str(int(400_000 // 10.4))).status == "pending_new"


def test_a_short_is_valued_three_per_cent_above_the_market():
    world = world_at()
    scenario.set_price(world, "AAPL", "100")
    with pytest.raises(Refusal) as refusal:
        send(world, side="sell", qty="3884")
    assert refusal.value.body["cost_basis"] == "400052"


@pytest.mark.parametrize(("price", "cost"), [("90", "515000"), ("110", "550000")])
def test_a_limit_short_is_valued_at_its_limit_but_never_below_the_market(price, cost):
    world = world_at()
    scenario.set_price(world, "AAPL", "100")
    with pytest.raises(Refusal) as refusal:
        send(world, side="sell", type="limit", limit_price=price, qty="5000")
    assert refusal.value.body["cost_basis"] == cost


def test_open_orders_reserve_buying_power_until_they_end():
    world = world_at()
    order = send(world, type="limit", limit_price="50", qty="4000", time_in_force="gtc")
    assert account_body(world)["buying_power"] == "200000"
    desk.cancel(world, order.id)
    assert account_body(world)["buying_power"] == "400000"


def test_a_sale_restores_buying_power_only_when_it_fills():
    world = world_at("2026-03-04T17:00:00-05:00")
    scenario.manual_trade(world, "AAPL", "100", "100")
    before = account_body(world)["buying_power"]
    send(world, side="sell", qty="100")
    assert account_body(world)["buying_power"] == before
    advance(world, world.calendar.next_open(world.now))
    assert Decimal(account_body(world)["buying_power"]) > Decimal(before)


def test_the_account_of_the_specification_has_its_buying_power():
    world = world_at()
    scenario.account(world, multiplier=2)
    scenario.equity(world, "123346.11")
    scenario.set_position(world, "AAPL", "1", "1259.61", cash="-1259.61")
    scenario.set_price(world, "AAPL", "1259.61")
    shown = account_body(world)
    assert (shown["equity"], shown["buying_power"]) == ("123346.11", "245432.61")
    assert (shown["regt_buying_power"], shown["cash"]) == ("245432.61", "122086.5")


HOURS = [
    ("opg", "2026-03-04T09:28:00-05:00", True),
    ("opg", "2026-03-04T09:28:01-05:00", False),
    ("opg", "2026-03-04T18:59:59-05:00", False),
    ("opg", "2026-03-04T19:00:00-05:00", True),
    ("opg", "2026-03-07T12:00:00-05:00", True),  # a Saturday
    ("cls", "2026-03-04T15:50:00-05:00", True),
    ("cls", "2026-03-04T15:50:01-05:00", False),
    ("cls", "2026-03-04T19:00:00-05:00", True),
    ("cls", "2026-11-27T12:50:00-05:00", True),  # a half-day
    ("cls", "2026-11-27T12:50:01-05:00", False),
]


@pytest.mark.parametrize(("kind", "instant", "taken"), HOURS)
def test_auction_orders_have_their_hours(kind, instant, taken):
    world = world_at(instant)
    if taken:
        assert send(world, time_in_force=kind).time_in_force == kind
        return
    with pytest.raises(Refusal, match=f"{kind} orders are not accepted") as refusal:
        send(world, time_in_force=kind)
    assert refusal.value.status == 422


def test_nothing_but_closing_is_allowed_above_six_times_the_equity():
    world = world_at()
    scenario.set_position(world, "MSFT", "8000", "100", cash="-800000")
    with pytest.raises(Refusal, match="only closing orders"):
        send(world)
    assert send(world, symbol="MSFT", side="sell", qty="5").position_intent == "sell_to_close"
