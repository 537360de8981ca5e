"""`live status --json` is what docs/status.md says, field by field, and what a reader of version 1 was promised."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from broker.halts import HaltCause
from broker.journal.journal import Journal
from broker.values import CorporateAction
from engine.live.watch.statement import VERSION, statement, status_text
from forewalk.settings.loading import settings_from
from helpers.book_values import NOW, a_decision, a_new_order, a_target
from helpers.making import REPOSITORY

PAGE = (REPOSITORY / "docs" / "status.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([\w.\[\]]+)` \| ([a-z ]+) \| .*\|$", PAGE, re.MULTILINE))
# What version 1 promised: never shorten this list while VERSION is 1.
FIRST = [
    "version",
    "book",
    "running",
    "halted",
    "symbols",
    "last_decision",
    "equity",
    "equity_at",
    "positions",
    "orders",
    "orders_finished",
    "waiting_for_a_person",
    "halts",
    "not_closed",
    "models",
    "ahead",
    "alarms",
    "channels",
    "reconciled",
]


def is_time(value):
    return isinstance(value, str) and datetime.fromisoformat(value).utcoffset() == timedelta(0)


IS = {
    "number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "text": lambda value: isinstance(value, str),
    "true or false": lambda value: isinstance(value, bool),
    "time": is_time,
    "null": lambda value: value is None,
    "list": lambda value: isinstance(value, list) and all(isinstance(row, dict) for row in value),
    "list of text": lambda value: isinstance(value, list) and all(isinstance(row, str) for row in value),
    "object": lambda value: isinstance(value, dict),
}


def is_of(kind, value):
    if kind in IS:
        return IS[kind](value)
    return any(IS[one](value) for one in kind.split(" or "))


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.db", "paper")
    yield journal
    journal.close()


def fill(journal):
    """Write one of everything that the status tells."""
    order = a_new_order(limit_price=Decimal(190), kind="limit")
    journal.decisions.record(a_decision(), [a_target()], [order], True, [], {}, {"AAPL": 200.0})
    journal.halts.begin("*", HaltCause.OPERATOR, "by hand", NOW, cancel=True, flatten=True)
    journal.halts.begin("AAPL", HaltCause.POSITION, "ledger and position differ", NOW)
    journal.halts.keep_remains([("AAPL", "blocker", "order 7 holds the shares")], NOW)
    journal.models.record("fold-00", "fold-00.safetensors", "0" * 64, NOW, "champion", "first", NOW)
    journal.corporate.keep(
        [CorporateAction("split-1", "split", "AAPL", date(2026, 12, 1), Decimal(2), None, "2 for 1")], NOW
    )
    journal.outbox.open_channel("HOOK")
    journal.outbox.add(NOW, "refused", "AAPL", "not tradable")
    journal.outbox.failed("HOOK", "HTTP 500", NOW)
    journal.money.mark_equity(date(2026, 11, 20), NOW, Decimal("100000.5"), Decimal(90_000))


@pytest.fixture(params=["new", "full"])
def told(request, journal):
    if request.param == "full":
        fill(journal)
    return json.loads(
        status_text(journal, settings_from({"data": {"symbols": ["AAPL"]}}), True, as_json=True)
    )


def test_every_field_is_documented_with_its_type_and_nothing_else_is_there(told):
    top = [name for name in ROWS if "[" not in name]
    assert sorted(told) == sorted(top)
    assert [(name, told[name]) for name in top if not is_of(ROWS[name], told[name])] == []
    for name in top:
        fields = {row.partition("[].")[2] for row in ROWS if row.startswith(f"{name}[]")}
        for row in told[name] if fields else ():
            optional = {"nonce"} if row.get("state") != "await_approval" else set()
            assert set(row) == fields - optional
            wrong = [f for f in row if not is_of(ROWS[f"{name}[].{f}"], row[f])]
            assert wrong == []


def test_everything_that_is_documented_has_been_seen_here(journal):
    fill(journal)
    told = statement(journal, settings_from({"data": {"symbols": ["AAPL"]}}), True)
    assert [name for name, kind in ROWS.items() if kind == "list" and not told[name]] == []
    assert (told["halted"], told["equity"]) == (True, "100000.5")
    assert told["waiting_for_a_person"] == [told["orders"][0]["client_order_id"]]
    assert [halt["scope"] for halt in told["halts"]] == ["everything", "AAPL"]
    assert [(row["waiting"], row["attempts"]) for row in told["channels"]] == [(1, 1)]


def test_a_reader_of_version_1_finds_what_it_was_promised(told):
    assert VERSION == 1
    assert [name for name in FIRST if name not in told] == []
    assert [name for name in FIRST if name not in ROWS] == []
    assert is_time(NOW.astimezone(UTC).isoformat())
