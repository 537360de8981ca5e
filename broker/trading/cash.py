"""Cash that moved without an order, read into the journal before anything is called a loss."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from broker.journal.journal import Journal
from broker.port import Notify
from broker.values import CashFlow, plain

BACK = timedelta(days=14)  # how far the list of activities is read


class CashFeed(Protocol):
    """Where cash flows come from; see `AlpacaPaper`."""

    def cash_flows(self, after: datetime) -> list[CashFlow]:
        """Return the cash that moved without an order."""
        ...


def read_cash_flows(journal: Journal, feed: CashFeed, now: datetime, notify: Notify) -> None:
    """Book what the account's activities tell of deposits, withdrawals, dividends, fees and interest, once each."""
    for flow in journal.money.add_cash_flows(feed.cash_flows(now - BACK), now):
        notify(flow.kind, flow.symbol, f"{plain(flow.amount)} dollars on {flow.on}")
