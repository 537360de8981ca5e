"""What a person can tell a daemon, running or not: approve, reject, halt; and what it shows of itself.

Every command writes into the journal and nothing else; the daemon acts on it at its next look, which may be in
another process or after a restart. Resuming is in `broker.trading.resuming`, since it asks the broker first.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from broker.halts import EVERYTHING, HaltCause
from broker.ids import checked_symbol
from broker.journal.corporate import ANNOUNCED
from broker.journal.journal import Journal
from broker.journal.records import StoredOrder
from broker.orders import AT_BROKER, FINAL, IN_DOUBT, WAITING, IllegalStep, OrderState
from broker.values import plain
from forewalk.errors import UsageError

KINDS = {"at work": "CLOSING    ", "closing": "CLOSING    ", "blocker": "BLOCKED    ", "left": "LEFT       "}


def nonce(order: StoredOrder) -> str:
    """Return what binds an approval to the order as it was shown: a hash of everything that would be sent."""
    content = repr((order.client_order_id, order.request().body(), order.valid_until, order.decided_price))
    return hashlib.sha256(content.encode()).hexdigest()[:8]


def approve(journal: Journal, order_id: str, shown: str | None, now: datetime) -> StoredOrder:
    """Let an order go out; only once, only while it is valid, only as it was shown.

    Raises:
        UsageError: there is no such order, it is not waiting, its time is over, or it is not what was shown.
    """
    order = _waiting(journal, order_id)
    if now > order.valid_until:
        raise UsageError(f"{order_id} was valid until {order.valid_until:%Y-%m-%d %H:%M} UTC; it is too late")
    if shown is not None and shown != nonce(order):
        raise UsageError(
            f"{order_id} is not the order that was shown as {shown}; look at `live orders` again"
        )
    try:
        journal.orders.approve(order_id, nonce(order), now)
    except IllegalStep:
        raise UsageError(f"{order_id} is not waiting for approval any more") from None
    return order


def reject(journal: Journal, order_id: str, now: datetime) -> StoredOrder:
    """Say no to an order that waits for approval, or close one that nobody can find.

    Raises:
        UsageError: it is not waiting, or somebody else has answered at the same moment.
    """
    order = journal.orders.get(order_id)
    if order is None or order.state not in (OrderState.AWAIT_APPROVAL, OrderState.NEEDS_HUMAN):
        raise UsageError(f"{order_id} is not waiting for a person")
    try:
        journal.orders.reject(order_id, now)
    except IllegalStep:
        raise UsageError(f"{order_id} is not waiting for a person any more") from None
    return order


def halt(
    journal: Journal,
    symbol: str | None,
    reason: str,
    now: datetime,
    flatten: bool = False,
    suspend: bool = True,
    foreign_too: bool = False,
) -> None:
    """Stop a symbol or everything, at once and until a person resumes: cancel, flatten if asked, suspend.

    Args:
        suspend: let the broker refuse new orders too, if everything is stopped.
        foreign_too: flatten what is not this book's as well, its orders and its positions.
    """
    scope = EVERYTHING if symbol is None else checked_scope(symbol)
    journal.halts.begin(
        scope,
        HaltCause.OPERATOR,
        reason,
        now,
        cancel=True,
        flatten=flatten,
        suspend=suspend and symbol is None,
        foreign_too=foreign_too,
        again=True,
    )


def checked_scope(symbol: str) -> str:
    """Return a symbol that a person named; a pair of coins or an option may be closed too, though not traded."""
    if re.fullmatch(r"[A-Z0-9]{1,25}(/[A-Z0-9]{1,10})?", symbol):
        return symbol
    return checked_symbol(symbol)


def status_lines(journal: Journal, running: bool) -> list[str]:
    """Return the state of a book as text."""
    last = journal.decisions.last()
    equity = journal.money.equity()
    lines = [
        f"daemon      {'running' if running else 'not running'}",
        f"decided     {f'{last.asof:%Y-%m-%d %H:%M} UTC' if last else 'nothing yet'}",
        f"equity      {equity[-1][2]:,.2f} at {equity[-1][1]:%Y-%m-%d %H:%M} UTC"
        if equity
        else "equity      unknown",
    ]
    ledger = ", ".join(
        f"{plain(quantity)} {symbol}" for symbol, quantity in sorted(journal.ledger.quantities().items())
    )
    lines.append(f"positions   {ledger or 'none'}")
    open_orders = journal.orders.all(AT_BROKER | IN_DOUBT | WAITING)
    lines.append(f"orders      {len(open_orders)} not finished, {len(journal.orders.all(FINAL))} finished")
    lines += [
        f"ASK         {model['model_id']}: a new model, {model['note']}; approve it, or leave it"
        for model in journal.models.all()
        if model["role"] == "challenger"
    ]
    lines += [f"AHEAD       {action.text}" for action in journal.corporate.all((ANNOUNCED,))]
    for halt_ in journal.halts.in_force():
        asks = [name for name in ("cancel", "flatten", "suspend") if getattr(halt_, name)]
        done = "" if not asks else ", done at the broker" if halt_.confirmed_at else ", local only so far"
        scope = "everything" if halt_.scope == EVERYTHING else halt_.scope
        lines.append(f"HALTED      {scope}: {halt_.reason} (since {halt_.at:%Y-%m-%d %H:%M} UTC{done})")
        if halt_.allow_exits:
            lines.append("            exits and stops still go out")
    lines += [f"{KINDS[r.kind]} {r.symbol or 'everything'}: {r.text}" for r in journal.halts.remains()]
    waiting = journal.orders.all({OrderState.NEEDS_HUMAN})
    lines += [
        f"ASK         {order.client_order_id}: {order.reason}; look at the account, then `resume {order.symbol}`"
        for order in waiting
    ]
    return lines


def order_rows(journal: Journal, everything: bool) -> list[tuple[str, ...]]:
    """Return id, state, what, filled, price, nonce and reason of the orders, those not finished by default."""
    rows: list[tuple[str, ...]] = []
    for order in journal.orders.all():
        if everything or order.state not in FINAL:
            what = f"{order.side} {plain(order.quantity)} {order.symbol} {order.kind}"
            price = "" if order.average_price is None else plain(order.average_price)
            key = nonce(order) if order.state == OrderState.AWAIT_APPROVAL else ""
            rows.append(
                (order.client_order_id, str(order.state), what, plain(order.filled), price, key, order.reason)
            )
    return rows


def _waiting(journal: Journal, order_id: str) -> StoredOrder:
    order = journal.orders.get(order_id)
    if order is None:
        raise UsageError(f"no order {order_id!r}; see `live orders`")
    if order.state != OrderState.AWAIT_APPROVAL:
        raise UsageError(f"{order_id} is {order.state}, not waiting for approval")
    return order


def now_utc() -> datetime:
    """Return this machine's time."""
    return datetime.now(UTC)
