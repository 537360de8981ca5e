"""L. The way out of every halt, and what a rebuilt journal and an operator's hours ask for."""

import pytest

BUY = {"strategy": "fault_strategies:BuyOnce"}


def exits_only(scene, equity):
    """A book that holds ten shares of each symbol loses money in the night."""
    scene.decide_and_send()
    scene.control.equity(to=equity)
    scene.after_close()
    scene.control.account(last_equity="100000")
    return scene


# 89: losses


@pytest.mark.row(89)
@pytest.mark.parametrize(("equity", "cause"), [("93000", "daily_loss"), ("70000", "daily_loss")])
def test_exits_go_out_under_a_loss_halt_and_entries_do_not(scene, equity, cause):
    exits_only(scene, equity)
    scene.once()
    assert [reason.partition(":")[0] for _, reason in scene.halts()] == [cause]
    scene.after_open()
    scene.once()
    assert scene.positions() == {}  # Alternate sells what it holds
    scene.decide_and_send()  # and would buy again
    assert scene.positions() == {}
    assert "halt" in scene.orders("refused")[-1].reason
    assert "exits and stops still go out" in scene.command("status")[1]
    scene.check()


@pytest.mark.row(89)
def test_with_on_breach_halt_no_order_goes_out(scene):
    scene.tree["risk"]["on_breach"] = "halt"
    exits_only(scene, "70000")
    scene.once()
    scene.after_open()
    scene.once()
    assert scene.positions() == {"AAPL": 10, "MSFT": 10}
    scene.check()


@pytest.mark.row(89)
def test_with_on_breach_flatten_the_book_is_closed(scene):
    scene.tree["risk"]["on_breach"] = "flatten"
    exits_only(scene, "70000")
    scene.once()
    scene.after_open()
    scene.once()
    assert scene.positions() == {}
    scene.check()


@pytest.mark.row(89)
def test_a_breach_takes_resting_entries_back_and_leaves_exits(scene):
    scene.control.asset(symbol="MSFT", tradable=False)
    scene.decide_and_send()
    scene.control.asset(symbol="MSFT", tradable=True)
    scene.control.auto_fill(enabled=False)
    scene.decide_and_send()  # sells AAPL, buys MSFT: both rest
    scene.control.account(last_equity="200000")
    scene.once()
    found = {(o["symbol"], o["side"]): o["status"] for o in scene.truth()["orders"]}
    assert found["MSFT", "buy"] == "canceled"
    assert found["AAPL", "sell"] == "new"


@pytest.mark.row(89)
@pytest.mark.parametrize("equity", ["93000", "70000"])
def test_a_loss_halt_is_lifted_with_a_new_measure_and_not_before(scene, equity):
    exits_only(scene, equity)
    scene.once()
    code, said = scene.command("resume")
    assert (code, "--new-peak" in said) == (2, True)
    assert len(scene.halts()) == 1
    code, said = scene.command("resume", "--new-peak")
    assert (code, "losses are measured from" in said, "lifted: everything" in said) == (0, True, True)
    scene.once()
    assert scene.halts() == []
    scene.after_open()
    scene.once()
    scene.decide_and_send()
    assert scene.positions() == {"AAPL": 10, "MSFT": 10}
    scene.check()


@pytest.mark.row(89)
def test_a_loss_halt_is_lifted_without_one_once_the_money_is_back(scene):
    exits_only(scene, "70000")
    scene.once()
    scene.control.equity(to="100000")
    assert scene.command("resume")[0] == 0
    scene.once()
    assert scene.halts() == []


@pytest.mark.row(89)
def test_after_a_new_measure_a_new_loss_halts_again(scene):
    exits_only(scene, "70000")
    scene.once()
    scene.command("resume", "--new-peak")
    scene.control.equity(to="60000")
    scene.once()
    assert len(scene.halts()) == 1


# 90: the operator's hours


@pytest.mark.row(90)
def test_a_halt_that_is_lifted_in_the_night_lets_the_one_run_at_the_open_send_all(scene):
    scene.decide_and_send()
    scene.command("halt")
    scene.after_close()
    scene.once()
    scene.control.advance(seconds=6 * 3600)
    code, said = scene.command("resume")
    assert (code, "the broker takes orders again" in said) == (0, True)
    scene.after_open()
    scene.once()
    assert (scene.halts(), scene.positions()) == ([], {})
    scene.check()


@pytest.mark.row(90)
def test_a_resume_that_does_not_reach_the_broker_lifts_nothing(scene):
    scene.decide_and_send()
    scene.command("halt")
    scene.control.http_fault(route="* /v2/*", action="reset", count=None)
    assert scene.command("resume")[0] == 4
    assert len(scene.halts()) == 1


@pytest.mark.row(90)
def test_a_resume_whose_last_word_is_lost_is_finished_by_the_next_run(scene):
    scene.decide_and_send()
    scene.command("halt")
    scene.control.http_fault(route="PATCH /v2/account/configurations", action="reset", count=None)
    code, said = scene.command("resume")
    assert (code, "did not answer" in said) == (0, True)
    scene.control.clear_faults()
    scene.after_close()
    scene.once()
    scene.after_open()
    scene.once()
    assert (scene.halts(), scene.positions()) == ([], {})


@pytest.mark.row(90)
def test_a_suspension_by_somebody_else_halts_and_is_lifted_on_request_only(scene):
    scene.decide_and_send()
    scene.control.account(configuration={"suspend_trade": True})
    scene.after_close()
    scene.once()
    assert "suspended" in scene.halts()[0][1]
    code, said = scene.command("resume")
    assert (code, "--unsuspend" in said) == (2, True)
    assert scene.command("resume", "--unsuspend")[0] == 0
    scene.after_open()
    scene.once()
    assert (scene.halts(), scene.positions()) == ([], {})


@pytest.mark.row(90)
def test_a_flatten_lifts_a_suspension_of_somebody_elses_and_restores_it(scene):
    scene.decide_and_send()
    scene.control.account(configuration={"suspend_trade": True})
    scene.command("flatten", "--no-suspend")
    scene.once()
    assert scene.positions() == {}
    assert scene.control.account()["configuration"]["suspend_trade"] is True


@pytest.mark.row(90)
def test_flattening_that_is_called_off_is_taken_back(scene):
    scene.decide_and_send()
    scene.after_close()
    scene.once(strategy="fault_strategies:Idle")
    scene.command("flatten")
    code, said = scene.command("resume")
    assert (code, "flattening was not finished" in said) == (0, True)
    scene.once(strategy="fault_strategies:Idle")
    scene.after_open()
    scene.once(strategy="fault_strategies:Idle")
    assert scene.positions() == {"AAPL": 10, "MSFT": 10}
    scene.check()


@pytest.mark.row(57, 90)
def test_an_account_that_is_not_this_books_is_not_resumed_to(scene):
    scene.decide_and_send()
    scene.control.new_account()
    scene.after_close()
    scene.once()
    code, said = scene.command("resume")
    assert (code, "belongs to account" in said) == (5, True)


@pytest.mark.row(51, 90)
def test_a_position_taken_over_between_a_close_and_its_decision_leaves_the_book_able_to_decide(scene):
    scene.control.asset(symbol="MSFT", tradable=False)
    scene.decide_and_send()  # AAPL is held, MSFT is not
    scene.control.asset(symbol="MSFT", tradable=True)
    scene.control.manual_trade(symbol="MSFT", qty="4")
    scene.once()
    assert [scope for scope, _ in scene.halts()] == ["MSFT"]
    scene.after_close()
    code, said = scene.command("resume", "MSFT", "--adopt")  # a minute after the close, before its decision
    assert (code, "4 shares taken over" in said) == (0, True)
    scene.once()
    scene.after_open()
    scene.once()
    assert scene.positions() == {}  # it knew of the four shares, and sold them
    scene.decide_and_send()
    assert scene.events("no_decision") == []
    assert scene.positions() == {"AAPL": 10, "MSFT": 10}
    scene.check()


# 91: a journal that was lost


@pytest.mark.row(91)
@pytest.mark.parametrize("resting", [False, True])
def test_a_journal_rebuilt_in_the_session_orders_nothing_twice_and_ends(scene, resting):
    scene.control.auto_fill(enabled=not resting)
    scene.decide_and_send()
    for path in scene.state.glob("journal.db*"):
        path.unlink()
    process = scene.start("--once", "--rebuild")
    assert process.wait() == 0, process.said()
    assert len(scene.posts()) == 2
    scene.control.auto_fill(enabled=True)
    scene.once()
    assert (scene.halts(), scene.ledger()) == ([], {"AAPL": 10, "MSFT": 10})
    scene.check()
    scene.decide_and_send()
    assert scene.positions() == {}
    scene.check()


@pytest.mark.row(91)
def test_a_journal_lost_and_not_rebuilt_asks_and_ends_all_the_same(scene):
    scene.decide_and_send()
    for path in scene.state.glob("journal.db*"):
        path.unlink()
    assert scene.once() == 0
    assert len(scene.broker_orders()) == 2
    assert {scope for scope, _ in scene.halts()} == {"AAPL", "MSFT"}
    for symbol in ("AAPL", "MSFT"):
        assert scene.command("resume", symbol, "--adopt")[0] == 0
    assert (scene.halts(), scene.ledger()) == ([], {"AAPL": 10, "MSFT": 10})
    scene.decide_and_send()
    assert scene.positions() == {}
    scene.check()


@pytest.mark.row(91)
def test_an_id_that_is_another_order_at_the_broker_asks_about_its_symbol_only(scene):
    scene.control.foreign_order(
        symbol="AAPL",
        side="sell",
        qty="3",
        type="limit",
        limit_price="500",
        time_in_force="day",
        client_order_id="paper-20260304-AAPL-m-0",
    )
    scene.control.order_status(order="paper-20260304-AAPL-m-0", status="canceled")
    scene.decide_and_send()
    states = {order.symbol: str(order.state) for order in scene.orders()}
    assert states == {"AAPL": "needs_human", "MSFT": "filled"}
    assert [scope for scope, _ in scene.halts()] == ["AAPL"]
    assert "ASK         paper-20260304-AAPL-m-0" in scene.command("status")[1]
    code, said = scene.command("resume", "AAPL")
    assert (code, "another order under this id" in said) == (0, True)
    scene.decide_and_send()
    assert scene.halts() == []


@pytest.mark.row(91)
def test_once_ends_at_its_deadline_and_the_next_run_goes_on(scene):
    scene.after_close()
    scene.once()
    scene.after_open()
    scene.control.http_fault(route="POST /v2/orders", action="reset", when="after", count=1)
    scene.control.http_fault(route="GET /v2/orders:by_client_order_id", status=404, body={}, count=None)
    scene.control.http_fault(route="GET /v2/orders", action="body", body="[]", count=None)
    live = {"lookup_s": [0.3, 300.0], "once_deadline_s": 1.0}
    assert scene.once(**live) == 4
    assert "not done within live.once_deadline_s = 1 s; not known what became of paper-" in scene.last_output
    scene.control.clear_faults()
    assert scene.once() == 0
    assert set(scene.states()) == {"filled"}
    scene.check()


# 96: closed gates

BAD_FLAGS = [None, "no", "true", 0, 1, []]


@pytest.mark.row(96)
@pytest.mark.parametrize("flag", ["tradable", "shortable", "easy_to_borrow"])
@pytest.mark.parametrize("value", BAD_FLAGS, ids=str)
def test_a_flag_of_an_asset_that_is_no_boolean_closes_the_gate(scene, flag, value):
    scene.tree["risk"]["allow_short"] = True
    body = {flag: value, "borrow_status": None}
    scene.control.http_fault(route="GET /v2/assets/*", action="edit", body=body, count=None)
    scene.decide_and_send(strategy="fault_strategies:Shorter")
    assert scene.posts() == []
    assert scene.orders("refused")


# 97: no room on the disk


@pytest.mark.row(97)
def test_a_full_disk_is_said_to_be_full_and_not_to_be_damage(scene, tmp_path):
    scene.after_close()
    code = scene.once(environment={"TEST_DISK_FULL": "open"})
    assert code != 0
    assert "disk" in scene.last_output
    assert "--rebuild" not in scene.last_output
    assert scene.once() == 0
    scene.after_open()
    assert scene.once() == 0
    assert set(scene.states()) == {"filled"}


# 100: money that comes and goes


@pytest.mark.row(100)
@pytest.mark.parametrize(
    ("kind", "amount"), [("withdrawal", "-60000"), ("fee", "-8000"), ("interest", "-6000")]
)
def test_cash_that_leaves_the_account_is_booked_and_is_no_loss(scene, kind, amount):
    scene.decide_and_send()
    scene.control.cash_flow(kind=kind, amount=amount)
    scene.once()
    assert scene.halts() == []
    with scene.journal() as journal:
        assert [(flow.kind, str(flow.amount)) for flow in journal.money.cash_flows()] == [(kind, amount)]
    for _ in range(2):
        scene.decide_and_send()
    assert scene.halts() == []
    scene.check()


@pytest.mark.row(100)
def test_a_deposit_is_no_profit_and_does_not_hide_a_loss(scene):
    scene.decide_and_send()
    scene.control.cash_flow(kind="deposit", amount="400000")
    for _ in range(2):
        scene.decide_and_send()
    scene.control.equity(to="350000")  # 30 % of what was there
    scene.control.account(last_equity="350000")
    scene.once()
    assert [reason.partition(":")[0] for _, reason in scene.halts()] == ["drawdown"]
