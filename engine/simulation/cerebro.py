"""One Cerebro: bulk-loaded feeds, next-open fills, costs that bite, and everything that happened as tables.

The backtest runs it over the out-of-sample span; the daemon runs the same Cerebro one bar longer each time
with a broker that captures orders; the leak audit runs it over doctored data.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import backtrader as bt

from engine.simulation.account import simulated_broker
from engine.simulation.feeds import PanelFeed, feed_columns
from engine.simulation.recorder import Recorder, event_tables
from forewalk.errors import ConfigError
from forewalk.sessions import bars_per_year
from forewalk.settings.sections import ExecutionSettings, Settings
from forewalk.types import Bars, Forecasts, SimulationResult
from strategies.indicator import ForecastTable
from strategies.signal import SignalStrategy

COLLECT_EVERY = 200_000  # new objects between two looks for garbage


def build_cerebro(
    bars: Bars,
    execution: ExecutionSettings,
    strategy: type[bt.Strategy],
    strategy_params: Mapping[str, Any],
    broker: bt.BrokerBase | None = None,
    runonce: bool = True,
    preload: bool = True,
) -> bt.Cerebro:
    """Wire feeds, broker, strategy and recorder; every run of this project goes through here.

    `broker` replaces the simulated account, for the daemon. Results do not depend on `runonce` or `preload`.
    """
    cerebro = bt.Cerebro(stdstats=False, runonce=runonce, preload=preload)
    cerebro.setbroker(broker if broker is not None else simulated_broker(execution))
    for symbol, columns in zip(bars.symbols, feed_columns(bars, execution), strict=True):
        cerebro.adddata(PanelFeed(columns=columns), name=symbol)
    cerebro.addstrategy(strategy, **strategy_params)
    cerebro.addanalyzer(Recorder, _name="recorder")
    return cerebro


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for garbage cycles rarely while a Cerebro runs: it makes many lasting objects and few cycles.

    At Python's own pace a run with many orders spends a third of its time looking at them again and again.
    """
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def simulate(
    bars: Bars,
    forecasts: Forecasts,
    settings: Settings,
    strategy: type[bt.Strategy] = SignalStrategy,
    runonce: bool = True,
    preload: bool = True,
    cerebro_builder: Callable[..., bt.Cerebro] | None = None,
) -> SimulationResult:
    """Run a strategy over the span of the forecasts and return what happened.

    Args:
        bars: the whole history; only the bars from the first forecast on are used.
        forecasts: rows aligned with the last `len(forecasts)` bars.
        strategy: `SignalStrategy`, or any backtrader strategy with a `table` parameter (a ForecastTable).
        cerebro_builder: called instead of `build_cerebro`, with its arguments; for comparisons.
    """
    span = bars.since(forecasts.timestamps[0])
    params = strategy_params(strategy, forecasts, settings, bars)
    build = cerebro_builder or build_cerebro
    cerebro = build(span, settings.execution, strategy, params, runonce=runonce, preload=preload)
    with rare_collections():
        (finished,) = cerebro.run()
    return event_tables(finished, cerebro.broker, span, forecasts, settings.execution)


def strategy_params(
    strategy: type[bt.Strategy], forecasts: Forecasts | None, settings: Settings, bars: Bars
) -> dict[str, Any]:
    """Return the parameters of a strategy; backtest and daemon both get them here.

    A strategy that needs no forecasts (None) is given no `table`. `bars` say how long a year is.
    """
    params: dict[str, Any] = {}
    if forecasts is not None:
        params["table"] = ForecastTable(forecasts)
    if issubclass(strategy, SignalStrategy):
        params["settings"] = settings.strategy
        params["fractional"] = settings.execution.fractional
        params["bars_per_year"] = bars_per_year(bars.calendar, bars.interval)
    return params


def load_strategy(name: str | None) -> type[Any]:
    """Return the strategy class named `module:Class`, or the project's own for None."""
    if name is None:
        return SignalStrategy
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"live.strategy = {name!r}: {error}; write it as module:Class") from None
    if not (isinstance(found, type) and issubclass(found, bt.Strategy)):
        raise ConfigError(f"live.strategy = {name!r} is no backtrader.Strategy")
    strategy: type[Any] = found
    return strategy
