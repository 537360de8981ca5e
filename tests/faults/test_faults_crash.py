"""A. Killed at any instant: nothing lost, nothing doubled, both books agree."""

import random
import signal
import sqlite3
from datetime import timedelta

import pytest

KILLED = -signal.SIGKILL
ON_THE_WAY = [  # reached by every session that trades
    "before_decision_commit",
    "after_decision_commit",
    "after_intent_commit",
    "before_post",
    "after_post",
    "after_ack_commit",
    "before_fill_commit",
    "after_fill_commit",
    "during_reconcile",
]
RECURRING = ["after_intent_commit", "before_post", "after_post", "after_ack_commit", "before_fill_commit"]


def finish(scene):
    """Run until nothing is left to do, as a supervisor that restarts the daemon would."""
    for _ in range(2):
        assert scene.once() == 0, scene.last_output


def assert_traded_once(scene, bars=1):
    assert set(scene.states()) == {"filled"}
    assert len(scene.broker_orders()) == 2 * bars
    scene.check()


@pytest.mark.row(1)
def test_killed_before_the_decision_is_written_nothing_is_sent_and_the_same_is_decided_again(scene):
    scene.after_close()
    assert scene.once("before_decision_commit:kill9") == KILLED
    assert scene.orders() == []
    finish(scene)
    assert [order.client_order_id for order in scene.orders()] == [
        "paper-20260304-AAPL-m-0",
        "paper-20260304-MSFT-m-0",
    ]
    scene.after_open()
    finish(scene)
    assert_traded_once(scene)


@pytest.mark.row(2)
def test_killed_after_the_decision_and_before_the_intent_it_goes_on_from_there(scene):
    scene.after_close()
    assert scene.once("after_decision_commit:kill9") == KILLED
    assert (scene.states(), scene.posts()) == (["decided", "decided"], [])
    scene.after_open()
    finish(scene)
    assert_traded_once(scene)


@pytest.mark.row(3)
@pytest.mark.parametrize("point", ["after_intent_commit", "before_post"])
def test_killed_between_intent_and_post_the_order_is_sent_once(scene, point):
    scene.decide_and_send(f"{point}:kill9")
    finish(scene)
    assert_traded_once(scene)


@pytest.mark.row(3)
@pytest.mark.parametrize("point", ["after_intent_commit", "before_post"])
def test_an_intent_found_the_next_day_is_let_go(scene, point):
    scene.decide_and_send(f"{point}:kill9")
    scene.after_close()
    assert scene.once(strategy="fault_strategies:Idle") == 0
    assert scene.states() == ["expired", "expired"]
    assert scene.broker_orders() == {}
    scene.check()


@pytest.mark.row(4)
def test_killed_while_the_answer_is_under_way_the_order_is_adopted(scene):
    scene.after_close()
    finish(scene)
    scene.after_open()
    scene.control.http_fault(route="POST /v2/orders", action="stall", when="after", seconds=1)
    daemon = scene.start("--once")
    scene.until(lambda: scene.broker_orders())
    assert daemon.kill() == KILLED
    scene.until(lambda: scene.posts())  # the simulator has given up answering
    assert scene.states() == ["decided", "submitting"]
    finish(scene)
    assert_traded_once(scene)


@pytest.mark.row(5)
def test_killed_before_the_answer_is_written_down_the_order_is_adopted(scene):
    scene.decide_and_send("after_post:kill9")
    assert "submitting" in scene.states()
    finish(scene)
    assert_traded_once(scene)


@pytest.mark.row(6)
def test_a_fill_while_nobody_is_running_is_found(scene):
    scene.control.auto_fill(enabled=False)
    scene.decide_and_send()
    assert scene.states() == ["acked", "acked"]
    scene.control.auto_fill(enabled=True)
    assert scene.ledger() == {}
    finish(scene)
    assert_traded_once(scene)


@pytest.mark.row(7)
def test_partial_fills_on_both_sides_of_a_kill_are_each_booked_once(scene):
    scene.control.auto_fill(enabled=False)
    scene.decide_and_send()
    name = "paper-20260304-AAPL-m-0"
    scene.control.fill(order=name, qty="3")
    assert scene.once("after_fill_commit:kill9") == KILLED
    assert scene.ledger() == {"AAPL": 3}
    scene.control.fill(order=name, qty="2")
    finish(scene)
    assert scene.ledger() == {"AAPL": 5}
    assert "partial" in scene.states()
    scene.check()


@pytest.mark.row(8)
def test_an_execution_seen_and_not_yet_written_down_is_applied_exactly_once(scene):
    scene.decide_and_send("before_fill_commit:kill9:3")
    finish(scene)
    finish(scene)
    assert len(scene.fills()) == 2
    assert_traded_once(scene)


@pytest.mark.row(9)
@pytest.mark.parametrize("point", ["before_cancel", "after_cancel"])
def test_killed_while_cancelling_the_state_is_read_back_and_the_cancellation_ends(scene, point):
    scene.control.auto_fill(enabled=False)
    scene.decide_and_send()
    assert scene.command("halt", "--no-suspend")[0] == 0
    scene.command("resume")
    scene.start("halt", "--no-suspend", failpoint=f"{point}:kill9").wait()
    finish(scene)
    assert scene.states() == ["canceled", "canceled"]
    scene.check()


@pytest.mark.row(2, 9)
def test_killed_right_after_a_decision_to_cancel_the_cancellation_is_not_forgotten(scene):
    live = {"strategy": "fault_strategies:CancelOnce"}
    for _ in range(2):
        scene.decide_and_send(**live)
    scene.after_close()
    assert scene.states() == ["acked", "acked"]
    assert scene.once("after_decision_commit:kill9", **live) == KILLED
    assert scene.once(**live) == 0
    assert scene.states() == ["canceled", "canceled"]
    scene.check()


@pytest.mark.row(2, 39)
def test_killed_right_after_a_decision_an_order_priced_from_adjusted_bars_is_still_refused(scene):
    live = {"strategy": "fault_strategies:CancelOnce"}
    scene.after_close()
    scene.control.price(symbol="AAPL", price="110")
    assert scene.once("after_decision_commit:kill9", **live) == KILLED
    assert scene.states() == ["decided", "refused"]
    scene.after_open()
    scene.once(**live)
    assert set(scene.broker_orders()) == {"paper-20260304-MSFT-m-0"}
    scene.check()


@pytest.mark.row(10)
@pytest.mark.parametrize("point", ["after_halt_commit", "after_broker_cancel_all"])
def test_killed_in_the_middle_of_the_kill_switch_it_is_still_halted_and_goes_on(scene, point):
    scene.control.auto_fill(enabled=False)
    scene.decide_and_send()
    assert scene.start("halt", failpoint=f"{point}:kill9").wait() == KILLED
    assert [scope for scope, _ in scene.halts()] == ["*"]
    scene.once()
    scene.once()
    assert scene.states() == ["canceled", "canceled"]
    assert scene.control.account()["configuration"]["suspend_trade"] is True
    scene.check()


@pytest.mark.row(11)
def test_killed_while_the_journal_is_made_it_has_the_old_schema_or_the_new_one(scene):
    scene.after_close()
    assert scene.once("during_migration:kill9") == KILLED
    with sqlite3.connect(scene.state / "journal.db") as journal:
        assert journal.execute("PRAGMA quick_check").fetchone() == ("ok",)
        assert journal.execute("PRAGMA user_version").fetchone() == (0,)
        assert journal.execute("SELECT name FROM sqlite_master").fetchall() == []
    finish(scene)
    scene.after_open()
    finish(scene)
    assert_traded_once(scene)


@pytest.mark.row(12)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("on_stop", "state"), [("keep", "acked"), ("cancel", "canceled")])
def test_a_polite_stop_is_quick_and_treats_open_orders_as_configured(scene, number, on_stop, state):
    scene.control.auto_fill(enabled=False)
    scene.decide_and_send()
    daemon = scene.start(on_stop=on_stop)
    scene.until(lambda: "started" in daemon.said())
    daemon.signal(number)
    assert daemon.wait() == 0
    assert scene.states() == [state, state]
    scene.check()


@pytest.mark.row(1, 2, 3, 5, 8)
@pytest.mark.parametrize(
    ("point", "count"), [(point, 1) for point in ON_THE_WAY] + [(point, 2) for point in RECURRING]
)
def test_killed_at_any_point_of_a_session_the_next_start_completes_it(scene, point, count):
    codes = scene.decide_and_send(f"{point}:kill9:{count}")
    assert KILLED in codes
    finish(scene)
    assert_traded_once(scene)


@pytest.mark.faults
@pytest.mark.row(12)
def test_fifty_power_cuts_at_random_moments_lose_and_double_nothing(scene):
    chance = random.Random(50)
    daemon = scene.start()
    for cut in range(50):
        if cut % 10 == 0:
            scene.after_close()
        elif cut % 10 == 5:
            scene.after_open()
        chance_s = chance.random() * 0.3
        daemon.kill(after_s=chance_s)
        daemon = scene.start()
    scene.until(lambda: "started" in daemon.said())
    scene.after_close()  # on a busy machine none of them may have lived long enough to decide
    scene.until(lambda: scene.orders())
    daemon.signal(signal.SIGTERM)
    daemon.wait()
    finish(scene)
    scene.check()
    assert len({order.client_order_id for order in scene.orders()}) == len(scene.orders())


def test_a_session_takes_less_than_its_window(scene):
    scene.after_close()
    finish(scene)
    (order, _) = scene.orders()
    assert order.valid_until - order.send_from == timedelta(minutes=10)
