"""Settings that make no sense on these bars are refused before training; odd ones are said first of all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forewalk.data.cleaning.together import each_market
from forewalk.data.quality import QualityReport
from forewalk.errors import ConfigError
from forewalk.instruments import is_index, traded_bars
from forewalk.settings.sections import Settings
from forewalk.types import Bars, SimulationResult

FEW_TO_RANK = 20  # symbols below which a cross-section says little
FEW_HELD = 3  # symbols traded, below which one of them made most of it anyway
MOST_OF_IT = 0.8
OFTEN = 0.05  # share of bars from which a price that is too high for a position is worth a word


def refuse_nonsense(bars: Bars, settings: Settings) -> None:
    """Raise ConfigError where the label or the policy cannot mean anything with so many symbols, or such bars."""
    count = _usable(bars, settings)
    _refuse_lonely(bars, settings)
    if settings.label.kind == "market_relative" and count < 2:
        raise ConfigError(
            f"label.kind = 'market_relative' with {count} symbol: its return minus its own is always 0; "
            f"set label.kind = 'absolute', or load more symbols"
        )
    count = _usable(traded_bars(bars, settings.data.trade_as), settings)
    if settings.strategy.kind == "cross_section" and count < 2:
        raise ConfigError(
            f"strategy.kind = 'cross_section' with {count} symbol: there is nothing to rank; "
            f"set strategy.kind = 'per_symbol', or load more symbols"
        )


def cautions(
    bars: Bars, settings: Settings, first_test: int, simulation: SimulationResult | None = None
) -> tuple[str, ...]:
    """Return what a reader must know before the numbers, a sentence each.

    Args:
        bars: of the run.
        settings: of the run.
        first_test: row of the first forecast.
        simulation: the account; None where there is none yet.
    """
    forecast, bars = _of_proxies(settings.data.trade_as), traded_bars(bars, settings.data.trade_as)
    said = (forecast, _of_indices(bars), _of_ranking(bars, settings), _of_prices(bars, settings, first_test))
    alone = "" if simulation is None or "rate_close" in bars.extras else _of_one_symbol(simulation)
    return tuple(filter(None, (*said, alone)))


def of_adjusted_shares(quality: QualityReport | None, settings: Settings) -> str:
    """Say that shares are counted from adjusted prices, where that decides anything; "" elsewhere.

    Only whole shares and fees per share depend on how many shares there are. Where nobody says whether prices are
    adjusted, nothing is said.
    """
    execution = settings.execution
    if quality is None or (execution.fractional and not execution.fee_per_share):
        return ""
    everyone = quality.understood.adjusted is True and not quality.adjusted
    names = tuple(quality.bars) if everyone else quality.adjusted
    if not names:
        return ""
    decided = [
        "" if execution.fractional else "whole shares are rounded finer or coarser than they could be then",
        f"a fee of {execution.fee_per_share:g} is paid on each of them" if execution.fee_per_share else "",
    ]
    shown = ", ".join(names[:4]) + (" ..." if len(names) > 4 else "")
    return (
        f"Shares are counted from adjusted prices ({shown}), so an order has not the number of shares that it had on "
        f"its day: {' and '.join(filter(None, decided))}. With execution.fractional = true and fees in basis points "
        f"alone nothing hangs on that number."
    )


def gains_of(simulation: SimulationResult) -> dict[str, float]:
    """Return what each symbol brought: sales less purchases and fees, and the value of what is held at the end."""
    orders, held = simulation.orders, simulation.open_positions
    if not {"symbol", "side", "filled_quantity", "fill_price", "fee"}.issubset(orders.columns):
        return {}
    filled = orders[orders["filled_quantity"] > 0]
    value = filled["filled_quantity"] * filled["fill_price"] * np.where(filled["side"] == "buy", -1.0, 1.0)
    gains = (value - filled["fee"]).groupby(filled["symbol"]).sum()
    if {"symbol", "value"}.issubset(held.columns):
        gains = gains.add(held.groupby("symbol")["value"].sum(), fill_value=0.0)
    return {str(symbol): float(gain) for symbol, gain in gains.items()}


def _of_one_symbol(simulation: SimulationResult) -> str:
    """Say where one of several symbols made nearly all of the gain: it may be there by hindsight."""
    gains = gains_of(simulation)
    total = sum(gains.values())
    if len(gains) < FEW_HELD or total <= 0:
        return ""
    best = max(gains, key=lambda symbol: gains[symbol])
    if gains[best] < MOST_OF_IT * total:
        return ""
    return (
        f"Of {len(gains)} symbols that were traded {best} alone made {gains[best] / total:.0%} of the gain: that it "
        f"would be among the symbols was known only afterwards. Run it without {best} before believing the rest."
    )


def _refuse_lonely(bars: Bars, settings: Settings) -> None:
    """Raise ConfigError where a label compares the symbols of each market and one of several has a single symbol."""
    if not bars.calendars or not (settings.label.relative or settings.label.kind == "rank"):
        return
    for market, own in each_market(bars):
        if _usable(own, settings) == 1:
            raise ConfigError(
                f"label.kind = {settings.label.kind!r} compares the symbols that close together, and "
                f"{bars.symbols[market.columns[0]]} is alone on {market.calendar}: set label.kind = 'absolute', load "
                f"more symbols of that market, or leave it out with data.symbols"
            )


def _usable(bars: Bars, settings: Settings) -> int:
    return int((bars.present.sum(axis=0) >= settings.data.min_history_bars).sum())


def _of_proxies(trade_as: Mapping[str, str]) -> str:
    """Say what is forecast and what is traded."""
    if not trade_as:
        return ""
    pairs = " and ".join(
        f"{forecast} is forecast and {fund} is traded" for forecast, fund in trade_as.items()
    )
    return f"{pairs}: orders, costs, benchmark and account are of what is traded, whose own forecast is not used."


def _of_indices(bars: Bars) -> str:
    """Say which symbols nobody can buy."""
    found = [symbol for symbol in bars.symbols if is_index(symbol)]
    if not found:
        return ""
    names = ", ".join(found[:4]) + (" ..." if len(found) > 4 else "")
    return (
        f"{names}: an index cannot be bought, so this account is of a fund that follows it without fees, on prices "
        f"that nobody was asked to pay and without dividends unless the index counts them. Forecast the index and "
        f"trade its fund: data.trade_as = {{'^RUI' = 'IWB'}}, for ^GSPC SPY."
    )


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
