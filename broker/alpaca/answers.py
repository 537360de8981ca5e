"""What Alpaca sends and takes, as frozen values. Parsed here and not by the SDK, because the SDK's models
raise on a field that went away or a status that is new.

Numbers are Decimal (Alpaca sends strings), times are aware UTC. Unknown fields are ignored; a field this program
needs and cannot read raises `BadAnswer`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from broker.values import Account, Asset, BrokerOrder, CalendarDay, CashFlow, Fill, MarketClock, Position


class BadAnswer(ValueError):  # noqa: N818 - that is what it is
    """An answer without what it must contain; after a POST it means that the outcome is unknown."""


def account(body: Any) -> Account:
    """Read `GET /v2/account`."""
    body = _mapping(body, "account")
    equity = number(body, "equity")
    return Account(
        id=text(body, "id"),
        status=text(body, "status"),
        equity=equity,
        last_equity=number(body, "last_equity", equity),
        cash=number(body, "cash"),
        buying_power=number(body, "buying_power", Decimal(0)),
        account_blocked=flag(body, "account_blocked", True),
        trading_blocked=flag(body, "trading_blocked", True),
        trade_suspended=flag(body, "trade_suspended_by_user", True),
        shorting_enabled=flag(body, "shorting_enabled", False),
    )


def asset(body: Any) -> Asset:
    """Read `GET /v2/assets/{symbol}`. `borrow_status` replaces `easy_to_borrow`, which is going away."""
    body = _mapping(body, "asset")
    borrow = body.get("borrow_status")
    easy = borrow == "easy_to_borrow" if borrow is not None else flag(body, "easy_to_borrow", False)
    return Asset(
        symbol=text(body, "symbol"),
        status=text(body, "status"),
        tradable=flag(body, "tradable", False),
        fractionable=flag(body, "fractionable", False),
        shortable=flag(body, "shortable", False),
        easy_to_borrow=easy,
    )


def assets(body: Any, wanted: Collection[str]) -> dict[str, Asset]:
    """Read those of `GET /v2/assets` that are wanted; of the others, thousands, nothing is looked at."""
    if not isinstance(body, list):
        raise BadAnswer(f"assets: expected a list, not {type(body).__name__}")
    found = [asset(item) for item in body if isinstance(item, dict) and item.get("symbol") in wanted]
    return {item.symbol: item for item in found}


def market_clock(body: Any) -> MarketClock:
    """Read `GET /v2/clock`."""
    body = _mapping(body, "clock")
    if not isinstance(body.get("is_open"), bool):
        raise BadAnswer(f"clock: is_open = {body.get('is_open')!r}")
    return MarketClock(
        timestamp(body, "timestamp"),
        body["is_open"],
        timestamp(body, "next_open"),
        timestamp(body, "next_close"),
    )


def calendar_day(body: Any) -> CalendarDay:
    """Read one entry of `GET /v2/calendar`."""
    body = _mapping(body, "calendar day")
    try:
        day = date.fromisoformat(text(body, "date"))
        return CalendarDay(
            day, time.fromisoformat(text(body, "open")), time.fromisoformat(text(body, "close"))
        )
    except ValueError as error:
        raise BadAnswer(f"calendar: {error}") from None


def order(body: Any) -> BrokerOrder:
    """Read one order; statuses and classes that are new pass through as text."""
    body = _mapping(body, "order")
    average = body.get("filled_avg_price")
    return BrokerOrder(
        id=text(body, "id"),
        client_order_id=text(body, "client_order_id"),
        symbol=str(body.get("symbol") or ""),
        side=str(body.get("side") or ""),
        quantity=number(body, "qty", Decimal(0)),
        kind=str(body.get("type") or body.get("order_type") or ""),
        status=text(body, "status"),
        filled=number(body, "filled_qty", Decimal(0)),
        average_price=None if average is None else decimal(average, "filled_avg_price"),
        submitted_at=timestamp(body, "submitted_at") if body.get("submitted_at") else None,
        replaced_by=body.get("replaced_by") or None,
        replaces=body.get("replaces") or None,
        legs=tuple(order(leg) for leg in body.get("legs") or ()),
    )


def position(body: Any) -> Position:
    """Read one position; Alpaca's short quantities are negative, and `side` is checked against the sign."""
    body = _mapping(body, "position")
    quantity = number(body, "qty")
    if body.get("side") == "short":
        quantity = -abs(quantity)
    last = body.get("current_price")
    available = min(abs(number(body, "qty_available", quantity)), abs(quantity))
    return Position(
        text(body, "symbol"),
        quantity,
        number(body, "avg_entry_price", Decimal(0)),
        None if last is None else decimal(last, "current_price"),
        available if quantity > 0 else -available,
    )


def fill(body: Any) -> Fill:
    """Read one FILL activity. The digits in front of its id are New York time and mean nothing here."""
    body = _mapping(body, "fill")
    return Fill(
        id=text(body, "id"),
        order_id=text(body, "order_id"),
        symbol=text(body, "symbol"),
        side="buy" if text(body, "side") == "buy" else "sell",
        quantity=number(body, "qty"),
        price=number(body, "price"),
        at=timestamp(body, "transaction_time"),
    )


FLOWS = {
    "CSD": "deposit",
    "CSW": "withdrawal",
    "DIV": "dividend",
    "FEE": "fee",
    "CFEE": "coin_fee",
    "INT": "interest",
}


def cash_flow(body: Any) -> CashFlow | None:
    """Read one activity that is no trade; None where no cash moved (a split), or it was taken back."""
    body = _mapping(body, "activity")
    kind = text(body, "activity_type")
    amount = number(body, "net_amount", Decimal(0))
    if not amount or body.get("status") == "canceled":
        return None
    try:
        day = date.fromisoformat(text(body, "date")[:10])
    except ValueError as error:
        raise BadAnswer(f"activity: {error}") from None
    moved_at = timestamp(body, "created_at") if body.get("created_at") else None
    name = FLOWS.get(kind) or ("dividend" if kind.startswith("DIV") else kind.lower())
    return CashFlow(text(body, "id"), name, str(body.get("symbol") or ""), amount, day, moved_at)


def activity(body: Any) -> tuple[str, CashFlow | None]:
    """Read the id of one activity that is no trade, and the cash that it moved, if any."""
    return text(_mapping(body, "activity"), "id"), cash_flow(body)


def text(body: Mapping[str, Any], key: str) -> str:
    """Return a non-empty text field."""
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise BadAnswer(f"{key} = {value!r}: expected text")
    return value


def flag(body: Mapping[str, Any], key: str, unless_said: bool) -> bool:
    """Return a true/false field; `unless_said`, the safe answer, where it is absent or anything but a boolean."""
    value = body.get(key)
    return value if isinstance(value, bool) else unless_said


def number(body: Mapping[str, Any], key: str, missing: Decimal | None = None) -> Decimal:
    """Return a finite number field; `missing` where it is absent or null."""
    value = body.get(key)
    if value is None and missing is not None:
        return missing
    return decimal(value, key)


def decimal(value: Any, what: str) -> Decimal:
    """Return `value` as a finite Decimal; floats by their shortest text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadAnswer(f"{what} = {value!r}: expected a number")
    try:
        result = Decimal(str(value))
    except InvalidOperation:
        raise BadAnswer(f"{what} = {value!r}: expected a number") from None
    if not result.is_finite():
        raise BadAnswer(f"{what} = {value!r}: expected a finite number")
    return result


_NANOSECONDS = re.compile(r"(\.\d{6})\d+")


def timestamp(body: Mapping[str, Any], key: str) -> datetime:
    """Return an RFC 3339 time as UTC, cut to microseconds; one without zone is refused."""
    raw = text(body, key)
    try:
        value = datetime.fromisoformat(_NANOSECONDS.sub(r"\1", raw))
    except ValueError:
        raise BadAnswer(f"{key} = {raw!r}: expected a time") from None
    if value.tzinfo is None:
        raise BadAnswer(f"{key} = {raw!r}: a time without zone")
    return value.astimezone(UTC)


def _mapping(body: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise BadAnswer(f"{what}: expected an object, not {type(body).__name__}")
    return body
