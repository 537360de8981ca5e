"""The strategy that the settings name: the project's own, a policy of the user's in it, or a class of the user's."""

from __future__ import annotations

import difflib
import inspect
import math
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np

from engine.simulation.orders import AbsurdOrder
from forewalk.errors import ConfigError, LookaheadError, PluginError
from forewalk.plugins.failures import defined_at, own_code, user_line
from forewalk.plugins.holding import plugin_of
from forewalk.plugins.loading import Plugin
from forewalk.sessions import bars_per_year
from forewalk.settings.sections import Settings
from forewalk.types import Bars, FloatArray, Forecasts
from strategies.indicator import ForecastTable, PastReturns
from strategies.policy import Decision, Outlook, Positions, decision_of
from strategies.risk import smoothed
from strategies.signal import SignalStrategy

BULK = ("once", "preonce", "oncestart")  # where backtrader's indicators calculate all bars at once
LINES = str(Path("backtrader", "linebuffer.py"))  # where backtrader reads a value of another bar


def load_strategy(settings: Settings) -> type[bt.Strategy]:
    """Return the strategy class of `strategy.kind`; a function of the user's own becomes the policy of ours.

    Raises:
        ConfigError: the name is not there, or is neither a backtrader strategy nor a function.
        PluginError: the module raised while it was imported.
    """
    if not settings.strategy.is_own:
        return SignalStrategy
    plugin = plugin_of(settings, "strategy.kind", settings.strategy.kind)
    found = plugin.value
    if isinstance(found, type) and issubclass(found, bt.Strategy):
        _check_parameters(found, settings, plugin)
        return _with_sizes_checked(found)
    if isinstance(found, type) or not callable(found):
        raise ConfigError(
            f"{plugin.source} is neither a backtrader.Strategy nor a function (outlook, positions, settings)"
        )
    _check_arguments(found, plugin)
    return _with_policy(_checked(found, plugin))


def _with_sizes_checked(found: type[bt.Strategy]) -> type[bt.Strategy]:
    """Return the user's class with sizes refused that backtrader takes in silence, or without their sign."""

    class Checked(found):
        def buy(self, data: Any = None, size: Any = None, **rest: Any) -> Any:
            _refuse_size("buy", "sell", size)
            return super().buy(data, size, **rest)

        def sell(self, data: Any = None, size: Any = None, **rest: Any) -> Any:
            _refuse_size("sell", "buy", size)
            return super().sell(data, size, **rest)

    Checked.__name__, Checked.__qualname__ = found.__name__, found.__qualname__
    Checked.__module__, Checked.__doc__ = found.__module__, found.__doc__
    return Checked


def _refuse_size(side: str, other: str, size: Any) -> None:
    if size is None:
        return
    if not math.isfinite(size):
        raise ValueError(f"{side}(size={size}): give a number of shares")
    if size < 0:
        raise ValueError(
            f"{side}(size={size:g}): a size is not negative; {other}(size={-size:g}) is the other side"
        )


def _check_arguments(policy: Callable[..., Any], plugin: Plugin) -> None:
    try:
        inspect.signature(policy).bind(None, None, None)
    except ValueError:  # of a builtin that does not tell
        return
    except TypeError:
        name = plugin.source.name.rpartition(":")[2]
        raise ConfigError(
            f"{plugin.source} does not take (outlook, positions, settings): write it "
            f"`def {name}(outlook, positions, settings)`"
        ) from None


def _with_policy(decide: Callable[..., Decision]) -> type[bt.Strategy]:
    class OwnPolicy(SignalStrategy):
        policy = staticmethod(decide)

    return OwnPolicy


def needs_forecasts(strategy: type[bt.Strategy]) -> bool:
    """Whether a strategy takes forecasts: it has a parameter `table`."""
    return "table" in strategy.params._getkeys()


def needs_whole_history(strategy: type[bt.Strategy]) -> bool:
    """Whether a strategy may have indicators of its own, which must see the bars before the first decision."""
    return not issubclass(strategy, SignalStrategy)


def strategy_params(
    strategy: type[bt.Strategy], forecasts: Forecasts | None, settings: Settings, bars: Bars
) -> dict[str, Any]:
    """Return the parameters of a strategy; backtest and daemon both get them here.

    A strategy that takes no forecasts is given no `table`. `bars` say how long a year is.
    """
    params: dict[str, Any] = {}
    if settings.strategy.is_own and needs_whole_history(strategy):
        params.update(settings.strategy.params)
    if forecasts is not None and needs_forecasts(strategy):
        params["table"] = ForecastTable(smoothed(forecasts, settings.strategy.smooth_std_bars))
    if issubclass(strategy, SignalStrategy):
        params["settings"] = settings.strategy
        params["fractional"] = settings.execution.fractional
        params["execution"] = settings.execution
        params["bars_per_year"] = _bars_per_year(bars)
        if settings.strategy.sizing == "least_variance":
            params["returns"] = PastReturns(bars, settings.strategy.covariance_bars)
    return params


def _bars_per_year(bars: Bars) -> float | FloatArray:
    """Return the bars of a year, of each symbol's market where they differ."""
    if not bars.calendars:
        return bars_per_year(bars.calendar, bars.interval)
    return np.array([bars_per_year(calendar, bars.interval) for calendar in bars.calendars])


def decisions_of(finished: bt.Strategy) -> list[tuple[Any, ...]]:
    """Return the targets that a strategy decided on, see `SignalStrategy`; a class of the user's has none."""
    return list(finished.decisions) if isinstance(finished, SignalStrategy) else []


def run_strategy_in(
    build: Callable[[bool], bt.Cerebro], settings: Settings, runonce: bool = True
) -> tuple[bt.Cerebro, bt.Strategy]:
    """Build a Cerebro with backtrader's `runonce` or without, run it, and return it with its finished strategy.

    In bulk backtrader's indicators fail over fewer bars than their period; then all is calculated bar by bar, which
    gives the same where both are possible.

    Raises:
        LookaheadError, PluginError: see `own_strategy`.
    """
    cerebro = build(runonce)
    try:
        with own_strategy(settings):
            (finished,) = cerebro.run()
    except PluginError as error:
        if not runonce or not _is_too_short_for_bulk(error.__cause__):
            raise
        return run_strategy_in(build, settings, runonce=False)
    return cerebro, finished


def _is_too_short_for_bulk(error: BaseException | None) -> bool:
    frames = list(traceback.extract_tb(error.__traceback__)) if isinstance(error, IndexError) else []
    return bool(frames) and frames[-1].name in BULK and "backtrader" in Path(frames[-1].filename).parts


@contextmanager
def own_strategy(settings: Settings) -> Iterator[None]:
    """Hold what the user's strategy raises inside to its file and line; nothing for the project's own.

    Raises:
        LookaheadError: it read a bar that is not there, later than its own or before the first.
        PluginError: it raised anything else.
    """
    if not settings.strategy.is_own:
        yield
        return
    plugin = plugin_of(settings, "strategy.kind", settings.strategy.kind)
    source = plugin.source
    try:
        with own_code(source):
            yield
    except AbsurdOrder as error:  # of a policy: none of its lines is on the way to it
        if str(source.file) not in str(error):
            error.args = (f"{source} wants {error} ({defined_at(source, plugin.value)})",)
        raise
    except PluginError as error:
        cause = error.__cause__
        if cause is None or not _reads_a_missing_bar(cause):
            raise
        place = user_line(cause, source)
        raise LookaheadError(
            f"{source} reads a bar that is not there, later than its own or before the first ({place})"
        ) from cause


def _reads_a_missing_bar(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, IndexError) and bool(frames) and frames[-1].filename.endswith(LINES)


def _check_parameters(strategy: type[bt.Strategy], settings: Settings, plugin: Plugin) -> None:
    known = strategy.params._getkeys()
    for name in settings.strategy.params:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(known) or 'none'}"
            raise ConfigError(f"{plugin.source} has no parameter {name!r} (strategy.params); {hint}")


def _checked(policy: Callable[..., Any], plugin: Plugin) -> Callable[..., Decision]:
    """Return the user's policy with its answer checked."""

    def decide(outlook: Outlook, positions: Positions, settings: Any) -> Decision:
        answer = policy(outlook, positions, settings)
        try:
            return decision_of(answer, len(outlook.close))
        except ValueError as problem:
            raise PluginError(f"{plugin.source} {problem} ({defined_at(plugin.source, policy)})") from None

    return decide
