"""The account's own facts, its assets, and what it is worth: equity, margin, buying power.

Buying power is multiplier x equity - gross market value - what open orders reserve (the first part agrees with
the example of the API's specification to the cent).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from broker.simulator.values import ZERO, is_coin, unique_id
from broker.simulator.world.book import Book

INITIAL_MARGIN, MAINTENANCE_MARGIN = Decimal("0.5"), Decimal("0.3")
SHORT_EQUITY_MINIMUM = Decimal(2000)
SHORT_COLLAR = Decimal("1.03")
_CHEAP_COLLAR, _DEAR_COLLAR, _DEAR_FROM = Decimal("1.04"), Decimal("1.025"), Decimal(50)

CONFIGURATION: dict[str, Any] = {
    "disable_overnight_trading": False,
    "fractional_trading": True,
    "max_margin_multiplier": "4",
    "max_options_trading_level": 2,
    "no_shorting": False,
    "ptp_no_exception_entry": False,
    "suspend_trade": False,
    "trade_confirm_email": "all",
}


@dataclass
class Account:
    """Identity, flags and settings; what it holds is in the book."""

    id: str
    account_number: str
    created: int
    status: str = "ACTIVE"
    account_blocked: bool = False
    trading_blocked: bool = False
    transfers_blocked: bool = False
    shorting_enabled: bool = True
    multiplier: int = 4
    last_equity: str = "0"
    balance_asof: str = ""
    configuration: dict[str, Any] = field(default_factory=lambda: dict(CONFIGURATION))
    extra: dict[str, Any] = field(default_factory=dict)


def new_account(seed: int, generation: int, created: int) -> Account:
    """Return a fresh account; each generation (a reset of the paper account) has its own id."""
    identifier = unique_id(seed, "account", generation)
    number = "PA3" + identifier.replace("-", "").upper()[:9]
    return Account(id=identifier, account_number=number, created=created)


@dataclass
class Asset:
    """A security and its flags."""

    id: str
    symbol: str
    exchange: str = "NASDAQ"
    name: str = ""
    status: str = "active"
    tradable: bool = True
    marginable: bool = True
    shortable: bool = True
    easy_to_borrow: bool = True
    fractionable: bool = True
    extra: dict[str, Any] = field(default_factory=dict)


COIN_STEPS = {
    "min_order_size": "0.0001",
    "min_trade_increment": "0.000000001",
    "price_increment": "0.000000001",
}


def new_asset(symbol: str) -> Asset:
    """Return an asset that may be traded in every way, a coin with cash alone and never short."""
    if is_coin(symbol):
        return Asset(
            id=unique_id("asset", symbol),
            symbol=symbol,
            exchange="CRYPTO",
            name=f"{symbol.replace('/', ' / ')} pair",
            marginable=False,
            shortable=False,
            easy_to_borrow=False,
            extra=dict(COIN_STEPS),
        )
    return Asset(id=unique_id("asset", symbol), symbol=symbol, name=f"{symbol} Common Stock")


@dataclass(frozen=True)
class Worth:
    """What the account is worth at one instant, in dollars; short market value is negative."""

    cash: Decimal
    long_value: Decimal
    short_value: Decimal
    reserved: Decimal
    multiplier: int

    @property
    def equity(self) -> Decimal:
        """Cash and market values."""
        return self.cash + self.long_value + self.short_value

    @property
    def gross(self) -> Decimal:
        """Sum of absolute market values."""
        return self.long_value - self.short_value

    @property
    def buying_power(self) -> Decimal:
        """What may still be bought or shorted."""
        return self.power(self.multiplier)

    def power(self, multiplier: int) -> Decimal:
        """Return the buying power at another multiplier."""
        if multiplier == 1:
            return max(ZERO, self.cash - self.reserved)
        return max(ZERO, multiplier * self.equity - self.gross - self.reserved)


def market_collar(price: Decimal) -> Decimal:
    """Return the factor at which a market buy is valued: 1.025 from 50 dollars, 1.04 below."""
    return _DEAR_COLLAR if price >= _DEAR_FROM else _CHEAP_COLLAR


def worth(book: Book, account: Account, prices: dict[str, Decimal | None]) -> Worth:
    """Return the account's worth; a position without a price counts at its cost."""
    long_value = short_value = ZERO
    for position in book.positions.values():
        price = prices.get(position.symbol)
        value = position.cost if price is None else position.qty * price
        if position.qty > 0:
            long_value += value
        else:
            short_value += value
    reserved = sum((reserve(book, order.id, prices.get(order.symbol)) for order in opening(book)), ZERO)
    limit = int(account.configuration["max_margin_multiplier"])
    return Worth(book.cash, long_value, short_value, reserved, min(account.multiplier, limit))


def opening(book: Book) -> list[Any]:
    """Return the open orders that reserve buying power: entries, not the legs that close them."""
    return [order for order in book.working_orders() if order.parent is None and order.order_class != "oco"]


def reserve(book: Book, order_id: str, price: Decimal | None) -> Decimal:
    """Return the buying power that an open order holds; what reduces a position holds none."""
    order = book.orders[order_id]
    if order.position_intent.endswith("_to_close"):
        return ZERO
    qty = order.remaining
    if order.notional is not None:
        return order.notional - order.filled_value
    return cost_basis(order.side, qty, order.limit_price, order.stop_price, price)


def cost_basis(
    side: str, qty: Decimal, limit: Decimal | None, stop: Decimal | None, price: Decimal | None
) -> Decimal:
    """Return what an opening order is valued at: limit price, else the market with its collar.

    Market buys are valued 2.5 % (from 50 dollars) or 4 % above the market, shorts at least 3 % above it.
    """
    market = price if price is not None else ZERO
    if side == "buy":
        value = limit if limit is not None else max(market, stop or ZERO) * market_collar(market)
    else:
        value = max(limit or ZERO, market * SHORT_COLLAR)
    return qty * value
