"""One Cerebro: bulk-loaded feeds, next-open fills, costs that bite, and everything that happened as tables.

The backtest runs it over the out-of-sample span; the daemon runs the same Cerebro one bar longer each time
with a broker that captures orders; the leak audit runs it over doctored data.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from engine.simulation.currencies import account_over
from engine.simulation.feeds import feed_columns, feed_for
from engine.simulation.moments import refuse_styles
from engine.simulation.money import with_frictions
from engine.simulation.recorder import Recorder, event_tables
from engine.simulation.strategies import load_strategy, run_strategy_in, strategy_params
from engine.simulation.tables import equity_table
from forewalk.data.cleaning.together import forecasts_in_time, in_time
from forewalk.errors import ConfigError
from forewalk.instruments import traded, with_currencies
from forewalk.settings.sections import ExecutionSettings, Settings
from forewalk.types import CLOSED_AT, Bars, Forecasts, SimulationResult
from strategies.risk import as_told, smoothed

AFTER = pd.Timedelta(1, unit="us")
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
        cerebro.adddata(feed_for(columns)(columns=columns), name=symbol)
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

    Markets that close at different times (bars from `by_day`) are lived through close by close: a decision at the
    close of one market is about its symbols alone, and is filled at their next open. The equity is that of the end of
    each day. What `data.trade_as` only forecasts is not there; its fund goes by its forecasts.

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
    bars, forecasts = traded(bars, forecasts, settings.data.trade_as)
    refuse_styles(bars, settings.execution)
    bars = with_frictions(bars, settings.execution)
    if CLOSED_AT in bars.extras:
        if settings.strategy.sizing == "least_variance":
            raise ConfigError(
                "strategy.sizing = 'least_variance' needs returns of the same hours: these markets close at "
                "different times; use one market, or sizing = 'constant_risk'"
            )
        smooth = smoothed(forecasts, settings.strategy.smooth_std_bars)  # over days, not over closes
        span, told = _by_true_closes(bars, smooth, settings)
        lived = simulate(span, told, as_told(settings), strategy, runonce, preload, cerebro_builder)
        return _by_day(lived, bars, forecasts, settings)
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


def lived_bars(bars: Bars, settings: Settings) -> Bars:
    """Return bars as an account lives through them: with a row for each true close, where markets close apart."""
    if CLOSED_AT not in bars.extras:
        return bars
    data = settings.data
    return with_currencies(in_time(bars), data.currency, data.market, data.currencies, data.pips)


def _by_true_closes(bars: Bars, forecasts: Forecasts, settings: Settings) -> tuple[Bars, Forecasts]:
    """Return the bars of the forecasts' days, and the forecasts, with a row for each true close."""
    lived, first = lived_bars(bars, settings), len(bars) - len(forecasts)
    span = lived.since(bars.timestamps[first - 1] + AFTER) if first else lived
    return span, forecasts_in_time(bars, forecasts, span.timestamps)


def _by_day(
    lived: SimulationResult, bars: Bars, forecasts: Forecasts, settings: Settings
) -> SimulationResult:
    """Return what happened with the account as it stood at the end of each day, beside the benchmark's."""
    closes = pd.DatetimeIndex(lived.equity["time"])
    rows = closes.searchsorted(forecasts.timestamps, side="right") - 1
    equity, cash, gross = (
        lived.equity[name].to_numpy(dtype=np.float64)[rows] for name in ("equity", "cash", "gross_exposure")
    )
    span = bars.since(forecasts.timestamps[0])
    table = equity_table(forecasts.timestamps, equity, cash, gross, span, forecasts, settings.execution)
    return replace(lived, equity=table)
