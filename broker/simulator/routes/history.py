"""GET /v2/account/portfolio/history: the account's equity over time, recomputed from ledger and prices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import time, timedelta
from decimal import Decimal

from broker.simulator.calls import Call, Reply, Route
from broker.simulator.values import DAY, MINUTE, SECOND, ZERO, Refusal
from broker.simulator.world.clock import Session, instant_on, new_york_day
from broker.simulator.world.state import World

_PERIOD = re.compile(r"(\d{1,4})([DWMAY])")
_DAYS = {"D": 1, "W": 7, "M": 30, "A": 365, "Y": 365}
_STEPS = {"1Min": MINUTE, "5Min": 5 * MINUTE, "15Min": 15 * MINUTE, "1H": 60 * MINUTE}
INTRADAY_DAYS = 30


def equity_series(world: World, instants: Sequence[int]) -> list[Decimal]:
    """Return the account's equity at each instant (increasing): ledger up to it, positions at its prices.

    A position without a price counts at what its executions cost.
    """
    ledger = world.book.ledger
    cash, held, cost = ZERO, dict[str, Decimal](), dict[str, Decimal]()
    row, series = 0, []
    for instant in instants:
        while row < len(ledger) and ledger[row].at <= instant:
            entry = ledger[row]
            cash += entry.cash
            if entry.symbol:
                held[entry.symbol] = held.get(entry.symbol, ZERO) + entry.qty
                cost[entry.symbol] = cost.get(entry.symbol, ZERO) + entry.qty * entry.price
            row += 1
        equity = cash
        for symbol, qty in held.items():
            if qty:
                price = world.market.price(symbol, instant)
                equity += cost[symbol] if price is None else qty * price
        series.append(equity)
    return series


def get_history(world: World, call: Call) -> Reply:
    """Return equity, profit and loss; windows are named by their begin and valued at their end."""
    first, last, nominal = _span(world, call)
    step_name = call.query.get("timeframe") or _default_timeframe(nominal)
    if step_name == "1D":
        windows = _days(world, first, last)
    elif step_name in _STEPS:
        if last - first > (INTRADAY_DAYS + 1) * DAY:
            raise Refusal(422, 42210000, "only timeframe 1D is allowed for a period of more than 30 days")
        windows = _windows(world, first, last, _STEPS[step_name])
    else:
        raise Refusal(422, 42210000, "invalid timeframe")
    equity = equity_series(world, [end for _, end in windows])
    base = equity_series(world, [max(first, world.account.created + SECOND)])[0]
    return Reply(
        200,
        {
            "timestamp": [begin // SECOND for begin, _ in windows],
            "equity": [float(value) for value in equity],
            "profit_loss": [float(value - base) for value in equity],
            "profit_loss_pct": [float(round((value - base) / base, 6)) if base else 0.0 for value in equity],
            "base_value": float(base),
            "base_value_asof": new_york_day(first).isoformat(),
            "timeframe": step_name,
            "cashflow": {},
        },
    )


def _span(world: World, call: Call) -> tuple[int, int, int]:
    """Return the begin and the end, within the account's life, and the length that was asked for."""
    start, end = call.instant("start"), call.instant("end")
    period = call.query.get("period")
    if start is not None and end is not None and period is not None:
        raise Refusal(422, 42210000, "only two of start, end and period can be specified")
    length = _length(period or "1M")
    if start is not None and end is None:
        end = start + length if period else world.now
    end = world.now if end is None else min(end, world.now)
    start = end - length if start is None else start
    return max(start, world.account.created), max(end, world.account.created), end - start


def _length(period: str) -> int:
    match = _PERIOD.fullmatch(period)
    if match is None:
        raise Refusal(422, 42210000, "invalid period")
    return int(match[1]) * _DAYS[match[2]] * DAY


def _default_timeframe(length: int) -> str:
    if length < 7 * DAY:
        return "1Min"
    return "15Min" if length < INTRADAY_DAYS * DAY else "1D"


def _sessions(world: World, first: int, last: int) -> list[Session]:
    found = world.calendar.between(new_york_day(first), new_york_day(last) + timedelta(days=1))
    return [session for session in found if session.open <= last and session.close > first]


def _days(world: World, first: int, last: int) -> list[tuple[int, int]]:
    return [
        (instant_on(session.day, time(0)), min(session.close, world.now))
        for session in _sessions(world, first, last)
    ]


def _windows(world: World, first: int, last: int, step: int) -> list[tuple[int, int]]:
    return [
        (begin, min(begin + step, world.now, session.close))
        for session in _sessions(world, first, last)
        for begin in range(session.open, min(session.close, last + 1), step)
        if begin >= first - step
    ]


ROUTES: tuple[tuple[str, str, Route], ...] = (("GET", "/v2/account/portfolio/history", get_history),)
