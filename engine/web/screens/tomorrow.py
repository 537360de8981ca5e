"""What may happen next: the likely range of each symbol, and how sure its direction is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from markupsafe import Markup

from engine.report.wording import words
from engine.web.screens import drawing
from engine.web.screens.record import FEW, LEVEL, Z80
from forewalk.sessions import exchange_zone, is_intraday

if TYPE_CHECKING:
    from engine.forecast.answer import Answer, SymbolForecast
    from forewalk.types import Bars

SHOWN_BARS = 60
MOST_CARDS = 20
OLD = timedelta(days=7)  # since the newest close: the prices are old, and it is said first


@dataclass(frozen=True)
class SymbolCard:
    """One symbol.

    Attributes:
        symbol: its name. sentence, direction: in words. chart: the last prices, past ranges and the next one.
        numbers: (what, from, to) of each range. order: what the strategy would do, None for nothing.
        past: (day, low, high, ended, inside) of the past ranges on the chart, as text.
    """

    symbol: str
    sentence: str
    direction: str
    chart: Markup
    numbers: tuple[tuple[str, str, str], ...]
    order: str | None
    past: tuple[tuple[str, str, str, str, str], ...]


@dataclass(frozen=True)
class Tomorrow:
    """The screen.

    Attributes:
        cards: one a symbol, MOST_CARDS at the most. more: (symbol, from, to, up of 100) of the others.
        silent: symbols without a forecast, and why. as_of: the newest close, in words.
        age: of the model, in words. warning: what must be known before anything else, "" for nothing.
        notes: the expert's notes.
    """

    cards: tuple[SymbolCard, ...]
    more: tuple[tuple[str, str, str, str], ...]
    silent: tuple[tuple[str, str], ...]
    as_of: str
    age: str
    warning: str
    notes: tuple[str, ...]


def tomorrow(run: Path, log: Path | None, now: datetime | None = None) -> Tomorrow:
    """Ask the newest model of a run, write the answer into the log before its outcome is known, and say it.

    Args:
        run: folder of a finished run. log: of forecasts; None writes nothing, for who may only read.

    Raises:
        DataError, ConfigError, ConnectionFailed, PluginError: see `engine.forecast.job.give`.
    """
    from engine.forecast.answer import answer
    from engine.forecast.basis import from_run
    from engine.forecast.log import ForecastLog

    basis = from_run(run, _quiet, ())
    if log is None:
        found = answer(basis)
    else:
        file = ForecastLog(log)
        found = answer(basis.noting(file.revised(basis.closes())))
        file.score(basis.history, found)
        file.enter(found)
    moment = now or datetime.now(UTC)
    past = basis.history
    trained = pd.Timestamp(past["trained_until"].max()) if len(past) else None
    return Tomorrow(
        cards=tuple(
            _card(each, found, basis.bars, past[past["symbol"] == each.symbol])
            for each in found.symbols[:MOST_CARDS]
        ),
        more=tuple(_line(each) for each in found.symbols[MOST_CARDS:]),
        silent=tuple(found.silent.items()),
        as_of=f"As of the close of {words.long_day(_local(found.asof, found.calendar))}.",
        age=""
        if trained is None
        else f"The model has learned from prices up to {words.long_day(trained.date())}.",
        warning=_warning(found.asof, moment),
        notes=found.notes,
    )


def _quiet(*_: object) -> None:
    pass


def _local(moment: pd.Timestamp, calendar: str) -> datetime:
    return moment.tz_convert(exchange_zone(calendar)).to_pydatetime()


def _warning(asof: pd.Timestamp, now: datetime) -> str:
    age = now - asof.to_pydatetime()
    if age <= OLD:
        return ""
    return (
        f"The newest price is {age.days:,} days old, so this is about a day that has passed. "
        "Bring newer prices to look at tomorrow."
    )


def _card(each: SymbolForecast, found: Answer, bars: Bars, past: pd.DataFrame) -> SymbolCard:
    low, high = each.price_bands.get("80", (None, None))
    when = _when(each.closes_at, found)
    past = past[past["actual"].notna()].tail(SHOWN_BARS)
    ranges = _past_ranges(each.symbol, bars, past)
    return SymbolCard(
        symbol=each.symbol,
        sentence=words.tomorrow(each.symbol, when, low, high, held_share(each, found)),
        direction=words.direction(each.p_up),
        chart=_fan(each, bars, ranges),
        numbers=tuple(
            (f"in {level} of 100 cases, as it is meant", words.price(band[0]), words.price(band[1]))
            for level, band in each.price_bands.items()
        ),
        order=each.order,
        past=tuple(
            (
                f"{row.day:%Y-%m-%d}",
                words.price(row.low),
                words.price(row.high),
                words.price(row.ended),
                row.said,
            )
            for row in reversed(ranges)
        ),
    )


def _when(moment: pd.Timestamp, found: Answer) -> str:
    """The close that a forecast is about, in the exchange's own time; the hour where bars are shorter than a day."""
    local = _local(moment, found.calendar)
    return (
        f"{words.long_day(local)} at {local:%H:%M}" if is_intraday(found.interval) else words.long_day(local)
    )


def held_share(each: SymbolForecast, found: Answer) -> float | None:
    """Share of past cases in which such a range held: of widened ranges, or of this symbol's as they were stated.

    None where there are fewer than FEW of them: a share of a handful says nothing.
    """
    if each.skill.forecasts < FEW:
        return None
    wider = next((one for one in found.widened if one.level == LEVEL and one.factor > 1), None)
    if wider is not None:
        return wider.held_widened
    return None if each.skill.inside is None else each.skill.inside["80"]


def _line(each: SymbolForecast) -> tuple[str, str, str, str]:
    low, high = each.price_bands.get("80", (None, None))
    ends = ("", "") if low is None or high is None else (words.price(low), words.price(high))
    return each.symbol, *ends, str(round(100 * each.p_up))


@dataclass(frozen=True)
class _PastRange:
    row: int
    day: pd.Timestamp
    low: float
    high: float
    ended: float

    @property
    def inside(self) -> bool:
        return self.low <= self.ended <= self.high

    @property
    def said(self) -> str:
        return "inside" if self.inside else "outside"


def _past_ranges(symbol: str, bars: Bars, past: pd.DataFrame) -> list[_PastRange]:
    """The range for 80 of 100 of each past forecast, beside the close that came; one-bar forecasts only."""
    column = bars.symbols.index(symbol)
    close = bars.close[:, column]
    at = pd.Series(np.arange(len(bars)), index=bars.timestamps)
    found = []
    for asof, mean, std, horizon in zip(
        past["asof"], past["mean"], past["std"], past["horizon_bars"], strict=True
    ):
        row = at.get(asof)
        if row is None or row + horizon >= len(bars):
            continue
        begin, ended = close[row], close[row + horizon]
        low, high = (float(begin * np.exp(mean + z * std)) for z in (-Z80, Z80))
        if np.isfinite([low, high, ended]).all():
            found.append(
                _PastRange(int(row + horizon), bars.timestamps[row + horizon], low, high, float(ended))
            )
    return found


def _fan(each: SymbolForecast, bars: Bars, ranges: list[_PastRange]) -> Markup:
    column = bars.symbols.index(each.symbol)
    first = max(0, len(bars) - SHOWN_BARS)
    close = bars.close[first:, column]
    known = [row for row in range(len(close)) if np.isfinite(close[row])]
    shown = [r for r in ranges if r.row >= first]
    bands = each.price_bands
    values = [
        *close[known],
        *(r.low for r in shown),
        *(r.high for r in shown),
        *(v for b in bands.values() for v in b),
    ]
    x, y = drawing.axes(values, len(close) + 3)
    end = x(len(close) + 2)
    last = x(len(close) - 1)
    parts = [
        drawing.frame(
            y, "{:,.0f}" if max(values) > 200 else "{:,.2f}", f"{bars.timestamps[first]:%Y-%m-%d}", "next"
        )
    ]
    if shown:
        xs = [x(r.row - first) for r in shown]
        parts.append(drawing.area("past", xs, [y(r.low) for r in shown], [y(r.high) for r in shown]))
    for level, kind in (("95", "band95"), ("80", "band80"), ("50", "band50")):
        if level in bands:
            low, high = bands[level]
            parts.append(drawing.area(kind, [last, end], [y(each.close), y(low)], [y(each.close), y(high)]))
    parts.append(drawing.line("price", [x(row) for row in known], [y(close[row]) for row in known]))
    parts += [drawing.dot(r.said, x(r.row - first), y(r.ended)) for r in shown]
    label = f"{each.symbol}: the last {len(known)} prices, the ranges given for them, and the next range"
    return drawing.chart(label, parts)
