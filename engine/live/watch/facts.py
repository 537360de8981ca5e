"""What there is to know of a paper book, read from its journal as plain data, for its page and any other reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from broker.halts import EVERYTHING
from broker.journal.journal import Journal
from broker.journal.money import IN_LIEU
from broker.orders import FINAL
from engine.live.models.registry import ModelEntry, listed
from engine.live.watch.readings import Reading
from forewalk.returns import drawdown_series
from forewalk.settings.sections import Settings
from forewalk.types import FloatArray

NEWEST = 20  # fills and lines of the diary
TOLD = frozenset(
    (
        "halt",
        "refused",
        "needs_human",
        "foreign_fill",
        "missed",
        "no_decision",
        "no_trading",
        "model",
        "drift",
        "skew",
    )
)


@dataclass(frozen=True)
class Account:
    """The account at each decision.

    Attributes:
        times: closes decided on, UTC. equity: dollars, as it was. flows: cash that came in (less what went out)
            since the first decision, dollars. growth: value of one dollar, flows taken out; the first is 1.
        worst_fall: largest fall of `growth` from its highest value, a share >= 0.
    """

    times: pd.DatetimeIndex
    equity: FloatArray
    flows: FloatArray
    growth: FloatArray
    worst_fall: float


@dataclass(frozen=True)
class BookFacts:
    """One book after its last decision; rows are plain dicts, numbers are dollars, shares and log returns."""

    book: str
    asof: datetime | None
    halts: list[dict[str, Any]]
    positions: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    fills: list[dict[str, Any]]
    intentions: list[dict[str, Any]]
    models: list[ModelEntry]
    readings: Sequence[Reading]
    alerts: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data; moments and dates as ISO text."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def book_facts(
    journal: Journal, settings: Settings, folder: Path, readings: Sequence[Reading] = ()
) -> BookFacts:
    """Read the facts of a book; `folder` holds its model files."""
    last = journal.decisions.last()
    targets = journal.decisions.targets(last.decision_id) if last else []
    closes = {symbol: close for symbol, (_, close) in journal.decisions.last_closes().items()}
    equity = float(last.equity) if last else 0.0
    positions = []
    for symbol, quantity in sorted(journal.ledger.quantities().items()):
        close = closes.get(symbol)
        value = None if close is None else float(quantity) * close
        share = None if value is None or equity <= 0 else value / equity
        positions.append(
            {"symbol": symbol, "quantity": float(quantity), "close": close, "value": value, "share": share}
        )
    now = last.asof if last else datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return BookFacts(
        book=settings.live.book,
        asof=last.asof if last else None,
        halts=_halts(journal),
        positions=positions,
        orders=[
            {
                "id": order.client_order_id,
                "what": f"{order.side} {order.quantity.normalize():f} {order.symbol}",
                "kind": order.kind,
                "state": str(order.state),
                "valid_until": order.valid_until,
                "reason": order.reason,
            }
            for order in journal.orders.all()
            if order.state not in FINAL
        ],
        fills=[
            {
                "at": fill.at,
                "what": f"{fill.side} {fill.quantity.normalize():f} {fill.symbol}",
                "price": float(fill.price),
            }
            for fill, _ in journal.ledger.fills()[: -NEWEST - 1 : -1]
        ],
        intentions=[
            {
                "symbol": target.symbol,
                "close": target.close,
                "mean": target.mean,
                "std": target.std,
                "weight": target.target_weight,
                "reason": target.reason,
                "problem": target.bar_problem or target.model_problem or "",
            }
            for target in targets
        ],
        models=listed(journal, settings, folder, now),
        readings=readings,
        alerts=[
            {"at": line.at, "kind": line.kind, "symbol": line.symbol, "text": line.text}
            for line in journal.diary.events()
            if line.kind in TOLD
        ][: -NEWEST - 1 : -1],
    )


def _halts(journal: Journal) -> list[dict[str, Any]]:
    remains = journal.halts.remains()
    return [
        {
            "scope": "everything" if halt.scope == EVERYTHING else halt.scope,
            "cause": str(halt.cause),
            "reason": halt.reason,
            "since": halt.at,
            "exits": halt.allow_exits,
            "left": [
                f"{rest.symbol or 'everything'}: {rest.text}"
                for rest in remains
                if halt.scope == EVERYTHING or rest.symbol == halt.scope
            ],
        }
        for halt in journal.halts.in_force()
    ]


def account(journal: Journal) -> Account:
    """Return the account at each decision, deposits and withdrawals taken out of its growth.

    Cash that came from no order counts at the first decision of its day or after it. The growth is the product of
    E1 / (E0 + F) (the time-weighted return).
    """
    decisions = journal.decisions.all()
    equity = np.array([float(decision.equity) for decision in decisions])
    flowed = np.zeros(len(decisions))
    sessions = [decision.session for decision in decisions]
    for flow in journal.money.cash_flows():
        row = next((row for row, session in enumerate(sessions) if session >= flow.on), None)
        if flow.kind != IN_LIEU and row is not None and (row > 0 or flow.on == sessions[0]):
            flowed[row] += float(flow.amount)
    if len(flowed):
        flowed[0] = 0.0  # what came before the first decision is what the book began with
    steps: FloatArray = np.ones(len(decisions))
    before = equity[:-1] + flowed[1:]
    steps[1:] = np.divide(equity[1:], before, out=np.ones_like(before), where=before > 0)
    growth: FloatArray = np.cumprod(steps, dtype=np.float64)
    fall = float(-drawdown_series(growth).min()) if len(growth) else 0.0
    times = pd.DatetimeIndex([decision.asof for decision in decisions])
    return Account(times, equity, np.cumsum(flowed), growth, max(0.0, fall))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
