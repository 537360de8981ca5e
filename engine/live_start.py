"""Before the daemon's first step: which symbols it trades, and a new journal for positions that are there already."""

from __future__ import annotations

from decimal import Decimal

from broker.journal import Journal
from broker.port import Broker
from engine.config import Settings


def rebuilt(journal: Journal, broker: Broker, symbols: tuple[str, ...]) -> int:
    """Take over the broker's positions into a new journal; return how many."""
    account = broker.account()
    journal.bind_account(account.id)
    now = broker.clock().now
    held = {s: p for s, p in broker.positions().items() if s in symbols}
    ledger = journal.ledger()
    count = 0
    for symbol, position in held.items():
        missing = position.quantity - ledger.get(symbol, Decimal(0))
        if missing:
            journal.adjust(symbol, missing, position.average_price, now, "taken over from the broker")
            count += 1
    return count


def with_symbols(settings: Settings) -> Settings:
    """Return the settings with `data.symbols` filled in; DataError where the source cannot say which."""
    if settings.data.symbols:
        return settings
    from engine.data import load_bars

    bars, _ = load_bars(settings.data)
    return settings.model_copy(update={"data": settings.data.model_copy(update={"symbols": bars.symbols})})
