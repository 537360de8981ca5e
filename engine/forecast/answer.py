"""The next forecast as plain values: per symbol what is expected, how wide, how sure, and how its kind has fared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

from engine.evaluation.metrics.forecasts.conformal import Ranges, Widening, ranges, widenings, with_record
from engine.forecast.basis import Basis
from engine.forecast.orders import Holdings, orders_from
from engine.forecast.probability import Correction, correction
from engine.forecast.skill import Skill, grid_of
from engine.runs.closes import next_closes, session_of
from forewalk.types import CLOSED_AT


@dataclass(frozen=True)
class SymbolForecast:
    """What is expected of one symbol.

    Attributes:
        symbol: its name. asof: UTC close of the bar it is made at. closes_at: UTC close of the bar it is about.
        close: price at `asof`, as the bars have it. mean, std: of the log return, as the model says.
        p_up: probability of a rise, corrected as `Answer.corrected` says. p_up_model: as the model says.
        bands: central ranges of the log return by percentage, widened where `Answer.widened` says so.
        price_bands: the same as prices. order: of the strategy, in words; None where it wants none.
        skill: of past forecasts of this symbol. model: that made it.
    """

    symbol: str
    asof: pd.Timestamp
    closes_at: pd.Timestamp
    close: float
    mean: float
    std: float
    p_up: float
    p_up_model: float
    bands: Ranges
    price_bands: Ranges
    order: str | None
    skill: Skill
    model: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; returns are log returns, times ISO 8601."""
        return {
            "asof": self.asof.isoformat(),
            "closes_at": self.closes_at.isoformat(),
            "close": self.close,
            "mean": self.mean,
            "std": self.std,
            "p_up": self.p_up,
            "p_up_model": self.p_up_model,
            "bands": {name: list(pair) for name, pair in self.bands.items()},
            "price_bands": {name: list(pair) for name, pair in self.price_bands.items()},
            "order": self.order,
            "skill": self.skill.to_dict(),
            "model": self.model,
        }


@dataclass(frozen=True)
class Answer:
    """What is expected of every symbol next.

    Attributes:
        asof: UTC close of the newest bar. session: the exchange's date of the close that it is about.
        symbols: forecasts. silent: symbols without one, and why. run: folder of the model's run, or None.
        horizon_bars, interval, calendar, execution: what the return is of: bars ahead, their length and exchange,
            from close or next open.
        relative: whether it is the return beside the mean of all symbols; then there are no ranges of prices.
        widened: what the ranges were widened by. corrected: what the probabilities of a rise were corrected by.
        skill: of all symbols together. notes: what must be known.
    """

    asof: pd.Timestamp
    session: str
    symbols: tuple[SymbolForecast, ...]
    silent: Mapping[str, str]
    run: str | None
    horizon_bars: int
    interval: str
    calendar: str
    execution: str
    relative: bool
    widened: tuple[Widening, ...]
    corrected: Correction
    skill: Skill
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "asof": self.asof.isoformat(),
            "for": self.session,
            "run": self.run,
            "horizon_bars": self.horizon_bars,
            "interval": self.interval,
            "execution": self.execution,
            "relative": self.relative,
            "symbols": {each.symbol: each.to_dict() for each in self.symbols},
            "silent": dict(self.silent),
            "widened": {f"{w.level:.0%}".rstrip("%"): w.factor for w in self.widened},
            "corrected": asdict(self.corrected),
            "skill": self.skill.to_dict(),
            "notes": list(self.notes),
        }


def answer(basis: Basis, holdings: Holdings | None = None) -> Answer:
    """Return what the newest model expects next.

    Args:
        holdings: of the account that orders are told for; None means cash only.

    Raises:
        DataError: `holdings` has a symbol without bars. PluginError, LookaheadError: the user's own strategy failed.
    """
    bars, forecasts, settings = basis.bars, basis.forecasts, basis.settings
    horizon = settings.label.horizon_bars
    held = holdings or Holdings(settings.execution.cash)
    orders, none = orders_from(held, bars, forecasts, settings)
    past = grid_of(basis.history, bars.symbols)
    told = past.mean, past.std, past.actual
    widened = with_record(widenings(*told, horizon), *told, settings.label.reach_bars)
    corrected = correction(past.p_up, past.actual)
    closes_at = cache(partial(_closes_at, bars.interval, settings.label.reach_bars))
    found, silent = [], {}
    for column, symbol in enumerate(bars.symbols):
        mean, std, p_up = (float(getattr(forecasts, name)[-1, column]) for name in ("mean", "std", "p_up"))
        if not np.isfinite(mean):
            silent[symbol] = _reason(basis, column)
            continue
        asof = _asof(basis, column)
        calendar = bars.calendars[column] if bars.calendars else bars.calendar
        bands = ranges(mean, std, widened)
        close = float(bars.close[-1, column])
        prices = {} if settings.label.relative else _prices(close, bands)
        found.append(
            SymbolForecast(
                symbol=symbol,
                asof=asof,
                closes_at=closes_at(calendar, asof),
                close=close,
                mean=mean,
                std=std,
                p_up=corrected.of(p_up),
                p_up_model=p_up,
                bands=bands,
                price_bands=prices,
                order=orders.get(symbol),
                skill=past.skill(column),
                model=forecasts.model_ids[-1],
            )
        )
    last = max((each.closes_at for each in found), default=bars.timestamps[-1])
    notes = [
        *basis.notes,
        *_said(widened),
        *_toned(corrected),
        none or f"orders are those from {held.source}",
        *(f"{fund} is traded on the forecast of {name}" for name, fund in settings.data.trade_as.items()),
    ]
    if settings.label.relative:
        notes.append(
            "returns are beside the mean of all symbols: they say which will do better, not what will rise"
        )
    if settings.data.adjusted is not False:
        notes.append("prices are as the source adjusts them for splits and dividends")
    return Answer(
        asof=bars.timestamps[-1],
        session=session_of(bars.calendar, last),
        symbols=tuple(found),
        silent=silent,
        run=None if basis.run is None else str(basis.run),
        horizon_bars=horizon,
        interval=bars.interval,
        calendar=bars.calendar,
        execution=settings.label.execution,
        relative=settings.label.relative,
        widened=widened,
        corrected=corrected,
        skill=past.skill(),
        notes=tuple(notes),
    )


def _closes_at(interval: str, count: int, calendar: str, asof: pd.Timestamp) -> pd.Timestamp:
    return next_closes(calendar, interval, asof, count)[-1]


def _prices(close: float, bands: Ranges) -> Ranges:
    """Return ranges of a log return as prices."""
    return {
        name: (close * float(np.exp(low)), close * float(np.exp(high))) for name, (low, high) in bands.items()
    }


def _asof(basis: Basis, column: int) -> pd.Timestamp:
    """Return the true close of a symbol's newest bar."""
    closed = basis.bars.extras.get(CLOSED_AT)
    if closed is None:
        return basis.bars.timestamps[-1]
    return pd.Timestamp(int(closed[-1, column]), unit="us", tz="UTC")


def _reason(basis: Basis, column: int) -> str:
    bars = basis.bars
    if not np.isfinite(bars.close[-1, column]):
        there = np.flatnonzero(np.isfinite(bars.close[:, column]))
        last = f"its last is of {bars.timestamps[there[-1]]:%Y-%m-%d}" if len(there) else "it has none"
        return f"no bar of {bars.timestamps[-1]:%Y-%m-%d}: {last}"
    return "too little history, a missing feature, or no member of the universe"


def _said(widened: tuple[Widening, ...]) -> list[str]:
    return [
        f"the {w.level:.0%} range held {w.held:.1%} of past outcomes: widened by {w.factor:.2f}"
        + (
            ""
            if w.held_widened is None
            else f" (so widened by what was known before, it would have held {w.held_widened:.1%})"
        )
        for w in widened
        if w.factor > 1
    ]


def _toned(corrected: Correction) -> list[str]:
    if not corrected.outcomes:
        return []
    return [
        f"chances of a rise are corrected by {corrected.outcomes:,} past outcomes (Platt scaling): their log odds "
        f"times {corrected.slope:.2f}, {corrected.shift:+.3f}"
    ]
