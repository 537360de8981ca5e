"""`forewalk live --simulator`: the whole loop on this machine, with no account, over real bars on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from broker.journal.journal import Journal
from broker.keys import SIMULATOR
from broker.values import plain
from engine.live.daemon import Daemon
from engine.live.deciding.decider import raise_own_code
from engine.live.job import opened
from engine.live.tradable import refuse_still_texts
from forewalk.errors import DataError
from forewalk.settings.sections import Settings
from forewalk.types import Bars

KEYS = SIMULATOR
CLOSE_OFFSET_S = 5.0  # after close and delay
OPEN_OFFSET_S = 30.0


@dataclass(frozen=True)
class SessionRow:
    """One simulated session for the table."""

    asof: datetime
    decided: str
    orders: str
    fills: str
    equity: Decimal


def simulated(
    settings: Settings, sessions: int, state: Path, on_row: Callable[[SessionRow], None]
) -> list[SessionRow]:
    """Trade the last `sessions` sessions of the settings' bars on a local simulator.

    Args:
        state: folder of the journal and the log; must be new.
        on_row: called after each session.
    """
    from broker.simulator.harness import Simulator
    from forewalk.data.loading import load_bars

    refuse_still_texts(settings.news)  # as the daemon itself would
    bars, _ = load_bars(settings.data)
    if len(bars) < sessions + 2:
        raise DataError(f"{len(bars)} bars are too few for {sessions} sessions")
    begin = bars.timestamps[-sessions - 2]
    rows: list[SessionRow] = []
    with Simulator(
        bars,
        start=begin.isoformat(),
        cash=settings.execution.cash,
        market_fill="open",  # as the backtest fills
    ) as simulator:
        there = local_settings(settings, bars, simulator.url, state)
        with opened(there, console=False, keys=KEYS) as (daemon, _watch):
            for _ in range(sessions):
                row = one_session(simulator.control, daemon, settings)
                rows.append(row)
                on_row(row)
    return rows


def local_settings(settings: Settings, bars: Bars, url: str, state: Path) -> Settings:
    """Return the settings with the simulator as the broker, for the symbols that the bars have.

    Texts are read and none is fetched: what came today would be seen on a day of the past.
    """
    return settings.model_copy(
        update={
            "data": settings.data.model_copy(update={"symbols": bars.symbols}),
            "news": settings.news.model_copy(update={"poll": ()}),
            "live": settings.live.model_copy(update={"url": url, "data_url": url, "state": state}),
        }
    )


def one_session(control: Any, daemon: Daemon, settings: Settings) -> SessionRow:
    """Let one bar close, decide on it, let the market open, send, and see the fills."""
    journal = daemon.journal
    seen = (len(journal.orders.all()), len(journal.ledger.fills()))
    control.advance(to="close", offset_seconds=settings.live.close_delay_s + CLOSE_OFFSET_S)
    settle(daemon)
    raise_own_code(journal)
    control.advance(to="open", offset_seconds=OPEN_OFFSET_S)
    settle(daemon)
    return _row(journal, daemon, *seen)


def settle(daemon: Daemon, steps: int = 3) -> None:
    """Step until everything that can be done at this moment is done."""
    for _ in range(steps):
        before = (daemon.status.posts, len(daemon.journal.ledger.fills()), daemon.status.last_decision)
        daemon.step()
        if daemon.status.problem:
            raise DataError(f"the simulated broker is unreachable: {daemon.status.problem}")
        if before == (daemon.status.posts, len(daemon.journal.ledger.fills()), daemon.status.last_decision):
            return


def _row(journal: Journal, daemon: Daemon, orders: int, fills: int) -> SessionRow:
    decision = journal.decisions.last()
    if decision is None:
        raise DataError("no decision was made; see log.jsonl in the state folder")
    wanted = [t for t in journal.decisions.targets(decision.decision_id) if t.target_weight is not None]
    new_orders = journal.orders.all()[orders:]
    new_fills = journal.ledger.fills()[fills:]
    return SessionRow(
        asof=decision.asof,
        decided=", ".join(f"{t.symbol} {t.target_weight:+.0%} {t.reason}" for t in wanted) or "hold",
        orders=", ".join(f"{o.side} {plain(o.quantity)} {o.symbol} {o.state}" for o in new_orders),
        fills=", ".join(f"{f.side} {plain(f.quantity)} {f.symbol} @ {f.price:.2f}" for f, _ in new_fills),
        equity=Decimal(str(daemon.status.equity)),
    )
