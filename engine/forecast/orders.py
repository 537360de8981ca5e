"""What the strategy would order now, from the positions of an account."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from engine.live.deciding.decide import run_strategy
from engine.simulation.orders import AccountState
from engine.simulation.strategies import load_strategy, needs_whole_history
from forewalk.errors import DataError
from forewalk.settings.sections import Settings
from forewalk.types import CLOSED_AT, Bars, Forecasts

if TYPE_CHECKING:
    from collections.abc import Mapping

CASH = "CASH"
JOURNAL = "journal.db"


@dataclass(frozen=True)
class Holdings:
    """An account as it is: cash, and by symbol the signed quantity and the average price paid.

    Attributes:
        cash: money. positions: symbol -> (quantity, price); a price that is not known is NaN. source: in words.
    """

    cash: float
    positions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    source: str = "an account that holds cash only"


def read_holdings(path: Path, settings: Settings) -> Holdings:
    """Read positions from a file, or from the book of the daemon whose folder or journal is named.

    A file is CSV with the columns symbol and quantity, and price (what was paid) where it is known; a row of the
    symbol CASH gives the cash, else it is `execution.cash`.

    Raises:
        DataError: the file is not there, or a row is no position.
    """
    if path.is_dir() or path.name == JOURNAL:
        return _of_book(path / JOURNAL if path.is_dir() else path, settings)
    try:
        table = pd.read_csv(path, dtype=str, skipinitialspace=True, comment="#")
    except (OSError, ValueError) as problem:
        raise DataError(f"{path}: no table of positions: {problem}") from None
    table.columns = [str(name).strip().lower() for name in table.columns]
    if not {"symbol", "quantity"} <= {*table.columns}:
        raise DataError(
            f"{path}: its columns are {', '.join(table.columns)}; name them symbol, quantity and, where known, price"
        )
    cash, positions = settings.execution.cash, {}
    for number, row in enumerate(table.to_dict("records"), start=2):
        symbol = str(row["symbol"]).strip()
        quantity = _number(row["quantity"], f"{path}:{number}: quantity")
        if symbol in positions:
            raise DataError(f"{path}:{number}: {symbol} stands there twice; add its rows up")
        if symbol.upper() == CASH:
            cash = quantity
            continue
        known = row.get("price")
        price = float("nan") if pd.isna(known) else _number(known, f"{path}:{number}: price")
        positions[symbol] = (quantity, price)
    return Holdings(cash, positions, str(path))


def orders_from(
    holdings: Holdings, bars: Bars, forecasts: Forecasts, settings: Settings
) -> tuple[dict[str, str], str | None]:
    """Return the orders of the strategy at the newest bar, by symbol and in words, and why there are none if so.

    Positions count as held from before the newest bar, at the price paid or, where it is not known, at its close.

    Raises:
        PluginError, LookaheadError: a strategy of the user's own raised, or read a bar that is not there.
        DataError: a position is of a symbol without bars.
    """
    strategy = load_strategy(settings)
    if needs_whole_history(strategy):
        return (
            {},
            "a strategy of your own decides from its whole past: the daemon knows that, this command does not",
        )
    if CLOSED_AT in bars.extras or "rate_close" in bars.extras:
        return {}, "orders are told for one market in the account's own currency only"
    if settings.strategy.smooth_std_bars > 1:
        return {}, "strategy.smooth_std_bars needs the forecasts of earlier bars: the daemon knows them"
    unknown = sorted({*holdings.positions} - {*bars.symbols})
    if unknown:
        raise DataError(
            f"{holdings.source} holds {', '.join(unknown)}, of which there are no bars; add them to the symbols, or "
            "leave the row out"
        )
    close = dict(zip(bars.symbols, bars.close[-1].tolist(), strict=True))
    positions = {
        symbol: (quantity, price if np.isfinite(price) else close[symbol])
        for symbol, (quantity, price) in holdings.positions.items()
        if quantity
    }
    state = AccountState(holdings.cash, positions, opening=positions)
    run = run_strategy(bars, forecasts, settings, strategy, state, bars.timestamps[-1])
    said = {}
    for order in run.orders:
        quantity = f"{order.quantity:,.6f}".rstrip("0").rstrip(".")
        at = "" if order.limit_price is None else f" at {order.limit_price:.2f} or better"
        said[order.symbol] = f"{order.side} {quantity}{at} ({order.reason or order.kind})"
    return said, None


def _of_book(path: Path, settings: Settings) -> Holdings:
    from broker.journal.journal import Journal
    from engine.live.deciding.past import account_state

    if not path.exists():
        raise DataError(f"{path}: there is no such book; name a file of positions, or the daemon's folder")
    journal = Journal(path, settings.live.book, readonly=True)
    try:
        decision = journal.decisions.last()
        if decision is None:
            raise DataError(f"{path}: this book has not decided anything yet")
        state = account_state(journal, decision.cash, decision.asof)
        return Holdings(state.cash, state.positions, f"the book {settings.live.book!r} in {path.parent}")
    finally:
        journal.close()


def _number(text: object, what: str) -> float:
    try:
        value = float(str(text).replace(",", ""))
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise DataError(f"{what} {text!r} is no number")
    return value
