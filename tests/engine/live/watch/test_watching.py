"""Whoever should hear of it hears of it, without secrets and without holding the daemon up."""

import json
import logging
import subprocess
import sys

import pytest

from engine.live.watch.notify import JsonLines
from helpers.waiting import PATIENCE_S

SECRET = "canary-of-the-webhook"


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
