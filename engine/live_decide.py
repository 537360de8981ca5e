"""One decision: the backtest's own Cerebro over the bars known now, with a broker that captures its orders."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from broker.capture import (
    AccountState,
    CaptureBroker,
    CapturedOrder,
    PastFill,
    PastOrder,
    is_strategy,
    positions_after,
)
from broker.ids import ORDERS_PER_BAR, client_order_id, decision_id
from broker.journal import Journal
from broker.orders import FINAL, State
from broker.records import DecisionRow, NewOrder, Target
from broker.risk import forecast_problem
from broker.wire import Account
from engine.config import Settings
from engine.config_live import RiskSettings
from engine.errors import ConfigError, DataError
from engine.live_time import Window
from engine.sessions import bars_per_year
from engine.simulate import build_cerebro
from engine.types import Bars, Forecasts
from strategies.indicator import ForecastTable
from strategies.signal import SignalStrategy

SHARE_DECIMALS = 6
RAW_TOLERANCE = 0.005  # by how much the last adjusted close may differ from the last trade for priced orders


@dataclass(frozen=True, eq=False)
class Step:
    """What one Cerebro run over the bars known now came to."""

    orders: list[CapturedOrder]
    cancelled: list[str]
    differences: list[tuple[datetime, str]]
    decisions: list[tuple[Any, ...]]


@dataclass(frozen=True)
class Doubts:
    """Why a symbol must not be traded on, by what is wrong with its bars or its forecast."""

    bars: Mapping[str, str]
    models: Mapping[str, str]


@dataclass(frozen=True)
class PastSplit:
    """A split that bars are adjusted for: one share before `at` (UTC) is `ratio` shares after."""

    symbol: str
    at: datetime
    ratio: float


def past_splits(journal: Journal, zone: ZoneInfo) -> tuple[PastSplit, ...]:
    """Return the splits of the journal; each begins at the exchange's midnight of its ex date."""
    return tuple(
        PastSplit(action.symbol, midnight(action.ex_date, zone), float(action.ratio))
        for action in journal.splits()
        if action.ratio is not None
    )


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the UTC time at which a date begins."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def split_factor(splits: Sequence[PastSplit], symbol: str, moment: datetime) -> float:
    """Return how many of today's shares one share of that moment is."""
    factor = 1.0
    for split in splits:
        if split.symbol == symbol and moment < split.at:
            factor *= split.ratio
    return factor


def load_strategy(name: str | None) -> type[Any]:
    """Return the strategy class named `module:Class`, or the project's own for None."""
    if name is None:
        return SignalStrategy
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"live.strategy = {name!r}: {error}; write it as module:Class") from None
    if not is_strategy(found):
        raise ConfigError(f"live.strategy = {name!r} is no backtrader.Strategy")
    strategy: type[Any] = found
    return strategy


def replay_start(journal: Journal, bars: Bars, replay_bars: int) -> pd.Timestamp:
    """Return the first bar of the replay: the first bar ever decided on, but at most `replay_bars` back."""
    earliest = bars.timestamps[max(0, len(bars) - replay_bars)]
    decision = journal.first_decision()
    first = bars.timestamps[-1] if decision is None else pd.Timestamp(decision.asof)
    return max(earliest, min(first, bars.timestamps[-1]))


def run_strategy(
    bars: Bars,
    forecasts: Forecasts | None,
    settings: Settings,
    strategy: type[Any],
    account: AccountState,
    first: pd.Timestamp,
) -> Step:
    """Build the Cerebro of the backtest over the bars from `first` on (all bars for a strategy without
    forecasts, whose indicators need them) and let it run to the last bar."""
    params = strategy_params(strategy, forecasts, settings)
    span = bars if forecasts is None else bars.since(first)
    closes = [moment.to_pydatetime() for moment in span.timestamps]
    broker = CaptureBroker(account, closes)
    cerebro = build_cerebro(span, settings.execution, strategy, params, broker=broker)
    (finished,) = cerebro.run()
    return Step(
        broker.captured, broker.cancelled, broker.differences, list(getattr(finished, "decisions", []))
    )


def strategy_params(strategy: type[Any], forecasts: Forecasts | None, settings: Settings) -> dict[str, Any]:
    """Return the parameters that `engine.simulate.simulate` gives to a strategy."""
    params: dict[str, Any] = {}
    if forecasts is not None:
        params["table"] = ForecastTable(forecasts)
    if issubclass(strategy, SignalStrategy):
        params["settings"] = settings.strategy
        params["fractional"] = settings.execution.fractional
        params["bars_per_year"] = bars_per_year(settings.data.calendar, settings.data.interval)
    return params


def account_state(
    journal: Journal, account: Account, first: datetime, splits: Sequence[PastSplit] = ()
) -> AccountState:
    """Return the account and its past since the bar `first` as the capturing broker takes them.

    With `splits` quantities and prices from before them are in today's shares, as adjusted bars are. Without, a
    split is a change of position at no price, on the day it was booked.
    """
    past, earlier = _past_orders(journal, first, splits)
    positions = positions_after([fill for order in (*earlier, *past) for fill in _signed(order)])
    opening = positions_after([fill for order in earlier for fill in _signed(order)])
    cash_at = {d.asof: float(d.cash) for d in journal.decisions(first)}
    return AccountState(float(account.cash), positions, past, opening, cash_at)


def _past_orders(
    journal: Journal, first: datetime, splits: Sequence[PastSplit]
) -> tuple[list[PastOrder], list[PastOrder]]:
    """Return the orders with something after `first`, and what lies wholly before it; executions are split."""
    recent = journal.orders_since(first)
    decided = {d.decision_id: d.asof for d in journal.decisions(first)}
    fills: dict[str, list[PastFill]] = {order.client_order_id: [] for order in recent}
    past: list[PastOrder] = []
    earlier: list[PastOrder] = []
    for fill, owner in journal.fills():
        factor = split_factor(splits, fill.symbol, fill.at)
        past_fill = PastFill(float(fill.signed) * factor, float(fill.price) / factor, fill.at)
        if owner in fills:
            fills[owner].append(past_fill)
        else:  # of an order that was over by then
            earlier.append(PastOrder("", None, fill.symbol, past_fill.quantity, (past_fill,)))
    orders = [
        PastOrder(
            stored.client_order_id,
            decided.get(stored.decision_id),
            stored.symbol,
            float(stored.signed) * split_factor(splits, stored.symbol, stored.posted_at or stored.updated_at),
            tuple(fills.get(stored.client_order_id, ())),
            stored.updated_at if stored.state in FINAL and stored.state != State.FILLED else None,
        )
        for stored in recent
    ]
    orders += [
        _adjustment(symbol, float(quantity), float(price), at, split_factor(splits, symbol, at))
        for symbol, quantity, price, at in journal.adjustments({split.symbol for split in splits})
    ]
    for order in orders:
        before = tuple(fill for fill in order.fills if fill.at <= first)
        after = tuple(fill for fill in order.fills if fill.at > first)
        if before:
            earlier.append(PastOrder(order.client_order_id, None, order.symbol, order.quantity, before))
        if after or (order.decided_at is not None and order.decided_at >= first):
            left = order.quantity - sum(fill.quantity for fill in before)
            past.append(
                PastOrder(order.client_order_id, order.decided_at, order.symbol, left, after, order.ended_at)
            )
    return past, earlier


def _adjustment(symbol: str, quantity: float, price: float, at: datetime, factor: float) -> PastOrder:
    fill = PastFill(quantity * factor, price / factor, at)
    return PastOrder("", None, symbol, fill.quantity, (fill,))


def _signed(order: PastOrder) -> list[tuple[str, PastFill]]:
    return [(order.symbol, fill) for fill in order.fills]


def repeat_problem(step: Step, bars: Bars, last: DecisionRow | None) -> str | None:
    """Return why the strategy cannot be trusted to repeat itself, or None.

    Asked again about the last bar it decided on, over the very same bars and with the very same past, it must make
    the same orders. Else it decides by chance, by the clock, or by something that a restart forgets.
    """
    if last is None or last.asof not in bars.timestamps:
        return None
    again = [text for asof, text in step.differences if asof == last.asof]
    if not again or bars.until(pd.Timestamp(last.asof)).fingerprint != last.fingerprint:
        return None
    return f"the strategy does not repeat itself: on the bar of {last.asof:%Y-%m-%d %H:%M} UTC, {again[0]}"


def decision_records(
    step: Step,
    bars: Bars,
    forecasts: Forecasts | None,
    doubts: Doubts,
    window: Window,
    settings: Settings,
    account: Account,
    held: Mapping[str, Decimal],
    now: datetime,
    may_queue: bool,
) -> tuple[DecisionRow, list[Target], list[NewOrder]]:
    """Return what the journal keeps of a decision; ids are pure functions of the bar and the order."""
    book = settings.live.book
    decision = DecisionRow(
        decision_id=decision_id(book, window.asof),
        asof=window.asof,
        session=window.session,
        made_at=now,
        send_from=now if may_queue else window.fill_at,
        valid_until=window.valid_until,
        equity=account.equity,
        cash=account.cash,
        model_id=forecasts.model_ids[-1] if forecasts is not None else "",
        fingerprint=bars.fingerprint,
    )
    targets = _targets(step, bars, forecasts, doubts, held)
    return decision, targets, _new_orders(step.orders, window, book)


def _targets(
    step: Step, bars: Bars, forecasts: Forecasts | None, doubts: Doubts, held: Mapping[str, Decimal]
) -> list[Target]:
    last = max((row[0] for row in step.decisions), default=None)
    wanted = {row[1]: row for row in step.decisions if row[0] == last} if _is_last(last, bars) else {}
    targets = []
    for column, symbol in enumerate(bars.symbols):
        mean = std = None
        if forecasts is not None:
            mean, std = (_finite(values[-1, column]) for values in (forecasts.mean, forecasts.std))
        row = wanted.get(symbol)
        targets.append(
            Target(
                symbol=symbol,
                close=_finite(bars.close[-1, column]),
                mean=mean,
                std=std,
                target_weight=None if row is None else float(row[2]),
                reason="" if row is None else str(row[5]),
                held=held.get(symbol, Decimal(0)),
                bar_problem=doubts.bars.get(symbol),
                model_problem=doubts.models.get(symbol),
            )
        )
    return targets


def _is_last(time: float | None, bars: Bars) -> bool:
    from strategies.indicator import backtrader_times

    return time is not None and time == backtrader_times(bars.timestamps[-1:])[0]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _new_orders(captured: Sequence[CapturedOrder], window: Window, book: str) -> list[NewOrder]:
    """Name the orders; prices are as the strategy gave them, see `priced_as_traded` for adjusted ones."""
    count: dict[str, int] = {}
    orders = []
    for order in captured:
        number = count[order.symbol] = count.get(order.symbol, -1) + 1
        if number >= ORDERS_PER_BAR:
            raise DataError(f"more than {ORDERS_PER_BAR} orders of {order.symbol} on one bar")
        sequence = window.sequence * ORDERS_PER_BAR + number
        orders.append(
            NewOrder(
                client_order_id=client_order_id(book, window.session, order.symbol, "m", sequence),
                symbol=order.symbol,
                side=order.side,
                quantity=_decimal(order.quantity),
                kind=order.kind,
                time_in_force=order.time_in_force,
                decided_price=_decimal(order.close),
                reduces=order.reduces,
                reason=order.reason,
                limit_price=_price(order.limit_price),
                stop_price=_price(order.stop_price),
                take_profit=_price(order.take_profit),
                stop_loss=_price(order.stop_loss),
            )
        )
    return orders


def price_problem(order: NewOrder, last_trade: Decimal | None) -> str | None:
    """Return why an order with a price of its own cannot be sent: its bars were adjusted since.

    A limit or stop made from adjusted bars is a price on the wrong scale. On the last bar adjusted and traded
    prices agree, unless a corporate action is under way.
    """
    own = (order.limit_price, order.stop_price, order.take_profit, order.stop_loss)
    if all(price is None for price in own):
        return None
    if last_trade is None:
        return "no last trade to compare the order's price with"
    if abs(order.decided_price / last_trade - 1) > Decimal(str(RAW_TOLERANCE)):
        return f"its bars close at {order.decided_price}, the last trade was {last_trade}: prices may be adjusted"
    return None


def _decimal(value: float) -> Decimal:
    return Decimal(str(round(value, SHARE_DECIMALS)))


def _price(value: float | None) -> Decimal | None:
    return None if value is None else _decimal(value)


def model_problems(
    forecasts: Forecasts | None, symbols: Sequence[str], limits: RiskSettings
) -> dict[str, str]:
    """Return why the forecast of a symbol must not be traded on: missing, absurd, or the same for all."""
    if forecasts is None:
        return {}
    mean, std = forecasts.mean[-1], forecasts.std[-1]
    problems = {}
    for column, symbol in enumerate(symbols):
        problem = forecast_problem(_finite(mean[column]), _finite(std[column]), limits)
        if problem is not None:
            problems[symbol] = problem
    known = mean[np.isfinite(mean)]
    if len(known) > 1 and np.ptp(known) == 0.0:
        problems = dict.fromkeys(symbols, f"the model says {known[0]:+.6f} for every symbol: it is constant")
    return problems
