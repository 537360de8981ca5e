"""What a client may ask: the body of POST and PATCH /v2/orders read and checked for its form.

Rules that need the account or the market are in `rules`. Codes and texts are those that ALPACA.md records;
where none is recorded, the text is this simulator's own (docs/simulator.md lists them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from broker.simulator.values import Refusal, is_coin, parse_number

SIDES = ("buy", "sell")
TYPES = ("market", "limit", "stop", "stop_limit", "trailing_stop")
TIMES_IN_FORCE = ("day", "gtc", "opg", "cls", "ioc", "fok")
CLASSES = ("", "simple", "bracket", "oco", "oto")
INTENTS = ("buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close")
MAX_CLIENT_ID = 128
MAX_DECIMALS = 9
GENERIC, INVALID = 40010001, 42210000


@dataclass(frozen=True)
class OrderRequest:
    """A well-formed request for an order; exactly one of `qty` and `notional` is set."""

    symbol: str
    side: str
    type: str
    time_in_force: str
    order_class: str = ""
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    client_order_id: str | None = None
    position_intent: str | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    stop_loss_limit: Decimal | None = None

    @property
    def fractional(self) -> bool:
        """Whether it asks for a part of a share or for an amount of money."""
        return self.notional is not None or (
            self.qty is not None and self.qty != self.qty.to_integral_value()
        )

    @property
    def simple(self) -> bool:
        """Whether it is one order without legs."""
        return self.order_class in ("", "simple")


def parse_order(body: Any) -> OrderRequest:
    """Return the request of a JSON body (numbers as strings or numbers).

    Raises:
        Refusal: 400 for a body that is no object, 422 for a field that is missing, unknown or contradicts.
    """
    if not isinstance(body, Mapping):
        raise Refusal(400, 40010000, "request body format is invalid")
    profit, loss = _part(body, "take_profit"), _part(body, "stop_loss")
    request = OrderRequest(
        symbol=_text(body, "symbol"),
        side=_choice(body, "side", SIDES),
        type=_choice(body, "type", TYPES),
        time_in_force=_choice(body, "time_in_force", TIMES_IN_FORCE),
        order_class=_choice(body, "order_class", CLASSES) if body.get("order_class") else "",
        **{
            name: _number(body, name)
            for name in ("qty", "notional", "limit_price", "stop_price", "trail_price", "trail_percent")
        },
        extended_hours=_flag(body, "extended_hours"),
        client_order_id=_client_id(body),
        position_intent=_choice(body, "position_intent", INTENTS) if body.get("position_intent") else None,
        take_profit=_number(profit, "limit_price"),
        stop_loss=_number(loss, "stop_price"),
        stop_loss_limit=_number(loss, "limit_price"),
    )
    check_form(request)
    return request


def check_form(request: OrderRequest) -> None:
    """Raise Refusal (422) where the fields of a request contradict each other or the rules of prices."""
    _check_quantity(request)
    _check_prices(request)
    if is_coin(request.symbol):
        _check_coin(request)
        return
    for name in ("limit_price", "stop_price"):
        check_price(getattr(request, name), name)
    _check_fractional(request)
    _check_extended_hours(request)
    _check_class(request)


def check_price(price: Decimal | None, name: str) -> None:
    """Raise Refusal unless the price is positive with at most 2 decimals, or 4 below one dollar."""
    if price is None:
        return
    if price <= 0:
        raise Refusal(422, INVALID, f"{name} must be > 0")
    decimals = 2 if price >= 1 else 4
    if price != round(price, decimals):
        raise Refusal(
            422,
            INVALID,
            f"invalid {name} {price}. sub-penny increment does not fulfill minimum pricing criteria",
        )


def _check_quantity(request: OrderRequest) -> None:
    if request.qty is not None and request.notional is not None:
        raise Refusal(422, INVALID, "only one of qty or notional is accepted")
    amount, name = (request.qty, "qty") if request.qty is not None else (request.notional, "notional")
    if amount is None:
        raise Refusal(422, INVALID, "qty or notional is required")
    if amount <= 0:
        raise Refusal(422, GENERIC, f"{name} must be > 0")
    limit = MAX_DECIMALS if name == "qty" else 2
    if amount != round(amount, limit):
        raise Refusal(422, INVALID, f"{name} can have at most {limit} decimal places")
    if request.notional is not None and request.notional < 1:
        raise Refusal(403, 40310000, "cost basis must be >= minimal amount of order 1")


_NEEDED = {
    "market": (),
    "limit": ("limit_price",),
    "stop": ("stop_price",),
    "stop_limit": ("limit_price", "stop_price"),
    "trailing_stop": (),
}


def _check_prices(request: OrderRequest) -> None:
    needed = _NEEDED[request.type]
    for name in ("limit_price", "stop_price"):
        price = getattr(request, name)
        if name in needed and price is None:
            raise Refusal(422, INVALID, f"{request.type} orders require {name.replace('_', ' ')}")
        if name not in needed and price is not None and request.order_class != "oco":
            raise Refusal(422, INVALID, f"{request.type} orders require no {name.replace('_', ' ')}")
        if price is not None and price <= 0:
            raise Refusal(422, INVALID, f"{name} must be > 0")
    trails = [trail for trail in (request.trail_price, request.trail_percent) if trail is not None]
    if len(trails) != (request.type == "trailing_stop"):
        raise Refusal(422, INVALID, "trailing_stop orders require one of trail_price or trail_percent")
    if any(trail <= 0 for trail in trails):
        raise Refusal(422, INVALID, "trail must be > 0")
    check_price(request.take_profit, "take_profit.limit_price")
    check_price(request.stop_loss, "stop_loss.stop_price")
    check_price(request.stop_loss_limit, "stop_loss.limit_price")


def _check_fractional(request: OrderRequest) -> None:
    if not request.fractional:
        return
    if request.time_in_force != "day":
        raise Refusal(422, INVALID, "fractional orders must be DAY orders")
    if not request.simple:
        raise Refusal(422, INVALID, "fractional orders must be simple orders")
    if request.type == "trailing_stop" or (request.notional is not None and request.type != "market"):
        raise Refusal(422, INVALID, "fractional orders must be market, limit, stop or stop_limit orders")


def _check_coin(request: OrderRequest) -> None:
    """Refuse what coins do not have: orders of a day, of an auction, with legs, or in extended hours."""
    if request.time_in_force not in ("gtc", "ioc"):
        raise Refusal(422, INVALID, "invalid crypto time_in_force")
    if request.type not in ("market", "limit", "stop_limit"):
        raise Refusal(422, INVALID, "invalid order type for crypto order")
    if not request.simple or request.take_profit is not None or request.stop_loss is not None:
        raise Refusal(422, INVALID, "crypto orders not allowed for advanced order_class: otoco")
    if request.extended_hours:
        raise Refusal(422, INVALID, "crypto orders have no extended hours")
    for name in ("limit_price", "stop_price"):
        price = getattr(request, name)
        if price is not None and price != round(price, MAX_DECIMALS):
            raise Refusal(422, INVALID, f"{name} can have at most {MAX_DECIMALS} decimal places")


def _check_extended_hours(request: OrderRequest) -> None:
    allowed = request.type == "limit" and request.time_in_force in ("day", "gtc") and request.simple
    if request.extended_hours and not allowed:
        raise Refusal(422, INVALID, "extended hours order must be DAY limit orders")


def _check_class(request: OrderRequest) -> None:
    profit, loss = request.take_profit is not None, request.stop_loss is not None
    if request.simple:
        if profit or loss or request.stop_loss_limit is not None:
            raise Refusal(422, INVALID, "simple orders must not have take_profit or stop_loss")
        return
    name = request.order_class
    if request.time_in_force not in ("day", "gtc"):
        raise Refusal(422, INVALID, f"{name} orders must be DAY or GTC orders")
    if name in ("bracket", "oco") and not (profit and loss):
        raise Refusal(422, INVALID, f"{name} orders require take_profit.limit_price and stop_loss.stop_price")
    if name == "oto" and profit == loss:
        raise Refusal(422, INVALID, "oto orders require one of take_profit or stop_loss")
    if name == "oco" and request.type != "limit":
        raise Refusal(422, INVALID, "oco orders must be limit orders")
    _check_leg_prices(request)


def _check_leg_prices(request: OrderRequest) -> None:
    if request.take_profit is None or request.stop_loss is None:
        return
    entry_is_buy = (request.side == "buy") != (request.order_class == "oco")
    higher, lower = request.take_profit, request.stop_loss
    if not entry_is_buy:
        higher, lower = lower, higher
    if higher <= lower:
        raise Refusal(
            422,
            INVALID,
            "take_profit.limit_price and stop_loss.stop_price are on the wrong sides of each other",
        )


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = body.get(name) or {}
    if not isinstance(part, Mapping):
        raise Refusal(422, GENERIC, f"invalid {name}")
    return part


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refusal(422, GENERIC, f"{name} is required")
    return value


def _choice(body: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = _text(body, name)
    if value not in choices:
        raise Refusal(422, GENERIC, f"invalid {name}: {value[:40]}")
    return value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refusal(422, GENERIC, f"invalid {name}")
    return bool(value)


def _number(body: Mapping[str, Any], name: str) -> Decimal | None:
    value = body.get(name)
    return None if value is None else parse_number(value, name)


def _client_id(body: Mapping[str, Any]) -> str | None:
    value = body.get("client_order_id")
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Refusal(422, GENERIC, "invalid client_order_id")
    if len(value) > MAX_CLIENT_ID:
        raise Refusal(422, GENERIC, f"client_order_id must be no more than {MAX_CLIENT_ID} characters")
    return value
