"""Cash and coins that moved without an order: read before anything is called a loss, or a wrong position."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from broker.journal.journal import Journal
from broker.journal.ledger import COIN_FEE
from broker.port import Notify
from broker.values import CashFlow, plain

BACK = timedelta(days=14)  # how far the list of activities is read
MOST_COIN_FEE = Decimal("0.003")  # of what was bought; Alpaca asks for a quarter of a percent at the most


class CashFeed(Protocol):
    """Where cash flows come from; see `AlpacaPaper`."""

    def cash_flows(self, after: datetime) -> list[CashFlow]:
        """Return the cash that moved without an order."""
        ...


def read_cash_flows(journal: Journal, feed: CashFeed, now: datetime, notify: Notify) -> None:
    """Book what the account's activities tell of deposits, withdrawals, dividends, fees and interest, once each."""
    for flow in journal.money.add_cash_flows(feed.cash_flows(now - BACK), now):
        notify(flow.kind, flow.symbol, f"{plain(flow.amount)} dollars on {flow.on}")


def explain_coin_fee(journal: Journal, symbol: str, booked: Decimal, held: Decimal, now: datetime) -> bool:
    """Book what is missing of a coin as the fee of its purchases; False where it is more than that can be.

    The fee of a purchase is taken of the coins bought, at once or at the end of the day, and the executions do not
    tell it. The position does. What a fee may come to is counted from the purchases since the last one booked.
    """
    fee = booked - held
    if fee <= 0 or "/" not in symbol:
        return False
    most = MOST_COIN_FEE * journal.ledger.bought_since_fee(symbol)
    if fee > most:
        return False
    journal.ledger.adjust(symbol, -fee, Decimal(0), now, "fee taken of the coins bought", kind=COIN_FEE)
    return True
