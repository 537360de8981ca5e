"""One Cerebro: bulk-loaded feeds, next-open fills, costs that bite, and everything that happened as tables.

The backtest runs it over the out-of-sample span; the daemon runs the same Cerebro one bar longer each time
with a broker that captures orders; the leak audit runs it over doctored data.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import backtrader as bt

from engine.simulation.currencies import account_over
from engine.simulation.feeds import CurrencyFeed, PanelFeed, feed_columns
from engine.simulation.moments import refuse_styles
from engine.simulation.recorder import Recorder, event_tables
from engine.simulation.strategies import load_strategy, run_strategy_in, strategy_params
from forewalk.settings.sections import ExecutionSettings, Settings
from forewalk.types import Bars, Forecasts, SimulationResult

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
    cerebro.setbroker(broker if broker is not None else account_over(bars, execution))
    for symbol, columns in zip(bars.symbols, feed_columns(bars, execution), strict=True):
        feed = CurrencyFeed if "rate" in columns else PanelFeed
        cerebro.adddata(feed(columns=columns), name=symbol)
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
    strategy: type[bt.Strategy] | None = None,
    runonce: bool = True,
    preload: bool = True,
    cerebro_builder: Callable[..., bt.Cerebro] | None = None,
) -> SimulationResult:
    """Run a strategy over the span of the forecasts and return what happened.

    Args:
        bars: the whole history; only the bars from the first forecast on are used.
        forecasts: rows aligned with the last `len(forecasts)` bars.
        strategy: any backtrader strategy, given a ForecastTable where it has a parameter `table`; None takes the
            one of `strategy.kind`.
        cerebro_builder: called instead of `build_cerebro`, with its arguments; for comparisons.

    Raises:
        PluginError: a strategy or policy of the user's own raised.
        LookaheadError: it read a bar that does not exist yet.
        ConfigError: orders are to be sent in a style that these bars do not have.
    """
    refuse_styles(bars, settings.execution)
    span = bars.since(forecasts.timestamps[0])
    chosen = strategy or load_strategy(settings)
    params = strategy_params(chosen, forecasts, settings, bars)
    build = cerebro_builder or build_cerebro
    with rare_collections():
        cerebro, finished = run_strategy_in(
            lambda once: build(span, settings.execution, chosen, params, runonce=once, preload=preload),
            settings,
            runonce,
        )
    return event_tables(finished, cerebro.broker, span, forecasts, settings.execution)
