"""A decision as the rows that the journal keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from broker.ids import ORDERS_PER_BAR, client_order_id, decision_id
from broker.journal.records import DecisionRow, NewOrder, Target
from broker.trading.posting import may_be_extended
from broker.trading.risk import forecast_problem
from broker.values import Account
from engine.live.deciding.decide import StrategyRun
from engine.live.schedule import Window
from engine.simulation.orders import CapturedOrder
from forewalk.errors import DataError
from forewalk.instruments import traded_bars, traded_forecasts
from forewalk.settings.sections import Settings
from forewalk.settings.trading import RiskSettings
from forewalk.types import Bars, Forecasts

SHARE_DECIMALS = 6


RAW_TOLERANCE = 0.005  # by how much the last adjusted close may differ from the last trade for priced orders


@dataclass(frozen=True)
class Doubts:
    """Why a symbol must not be traded on, by what is wrong with its bars or its forecast."""

    bars: Mapping[str, str]
    models: Mapping[str, str]


def doubts_of(bars: Mapping[str, str], forecasts: Forecasts | None, settings: Settings) -> Doubts:
    """Return what must not be traded on; a fund of `data.trade_as` bears what is wrong with what it is traded for.

    Args:
        bars: symbol -> what is wrong with its bars.
    """
    models = model_problems(forecasts, settings.data.symbols, settings.risk)
    mine = dict(bars)
    for forecast, fund in settings.data.trade_as.items():
        models = {name: text for name, text in models.items() if name != fund}  # its own is not traded on
        for problems in (models, mine):
            if forecast in problems:
                problems[fund] = f"{forecast}, for which it is traded: {problems[forecast]}"
    return Doubts(mine, models)


def decision_records(
    run: StrategyRun,
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
    trade_as = settings.data.trade_as
    told = None if forecasts is None else traded_forecasts(forecasts, trade_as)
    targets = _targets(run, traded_bars(bars, trade_as), told, doubts, held)
    return decision, targets, _new_orders(run.orders, window, book, settings.live.extended_hours)


def _targets(
    run: StrategyRun, bars: Bars, forecasts: Forecasts | None, doubts: Doubts, held: Mapping[str, Decimal]
) -> list[Target]:
    wanted = last_decisions(run, bars)
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


def last_decisions(run: StrategyRun, bars: Bars) -> dict[str, tuple[Any, ...]]:
    """Return what the strategy decided on the last bar, by symbol; see `SignalStrategy.decisions` for a row."""
    last = max((row[0] for row in run.decisions), default=None)
    return {row[1]: row for row in run.decisions if row[0] == last} if _is_last(last, bars) else {}


def _is_last(time: float | None, bars: Bars) -> bool:
    from strategies.indicator import backtrader_times

    return time is not None and time == backtrader_times(bars.timestamps[-1:])[0]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _new_orders(
    captured: Sequence[CapturedOrder], window: Window, book: str, extended: bool
) -> list[NewOrder]:
    """Name the orders; prices are as the strategy gave them, see `priced_as_traded` for adjusted ones."""
    count: dict[str, int] = {}
    orders = []
    for order in captured:
        number = count[order.symbol] = count.get(order.symbol, -1) + 1
        if number >= ORDERS_PER_BAR:
            raise DataError(f"more than {ORDERS_PER_BAR} orders of {order.symbol} on one bar")
        sequence = window.sequence * ORDERS_PER_BAR + number
        outside = extended and may_be_extended(order.kind, order.time_in_force)
        send_from, valid_until = window.hours(order.time_in_force, outside) or (None, None)
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
                send_from=send_from,
                valid_until=valid_until,
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
