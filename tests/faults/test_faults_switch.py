"""K. The kill switch on a bad day: it closes every symbol that can be closed, and names what stands in the way."""

import signal

import pytest

BUY = {"strategy": "fault_strategies:BuyOnce"}
STUCK = "paper-20260304-AAPL-m-0"


def held(scene, **live):
    """Let the book hold something."""
    scene.decide_and_send(**live)
    assert scene.ledger()
    return scene


def closed(scene):
    """The broker shows nothing of the book's, refuses new orders again, and both books agree."""
    assert scene.positions() == scene.ledger() == {}
    assert scene.control.account()["configuration"]["suspend_trade"] is True
    assert "done at the broker" in scene.command("status")[1]
    scene.check()
    return True


def suspended(scene):
    return scene.control.account()["configuration"]["suspend_trade"]


# 83: the suspension that our own halt has made


@pytest.mark.row(83)
def test_halt_then_flatten_without_a_daemon_closes_everything(scene):
    held(scene)
    scene.command("halt")
    assert suspended(scene)
    _, said = scene.command("flatten")
    assert "the broker has done it" in said
    assert closed(scene)


@pytest.mark.row(83)
def test_halt_then_flatten_under_a_running_daemon_closes_everything_within_seconds(scene):
    held(scene)
    daemon = scene.start(poll_s=300.0)
    scene.until(lambda: "started" in daemon.said())
    scene.command("halt")
    scene.until(lambda: suspended(scene))
    scene.command("flatten")
    scene.until(lambda: scene.positions() == {} and suspended(scene))
    daemon.signal(signal.SIGTERM)
    daemon.wait()
    assert scene.once() == 0
    assert closed(scene)


@pytest.mark.row(83)
@pytest.mark.parametrize("point", ["after_post", "after_ack_commit"])
def test_flatten_after_a_kill_in_the_middle_of_a_purchase_closes_what_it_bought(scene, point):
    scene.after_close()
    scene.once(**BUY)
    scene.after_open()
    assert scene.once(f"{point}:kill9", **BUY) == -9
    assert scene.positions()
    _, said = scene.command("flatten")
    assert "the broker has done it" in said
    assert closed(scene)


@pytest.mark.row(83)
def test_halt_and_in_the_night_flatten_close_everything_at_the_next_open(scene):
    held(scene)
    scene.command("halt")
    scene.after_close()
    scene.once()
    scene.command("flatten")
    assert scene.positions() != {}
    scene.after_open()
    scene.once()
    assert closed(scene)


@pytest.mark.row(83)
def test_one_symbol_is_flattened_while_everything_is_halted(scene):
    held(scene)
    scene.command("halt")
    scene.command("flatten", "AAPL")
    assert scene.positions() == {"MSFT": 10}
    assert suspended(scene)
    scene.check()


# 84: what a flatten does not need

MISSING = [
    {"route": "GET /v2/stocks/*", "action": "reset"},
    {"route": "GET /v2/stocks/*", "status": 500},
    {"route": "GET /v2/stocks/trades/latest", "action": "body", "body": '{"trades": {}}'},
    {"route": "GET /v2/stocks/trades/latest", "action": "edit", "body": {"trades": {"AAPL": {"p": "NaN"}}}},
    {"route": "GET /v2/account", "status": 500},
    {"route": "GET /v2/clock", "status": 500},
    {"route": "GET /v2/assets/*", "status": 500},
    {"route": "GET /v2/calendar", "status": 500},
    {"route": "GET /v2/account/activities/*", "status": 500},
    {"route": "GET /v1/*", "status": 500},
]


@pytest.mark.row(84)
@pytest.mark.parametrize("fault", MISSING, ids=lambda fault: f"{fault['route']} {fault.get('action', '500')}")
def test_nothing_but_orders_and_positions_is_needed_to_flatten(scene, fault):
    held(scene)
    scene.control.http_fault(count=None, **fault)
    scene.command("flatten")
    assert scene.positions() == {}
    scene.control.clear_faults()
    scene.once()
    assert closed(scene)


@pytest.mark.row(84)
def test_a_daemon_whose_market_data_hang_closes_everything_all_the_same(scene):
    held(scene)
    daemon = scene.start(poll_s=0.5)
    scene.until(lambda: "started" in daemon.said())
    scene.control.http_fault(route="GET /v2/stocks/*", action="stall", seconds=2.5, count=None)
    scene.after_close()  # a decision is due, and its bars do not come
    scene.command("flatten")
    scene.after_open()
    scene.until(lambda: scene.positions() == {} and suspended(scene))
    scene.control.clear_faults()
    daemon.kill()
    assert scene.once() == 0
    assert closed(scene)


@pytest.mark.row(84)
def test_flattening_does_not_wait_for_a_decision_that_is_due(scene):
    held(scene)
    scene.after_close()
    scene.after_open()  # the bar of that close has not been decided on
    scene.command("flatten")
    assert closed(scene)


@pytest.mark.row(84)
def test_a_price_far_from_the_last_known_one_holds_nothing_back(scene):
    held(scene)
    scene.control.price(symbol="AAPL", price="40")
    scene.command("flatten")
    assert closed(scene)


# 85: refused

REFUSALS = [
    (403, {"code": 40310000, "message": "something that nobody has seen before"}),
    (422, {"code": 42210000, "message": "asset AAPL is halted"}),
    (500, {"message": "internal server error"}),
    (429, {"code": 42910000, "message": "rate limit exceeded"}),
]


@pytest.mark.row(85)
@pytest.mark.parametrize(("status", "body"), REFUSALS, ids=lambda value: str(value)[:3])
def test_a_flatten_that_is_refused_is_tried_again_until_the_broker_shows_zero(scene, status, body):
    held(scene)
    scene.control.http_fault(route="POST /v2/orders", status=status, body=body, count=3)
    scene.command("flatten", lookup_s=[0.01])
    for _ in range(3):
        scene.once()
    assert closed(scene)


@pytest.mark.row(85)
def test_a_halted_asset_is_named_and_closed_once_it_trades_again(scene):
    held(scene)
    scene.control.asset(symbol="AAPL", tradable=False)
    _, said = scene.command("flatten")
    assert "is not tradable" in said
    assert "not all is done yet" in said
    assert scene.positions() == {"AAPL": 10}
    assert "BLOCKED     AAPL: refused" in scene.command("status")[1]
    scene.control.asset(symbol="AAPL", tradable=True)
    scene.once()
    assert closed(scene)
    assert "BLOCKED" not in scene.command("status")[1]


@pytest.mark.row(85)
def test_a_flatten_that_fills_in_parts_goes_on_until_nothing_is_left(scene):
    held(scene)
    scene.control.settings(partial_probability=1.0)
    scene.command("flatten")
    for _ in range(12):
        scene.control.advance(seconds=61)
        scene.once()
    assert closed(scene)


@pytest.mark.row(85)
@pytest.mark.parametrize("action", ["reset", "empty", "truncate"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_flatten_whose_answer_is_lost_closes_once(scene, action, when):
    held(scene)
    scene.control.http_fault(route="POST /v2/orders", action=action, when=when)
    scene.command("flatten")
    scene.once()
    assert closed(scene)
    sold = [o for o in scene.truth()["orders"] if o["side"] == "sell"]
    assert sorted(o["symbol"] for o in sold) == ["AAPL", "MSFT"]


# 86: a cancel that hangs


@pytest.mark.row(86)
def test_a_cancel_that_hangs_is_named_and_keeps_no_other_symbol_open(scene):
    held(scene)
    scene.control.auto_fill(enabled=False, symbols=["AAPL", "MSFT"])
    scene.decide_and_send()  # now both are being sold
    scene.control.cancel_race(kind="stuck", count=1)
    _, said = scene.command("flatten")
    scene.control.auto_fill(enabled=True, symbols=["MSFT"])
    scene.once()
    (stuck,) = [o for o in scene.truth()["orders"] if o["status"] == "pending_cancel"]
    assert stuck["symbol"] == "AAPL"
    assert f"order {stuck['id']} (ours: sell 10) is not cancelled yet: pending_cancel" in said
    assert scene.positions() == {"AAPL": 10}
    scene.control.order_status(order=stuck["id"], status="canceled")
    scene.control.auto_fill(enabled=True, symbols=["AAPL"])
    scene.once()
    assert closed(scene)


@pytest.mark.row(86)
def test_a_cancel_that_hangs_does_not_keep_the_broker_from_being_told_to_take_no_orders(scene):
    scene.control.auto_fill(enabled=False)
    scene.decide_and_send()
    scene.control.cancel_race(kind="stuck", count=1)
    _, said = scene.command("halt")
    assert "pending_cancel" in said
    assert suspended(scene)


# 87 and 88: what is not this book's


def foreign(scene, symbol="AAPL", qty="10"):
    return scene.control.foreign_order(
        symbol=symbol, side="sell", qty=qty, type="limit", limit_price="500", time_in_force="gtc"
    )["id"]


@pytest.mark.row(87)
def test_a_foreign_order_that_holds_the_shares_is_named_and_its_end_closes_them(scene):
    held(scene)
    other = foreign(scene)
    _, said = scene.command("flatten")
    assert f"the shares are held by order {other} (not this program's: sell 10, new)" in said
    assert "live flatten AAPL --all" in said
    assert scene.positions() == {"AAPL": 10}
    scene.control.order_status(order=other, status="canceled")
    scene.once()
    assert closed(scene)


@pytest.mark.row(87)
def test_what_a_foreign_order_leaves_free_is_closed_at_once(scene):
    held(scene, **BUY)
    foreign(scene, qty="4")
    scene.control.http_fault(
        route="POST /v2/orders", action="stall", seconds=0.0
    )  # only to be seen in the log
    scene.command("flatten", **BUY)
    asked = [line["body"]["qty"] for line in scene.posts() if line["body"]["side"] == "sell"]
    assert asked[0] == "6"


@pytest.mark.row(87)
def test_flatten_all_cancels_foreign_orders_after_a_confirmation(scene):
    held(scene)
    other = foreign(scene)
    code, said = scene.command("flatten", "--all")
    assert (code, "must be confirmed" in said, other in said) == (2, True, True)
    assert scene.halts() == []
    code, said = scene.command("flatten", "--all", "--yes")
    assert (code, "the broker has done it" in said) == (0, True)
    assert closed(scene)


@pytest.mark.row(87)
def test_flatten_all_said_again_does_again_what_was_done_before(scene):
    held(scene)
    assert scene.command("flatten", "--all", "--yes")[0] == 0
    assert closed(scene)
    other = foreign(scene)
    scene.control.manual_trade(symbol="MSFT", qty="3")
    code, said = scene.command("flatten", "--all", "--yes")
    assert (code, "the broker has done it" in said) == (0, True)
    assert [order["status"] for order in scene.truth()["orders"] if order["id"] == other] == ["canceled"]
    assert closed(scene)


@pytest.mark.row(88)
def test_done_names_what_is_left_and_that_it_is_not_ours(scene):
    scene.tree["data"]["symbols"] = ["AAPL"]
    held(scene, **BUY)
    scene.control.manual_trade(symbol="MSFT", qty="3")
    _, said = scene.command("flatten", **BUY)
    assert "left: MSFT: 3 shares that are not this book's" in said
    assert scene.positions() == {"MSFT": 3}
    assert "LEFT        MSFT: 3 shares" in scene.command("status")[1]


@pytest.mark.row(88)
def test_shares_of_our_symbol_bought_by_hand_are_left_and_named(scene):
    held(scene, **BUY)
    scene.control.manual_trade(symbol="AAPL", qty="7")
    _, said = scene.command("flatten", **BUY)
    assert "left: AAPL: 7 shares that are not this book's" in said
    assert scene.positions() == {"AAPL": 7}


@pytest.mark.row(88)
def test_flatten_all_closes_what_was_bought_by_hand(scene):
    scene.tree["data"]["symbols"] = ["AAPL"]
    held(scene, **BUY)
    scene.control.manual_trade(symbol="MSFT", qty="3")
    scene.control.manual_trade(symbol="AAPL", qty="-4")
    scene.command("flatten", "--all", "--yes", **BUY)
    assert closed(scene)


@pytest.mark.row(88)
@pytest.mark.parametrize("quantity", ["-4", "-10", "-15"])
def test_a_flatten_never_turns_a_position_around(scene, quantity):
    held(scene, **BUY)
    scene.control.set_position(symbol="AAPL", qty=str(10 + int(quantity)))
    scene.command("flatten", **BUY)
    scene.once(**BUY)
    assert scene.positions().get("AAPL", 0) == min(0, 10 + int(quantity))
