"""Which orders the broker takes: every refusal that needs the account, the asset, the market or the hour.

`admit` asks the questions in one fixed order and raises the first Refusal. A duplicate id comes before
everything that can change, so that sending an order again always gives the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from decimal import Decimal

from broker.simulator.values import MINUTE, NEW_YORK, ZERO, Refusal, as_datetime, is_coin, number_text
from broker.simulator.world.account import (
    SHORT_EQUITY_MINIMUM,
    Account,
    Asset,
    Worth,
    cost_basis,
    market_collar,
)
from broker.simulator.world.book import Book
from broker.simulator.world.clock import TradingCalendar, instant_on, new_york_day
from broker.simulator.world.orders import Order
from broker.simulator.world.requests import INVALID, OrderRequest

FORBIDDEN = 40310000
EVENING = time(19)
OPG_LEAD, CLS_LEAD = 2 * MINUTE, 10 * MINUTE  # before the open and before the close
MAX_LEVERAGE = 6


@dataclass(frozen=True)
class Admission:
    """Everything that a decision about a request may depend on."""

    request: OrderRequest
    asset: Asset | None
    account: Account
    book: Book
    worth: Worth
    price: Decimal | None
    calendar: TradingCalendar
    now: int

    @property
    def quantity(self) -> Decimal:
        """Shares asked for; for an amount of money, what it would buy now."""
        if self.request.qty is not None:
            return self.request.qty
        amount = self.request.notional or ZERO
        return amount / self.price if self.price else amount

    @property
    def position(self) -> Decimal:
        """Signed quantity held of the symbol."""
        return self.book.quantity(self.request.symbol)

    @property
    def closes(self) -> bool:
        """Whether the request is on the side that reduces the position."""
        return self.position > 0 if self.request.side == "sell" else self.position < 0


def admit(case: Admission) -> None:
    """Raise the Refusal that the broker would answer with, or return."""
    check_duplicate(case.book, case.request.client_order_id)
    check_account(case)
    check_asset(case)
    check_hours(case)
    check_base_price(case)
    check_wash_trade(case)
    check_holding(case)
    check_short(case)
    check_power(case)


def check_duplicate(book: Book, client_order_id: str | None) -> None:
    """Refuse an id that any order ever had."""
    if client_order_id in book.client_ids:
        raise Refusal(422, 40010001, "client_order_id must be unique")


def check_account(case: Admission) -> None:
    """Refuse when the account may not trade."""
    account = case.account
    if account.configuration["suspend_trade"]:
        raise Refusal(403, FORBIDDEN, "new orders are rejected by user request")
    if account.status != "ACTIVE":
        raise Refusal(403, FORBIDDEN, f"account is not active: {account.status}")
    if account.account_blocked or account.trading_blocked:
        raise Refusal(403, FORBIDDEN, "account is not allowed to trade")
    if not case.closes and case.worth.gross > MAX_LEVERAGE * max(case.worth.equity, ZERO):
        raise Refusal(403, FORBIDDEN, "positions exceed 600% of equity; only closing orders are accepted")


def check_asset(case: Admission) -> None:
    """Refuse when the asset is unknown, not tradable, or not divisible."""
    asset, symbol = case.asset, case.request.symbol
    if asset is None:
        raise Refusal(422, INVALID, f'asset "{symbol[:40]}" not found')
    if asset.status != "active":
        raise Refusal(422, INVALID, f'asset "{symbol}" is not active')
    if not asset.tradable:
        raise Refusal(403, FORBIDDEN, f'asset "{symbol}" is not tradable')
    smallest = Decimal(str(asset.extra.get("min_order_size", 0)))
    if is_coin(symbol) and case.quantity < smallest and not case.closes:
        raise Refusal(403, FORBIDDEN, f"order size must be at least {smallest} of {symbol}")
    fractional = case.request.fractional
    if fractional and not (asset.fractionable and case.account.configuration["fractional_trading"]):
        raise Refusal(403, FORBIDDEN, f'asset "{symbol}" is not fractionable')


def check_hours(case: Admission) -> None:
    """Refuse auction orders in the hours when none are taken; half-days count from their own close."""
    if is_coin(case.request.symbol):
        return
    day = new_york_day(case.now)
    session = case.calendar.session_on(day)
    evening = instant_on(day, EVENING)
    if session is None or case.now >= evening:
        return
    kind = case.request.time_in_force
    if kind == "opg" and case.now > session.open - OPG_LEAD:
        raise Refusal(422, INVALID, "opg orders are not accepted between 09:28 and 19:00 ET")
    if kind == "cls" and case.now > session.close - CLS_LEAD:
        cut = as_datetime(session.close - CLS_LEAD, NEW_YORK)
        raise Refusal(422, INVALID, f"cls orders are not accepted between {cut:%H:%M} and 19:00 ET")


def check_base_price(case: Admission) -> None:
    """Refuse a bracket whose stop is less than a cent away from the entry's price."""
    request = case.request
    base = request.limit_price if request.limit_price is not None else case.price
    if request.stop_loss is None or base is None or request.order_class == "oco":
        return
    gap = base - request.stop_loss if request.side == "buy" else request.stop_loss - base
    if gap < Decimal("0.01"):
        side = "<= base_price - 0.01" if request.side == "buy" else ">= base_price + 0.01"
        raise Refusal(422, INVALID, f"stop_loss.stop_price must be {side}", base_price=number_text(base))


def check_wash_trade(case: Admission) -> None:
    """Refuse a simple order that could trade with an open order of the other side."""
    if not case.request.simple:
        return
    for order in case.book.working_orders(case.request.symbol):
        reason = _opposed(case.request, order)
        if reason is not None:
            raise Refusal(
                403,
                FORBIDDEN,
                "potential wash trade detected. use complex orders",
                existing_order_id=order.id,
                reject_reason=reason,
            )


def _opposed(request: OrderRequest, order: Order) -> str | None:
    if order.side == request.side:
        return None
    if order.type != "limit":
        return "opposite side market/stop order exists"
    if request.limit_price is None or order.limit_price is None:
        return "opposite side limit order exists"
    if request.side == "buy":
        crosses = request.limit_price >= order.limit_price
    else:
        crosses = request.limit_price <= order.limit_price
    return "opposite side limit order exists" if crosses else None


def check_holding(case: Admission) -> None:
    """Refuse to close more than is held and free: no order turns a long position short or a short one long."""
    if not case.closes:
        return
    request = case.request
    existing = abs(case.position)
    held = case.book.held(request.symbol, request.side)
    available = max(existing - held, ZERO)
    if case.quantity > available:
        raise Refusal(
            403,
            FORBIDDEN,
            f"insufficient qty available for order (requested: {number_text(case.quantity)}, "
            f"available: {number_text(available)})",
            available=number_text(available),
            existing_qty=number_text(existing),
            held_for_orders=number_text(held),
            symbol=request.symbol,
        )


def check_short(case: Admission) -> None:
    """Refuse a short sale that the request, the account or the asset does not allow."""
    if case.request.side != "sell" or case.closes:
        return
    if is_coin(case.request.symbol):
        coin, wanted = case.request.symbol.partition("/")[0], number_text(case.quantity)
        raise Refusal(403, FORBIDDEN, f"insufficient balance for {coin} (requested: {wanted}, available: 0)")
    if case.request.fractional:
        raise Refusal(422, INVALID, "fractional orders cannot be sold short")
    account = case.account
    allowed = account.shorting_enabled and not account.configuration["no_shorting"]
    if not allowed or case.worth.equity < SHORT_EQUITY_MINIMUM or case.worth.multiplier == 1:
        raise Refusal(403, FORBIDDEN, "account is not allowed to short")
    if case.asset is not None and not (case.asset.shortable and case.asset.easy_to_borrow):
        raise Refusal(403, FORBIDDEN, f'asset "{case.request.symbol}" cannot be sold short')


def check_power(case: Admission) -> None:
    """Refuse an opening order that costs more than the buying power."""
    request = case.request
    if case.closes or request.order_class == "oco":
        return
    if request.notional is not None:
        cost = request.notional * (market_collar(case.price) if case.price else 1)
    else:
        cost = cost_basis(request.side, case.quantity, request.limit_price, request.stop_price, case.price)
    power = case.worth.power(1) if is_coin(request.symbol) else case.worth.buying_power
    if cost > power:
        raise Refusal(
            403,
            FORBIDDEN,
            "insufficient buying power",
            buying_power=number_text(round(power, 2)),
            cost_basis=number_text(round(cost, 2)),
        )


def intent_of(request: OrderRequest, position: Decimal) -> str:
    """Return the position intent: what was asked for, else what side and position say."""
    if request.position_intent is not None:
        return request.position_intent
    closes = position > 0 if request.side == "sell" else position < 0
    return f"{request.side}_to_{'close' if closes else 'open'}"
