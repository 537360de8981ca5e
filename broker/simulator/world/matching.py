"""When and at what price an order meets a price that moves in a straight line. Pure.

A segment runs from price `first` to price `last`. The answer is the share of the way (0 at its start, 1 at its
end) and the price. An order that could already have traded at the start trades there, at the market's price.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from broker.simulator.world.orders import Order


@dataclass(frozen=True)
class Touch:
    """Where an order first does something on a segment.

    `kind` is "fill" (it executes at `price`) or "trigger" (its stop is met and it becomes a limit order).
    """

    share: Decimal
    price: Decimal
    kind: str = "fill"


def touch(order: Order, first: Decimal, last: Decimal) -> Touch | None:
    """Return where the order first acts on the way from `first` to `last`, None where it does not."""
    if order.type == "market" or (order.triggered and order.limit_price is None):
        return Touch(Decimal(0), first)
    if order.type == "limit" or order.triggered:
        return _limit(order.sign, order.limit_price or Decimal(0), first, last)
    stop = stop_level(order)
    if stop is None:
        return None
    met = _stop(order.sign, stop, first, last)
    if met is not None and order.type == "stop_limit":
        return Touch(met.share, met.price, "trigger")
    return met


def stop_level(order: Order) -> Decimal | None:
    """Return the price at which the stop is met; a trailing stop follows its high-water mark."""
    if order.type != "trailing_stop":
        return order.stop_price
    if order.hwm is None:
        return None
    if order.trail_price is not None:
        return order.hwm + order.sign * order.trail_price
    percent = order.trail_percent or Decimal(0)
    return order.hwm * (1 + order.sign * percent / 100)


def water_mark(order: Order, price: Decimal) -> Decimal:
    """Return the high-water mark (low for a buy) after the price was seen."""
    if order.hwm is None:
        return price
    return min(order.hwm, price) if order.side == "buy" else max(order.hwm, price)


def _limit(sign: int, limit: Decimal, first: Decimal, last: Decimal) -> Touch | None:
    if (limit - first) * sign >= 0:
        return Touch(Decimal(0), first)
    if (limit - last) * sign >= 0:
        return Touch(_share(limit, first, last), limit)
    return None


def _stop(sign: int, stop: Decimal, first: Decimal, last: Decimal) -> Touch | None:
    if (first - stop) * sign >= 0:
        return Touch(Decimal(0), first)
    if (last - stop) * sign >= 0:
        return Touch(_share(stop, first, last), stop)
    return None


def _share(level: Decimal, first: Decimal, last: Decimal) -> Decimal:
    return Decimal(1) if first == last else (level - first) / (last - first)
