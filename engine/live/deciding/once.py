"""What a strategy wants on an account now, without the daemon: its orders for the last closed bar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pandas as pd

from broker.alpaca.client import AlpacaPaper
from broker.ids import client_order_id
from broker.values import OrderRequest
from engine.live.bars import LiveBars
from engine.live.deciding.decide import run_strategy
from engine.live.schedule import Schedule
from engine.simulation.orders import AccountState, CapturedOrder
from engine.simulation.strategies import needs_forecasts
from forewalk.errors import ConfigError, DataError
from forewalk.settings.sections import Settings


def wanted_orders(
    strategy: type,
    symbols: Sequence[str],
    account: AlpacaPaper,
    settings: Settings,
    history_days: int,
    book: str,
) -> list[OrderRequest]:
    """Run a strategy up to the last closed bar and return the market orders it makes there.

    Orders that the account knows already are left out: asked again about the same bar, a strategy trades once.
    The strategy sees the account's positions and cash, but remembers nothing; the daemon replays its past.

    Args:
        strategy: a backtrader strategy that takes no forecasts.
        symbols: its feeds, in this order.
        account: whose bars, positions and cash these are.
        settings: calendar, interval, execution and live settings.
        history_days: calendar days of bars before the last one.
        book: first part of the orders' ids, 1 to 12 letters and digits.

    Raises:
        ConfigError: the strategy takes forecasts, or makes an order that is no market order.
        DataError: the bars of a symbol cannot be used; no order is made then.
        BrokerError: the account did not answer.
    """
    if needs_forecasts(strategy):
        raise ConfigError(
            f"{strategy.__name__} takes forecasts; the daemon makes them: python -m engine.live"
        )
    schedule = Schedule(settings.data.exchange, settings.data.bar_length, settings.live)
    window = schedule.last_closed(account.clock().now)
    if window is None:
        raise DataError(f"no bar of {settings.data.exchange} has closed in the last weeks")
    first = str(window.asof.date() - timedelta(days=history_days))
    fresh = LiveBars(account, symbols, schedule, first, settings.live.adjustment).fetch(
        window.asof, {}, settings.risk.max_jump
    )
    if fresh.problems:
        named = "; ".join(f"{symbol}: {problem}" for symbol, problem in fresh.problems.items())
        raise DataError(f"no order is made, since the bars cannot be used ({named})")
    held = {
        symbol: (float(position.quantity), float(position.average_price))
        for symbol, position in account.positions().items()
        if symbol in symbols
    }
    state = AccountState(float(account.account().cash), held, opening=held)
    found = run_strategy(fresh.bars, None, settings, strategy, state, pd.Timestamp(fresh.bars.timestamps[0]))
    numbers: Counter[str] = Counter()
    requests = []
    for order in found.orders:
        name = client_order_id(book, window.session, order.symbol, "m", numbers[order.symbol])
        numbers[order.symbol] += 1
        if account.order_by_client_id(name) is None:
            requests.append(_request(name, order))
    return requests


def _request(name: str, order: CapturedOrder) -> OrderRequest:
    if order.kind != "market" or order.take_profit is not None:
        kind = "bracket" if order.take_profit is not None else order.kind
        raise ConfigError(
            f"{order.symbol}: a {kind} order is sent by the daemon only, which knows ticks and adjustments: "
            "python -m engine.live"
        )
    return OrderRequest(name, order.symbol, order.side, Decimal(str(order.quantity)))
