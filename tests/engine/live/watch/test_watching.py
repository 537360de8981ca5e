"""Whoever should hear of it hears of it, without secrets and without holding the daemon up."""

import json
import logging
import subprocess
import sys

import pytest

from broker.keys import register_secret
from engine.live.watch.notify import WEBHOOK_QUEUE, JsonLines, Watch, checked_webhook
from forewalk.errors import ConfigError
from helpers.scripted_server import Answer, ScriptedServer
from helpers.waiting import PATIENCE_S, until

SECRET = "canary-of-the-webhook"


@pytest.fixture
def receiver(socket_enabled):
    server = ScriptedServer()
    yield server
    server.close()


@pytest.mark.row(69)
def test_a_halt_a_refusal_and_a_fill_are_posted_without_secrets(receiver):
    register_secret(SECRET)
    receiver.say(*[Answer({}) for _ in range(3)])
    watch = Watch("paper", receiver.url)
    for kind in ("halt", "refused", "fill", "decision"):
        watch.notify(kind, "AAPL", f"because of {SECRET}")
    until(lambda: len(receiver.asked("POST")) == 3)
    bodies = [json.loads(body) for *_, body in receiver.asked("POST")]
    assert [body["kind"] for body in bodies] == ["halt", "refused", "fill"]
    assert bodies[0] == {"book": "paper", "kind": "halt", "symbol": "AAPL", "text": "because of ***"}
    assert watch.counts == {"halt": 1, "refused": 1, "fill": 1, "decision": 1}


def test_a_receiver_that_hangs_holds_nobody_up(receiver):
    receiver.say(Answer({}, hang=receiver.released))
    watch = Watch("paper", receiver.url)
    for _ in range(300):
        watch.notify("halt", "", "x")
    assert watch.counts["halt"] == 300
    until(lambda: receiver.asked("POST"))
    assert len(receiver.asked("POST")) == 1
    receiver.released.set()
    until(lambda: len(receiver.asked("POST")) >= WEBHOOK_QUEUE)  # what was queued; the rest was dropped


@pytest.mark.parametrize(
    "url", ["http://example.org", "ftp://127.0.0.1", "https://", "", "http://localhost:1"]
)
def test_a_webhook_goes_out_encrypted_or_stays_on_this_machine(url):
    with pytest.raises(ConfigError, match=r"live\.webhook"):
        checked_webhook(url)


def test_the_log_is_one_json_object_a_line_with_the_fields_of_what_happened():
    record = logging.LogRecord("engine.live", logging.ERROR, "f", 1, "halt %s", ("AAPL\nx",), None)
    record.fields = {"kind": "halt", "symbol": "AAPL"}
    text = JsonLines().format(record)
    assert "\n" not in text
    assert json.loads(text) | {"at": ""} == {
        "at": "",
        "level": "error",
        "logger": "engine.live",
        "message": "halt AAPL\nx",
        "kind": "halt",
        "symbol": "AAPL",
    }


@pytest.mark.row(69)
@pytest.mark.parametrize("where", ["main", "thread"])
def test_an_uncaught_exception_shows_its_traceback_without_the_secret(where):
    code = f"""
import threading
from broker.keys import hide_in_tracebacks, register_secret
register_secret({SECRET!r})
hide_in_tracebacks()
def fail():
    raise ValueError('sent {SECRET}')
if {where!r} == 'main':
    fail()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S)
    assert "ValueError: sent ***" in done.stderr
    assert SECRET not in done.stderr.replace(code, "")
