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
