"""The whole state of a book as plain data, from its journal: `live status --json`, for monitors and scripts."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from broker.halts import EVERYTHING
from broker.journal.corporate import ANNOUNCED
from broker.journal.journal import Journal
from broker.keys import redacted
from broker.orders import FINAL, OrderState
from broker.trading.commands import nonce, status_lines
from broker.values import plain
from engine.live.watch.alarms.day import DONE
from forewalk.settings.sections import Settings

VERSION = 1  # of this form; a field that is new does not change it
NEWEST = 20


def statement(journal: Journal, settings: Settings, running: bool) -> dict[str, Any]:
    """Return the state of a book: JSON types only, quantities and money as text, times as ISO 8601 UTC.

    It never holds a key, a token or the address of a channel.
    """
    last = journal.decisions.last()
    marks = journal.money.equity()
    waiting = journal.orders.all({OrderState.NEEDS_HUMAN, OrderState.AWAIT_APPROVAL})
    halts = journal.halts.in_force()
    return {
        "version": VERSION,
        "book": journal.book,
        "running": running,
        "halted": any(halt.scope == EVERYTHING for halt in halts),
        "symbols": list(settings.data.symbols),
        "last_decision": None if last is None else _time(last.asof),
        "equity": None if not marks else plain(marks[-1][2]),
        "equity_at": None if not marks else _time(marks[-1][1]),
        "positions": {name: plain(held) for name, held in sorted(journal.ledger.quantities().items())},
        "orders": [_order(order) for order in journal.orders.all() if order.state not in FINAL],
        "orders_finished": len(journal.orders.all(FINAL)),
        "waiting_for_a_person": [order.client_order_id for order in waiting],
        "halts": [
            {**_plain(asdict(halt)), "scope": "everything" if halt.scope == EVERYTHING else halt.scope}
            for halt in halts
        ],
        "not_closed": [_plain(asdict(row)) for row in journal.halts.remains()],
        "models": [_plain(dict(model)) for model in journal.models.all()],
        "ahead": [{"symbol": a.symbol, "text": a.text} for a in journal.corporate.all((ANNOUNCED,))],
        "alarms": [_plain(asdict(alarm)) for alarm in journal.outbox.alarms()[-NEWEST:]],
        "channels": [
            _plain(asdict(state)) for state in journal.outbox.channels(settings.live.alerts.quiet_kinds)
        ],
        "reconciled": journal.file.value(DONE),
    }


def status_text(journal: Journal, settings: Settings, running: bool, as_json: bool = False) -> str:
    """Return the state of a book for a person, or as one JSON object."""
    if as_json:
        return json.dumps(statement(journal, settings, running), indent=2, allow_nan=False)
    states = journal.outbox.channels(settings.live.alerts.quiet_kinds)
    untold = [
        f"UNTOLD      {state.channel}: {state.waiting} alarms, {state.problem or 'not tried yet'}"
        for state in states
        if state.waiting
    ]
    return "\n".join([*status_lines(journal, running), *untold])


def _order(order: Any) -> dict[str, Any]:
    names = (
        "client_order_id",
        "symbol",
        "side",
        "quantity",
        "kind",
        "filled",
        "state",
        "reason",
        "valid_until",
    )
    found = _plain({name: getattr(order, name) for name in names})
    return found | ({"nonce": nonce(order)} if order.state == OrderState.AWAIT_APPROVAL else {})


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return _time(value) if isinstance(value, datetime) else redacted(str(value))


def _time(moment: datetime) -> str:
    return moment.isoformat()
