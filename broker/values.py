"""The broker's nouns as plain values: orders, positions, fills, the account, corporate actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import ROUND_DOWN, Decimal
from typing import Any

from broker.orders import Progress


@dataclass(frozen=True)
class RawPrice:
    """A price as traded, never one adjusted for dividends or splits. Orders take no other type of price."""

    value: Decimal

    def __post_init__(self) -> None:
        if not (self.value.is_finite() and self.value > 0):
            raise ValueError(f"a price must be positive and finite, not {self.value}")

    def rounded(self) -> RawPrice:
        """Return the price on Alpaca's grid: two decimals from one dollar up, four below."""
        return RawPrice(self.value.quantize(Decimal("0.01") if self.value >= 1 else Decimal("0.0001")))


@dataclass(frozen=True)
class OrderRequest:
    """One order to send. `quantity` is positive; the side says where it goes."""

    client_order_id: str
    symbol: str
    side: str  # "buy" or "sell"
    quantity: Decimal
    kind: str = "market"  # "market", "limit", "stop", "stop_limit"
    time_in_force: str = "day"
    limit_price: RawPrice | None = None
    stop_price: RawPrice | None = None
    take_profit: RawPrice | None = None  # both set: a bracket
    stop_loss: RawPrice | None = None
    extended_hours: bool = False

    def __post_init__(self) -> None:
        for price in (self.limit_price, self.stop_price, self.take_profit, self.stop_loss):
            if price is not None and not isinstance(price, RawPrice):
                raise TypeError(f"an order takes RawPrice, not {type(price).__name__}")
        if self.side not in ("buy", "sell") or not (self.quantity.is_finite() and self.quantity > 0):
            raise ValueError(f"{self.client_order_id}: side {self.side!r}, quantity {self.quantity}")

    def body(self) -> dict[str, Any]:
        """Return the JSON body; every number is a string."""
        body: dict[str, Any] = {
            "symbol": self.symbol,
            "qty": plain(self.quantity),
            "side": self.side,
            "type": self.kind,
            "time_in_force": self.time_in_force,
            "client_order_id": self.client_order_id,
        }
        if self.limit_price is not None:
            body["limit_price"] = plain(self.limit_price.rounded().value)
        if self.stop_price is not None:
            body["stop_price"] = plain(self.stop_price.rounded().value)
        if self.take_profit is not None and self.stop_loss is not None:
            body["order_class"] = "bracket"
            body["take_profit"] = {"limit_price": plain(self.take_profit.rounded().value)}
            body["stop_loss"] = {"stop_price": plain(self.stop_loss.rounded().value)}
        if self.extended_hours:
            body["extended_hours"] = True
        return body


@dataclass(frozen=True)
class Account:
    """The account's money and whether it may trade."""

    id: str
    status: str
    equity: Decimal
    last_equity: Decimal
    cash: Decimal
    buying_power: Decimal
    account_blocked: bool
    trading_blocked: bool
    trade_suspended: bool
    shorting_enabled: bool

    def problem(self, suspension_is_ours: bool = False) -> str | None:
        """Return why no order may be sent, or None; a suspension of our own is no problem but a wish."""
        if self.status != "ACTIVE":
            return f"the account's status is {self.status}"
        for name in ("account_blocked", "trading_blocked"):
            if getattr(self, name):
                return f"the account is flagged {name}"
        if self.trade_suspended and not suspension_is_ours:
            return "the account is suspended at the broker (suspend_trade), and not by this book"
        return None


@dataclass(frozen=True)
class Asset:
    """What may be done with a symbol."""

    symbol: str
    status: str
    tradable: bool
    fractionable: bool
    shortable: bool
    easy_to_borrow: bool


@dataclass(frozen=True)
class MarketClock:
    """The broker's own time and whether it says that the market is open."""

    now: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime


@dataclass(frozen=True)
class CalendarDay:
    """One session by the broker's calendar; open and close are exchange-local wall times."""

    day: date
    open: time
    close: time


@dataclass(frozen=True)
class BrokerOrder:
    """An order as the broker reports it. `quantity` is 0 for a notional order."""

    id: str
    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    kind: str
    status: str
    filled: Decimal
    average_price: Decimal | None
    submitted_at: datetime | None
    replaced_by: str | None = None
    replaces: str | None = None
    legs: tuple[BrokerOrder, ...] = ()

    @property
    def progress(self) -> Progress:
        """What this report says about the order's life."""
        return Progress(self.status, self.filled)


@dataclass(frozen=True)
class Position:
    """A holding; `quantity` is negative for a short one. `available` of it, of the same sign, no order holds."""

    symbol: str
    quantity: Decimal
    average_price: Decimal
    last_price: Decimal | None
    available: Decimal


@dataclass(frozen=True)
class Fill:
    """One execution; `id` is unique and the only thing that makes two fills the same."""

    id: str
    order_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    at: datetime

    @property
    def signed(self) -> Decimal:
        """Quantity with the sign of its effect on the position."""
        return self.quantity if self.side == "buy" else -self.quantity


def plain(value: Decimal) -> str:
    """Return a number in digits, without exponent or trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


SPLIT, DIVIDEND, OTHER = "split", "cash_dividend", "other"


SHARES = Decimal("0.000001")  # within which two quantities are the same


@dataclass(frozen=True)
class CorporateAction:
    """One announced action.

    Attributes:
        id: Alpaca's.
        kind: "split" (stock dividends too), "cash_dividend", or "other": whatever else changes what is held.
        ex_date: first date on which the stock trades without the right, or in the new shares.
        ratio: shares after for one share before; None unless a split.
        cash: dollars a share; None unless a cash dividend.
        text: in words.
    """

    id: str
    kind: str
    symbol: str
    ex_date: date
    ratio: Decimal | None
    cash: Decimal | None
    text: str


@dataclass(frozen=True)
class SplitBooking:
    """What a split does to a position: signed shares it adds, and signed shares given up for cash (0 or less
    than one share in size)."""

    added: Decimal
    in_cash: Decimal


@dataclass(frozen=True)
class CashFlow:
    """Cash that came from no order: a deposit, a fee, a dividend, the price of a fraction.

    Attributes:
        kind: "deposit", "withdrawal", "dividend", "fee", "coin_fee", "interest", "in_lieu", or Alpaca's type
            in small letters.
        amount: signed dollars.
        moved_at: when the account's cash moved; None where only the date is known.
    """

    id: str
    kind: str
    symbol: str
    amount: Decimal
    on: date
    moved_at: datetime | None = None


def split_booking(before: Decimal, after: Decimal, ratio: Decimal) -> SplitBooking | None:
    """Return how a split explains that `after` shares are held and not `before`; None where it does not.

    It does where `after` is exactly `before` x `ratio`, or that without its fraction of a share, which is paid in
    cash. Signed; tolerance a millionth of a share.
    """
    exact = before * ratio
    if not before or abs(after - before) <= SHARES:
        return None
    if abs(after - exact) <= SHARES:
        return SplitBooking(after - before, Decimal(0))
    if abs(after - exact.to_integral_value(ROUND_DOWN)) <= SHARES:
        return SplitBooking(exact - before, after - exact)
    return None
