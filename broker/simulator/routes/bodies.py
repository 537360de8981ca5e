"""The JSON shapes of the trading API: numbers as strings, instants with nanoseconds, every recorded field present."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from broker.simulator.values import (
    NEW_YORK,
    ZERO,
    as_datetime,
    is_coin,
    new_york_text,
    number_text,
    optional_text,
    optional_utc,
    utc_text,
)
from broker.simulator.world.account import INITIAL_MARGIN, MAINTENANCE_MARGIN, Asset
from broker.simulator.world.book import Event
from broker.simulator.world.clock import Session, new_york_day
from broker.simulator.world.orders import Entry, Order
from broker.simulator.world.state import World

Body = dict[str, Any]
PLACES = 9
NON_TRADES = {
    "dividend": "DIV",
    "deposit": "CSD",
    "withdrawal": "CSW",
    "fee": "FEE",
    "interest": "INT",
    "coin_fee": "CFEE",
}


def account_body(world: World) -> Body:
    """Return GET /v2/account; the pattern-day-trader fields are gone, as since 2026-07-06."""
    account, worth = world.account, world.worth()
    initial, maintenance = worth.gross * INITIAL_MARGIN, worth.gross * MAINTENANCE_MARGIN
    power = _money(worth.buying_power)
    return {
        "id": account.id,
        "admin_configurations": {},
        "user_configurations": None,
        "account_number": account.account_number,
        "status": account.status,
        "crypto_status": "ACTIVE",
        "options_approved_level": 2,
        "options_trading_level": 2,
        "currency": "USD",
        "buying_power": power,
        "regt_buying_power": _money(worth.power(min(2, worth.multiplier))),
        "effective_buying_power": power,
        "non_marginable_buying_power": _money(max(worth.cash - worth.reserved, ZERO)),
        "options_buying_power": _money(max(worth.equity - initial, ZERO)),
        "cash": _money(worth.cash),
        "accrued_fees": "0",
        "portfolio_value": _money(worth.equity),
        "trading_blocked": account.trading_blocked,
        "transfers_blocked": account.transfers_blocked,
        "account_blocked": account.account_blocked,
        "created_at": utc_text(account.created),
        "trade_suspended_by_user": bool(account.configuration["suspend_trade"]),
        "multiplier": str(worth.multiplier),
        "shorting_enabled": account.shorting_enabled and not account.configuration["no_shorting"],
        "equity": _money(worth.equity),
        "last_equity": account.last_equity,
        "long_market_value": _money(worth.long_value),
        "short_market_value": _money(worth.short_value),
        "position_market_value": _money(worth.long_value + worth.short_value),
        "initial_margin": _money(initial),
        "maintenance_margin": _money(maintenance),
        "last_maintenance_margin": _money(maintenance),
        "sma": "0",
        "balance_asof": account.balance_asof or new_york_day(account.created).isoformat(),
        "crypto_tier": 1,
        "intraday_adjustments": "0",
        "pending_reg_taf_fees": "0",
        "pending_transfer_in": "0",
        **account.extra,
    }


def clock_body(world: World) -> Body:
    """Return GET /v2/clock: New York time with its offset; a lie that was ordered shows here only."""
    now = world.clock_now() + int(world.clock_lie.get("offset_ns", 0))
    is_open = world.calendar.session_at(now) is not None
    return {
        "timestamp": new_york_text(now),
        "is_open": world.clock_lie.get("is_open", is_open),
        "next_open": new_york_text(world.calendar.next_open(now)),
        "next_close": new_york_text(world.calendar.next_close(now)),
    }


def calendar_body(sessions: list[Session], settlement: dict[date, date]) -> list[Body]:
    """Return GET /v2/calendar: New York's wall clock, without a zone."""
    return [
        {**_hours(session), "settlement_date": settlement[session.day].isoformat()} for session in sessions
    ]


@lru_cache(maxsize=20_000)  # the whole calendar is 15,000 sessions, and clients ask for it again and again
def _hours(session: Session) -> Body:
    return {
        "date": session.day.isoformat(),
        "open": f"{as_datetime(session.open, NEW_YORK):%H:%M}",
        "close": f"{as_datetime(session.close, NEW_YORK):%H:%M}",
        "session_open": f"{as_datetime(session.pre_open, NEW_YORK):%H%M}",
        "session_close": f"{as_datetime(session.post_close, NEW_YORK):%H%M}",
    }


def asset_body(asset: Asset) -> Body:
    """Return one asset."""
    return {
        "id": asset.id,
        "class": "crypto" if is_coin(asset.symbol) else "us_equity",
        "exchange": asset.exchange,
        "symbol": asset.symbol,
        "name": asset.name,
        "status": asset.status,
        "tradable": asset.tradable,
        "marginable": asset.marginable,
        "maintenance_margin_requirement": 30,
        "margin_requirement_long": "30",
        "margin_requirement_short": "30",
        "shortable": asset.shortable,
        "easy_to_borrow": asset.easy_to_borrow,
        "borrow_status": "easy_to_borrow" if asset.easy_to_borrow else "hard_to_borrow",
        "fractionable": asset.fractionable,
        "attributes": [],
        **asset.extra,
    }


def order_body(world: World, order: Order, nested: bool = False) -> Body:
    """Return one order; `nested` fills in its legs."""
    legs = (
        [order_body(world, world.book.orders[leg]) for leg in order.legs] if nested and order.legs else None
    )
    body = {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": utc_text(order.created),
        "updated_at": utc_text(order.updated),
        "submitted_at": utc_text(order.submitted),
        "filled_at": optional_utc(order.filled_at),
        "expired_at": optional_utc(order.expired_at),
        "canceled_at": optional_utc(order.canceled_at),
        "failed_at": optional_utc(order.failed_at),
        "replaced_at": optional_utc(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": order.asset_id,
        "symbol": order.symbol,
        "asset_class": "crypto" if is_coin(order.symbol) else "us_equity",
        "notional": optional_text(order.notional),
        "qty": optional_text(order.qty),
        "filled_qty": number_text(order.filled_qty),
        "filled_avg_price": _price(order.average_price),
        "order_class": order.order_class,
        "order_type": order.type,
        "type": order.type,
        "side": order.side,
        "position_intent": order.position_intent,
        "time_in_force": order.time_in_force,
        "limit_price": optional_text(order.limit_price),
        "stop_price": optional_text(order.stop_price),
        "status": order.status,
        "extended_hours": order.extended_hours,
        "legs": legs,
        "trail_percent": optional_text(order.trail_percent),
        "trail_price": optional_text(order.trail_price),
        "hwm": optional_text(order.hwm),
        "subtag": None,
        "source": None,
    }
    if order.expires_at is not None:
        body["expires_at"] = utc_text(order.expires_at)
    return body


def position_body(world: World, symbol: str) -> Body:
    """Return one position, marked at the last price."""
    position = world.book.positions[symbol]
    asset = world.asset(symbol)
    price = world.price(symbol)
    current = position.average if price is None else price
    last_day = _last_day_price(world, symbol) or current
    value = position.qty * current
    gain, intraday = value - position.cost, position.qty * (current - last_day)
    held = world.book.held(symbol, "sell" if position.qty > 0 else "buy")
    return {
        "asset_id": asset.id,
        "symbol": symbol.replace("/", ""),
        "exchange": asset.exchange,
        "asset_class": "crypto" if is_coin(symbol) else "us_equity",
        "asset_marginable": asset.marginable,
        "qty": number_text(position.qty),
        "avg_entry_price": _price(position.average),
        "side": "long" if position.qty > 0 else "short",
        "market_value": _money(value),
        "cost_basis": _money(position.cost),
        "unrealized_pl": _money(gain),
        "unrealized_plpc": _share(gain, abs(position.cost)),
        "unrealized_intraday_pl": _money(intraday),
        "unrealized_intraday_plpc": _share(intraday, abs(position.qty * last_day)),
        "current_price": _price(current),
        "lastday_price": _price(last_day),
        "change_today": _share(current - last_day, last_day),
        "qty_available": number_text(position.qty - held if position.qty > 0 else position.qty + held),
    }


def fill_body(world: World, entry: Entry) -> Body:
    """Return one FILL activity; the id begins with New York's wall clock, as the real ones do."""
    order = world.book.orders[entry.order_id]
    return {
        "id": f"{as_datetime(entry.at, NEW_YORK):%Y%m%d%H%M%S%f}"[:17] + f"::{entry.execution_id}",
        "activity_type": "FILL",
        "transaction_time": utc_text(entry.at),
        "type": "fill" if entry.order_status == "filled" else "partial_fill",
        "price": number_text(entry.price),
        "qty": number_text(abs(entry.qty)),
        "side": order.side,
        "symbol": entry.symbol,
        "leaves_qty": number_text(entry.leaves),
        "order_id": entry.order_id,
        "cum_qty": number_text(entry.cumulative),
        "order_status": entry.order_status,
    }


def activity_body(world: World, entry: Entry) -> Body:
    """Return one activity: an execution, or cash that moved without one."""
    return fill_body(world, entry) if entry.kind == "fill" else _non_trade_body(entry)


def _non_trade_body(entry: Entry) -> Body:
    """Return one activity that is no trade; a dividend says for what."""
    body: Body = {
        "id": f"{new_york_day(entry.at):%Y%m%d}000000000::{entry.execution_id}",
        "activity_type": NON_TRADES[entry.kind],
        "date": new_york_day(entry.at).isoformat(),
        "created_at": utc_text(entry.at),
        "net_amount": number_text(entry.cash),
        "currency": "USD",
        "status": "executed",
    }
    if entry.kind == "coin_fee" and entry.symbol:
        body |= {"symbol": entry.symbol, "qty": number_text(entry.qty), "price": number_text(entry.price)}
    if entry.kind == "dividend":
        body |= {
            "activity_sub_type": "CDIV",
            "symbol": entry.symbol,
            "qty": number_text(entry.cumulative),
            "per_share_amount": number_text(entry.price),
        }
    return body


def trade_update(world: World, event: Event) -> Body:
    """Return the `data` of one trade_updates message; `qty` and `price` are this execution's."""
    data: Body = {
        "at": utc_text(event.at),
        "event": event.name,
        "event_id": f"{event.at:026d}",
        "execution_id": event.order.id,
        "order": order_body(world, event.order),
        "timestamp": utc_text(event.at),
    }
    if event.execution is not None:
        data["execution_id"] = event.execution.execution_id
        data["position_qty"] = number_text(event.execution.position_qty)
        data["price"] = number_text(event.execution.price)
        data["qty"] = number_text(abs(event.execution.qty))
    return data


def _last_day_price(world: World, symbol: str) -> Decimal | None:
    session = world.calendar.session_at(world.now) or world.calendar.previous(world.now)
    if session is None:
        return None
    return world.market.price(symbol, session.open - 1)


def _money(value: Decimal) -> str:
    return number_text(round(value, PLACES))


def _price(value: Decimal | None) -> str | None:
    return None if value is None else number_text(round(value, PLACES + 6))


def _share(part: Decimal, whole: Decimal) -> str:
    return number_text(round(part / whole, PLACES)) if whole else "0"
