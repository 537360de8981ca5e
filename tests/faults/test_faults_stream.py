"""B. The stream is a hint: whatever it says, twice, late, never or in rubbish, REST decides."""

import base64
import json
import os
import signal
import time
from datetime import datetime, timedelta

import pytest
from scene import START, log_lines

from broker.simulator.harness import Simulator
from helpers.waiting import PATIENCE_S

SLOW_POLL = {"poll_s": 300.0}
BEFORE_A_POLL_S = 240.0  # what is true within this time was heard on the stream, not seen by a look
FAST_POLL = {"poll_s": 0.2}


@pytest.fixture
def resting(scene):
    """Two orders at the broker that nothing fills, and no daemon running."""
    scene.control.auto_fill(enabled=False)
    scene.decide_and_send()
    assert scene.states() == ["acked", "acked"]
    return scene


@pytest.fixture
def running(resting):
    """A daemon that listens to the stream."""
    daemons = []

    def run(**live):
        daemons.append(resting.start(**live))
        resting.until(lambda: resting.control.connections()["trading"] == 1)
        return daemons[-1]

    yield run
    for daemon in daemons:
        if daemon.alive:
            daemon.signal(signal.SIGTERM)
            daemon.wait()


def fill_all(scene):
    for order in scene.orders("acked", "partial"):
        scene.control.fill(order=order.client_order_id)


def assert_filled_once(scene, seconds=PATIENCE_S):
    scene.until(lambda: scene.states() == ["filled", "filled"] and len(scene.fills()) == 2, seconds)
    scene.check()


@pytest.mark.row(13)
def test_an_event_that_comes_twice_is_counted_once(resting, running):
    running(**SLOW_POLL)
    resting.control.stream_fault(action="duplicate", count=None)
    fill_all(resting)
    assert_filled_once(resting, BEFORE_A_POLL_S)


@pytest.mark.faults
@pytest.mark.row(14)
@pytest.mark.parametrize("order", ["reverse", "shuffle"])
def test_events_in_any_order_end_in_the_same_state(resting, running, order):
    running(**SLOW_POLL)
    resting.control.stream_fault(action="hold", count=None)
    for stored in resting.orders():
        resting.control.fill(order=stored.client_order_id, qty="4")
    fill_all(resting)
    resting.control.stream_release(order=order)
    resting.until(
        lambda: resting.states() == ["filled", "filled"] and len(resting.fills()) == 4, BEFORE_A_POLL_S
    )
    resting.check()


@pytest.mark.faults
@pytest.mark.row(15)
def test_an_event_before_the_answer_to_the_post_does_no_harm(scene, running):
    scene.control.auto_fill(enabled=True)
    scene.after_close()
    scene.once()
    scene.control.http_fault(route="POST /v2/orders", action="stall", when="after", seconds=0.5, count=None)
    running(**FAST_POLL)
    scene.after_open()
    scene.until(lambda: scene.states() == ["filled"] * 4 and len(scene.fills()) == 4)
    scene.check()


@pytest.mark.row(16)
def test_an_event_that_is_lost_is_made_up_for_by_the_next_look(resting, running):
    running(**FAST_POLL)
    resting.control.stream_fault(action="drop", count=None)
    fill_all(resting)
    assert_filled_once(resting)


@pytest.mark.faults
@pytest.mark.row(17)
@pytest.mark.parametrize("how", [1000, 1006, 1011, "reset"])
def test_a_closed_stream_is_opened_again_and_rest_is_read_first(resting, running, how):
    running(**SLOW_POLL)
    resting.control.clear_log()
    if how in ("reset", 1006):
        resting.control.stream_reset()
    else:
        resting.control.stream_close(code=how)
    fill_all(resting)
    assert_filled_once(resting, BEFORE_A_POLL_S)
    resting.until(lambda: resting.control.connections()["trading"] == 1)
    reads = [line["path"] for line in resting.control.log()]
    assert "/v2/account/activities/FILL" in reads
    assert resting.posts() == []


@pytest.mark.faults
@pytest.mark.row(18)
def test_a_broker_that_hangs_is_noticed_and_gets_no_new_order_meanwhile(resting, running):
    fill_all(resting)
    running(timeout_s=2.0, **FAST_POLL)
    resting.until(lambda: resting.states() == ["filled", "filled"])
    resting.control.auto_fill(enabled=True)
    os.kill(resting.simulator.pid, signal.SIGSTOP)
    try:
        resting.until(lambda: any(line.get("kind") == "unreachable" for line in log_lines(resting)))
    finally:
        os.kill(resting.simulator.pid, signal.SIGCONT)
    assert len(resting.orders()) == 2
    resting.after_close()
    resting.until(lambda: len(resting.orders()) == 4)
    resting.after_open()
    resting.until(lambda: resting.states() == ["filled"] * 4 and len(resting.fills()) == 4)
    resting.check()


@pytest.mark.faults
@pytest.mark.row(19)
def test_a_stream_that_says_nothing_is_not_needed(resting, running):
    resting.control.stream_mute()
    running(**FAST_POLL)
    fill_all(resting)
    assert_filled_once(resting)


RUBBISH = {
    "unknown event": {"text": json.dumps({"stream": "trade_updates", "data": {"event": "quantum", "x": 1}})},
    "no object": {"text": "[1, 2, 3]"},
    "bad json": {"text": '{"stream": "trade_'},
    "msgpack": {"data": base64.b64encode(b"\x82\xa6stream\xadtrade_updates").decode()},
    "huge": {"text": json.dumps({"stream": "x" * 10_000_000})},
    "no data": {"text": json.dumps({"stream": "trade_updates"})},
    "null": {"text": json.dumps({"stream": "listening", "data": None})},
}


@pytest.mark.row(20)
@pytest.mark.parametrize("frame", RUBBISH)
def test_rubbish_on_the_stream_changes_nothing(resting, running, frame):
    daemon = running(**FAST_POLL)
    resting.control.stream_send(**RUBBISH[frame])
    fill_all(resting)
    assert_filled_once(resting)
    assert daemon.alive


@pytest.mark.row(20)
def test_a_status_that_nobody_knows_halts_its_symbol(resting):
    resting.control.http_fault(route="GET /v2/orders", action="edit", body={"status": "quantum"}, count=None)
    resting.once()
    assert sorted(scope for scope, _ in resting.halts()) == ["AAPL", "MSFT"]
    assert "quantum" in resting.halts()[0][1]
    resting.check()


@pytest.mark.faults
@pytest.mark.row(21)
def test_keys_revoked_while_running_halt_once_and_are_not_hammered(resting, running):
    running(**FAST_POLL)
    resting.control.clear_log()
    resting.control.keys(revoked=True)
    resting.until(lambda: resting.halts())
    began = time.monotonic()
    before = refused(resting)
    resting.until(lambda: refused(resting) >= before + 10)
    assert time.monotonic() - began > 8 * FAST_POLL["poll_s"]  # one question a look
    assert len(resting.halts()) == 1
    assert "401" in resting.halts()[0][1]
    assert len([line for line in log_lines(resting) if line.get("kind") == "halt"]) == 1
    resting.control.keys()


def refused(scene):
    return len([line for line in scene.control.log() if line["status"] == 401])


@pytest.mark.row(22)
def test_a_stream_that_is_not_granted_is_made_up_for_by_rest(resting, running):
    resting.control.stream_listening(streams=[])
    running(**FAST_POLL)
    fill_all(resting)
    assert_filled_once(resting)
    assert any("granted no trade_updates" in line["message"] for line in log_lines(resting))


@pytest.mark.faults
@pytest.mark.row(23)
def test_a_refused_handshake_is_tried_again_at_leisure(resting):
    resting.control.stream_refuse(status=429, count=100)
    daemon = resting.start(**FAST_POLL)
    resting.until(lambda: len(refusals(resting)) >= 3)
    first, second, third = refusals(resting)[:3]
    assert third - second > second - first > timedelta(seconds=0.5)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0


def refusals(scene):
    """The moments at which a connection of the stream failed."""
    tries = [line for line in log_lines(scene) if line["logger"] == "alpaca.trading.stream"]
    return [datetime.fromisoformat(line["at"]) for line in tries if line["level"] in ("warning", "error")]


@pytest.mark.row(68, 95)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_stream_that_is_sent_to_another_host_gives_nobody_the_keys_and_rest_goes_on(resting, status):
    with Simulator(start=START, market_fill="open") as other:
        location = f"ws{other.url.removeprefix('http')}/stream"
        resting.control.stream_refuse(status=status, count=10**6, location=location)
        daemon = resting.start(**FAST_POLL)
        resting.until(lambda: any(line.get("kind") == "stream" for line in log_lines(resting)))
        fill_all(resting)
        assert_filled_once(resting)
        assert other.control.log() == []
        assert not any(other.control.connections().values())
        resting.control.stream_refuse(status=status, count=0)
        resting.until(lambda: resting.control.connections()["trading"] == 1)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
