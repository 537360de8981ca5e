"""Settings that make no sense on these bars are refused before training; odd ones are said first of all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forewalk.errors import ConfigError
from forewalk.sessions import bar_open_times, microseconds
from forewalk.settings.sections import Settings
from forewalk.types import Bars, BoolArray

FEW_TO_RANK = 20  # symbols below which a cross-section says little
HOLIDAYS = 0.1  # share of the rows on which one of several markets may be closed alone
OFTEN = 0.05  # share of bars from which a price that is too high for a position is worth a word


def refuse_nonsense(bars: Bars, settings: Settings) -> None:
    """Raise ConfigError where the label or the policy cannot mean anything with so many symbols, or such bars."""
    _refuse_markets_apart(bars)
    count = _usable(bars, settings)
    if settings.label.kind == "market_relative" and count < 2:
        raise ConfigError(
            f"label.kind = 'market_relative' with {count} symbol: its return minus its own is always 0; "
            f"set label.kind = 'absolute', or load more symbols"
        )
    if settings.strategy.kind == "cross_section" and count < 2:
        raise ConfigError(
            f"strategy.kind = 'cross_section' with {count} symbol: there is nothing to rank; "
            f"set strategy.kind = 'per_symbol', or load more symbols"
        )


def cautions(bars: Bars, settings: Settings, first_test: int) -> tuple[str, ...]:
    """Return what a reader must know before the numbers, a sentence each.

    Args:
        bars: of the run.
        settings: of the run.
        first_test: row of the first forecast.
    """
    return tuple(filter(None, (_of_ranking(bars, settings), _of_prices(bars, settings, first_test))))


def _refuse_markets_apart(bars: Bars) -> None:
    """Raise ConfigError where markets do not close together.

    On a row of one market the others have no bar: their positions would be left for want of a forecast, and an order
    decided there would be filled at an open that lies before it where another market's bar had begun already.
    """
    names = list(dict.fromkeys(bars.calendars))
    if len(names) < 2:
        return
    there = np.column_stack([
        bars.present[:, [own == name for own in bars.calendars]].any(axis=1) for name in names
    ])  # fmt: skip
    begun = np.logical_or.accumulate(there, axis=0).all(axis=1)
    apart = float((~there[begun].all(axis=1)).mean()) if begun.any() else 1.0
    if apart > HOLIDAYS or _opens_before_the_last_close(bars, names, there):
        raise ConfigError(
            f"the symbols are of markets that close at different times ({', '.join(names)}); their decisions and "
            f"fills cannot be put into one order of time yet: run one market at a time, with data.symbols"
        )


def _opens_before_the_last_close(bars: Bars, names: Sequence[str], there: BoolArray) -> bool:
    stamps = microseconds(bars.timestamps)
    for column, name in enumerate(names):
        rows = np.flatnonzero(there[:, column])
        nothing = np.zeros((len(rows), 0))
        prices = (nothing, nothing, nothing, nothing, nothing)
        own = Bars(bars.timestamps[rows], (), *prices, name, bars.interval)
        if ((rows > 0) & (microseconds(bar_open_times(own)) < stamps[rows - 1])).any():
            return True
    return False


def _usable(bars: Bars, settings: Settings) -> int:
    return int((bars.present.sum(axis=0) >= settings.data.min_history_bars).sum())


def _of_ranking(bars: Bars, settings: Settings) -> str:
    strategy, count = settings.strategy, _usable(bars, settings)
    if strategy.kind != "cross_section":
        return ""
    sides = 2 if strategy.direction == "long_short" else 1
    if strategy.top * sides * 2 > count:
        held, where = min(strategy.top * sides, count), " on each side" if sides == 2 else ""
        return (
            f"strategy.top = {strategy.top} of {count} symbols{where} holds up to {held} of them: more than half, so "
            f"that the ranking decides little. Lower strategy.top, or load more symbols."
        )
    if count < FEW_TO_RANK:
        return f"A cross-section of {count} symbols says little; at least {FEW_TO_RANK} are usual."
    return ""


def _of_prices(bars: Bars, settings: Settings, first_test: int) -> str:
    """Say which symbols cost more than a position may be."""
    execution, strategy = settings.execution, settings.strategy
    if execution.fractional or strategy.is_own:
        return ""
    limit = strategy.weight_limit(len(bars.symbols))
    if strategy.kind == "cross_section":
        places = strategy.top * (2 if strategy.direction == "long_short" else 1)
    else:
        places = max(_usable(bars, settings), 1)
    share = strategy.max_gross / places if strategy.fraction is None else strategy.fraction
    room = execution.cash * min(share if strategy.sizing == "fixed_fraction" else limit, limit)
    worth = bars.close[first_test:] * bars.extras.get("rate_close", np.ones(bars.close.shape))[first_test:]
    with np.errstate(invalid="ignore"):
        over = worth > room
    often = over.sum(axis=0) / np.maximum(np.isfinite(worth).sum(axis=0), 1)
    dear = np.flatnonzero(often > OFTEN)
    if not len(dear):
        return ""
    worst = int(dear[np.nanargmax(np.nanmax(worth[:, dear], axis=0))])
    names = ", ".join(bars.symbols[column] for column in dear[:4]) + (" ..." if len(dear) > 4 else "")
    return (
        f"One share of {names} costs more than a position of the starting account ({room:,.0f}), for "
        f"{bars.symbols[worst]} on {often[worst]:.0%} of the bars and up to {np.nanmax(worth[:, worst]):,.0f}: it is "
        f"not bought there. Set execution.fractional = true, or a larger execution.cash."
    )
