"""A lost journal, closed gates, no room on the disk, money that comes and goes."""

import pytest


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
