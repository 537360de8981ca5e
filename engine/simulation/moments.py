"""When within a bar an order is executed, and at what price: the open first, then within the bar, then the close.

Cash that an order frees is there for orders that are executed after it and for no others: what is sold at the close
does not pay for what was bought at the open.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import backtrader as bt

from forewalk.errors import ConfigError
from forewalk.sessions import DAILY
from forewalk.settings.execution import AUCTIONS, ExecutionSettings
from forewalk.types import Bars

AT_OPEN, WITHIN, AT_CLOSE = 0, 1, 2


def refuse_styles(bars: Bars, execution: ExecutionSettings) -> None:
    """Raise ConfigError for styles of orders that a market or bar length does not have."""
    named = [
        (f"execution.{name} = {style!r}", style)
        for name, style in zip(("entry_style", "exit_style"), execution.styles, strict=True)
        if style != "market"
    ]
    for setting, style in named:
        if "rate_close" in bars.extras:
            raise ConfigError(
                f"{setting}: currency pairs and prices in several currencies know `market` only"
            )
        if bars.calendars:
            raise ConfigError(f"{setting}: symbols whose markets close at different times know `market` only")
        if style in AUCTIONS and bars.interval != DAILY:
            raise ConfigError(f"{setting}: auctions are once a session, and the bars are of {bars.interval}")
        if style in AUCTIONS and bars.calendar == "24/7":
            raise ConfigError(
                f"{setting}: a market that never closes has no auction; use `market` or `limit`"
            )


def by_moment(orders: Iterable[Any]) -> list[Any]:
    """Return orders by the moment at which this bar would execute them, else in the order in which they wait."""
    return sorted(orders, key=moment_of)


def moment_of(order: Any) -> int:
    """Return when this bar would execute an order."""
    kind, opened = order.exectype, order.data.open[0]
    if kind == bt.Order.Market:
        return AT_OPEN
    if kind == bt.Order.Close:
        return AT_CLOSE
    side = 1 if order.isbuy() else -1
    if kind == bt.Order.Limit:
        return AT_OPEN if side * (order.created.price - opened) > 0 else WITHIN
    if kind == bt.Order.Stop:
        return AT_OPEN if side * (opened - order.created.price) >= 0 else WITHIN
    return WITHIN


def slipped(order: Any, price: float, slippage: float) -> float:
    """Return a price made worse by the slippage, a fraction."""
    return price * (1.0 + slippage if order.isbuy() else 1.0 - slippage)


def limit_fill(
    order: Any, limit: float, opened: float, beyond: float, slippage: float, half_spread: float
) -> float | None:
    """Return at what price a bar fills a limit order, None where it does not.

    A bar that opens better than the limit fills at the open with its costs, never worse than the limit. Else the bar
    must trade through the limit and fills at it: a price that only touches it has others before us.

    Args:
        beyond: the low of the bar for a buy, its high for a sale.
        slippage: a fraction of the price.
    """
    side = 1 if order.isbuy() else -1
    if side * (limit - opened) > 0:
        price = slipped(order, opened, slippage) + side * half_spread
        return min(price, limit) if side > 0 else max(price, limit)
    return limit if side * (limit - beyond) > 0 else None
