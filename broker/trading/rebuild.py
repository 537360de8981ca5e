"""A new journal from what the broker knows, after the old one was lost.

Orders of the last days that have a name of this book's are taken over with their executions: so no id is used twice,
and a bar that was decided on is not decided on again. What else is held is booked as taken over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from broker.failpoints import reach
from broker.ids import OrderName, decision_id, parse_client_order_id
from broker.journal.journal import Journal
from broker.journal.records import DecisionRow
from broker.port import Broker
from broker.values import Account, BrokerOrder, plain

BACK = timedelta(days=14)


def rebuild(
    journal: Journal, broker: Broker, symbols: Sequence[str], bar_of: Callable[[OrderName], datetime | None]
) -> list[str]:
    """Take over orders, executions and positions; return what was, in words. Doing it twice changes nothing.

    Args:
        symbols: what the book trades; positions in other symbols are left alone.
        bar_of: tells the bar that an order was decided on, None where its name names none.
    """
    account = broker.account()
    journal.file.bind_account(account.id)
    now = broker.clock().now
    found = {order.id: order for order in broker.open_orders()}
    found |= {order.id: order for order in broker.orders_since(now - BACK, nested=True)}
    own = [(order, name) for order in found.values() if (name := _own_name(journal, order)) is not None]
    for order, name in own:
        _take_over(journal, order, name, bar_of(name), account, now)
        reach("during_rebuild")
    journal.ledger.add_fills(broker.fills(now - BACK - timedelta(days=1)), now)
    said = [f"{len(own)} orders of this book taken over"] if own else []
    ledger = journal.ledger.quantities()
    for symbol, position in sorted(broker.positions().items()):
        missing = position.quantity - ledger.get(symbol, Decimal(0))
        if symbol in symbols and missing:
            journal.ledger.adjust(symbol, missing, position.average_price, now, "taken over from the broker")
            said.append(f"{plain(missing)} shares of {symbol} taken over, {plain(position.quantity)} held")
    return said


def _own_name(journal: Journal, order: BrokerOrder) -> OrderName | None:
    name = parse_client_order_id(order.client_order_id)
    return name if name is not None and name.book == journal.book else None


def _take_over(
    journal: Journal,
    order: BrokerOrder,
    name: OrderName,
    bar: datetime | None,
    account: Account,
    now: datetime,
) -> None:
    asof = bar or order.submitted_at or now
    decision = DecisionRow(
        decision_id=decision_id(journal.book, bar) if bar is not None else order.client_order_id,
        asof=asof,
        session=name.session,
        made_at=asof,
        send_from=asof,
        valid_until=now,
        equity=account.equity,
        cash=account.cash,
        model_id="",
        fingerprint="",
        kind="rebuilt",
        note="taken over from the broker",
    )
    journal.decisions.record(decision, [], [], ask=False)
    journal.orders.take_over(decision.decision_id, order, "taken over from the broker", now)
