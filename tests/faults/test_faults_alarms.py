"""R. Alarms arrive, whatever the receiver does and whenever the daemon is killed, by the same id, without secrets."""

import json

import pytest
from scene import log_lines

from helpers.scripted_server import Answer, ScriptedServer

TOKEN = "token-of-the-receiver-0815"


class Receiver(ScriptedServer):
    """Takes whatever comes, after what it was told to answer first."""

    def __init__(self):
        super().__init__()
        self.environment = {"MY_HOOK": f"{self.url}/{TOKEN}", "MY_KEY": "signing-key-4711"}

    @property
    def told(self):
        return [json.loads(body) for *_, body in self.asked("POST")]

    def kinds(self):
        return [body["kind"] for body in self.told]


@pytest.fixture
def receiver(scene):
    server = Receiver()
    server.say(*[Answer({}) for _ in range(200)])
    scene.tree["live"]["alerts"] = {"channels": ["MY_HOOK"], "signing_key": "MY_KEY"}
    scene.environment |= server.environment
    yield server
    server.close()
    for path in scene.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert TOKEN.encode() not in content, path.name
        assert b"signing-key-4711" not in content, path.name


def first(receiver, *answers):
    receiver.answers[:0] = answers


@pytest.mark.row(99)
def test_a_webhook_that_answers_500_once_still_hears_of_the_halt(scene, receiver):
    first(receiver, Answer({}, 500))
    daemon = scene.start()
    scene.until(lambda: "started" in daemon.said())
    code, _ = scene.command("halt")
    assert code == 0
    scene.until(lambda: "halt" in receiver.kinds())
    assert receiver.told[0]["id"] == receiver.told[1]["id"]
    assert receiver.kinds()[1:3] == ["started", "halt"]
    daemon.kill()


@pytest.mark.row(99)
def test_a_daemon_killed_while_it_tells_tells_it_again_by_the_same_id_and_forgets_nothing(scene, receiver):
    first(receiver, Answer({}, hang=receiver.released))
    daemon = scene.start()
    scene.until(lambda: receiver.asked("POST"))
    scene.command("halt", "AAPL")
    daemon.kill()
    receiver.released.set()
    daemon = scene.start()
    scene.until(lambda: "halt" in receiver.kinds())
    told = receiver.told
    assert told[0]["id"] == told[1]["id"]
    later = [body["id"] for body in told[1:]]
    assert len(set(later)) == len(later)
    assert [body["kind"] for body in told[:3]] == ["started", "started", "halt"]
    daemon.kill()


@pytest.mark.row(99, 102)
def test_a_halt_whose_process_dies_with_it_is_told_by_the_next_one(scene, receiver):
    scene.after_close()
    scene.once()
    code = scene.start("halt", failpoint="after_halt_commit:kill9").wait()
    assert code == -9
    assert "halt" not in receiver.kinds()
    scene.once()
    assert receiver.kinds().count("halt") == 1


@pytest.mark.row(99)
def test_a_receiver_that_hangs_delays_neither_orders_nor_a_halt(scene, receiver):
    first(receiver, *[Answer({}, hang=receiver.released) for _ in range(50)])
    daemon = scene.start()
    scene.until(lambda: receiver.asked("POST"))
    scene.after_close()
    scene.until(lambda: scene.orders())
    scene.after_open()
    scene.until(lambda: scene.states() == ["filled", "filled"])
    scene.command("halt")
    scene.until(lambda: scene.control.account()["configuration"]["suspend_trade"])
    assert len(receiver.asked("POST")) == 1
    receiver.released.set()
    daemon.kill()
    scene.check()


@pytest.mark.faults
@pytest.mark.row(99)
def test_a_receiver_that_is_away_gets_everything_in_order_when_it_is_back(scene, receiver):
    first(receiver, *["reset" for _ in range(3)])
    scene.decide_and_send()
    scene.until(lambda: (scene.once(), "fill" in receiver.kinds())[1])
    told = receiver.told[3:]
    assert len({body["id"] for body in told}) == len(told)
    assert [body["at"] for body in told] == sorted(body["at"] for body in told)
    assert any("again in" in line["message"] for line in log_lines(scene))


@pytest.mark.row(99)
def test_a_channel_that_is_not_set_stops_the_start_and_no_halt(scene, receiver):
    scene.after_close()
    scene.once()
    del scene.environment["MY_HOOK"]
    assert scene.once() == 3
    assert "MY_HOOK" in scene.last_output
    code, said = scene.command("halt")
    assert code == 0
    assert "the broker has done it" in said


@pytest.mark.row(99)
def test_the_day_is_told_once_and_the_status_says_everything(scene, receiver):
    scene.decide_and_send()
    scene.after_close()
    scene.once()
    scene.once()
    days = [body["text"] for body in receiver.told if body["kind"] == "reconciliation"]
    assert [text.splitlines()[0] for text in days] == [
        "Session 2026-03-04, book paper",
        "Session 2026-03-05, book paper",
    ]
    assert "book and broker agree" in days[1]
    assert "10 AAPL, 10 MSFT" in days[1]
    assert "fills       2" in days[1]
    code, said = scene.command("status", "--json")
    state = json.loads(said)
    assert code == 0
    assert state["positions"] == {"AAPL": "10", "MSFT": "10"}
    assert state["reconciled"] == "2026-03-05"
    assert [(row["channel"], row["waiting"], row["problem"]) for row in state["channels"]] == [
        ("MY_HOOK", 0, "")
    ]
    assert (state["running"], state["halts"], state["version"]) == (False, [], 1)


@pytest.mark.row(60, 99)
def test_a_disk_that_is_full_at_the_start_is_told_from_memory(scene, receiver):
    scene.after_close()
    scene.once()
    scene.after_open()
    assert scene.start("--once", environment={"TEST_DISK_FULL": "1"}).wait() == 4
    assert "unreachable" in receiver.kinds() or "journal" in receiver.kinds()
    assert scene.posts() == []
