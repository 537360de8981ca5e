"""An Alpaca paper account from a script: the account, and what a strategy wants on it now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.notebook.given import Given, load_settings

if TYPE_CHECKING:
    from broker.alpaca.client import AlpacaPaper
    from broker.values import OrderRequest


def paper_account(url: str | None = None) -> AlpacaPaper:
    """Return a client of the paper account whose keys are in the environment.

    Args:
        url: of `python -m broker.simulator` on this machine; None means Alpaca's paper API. Any other host is
            refused before a connection is made.

    Raises:
        ConfigError: keys are missing or a live account's, or the URL is neither of these.
    """
    import os

    from broker.alpaca.client import AlpacaPaper
    from broker.keys import read_keys

    keys = read_keys(os.environ)
    return AlpacaPaper(keys) if url is None else AlpacaPaper(keys, url, url)


def orders_now(
    strategy: type,
    symbols: Sequence[str],
    account: AlpacaPaper,
    *,
    history_days: int = 400,
    book: str = "own",
    settings: Given = None,
) -> list[OrderRequest]:
    """Return the market orders that a backtrader strategy wants on an account now; `account.submit` sends one.

    Orders that the account knows already are left out, so it may be called again about the same bar. There is no
    risk gate, no journal and no memory of earlier bars here: for those there is the daemon.

    Args:
        strategy: a backtrader strategy class that takes no forecasts.
        symbols: its feeds, in this order.
        account: from `paper_account`.
        history_days: calendar days of bars that it sees.
        book: first part of the orders' ids, 1 to 12 letters and digits.
        settings: calendar, interval and costs; see `load_settings`.

    Raises:
        ConfigError, DataError, ForewalkError: see `forewalk.errors`; no order is made then.
    """
    from engine.live.deciding.once import wanted_orders

    return wanted_orders(strategy, symbols, account, load_settings(settings), history_days, book)
