"""How an order is sent, as `execution.entry_style` and `exit_style` say: at the open, in an auction, or at a limit.

A decision is made at a close. `market` and `open_auction` orders fill at the next open, `close_auction` orders at the
close after it, `limit` orders within the next bar and at their price or better, or not at all.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt

from forewalk.settings.execution import ExecutionSettings, Style
from strategies.limits import limit_at

ALWAYS_MARKET = ("stop_loss",)  # an exit that must not miss


def style_of(execution: ExecutionSettings, reduces: bool, reason: str) -> Style:
    """Return how an order is sent: by whether it makes a position smaller, and why it does."""
    if not reduces:
        return execution.entry_style
    return "market" if reason in ALWAYS_MARKET else execution.exit_style


def terms_of(style: Style, symbol: str, close: float, side: int, limit_bps: float) -> dict[str, Any]:
    """Return what backtrader's `buy` and `sell` are told besides symbol and size; `side` is 1 or -1."""
    if style == "close_auction":
        return {"exectype": bt.Order.Close, "style": style}
    if style == "limit":
        price = limit_price(symbol, close, side, limit_bps)
        return {"exectype": bt.Order.Limit, "price": price, "style": style}
    return {} if style == "market" else {"style": style}


def limit_price(symbol: str, close: float, side: int, bps: float) -> float:
    """Return the limit at `bps` from the last close, on the grid of prices and never beyond the collar.

    The grid is Alpaca's: cents from one dollar up, hundredths of a cent below; billionths for coins (`BTC/USD`).

    >>> limit_price("AAPL", 101.0, 1, 25.0), limit_price("AAPL", 101.0, -1, 25.0)
    (101.25, 100.75)
    """
    return limit_at(close, side, bps, "/" in symbol)
