"""One decision: the backtest's own Cerebro over the bars known now, with a broker that captures its orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from broker.journal.records import DecisionRow
from engine.simulation.capture import CaptureBroker
from engine.simulation.cerebro import build_cerebro
from engine.simulation.money import with_known_volume
from engine.simulation.orders import AccountState, CapturedOrder
from engine.simulation.strategies import decisions_of, run_strategy_in, strategy_params
from forewalk.instruments import traded_bars, traded_forecasts
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts


@dataclass(frozen=True, eq=False)
class StrategyRun:
    """What one Cerebro run over the bars known now came to."""

    orders: list[CapturedOrder]
    cancelled: list[str]
    differences: list[tuple[datetime, str]]
    decisions: list[tuple[Any, ...]]


def run_strategy(
    bars: Bars,
    forecasts: Forecasts | None,
    settings: Settings,
    strategy: type[Any],
    account: AccountState,
    first: pd.Timestamp,
) -> StrategyRun:
    """Build the Cerebro of the backtest over the bars from `first` on and let it run to the last bar.

    Raises:
        PluginError, LookaheadError: a strategy of the user's own raised, or read a bar that is not there.
    """
    trade_as = settings.data.trade_as
    bars = traded_bars(bars, trade_as)
    forecasts = None if forecasts is None else traded_forecasts(forecasts, trade_as)
    params = strategy_params(strategy, forecasts, settings, bars)
    span = with_known_volume(bars, settings.execution).since(first)
    closes = [moment.to_pydatetime() for moment in span.timestamps]

    def build(runonce: bool) -> Any:
        broker = CaptureBroker(account, closes)
        return build_cerebro(span, settings.execution, strategy, params, broker=broker, runonce=runonce)

    cerebro, finished = run_strategy_in(build, settings)
    broker = cerebro.broker
    return StrategyRun(broker.captured, broker.cancelled, broker.differences, decisions_of(finished))


def repeat_problem(run: StrategyRun, bars: Bars, last: DecisionRow | None) -> str | None:
    """Return why the strategy cannot be trusted to repeat itself, or None.

    Asked again about the last bar it decided on, over the very same bars and with the very same past, it must make
    the same orders. Else it decides by chance, by the clock, or by something that a restart forgets.
    """
    if last is None or last.asof not in bars.timestamps:
        return None
    again = [text for asof, text in run.differences if asof == last.asof]
    if not again or bars.until(pd.Timestamp(last.asof)).fingerprint != last.fingerprint:
        return None
    return f"the strategy does not repeat itself: on the bar of {last.asof:%Y-%m-%d %H:%M} UTC, {again[0]}"
