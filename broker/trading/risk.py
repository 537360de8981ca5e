"""The risk gate: everything that must be true for an order to go out, as one pure function.

It is the last thing before the POST. Its `Facts` are read fresh each time: halts, counts and states from the
journal, money, clock and asset from the broker. It returns every reason to refuse, not only the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from broker.halts import HaltCause
from broker.orders import OrderState
from broker.values import Account, Asset
from forewalk.settings.trading import RiskSettings

MIN_SHORT_EQUITY = Decimal(2000)  # below it Alpaca allows no short sale
DUST = Decimal("0.000001")


@dataclass(frozen=True)
class Ask:
    """The order to be judged. `price` is the last raw trade, `decided_price` the close it was decided on."""

    symbol: str
    side: str
    quantity: Decimal
    kind: str
    state: OrderState
    posts: int
    price: Decimal | None
    decided_price: Decimal
    send_from: datetime
    valid_until: datetime
    time_in_force: str = "day"
    outside_session: bool = False  # may be sent while the market is closed

    @property
    def signed(self) -> Decimal:
        """Quantity with the sign of its effect."""
        return self.quantity if self.side == "buy" else -self.quantity


@dataclass(frozen=True)
class Facts:
    """The world at this moment.

    Attributes:
        now: the broker's time.
        market_open: whether orders are executed now; both the broker and the calendar say so.
        may_queue: whether the settings allow sending to a closed market.
        account, asset: fresh from the broker; None where it did not say.
        held: signed quantity of every symbol at the broker.
        pending: signed quantity of open orders per symbol, ours and foreign.
        prices: last raw trade per symbol, for the value of positions.
        halt: why the journal forbids trading this symbol, or None.
        halt_allows_exits: whether it lets pass what only makes a position smaller.
        posted_today: orders sent this session.
        day_start_equity, peak_equity: from the journal and the broker; None where unknown.
        bar_problem: why the symbol's last bar cannot be trusted, or None.
        model_problem: why its forecast cannot be trusted, or None.
        foreign_sides: sides on which open orders that are not ours stand in this symbol.
        configured: the symbols this book may trade.
        suspension_is_ours: whether the broker may refuse orders because this book said so.
    """

    now: datetime
    market_open: bool
    may_queue: bool
    account: Account | None
    asset: Asset | None
    held: Mapping[str, Decimal]
    pending: Mapping[str, Decimal]
    prices: Mapping[str, Decimal]
    halt: str | None = None
    halt_allows_exits: bool = False
    posted_today: int = 0
    day_start_equity: Decimal | None = None
    peak_equity: Decimal | None = None
    bar_problem: str | None = None
    model_problem: str | None = None
    foreign_sides: frozenset[str] = frozenset()
    configured: frozenset[str] = frozenset()
    suspension_is_ours: bool = False


@dataclass(frozen=True)
class Breach:
    """A reason to refuse. `halts` is why everything must stop altogether, None where only this order must."""

    rule: str
    text: str
    halts: HaltCause | None = None


Rule = Callable[[Ask, Facts, RiskSettings], "Breach | None"]


def check(ask: Ask, facts: Facts, limits: RiskSettings) -> list[Breach]:
    """Return every reason why this order may not be sent now; an empty list lets it pass."""
    if ask.price is not None and not (ask.price.is_finite() and ask.price > 0):
        ask = replace(ask, price=None)  # no rule shall calculate with it
    return [breach for rule in RULES if (breach := rule(ask, facts, limits)) is not None]


def reduces(ask: Ask, facts: Facts) -> bool:
    """Whether the order only makes a position smaller, never past zero."""
    held = facts.held.get(ask.symbol, Decimal(0))
    return held * ask.signed < 0 and abs(ask.signed) <= abs(held) + DUST


def _state(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if ask.state not in (OrderState.INTENT, OrderState.UNKNOWN):
        return Breach("state", f"the order is {ask.state}, not an approved intent")
    return Breach("posts", f"it has been sent {ask.posts} times already") if ask.posts > 1 else None


def _halted(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if not facts.halt or (facts.halt_allows_exits and reduces(ask, facts)):
        return None
    return Breach("halt", facts.halt)


def _symbol(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if ask.symbol not in facts.configured:
        return Breach("symbol", f"{ask.symbol} is not among the symbols of this book")
    return None


def _time(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if facts.now > ask.valid_until:
        return Breach("late", f"valid until {ask.valid_until:%Y-%m-%d %H:%M:%S} UTC")
    if ask.outside_session:
        early = facts.now < ask.send_from
        return Breach("early", f"sent from {ask.send_from:%Y-%m-%d %H:%M} UTC on") if early else None
    if not facts.market_open and (not facts.may_queue or ask.time_in_force == "cls"):
        return Breach("closed", "the market is closed and live.send is not after_close")
    return None


def _account(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if facts.account is None:
        return Breach("account", "the broker did not show the account")
    problem = facts.account.problem(facts.suspension_is_ours)
    if problem is not None:
        return Breach("account", problem, HaltCause.ACCOUNT)
    if facts.account.trade_suspended:  # a halt of ours is behind it, or its lifting is under way
        return Breach("account", "this book has told the broker to refuse orders (suspend_trade)")
    return None


def _asset(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    asset = facts.asset
    if asset is None:
        return Breach("asset", f"the broker does not know {ask.symbol}")
    if asset.status != "active" or not asset.tradable:
        return Breach("asset", f"{ask.symbol} is {asset.status}, tradable: {asset.tradable}")
    fraction = ask.quantity % 1 != 0
    if fraction and not asset.fractionable:
        return Breach("asset", f"{ask.symbol} trades in whole shares only, not {ask.quantity}")
    if fraction and (ask.kind, ask.time_in_force) != ("market", "day"):
        return Breach("asset", "fractions of a share are for market orders of the day only")
    return None


def _short(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    held = facts.held.get(ask.symbol, Decimal(0))
    after = held + facts.pending.get(ask.symbol, Decimal(0)) + ask.signed
    if ask.side == "buy" or after >= -DUST:
        return None
    if held > 0:
        return Breach("short", f"{ask.quantity} is more than the {held} held; close first, then go short")
    if not limits.allow_short:
        return Breach("short", "risk.allow_short is false")
    if ask.quantity % 1 != 0:
        return Breach("short", "fractions cannot be sold short")
    if facts.asset is not None and not (facts.asset.shortable and facts.asset.easy_to_borrow):
        return Breach("short", f"{ask.symbol} is not easy to borrow")
    if facts.account is not None and (
        not facts.account.shorting_enabled or facts.account.equity < MIN_SHORT_EQUITY
    ):
        return Breach("short", "the account may not sell short")
    return None


def _price(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if ask.price is None:
        return Breach("price", f"the last price of {ask.symbol} is missing or unusable")
    away = abs(ask.price / ask.decided_price - 1)
    if away > Decimal(str(limits.price_collar)):
        return Breach("collar", f"last trade {ask.price} is {away:.1%} from {ask.decided_price}, decided on")
    return None


def _value(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if ask.price is None:
        return None
    value = ask.price * ask.quantity
    if value > Decimal(str(limits.max_order_value)):
        return Breach("value", f"{value:.2f} is more than risk.max_order_value = {limits.max_order_value:g}")
    return None


def _weights(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if ask.price is None or facts.account is None or reduces(ask, facts):
        return None
    equity = facts.account.equity
    if equity <= 0:
        return Breach("equity", f"equity is {equity}")
    after: dict[str, Decimal] = {}
    for symbol in {*facts.held, *facts.pending, ask.symbol}:
        held = facts.held.get(symbol, Decimal(0))
        waiting = facts.pending.get(symbol, Decimal(0)) + (ask.signed if symbol == ask.symbol else 0)
        size = max(abs(held), abs(held + waiting))
        price = ask.price if symbol == ask.symbol else facts.prices.get(symbol)
        if price is None and size > DUST:
            return Breach("price", f"no price of {symbol}, which is held")
        after[symbol] = size * (price or Decimal(0)) / equity
    if after[ask.symbol] > Decimal(str(limits.max_weight)):
        return Breach("weight", f"{ask.symbol} would be {after[ask.symbol]:.1%}, above risk.max_weight")
    gross = sum(after.values(), Decimal(0))
    if gross > Decimal(str(limits.max_gross)):
        return Breach("gross", f"all positions would be {gross:.1%} of equity, above risk.max_gross")
    return None


def _count(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if facts.posted_today >= limits.max_orders_per_day:
        return Breach("count", f"{facts.posted_today} orders sent today, risk.max_orders_per_day reached")
    return None


def _losses(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if facts.account is None or reduces(ask, facts):
        return None
    return loss_breach(facts.account.equity, facts.day_start_equity, facts.peak_equity, limits)


def loss_breach(
    equity: Decimal, day_start: Decimal | None, peak: Decimal | None, limits: RiskSettings
) -> Breach | None:
    """Return the breach of the daily loss or drawdown limit, which halts everything, or None."""
    for cause, mark, limit in (
        (HaltCause.DAILY_LOSS, day_start, limits.max_daily_loss),
        (HaltCause.DRAWDOWN, peak, limits.max_drawdown),
    ):
        if mark is not None and mark > 0 and 1 - equity / mark > Decimal(str(limit)):
            text = f"equity {equity:.2f} is {1 - equity / mark:.1%} below {mark:.2f}"
            return Breach(str(cause), text, cause)
    return None


def _bars(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if facts.bar_problem and not reduces(ask, facts):
        return Breach("bars", facts.bar_problem)
    return None


def _model(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if facts.model_problem and not reduces(ask, facts):
        return Breach("model", facts.model_problem)
    return None


def _foreign(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    opposite = "sell" if ask.side == "buy" else "buy"
    if opposite in facts.foreign_sides:
        return Breach("wash", f"an open {opposite} order that is not ours stands against it in {ask.symbol}")
    return None


def _power(ask: Ask, facts: Facts, limits: RiskSettings) -> Breach | None:
    if ask.price is None or facts.account is None or reduces(ask, facts):
        return None
    cost = ask.price * ask.quantity * Decimal("1.03")  # the broker values market orders above the market
    if cost > facts.account.buying_power:
        return Breach("power", f"needs {cost:.2f}, buying power is {facts.account.buying_power}")
    return None


RULES: tuple[Rule, ...] = (
    _state,
    _halted,
    _symbol,
    _time,
    _account,
    _asset,
    _short,
    _price,
    _value,
    _weights,
    _count,
    _losses,
    _bars,
    _model,
    _foreign,
    _power,
)


def forecast_problem(mean: float | None, std: float | None, limits: RiskSettings) -> str | None:
    """Return why a forecast cannot be traded on, or None: missing, not finite, without spread, or absurd."""
    if mean is None or std is None:
        return "no forecast"
    if not (math.isfinite(mean) and math.isfinite(std)):
        return f"forecast {mean} +- {std} is not finite"
    if std <= 0:
        return f"forecast std is {std}"
    if abs(mean) > limits.max_forecast:
        return f"forecast {mean:+.3f} is larger than risk.max_forecast = {limits.max_forecast:g}"
    return None
