"""What the account did before this bar, in the shares and prices of today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pandas as pd

from broker.ids import REST, leg_of
from broker.journal.journal import Journal
from broker.journal.records import DecisionRow, StoredOrder
from broker.orders import FINAL, OrderState
from engine.simulation.capture import positions_after
from engine.simulation.orders import AccountState, PastFill, PastOrder
from forewalk.settings.sections import Settings
from forewalk.types import Bars


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
        for action in journal.corporate.splits()
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


def least_replay(settings: Settings) -> int:
    """Return the fewest bars of `live.replay_bars` in which the strategy remembers what it did in the backtest.

    It remembers for how many bars it has held (up to `strategy.min_hold_bars`) and how long a price is missing
    (beyond `execution.stale_exit_bars`), and is asked about the last bar but one as well, see `repeat_problem`.
    """
    return max(settings.strategy.min_hold_bars + 2, settings.execution.stale_exit_bars + 3)


def replay_start(journal: Journal, bars: Bars, replay_bars: int) -> pd.Timestamp:
    """Return the first bar of the replay: the first bar ever decided on, but at most `replay_bars` back."""
    earliest = bars.timestamps[max(0, len(bars) - replay_bars)]
    decision = journal.decisions.first()
    first = bars.timestamps[-1] if decision is None else pd.Timestamp(decision.asof)
    return max(earliest, min(first, bars.timestamps[-1]))


@dataclass(frozen=True)
class Then:
    """A moment to which the journal is read: what it had written by `at`, but for the decision on the bar `asof`."""

    at: datetime
    asof: datetime


def account_state(
    journal: Journal,
    cash: Decimal,
    first: datetime,
    splits: Sequence[PastSplit] = (),
    then: Then | None = None,
) -> AccountState:
    """Return the account and its past since the bar `first` as the capturing broker takes them.

    With `splits` quantities and prices from before them are in today's shares, as adjusted bars are. Without, a
    split is a change of position at no price, on the day it was booked.

    Args:
        cash: of the account. then: the state of that moment, not of now; `cash` is of that moment too.
    """
    past, earlier = _past_orders(journal, first, splits, then)
    positions = positions_after([fill for order in (*earlier, *past) for fill in _signed(order)])
    opening = positions_after([fill for order in earlier for fill in _signed(order)])
    cash_at = {d.asof: float(d.cash) for d in journal.decisions.all(first)}
    return AccountState(float(cash), positions, past, opening, cash_at)


def _past_orders(
    journal: Journal, first: datetime, splits: Sequence[PastSplit], then: Then | None
) -> tuple[list[PastOrder], list[PastOrder]]:
    """Return the orders with something after `first`, and what lies wholly before it; executions are split."""
    decisions = journal.decisions.all(first)
    decided = {d.decision_id: d.asof for d in decisions}
    recent = [order for order in journal.orders.since(first) if _was_there(order, decided, then)]
    fills: dict[str, list[PastFill]] = {order.client_order_id: [] for order in recent}
    own = {order.client_order_id: decided.get(order.decision_id) for order in recent}
    parts = _parts(recent)
    first_of = {part.client_order_id: name for name, found in parts.items() for part in found}
    past: list[PastOrder] = []
    earlier: list[PastOrder] = []
    for fill, owner in journal.ledger.fills():
        if then is not None and fill.at > then.at:
            continue
        factor = split_factor(splits, fill.symbol, fill.at)
        at = _known_at(decisions, fill.at, own.get(owner or ""))
        past_fill = PastFill(float(fill.signed) * factor, float(fill.price) / factor, at)
        if owner in first_of:
            fills[first_of[owner]].append(past_fill)
        else:  # of an order that was over by then
            earlier.append(PastOrder("", None, fill.symbol, past_fill.quantity, (past_fill,)))
    orders = [
        PastOrder(
            stored.client_order_id,
            None if stored.parent else decided.get(stored.decision_id),  # a bracket's leg was not decided on
            stored.symbol,
            float(sum(part.signed for part in parts[stored.client_order_id]))
            * split_factor(splits, stored.symbol, stored.posted_at or stored.updated_at),
            tuple(fills.get(stored.client_order_id, ())),
            _all_ended_at(parts[stored.client_order_id], then, decisions, own[stored.client_order_id]),
        )
        for stored in recent
        if stored.client_order_id in parts
    ]
    orders += [
        _adjustment(
            *(symbol, float(quantity), float(price), _known_at(decisions, at)),
            split_factor(splits, symbol, at),
        )
        for symbol, quantity, price, at in journal.ledger.adjustments({split.symbol for split in splits})
        if then is None or at <= then.at
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


def _parts(orders: Sequence[StoredOrder]) -> dict[str, list[StoredOrder]]:
    """Return by its id what each order was sent as: itself, and the rest where it was cut in two."""
    parts = {o.client_order_id: [o] for o in orders if leg_of(o.client_order_id) != REST}
    whole = {(o[0].decision_id, o[0].symbol, o[0].side): name for name, o in parts.items()}
    for order in orders:
        if leg_of(order.client_order_id) == REST:
            name = whole.get((order.decision_id, order.symbol, order.side), order.client_order_id)
            parts.setdefault(name, []).append(order)
    return parts


def _all_ended_at(
    parts: Sequence[StoredOrder], then: Then | None, decisions: Sequence[DecisionRow], own: datetime | None
) -> datetime | None:
    ends = [_ended_at(part, then, decisions, own) for part in parts]
    return max((end for end in ends if end is not None), default=None)


def _was_there(order: StoredOrder, decided: Mapping[str, datetime], then: Then | None) -> bool:
    asof = decided.get(order.decision_id)
    return then is None or (asof < then.asof if asof is not None else order.send_from <= then.at)


def _ended_at(
    order: StoredOrder, then: Then | None, decisions: Sequence[DecisionRow], own: datetime | None
) -> datetime | None:
    """Return when an order ended unfilled, None where it had not by then."""
    over = order.state in FINAL and order.state != OrderState.FILLED
    if not over or (then is not None and order.updated_at > then.at):
        return None
    return _known_at(decisions, order.updated_at, own)


def _known_at(decisions: Sequence[DecisionRow], at: datetime, own: datetime | None = None) -> datetime:
    """Return the bar whose decision was the first to know of something that happened after its close.

    A decision is made some time after its bar has closed, on the account of that moment. Replayed, the strategy must
    know at that bar what it knew then, or it would not repeat itself. What becomes of an order is news to the bars
    after the one (`own`) that it was decided on, even where it is refused in the same moment.
    """
    later = (d for d in decisions if own is None or d.asof > own)
    return next((d.asof for d in later if d.asof < at <= d.made_at), at)


def _adjustment(symbol: str, quantity: float, price: float, at: datetime, factor: float) -> PastOrder:
    fill = PastFill(quantity * factor, price / factor, at)
    return PastOrder("", None, symbol, fill.quantity, (fill,))


def _signed(order: PastOrder) -> list[tuple[str, PastFill]]:
    return [(order.symbol, fill) for fill in order.fills]
