"""A stop at the broker under each position: through restarts, halts, splits and exits, never selling twice."""

from decimal import Decimal

import pytest
from test_faults_parity import traded

from broker.ids import SAFE, parse_client_order_id
from engine.live.parity import FOLLOWS, NET, REFUSED
from helpers.live_values import live_settings

pytestmark = pytest.mark.row(106)
NET_AT = {"broker_stops": 0.2}
BUY = {"strategy": "fault_strategies:BuyOnce"}


def stops(scene):
    """The stops that are open at the broker: {symbol: (side, quantity, price)}; a symbol has one at the most."""
    found = {}
    for name, order in scene.broker_orders().items():
        open_ = order["status"] in ("new", "accepted", "pending_cancel", "partially_filled")
        if parse_client_order_id(name).leg == SAFE and open_:
            assert order["symbol"] not in found
            assert (order["type"], order["time_in_force"]) == ("stop", "gtc")
            found[order["symbol"]] = (order["side"], Decimal(order["qty"]), Decimal(order["stop_price"]))
    return found


def nothing_oversold(scene):
    scene.check()
    assert all(quantity >= 0 for quantity in scene.positions().values())
    for symbol, (side, quantity, _) in stops(scene).items():
        assert side == "sell"
        assert quantity <= scene.positions()[symbol]
    return True


def held(scene, **live):
    scene.decide_and_send(**NET_AT, **live)
    scene.once(**NET_AT, **live)
    assert set(stops(scene)) == set(scene.positions()) != set()
    return scene


def test_each_position_has_a_stop_at_the_loss_that_is_set(scene):
    held(scene)
    bought = {fill.symbol: fill.price for fill, _ in scene.fills()}
    for symbol, (_, quantity, price) in stops(scene).items():
        assert quantity == scene.positions()[symbol]
        assert abs(price / bought[symbol] - Decimal("0.8")) < Decimal("0.001")
    nothing_oversold(scene)


def test_an_exit_takes_the_stop_back_first_and_leaves_none_behind(scene):
    held(scene)
    assert scene.decide_and_send(**NET_AT) == [0, 0]  # sells what is held
    assert scene.positions() == {}
    assert stops(scene) == {}
    assert scene.events("refuse") == []
    nothing_oversold(scene)


def test_what_the_stop_has_sold_is_booked_and_not_sold_again(scene):
    held(scene, **BUY)
    scene.control.price(symbol="AAPL", price="60")
    scene.control.advance(seconds=60)
    assert scene.once(**NET_AT, **BUY) == 0
    assert scene.positions() == {}
    assert stops(scene) == {}
    nothing_oversold(scene)


@pytest.mark.parametrize(
    "point",
    [
        "after_decision_commit",
        "before_post",
        "after_post",
        "after_ack_commit",
        "before_cancel",
        "after_cancel",
    ],
)
def test_a_kill_while_stops_are_put_down_or_taken_back_loses_none_and_doubles_none(scene, point):
    scene.decide_and_send(failpoint=point, **NET_AT)
    for _ in range(3):
        scene.once(**NET_AT)
    nothing_oversold(scene)
    scene.decide_and_send(failpoint=point, **NET_AT)
    for _ in range(3):
        scene.once(**NET_AT)
    nothing_oversold(scene)
    assert set(stops(scene)) == set(scene.positions())


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_stop_whose_answer_is_lost_is_there_once(scene, when):
    scene.decide_and_send()
    scene.control.http_fault(route="POST /v2/orders", action="reset", when=when, count=1)
    for _ in range(3):
        scene.once(**NET_AT)
    assert set(stops(scene)) == set(scene.positions()) != set()
    nothing_oversold(scene)


def test_the_stops_stay_over_a_halt_and_flatten_takes_them_back_first(scene):
    held(scene)
    before = stops(scene)
    scene.command("halt", **NET_AT)
    scene.once(**NET_AT)
    assert stops(scene) == before
    scene.command("flatten", **NET_AT)
    for _ in range(2):
        scene.once(**NET_AT)
    assert scene.positions() == {}
    assert stops(scene) == {}
    nothing_oversold(scene)


def test_a_split_takes_the_stop_back_the_evening_before_and_a_new_one_comes_in_the_new_shares(scene):
    held(scene, **BUY)
    old = stops(scene)["AAPL"]
    scene.control.split(symbol="AAPL", new=2)
    scene.after_close()
    scene.once(**NET_AT, **BUY)
    assert stops(scene) == {}
    scene.after_open()
    for _ in range(4):
        scene.once(**NET_AT, **BUY)
    side, quantity, price = stops(scene)["AAPL"]
    assert (side, quantity) == ("sell", 2 * old[1])
    assert price < old[2] * Decimal("0.6")
    nothing_oversold(scene)


def test_a_stop_that_would_sell_more_than_the_broker_shows_is_taken_back(scene):
    held(scene, **BUY)
    scene.control.set_position(symbol="AAPL", qty="4")
    for _ in range(3):
        scene.once(**NET_AT, **BUY)
    assert stops(scene) == {}
    assert [scope for scope, _ in scene.halts()] == ["AAPL"]


def test_without_the_setting_what_is_left_is_taken_back(scene):
    held(scene)
    scene.once()
    scene.once()
    assert stops(scene) == {}
    nothing_oversold(scene)


def test_a_stop_that_trails_follows_the_price_up_and_never_down(scene):
    trail = {**NET_AT, "broker_stops_trail": True, **BUY}
    scene.decide_and_send(**trail)
    scene.once(**trail)
    first = stops(scene)["AAPL"][2]
    scene.control.price(symbol="AAPL", price="130")
    for _ in range(3):
        scene.once(**trail)
    second = stops(scene)["AAPL"][2]
    scene.control.price(symbol="AAPL", price="115")
    for _ in range(3):
        scene.once(**trail)
    assert second == Decimal("104.00") > first
    assert stops(scene)["AAPL"][2] == second
    nothing_oversold(scene)


@pytest.mark.usefixtures("socket_enabled")
def test_parity_names_what_the_stops_have_sold(tmp_path):
    report = traded(tmp_path, 16, live_settings(live={"broker_stops": 0.01}))
    causes = {difference.cause for difference in report.differences}
    assert NET in causes
    assert causes <= {NET, FOLLOWS, REFUSED}
    assert report.same


@pytest.mark.usefixtures("socket_enabled")
def test_stops_that_are_never_met_change_no_decision(tmp_path):
    report = traded(tmp_path, 16, live_settings(live={"broker_stops": 0.6}))
    assert report.differences == ()
    assert report.equal == report.decisions == 48
