"""Dividends of the simulated market: cash for who held the stock when its ex date began. Pure.

Alpaca pays paper accounts none, so a dividend is paid only where it is ordered as `paid`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal

from broker.simulator.world.clock import Session
from broker.simulator.world.state import World


@dataclass(frozen=True)
class Dividend:
    """`rate` dollars a share for who holds when `day`, the ex date, begins; all dates ISO."""

    symbol: str
    day: str
    rate: str
    payable: str
    paid: bool = False
    announced: bool = True

    @property
    def key(self) -> str:
        """Its name in the account's notes."""
        return f"{self.symbol}@{self.day}"


def dividends(world: World) -> list[Dividend]:
    """Return all dividends that were ordered."""
    return [Dividend(**item) for item in world.dividends]


def order_dividend(world: World, dividend: Dividend) -> None:
    """Let a dividend be announced and, where it is `paid`, be paid."""
    Decimal(dividend.rate)
    date.fromisoformat(dividend.day)
    date.fromisoformat(dividend.payable)
    world.dividends.append(asdict(dividend))
    world.touched.add("market")


def pay_dividends(world: World, session: Session) -> None:
    """Note who holds what at the beginning of an ex date, and pay what is payable by the session's date."""
    today = session.day.isoformat()
    for dividend in dividends(world):
        if dividend.paid and dividend.day <= today and dividend.key not in world.entitled:
            world.entitled[dividend.key] = str(world.book.quantity(dividend.symbol))
            world.touched.add("market")
        held = Decimal(world.entitled.get(dividend.key, "0"))
        if held and dividend.payable <= today and dividend.key not in world.paid_dividends:
            world.paid_dividends.append(dividend.key)
            rate = Decimal(dividend.rate)
            at = world.book.stamp(world.now)
            world.book.post(
                "dividend",
                at,
                (held * rate).quantize(Decimal("0.01")),
                symbol=dividend.symbol,
                price=rate,
                cumulative=held,
                execution_id=world.book.next_id("dividend"),
            )
