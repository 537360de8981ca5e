"""F. The broker's own state: refusals, races, other people's trades, blocked accounts."""

import pytest

AAPL, MSFT = "paper-20260304-AAPL-m-0", "paper-20260304-MSFT-m-0"


def order(scene, name):
    return next(order for order in scene.orders() if order.client_order_id == name)


def resting(scene, **live):
    scene.control.auto_fill(enabled=False)
    scene.decide_and_send(**live)
    return scene


@pytest.mark.row(46)
@pytest.mark.parametrize("flags", [{"tradable": False}, {"status": "inactive"}, {"remove": True}], ids=str)
def test_a_symbol_that_cannot_be_traded_is_refused_here_and_the_other_one_trades(scene, flags):
    scene.control.asset(symbol="AAPL", **flags)
    scene.decide_and_send()
    assert "asset" in order(scene, AAPL).reason
    assert scene.ledger() == {"MSFT": 10}
    assert len(scene.posts()) == 1
    scene.check()


BODIES = [
    (403, {"code": 40310000, "message": "insufficient buying power", "buying_power": "1", "cost_basis": "2"}),
    (
        403,
        {"code": 40310000, "message": "insufficient qty available for order (requested: 10, available: 0)"},
    ),
    (403, {"code": 40310000, "message": 'asset "AAPL" is not fractionable'}),
    (403, {"code": 40310000, "message": "new orders are rejected by user request"}),
    (403, {"code": 40310000, "message": "something that nobody has seen before"}),
    (403, {"message": "forbidden."}),
    (422, {"code": 40010001, "message": "qty must be integer"}),
    (422, {"code": 42210000, "message": "sub-penny increment does not fulfill minimum pricing criteria"}),
    (422, {"code": 42210000, "message": "fractional orders must be DAY orders"}),
    (400, {"code": 40010000, "message": "request body format is invalid"}),
]


@pytest.mark.row(47)
@pytest.mark.parametrize(("status", "body"), BODIES, ids=lambda value: str(value)[-40:])
def test_a_refusal_is_final_recorded_told_and_never_repeated(scene, status, body):
    scene.control.http_fault(route="POST /v2/orders", status=status, body=body)
    scene.decide_and_send()
    scene.once()
    refused, other = order(scene, AAPL), order(scene, MSFT)
    assert (refused.state, other.state) == ("refused", "filled")
    assert body["message"] in refused.reason
    assert len(scene.posts()) == 2
    scene.check()


@pytest.mark.row(48)
def test_an_order_rejected_later_frees_what_it_had_reserved(scene):
    scene.control.reject_next(count=2)
    scene.decide_and_send()
    scene.once()
    assert scene.states() == ["rejected", "rejected"]
    scene.decide_and_send()
    assert scene.states() == ["filled", "filled", "rejected", "rejected"]
    scene.check()


@pytest.mark.row(49)
def test_after_a_partial_fill_and_a_cancel_only_what_is_held_counts(scene):
    resting(scene)
    scene.control.fill(order=AAPL, qty="4")
    scene.command("halt", "--no-suspend")
    scene.once()
    scene.command("resume")
    scene.control.auto_fill(enabled=True)
    assert (order(scene, AAPL).state, scene.ledger()) == ("canceled", {"AAPL": 4})
    scene.decide_and_send()
    sold = [o for o in scene.orders() if (o.symbol, o.side) == ("AAPL", "sell")]
    assert [str(o.quantity) for o in sold] == ["4"]
    scene.check()


@pytest.mark.row(50)
@pytest.mark.parametrize("kind", ["refused", "filled", "stuck"])
def test_a_cancel_that_races_a_fill_ends_in_what_the_broker_says(scene, kind):
    resting(scene)
    scene.control.cancel_race(kind=kind, count=1)
    scene.command("halt", "--no-suspend")
    scene.once()
    scene.once()
    ends = {
        "refused": ["canceled", "filled"],
        "filled": ["canceled", "filled"],
        "stuck": ["acked", "canceled"],
    }
    assert scene.states() == ends[kind]
    scene.check()


@pytest.mark.row(51)
def test_a_trade_by_hand_halts_its_symbol_is_shown_and_can_be_adopted(scene):
    scene.decide_and_send(strategy="fault_strategies:BuyOnce")
    scene.control.manual_trade(symbol="AAPL", qty="7")
    scene.once(strategy="fault_strategies:BuyOnce")
    assert [scope for scope, _ in scene.halts()] == ["AAPL"]
    assert "holds 17 AAPL, the journal says 10" in scene.command("status")[1]
    assert scene.command("resume", "AAPL", "--adopt")[0] == 0
    assert (scene.ledger(), scene.halts()) == ({"AAPL": 17}, [])
    scene.check()


@pytest.mark.row(52)
def test_a_foreign_order_is_left_alone_and_blocks_the_opposite_side(scene):
    scene.control.foreign_order(
        symbol="AAPL", side="sell", qty="1", type="limit", limit_price="500", time_in_force="gtc"
    )
    scene.decide_and_send()
    assert "wash" in order(scene, AAPL).reason
    assert order(scene, MSFT).state == "filled"
    statuses = {o["status"] for o in scene.truth()["orders"] if o["client_order_id"] not in (AAPL, MSFT)}
    assert statuses == {"new"}
    assert any("foreign_order" in line for line in scene.last_output.splitlines())


@pytest.mark.row(53)
@pytest.mark.parametrize("held", ["15", "-10", "10.5", "0"])
def test_a_position_that_does_not_match_halts_its_symbol(scene, held):
    scene.decide_and_send(strategy="fault_strategies:BuyOnce")
    scene.control.set_position(symbol="AAPL", qty=held)
    scene.once(strategy="fault_strategies:BuyOnce")
    assert [scope for scope, _ in scene.halts()] == ["AAPL"]
    scene.check(ledger_is_right=False)


@pytest.mark.row(53)
def test_dust_is_not_a_difference(scene):
    scene.decide_and_send(strategy="fault_strategies:BuyOnce")
    scene.control.set_position(symbol="AAPL", qty="10.0000004")
    scene.once(strategy="fault_strategies:BuyOnce")
    assert scene.halts() == []


@pytest.mark.row(54)
@pytest.mark.parametrize("own", [True, False])
def test_a_wash_trade_cancels_our_own_order_only(scene, own):
    resting(scene, strategy="fault_strategies:BuyOnce")
    mine = scene.broker_orders()[AAPL]["id"]
    other = scene.control.foreign_order(
        symbol="MSFT", side="sell", qty="1", type="limit", limit_price="500", time_in_force="gtc"
    )["id"]
    body = {
        "code": 40310000,
        "message": "potential wash trade detected. use complex orders",
        "existing_order_id": mine if own else other,
        "reject_reason": "opposite side market/stop order exists",
    }
    scene.control.http_fault(route="POST /v2/orders", status=403, body=body)
    scene.after_close()
    scene.once(strategy="fault_strategies:BuyOnce")
    scene.after_open()
    scene.once(strategy="fault_strategies:BuyOnce")
    statuses = {o["id"]: o["status"] for o in scene.truth()["orders"]}
    assert statuses[other] == "new"
    scene.check(ledger_is_right=False)


@pytest.mark.row(55)
@pytest.mark.parametrize(
    "flags",
    [
        {"account_blocked": True},
        {"trading_blocked": True},
        {"status": "ACCOUNT_CLOSED_PENDING"},
        {"status": "NEW_IN_2027"},
    ],
    ids=str,
)
def test_a_blocked_or_strange_account_halts_everything(scene, flags):
    scene.after_close()
    scene.once()
    scene.control.account(**flags)
    scene.after_open()
    scene.once()
    assert scene.posts() == []
    assert [scope for scope, _ in scene.halts()] == ["*"]


@pytest.mark.row(56)
@pytest.mark.parametrize(("equity", "rule"), [("93000", "daily_loss"), ("70000", "daily_loss")])
def test_a_loss_beyond_the_limit_halts_and_stays_halted_over_a_restart(scene, equity, rule):
    scene.after_close()
    scene.once()
    scene.control.equity(to=equity)
    scene.after_open()
    scene.once()
    scene.control.equity(to="100000")
    scene.once()
    assert scene.posts() == []
    assert rule in scene.halts()[0][1]


@pytest.mark.row(56)
def test_a_drawdown_over_many_sessions_halts(scene):
    for _ in range(2):
        scene.decide_and_send(strategy="fault_strategies:Idle")
    scene.control.account(last_equity="70000")
    scene.control.equity(to="70000")
    scene.after_close()
    scene.control.account(last_equity="70000")
    scene.once(strategy="fault_strategies:Idle")
    assert "drawdown" in scene.halts()[0][1]


@pytest.mark.row(56)
def test_an_order_that_the_money_does_not_reach_for_is_refused_here(scene):
    scene.decide_and_send(strategy="fault_strategies:Greedy")
    assert scene.posts() == []
    assert "weight" in order(scene, AAPL).reason


@pytest.mark.row(57)
def test_an_account_that_was_reset_is_another_account(scene):
    scene.decide_and_send()
    scene.control.new_account()
    before = len(scene.posts())
    scene.after_close()
    scene.once()
    scene.after_open()
    scene.once()
    assert len(scene.posts()) == before
    assert "belongs to account" in scene.halts()[0][1]
    assert scene.ledger() == {"AAPL": 10, "MSFT": 10}


@pytest.mark.row(58)
@pytest.mark.parametrize("flags", [{"shortable": False}, {"easy_to_borrow": False}, {}], ids=str)
def test_a_short_sale_that_is_not_allowed_is_refused_here(scene, flags):
    scene.tree["risk"]["allow_short"] = bool(flags)
    scene.control.asset(symbol="AAPL", **flags)
    scene.decide_and_send(strategy="fault_strategies:Shorter")
    assert "short" in order(scene, AAPL).reason
    assert scene.posts() == []


@pytest.mark.row(58)
def test_a_short_sale_that_is_allowed_is_made_and_covered(scene):
    scene.tree["risk"]["allow_short"] = True
    scene.decide_and_send(strategy="fault_strategies:Shorter")
    assert scene.ledger() == {"AAPL": -10}
    scene.check()


@pytest.mark.row(59)
def test_an_order_that_the_broker_replaces_is_followed(scene):
    resting(scene, strategy="fault_strategies:BuyOnce")
    successor = scene.control.foreign_order(
        symbol="AAPL",
        side="buy",
        qty="20",
        type="market",
        time_in_force="day",
        client_order_id="by-the-broker",
    )
    scene.control.order_status(order=AAPL, status="replaced")
    old = scene.broker_orders()[AAPL]["id"]
    scene.control.http_fault(
        route=f"GET /v2/orders/{old}", action="edit", body={"replaced_by": successor["id"]}, count=None
    )
    scene.once(strategy="fault_strategies:BuyOnce")
    scene.control.fill(order="by-the-broker")
    scene.once(strategy="fault_strategies:BuyOnce")
    assert scene.states() == ["filled", "replaced"]
    assert scene.ledger() == {"AAPL": 20}


@pytest.mark.row(82)
def test_the_kill_switch_works_at_once_without_the_broker_and_is_repeated_until_confirmed(scene):
    resting(scene)
    scene.control.http_fault(route="* /v2/*", action="reset", count=None)
    _, said = scene.command("halt")
    assert "local only" in said
    assert "local only so far" in scene.command("status")[1]
    scene.once()
    scene.control.clear_faults()
    scene.once()
    assert scene.states() == ["canceled", "canceled"]
    assert "done at the broker" in scene.command("status")[1]
    assert scene.control.account()["configuration"]["suspend_trade"] is True


@pytest.mark.row(82)
def test_a_resumed_book_trades_again(scene):
    resting(scene)
    scene.command("halt")
    scene.once()
    scene.command("resume")
    scene.control.auto_fill(enabled=True)
    scene.decide_and_send()
    assert scene.states() == ["canceled", "canceled", "filled", "filled"]
    scene.check()


@pytest.mark.row(10)
def test_flattening_closes_what_the_book_holds_and_nothing_else(scene):
    scene.decide_and_send()
    scene.command("flatten")
    scene.once()
    scene.once()
    assert scene.positions() == {}
    assert scene.ledger() == {}
    assert "done at the broker" in scene.command("status")[1]
    scene.check()
