"""What would have happened: money in the strategy, in just holding, and in a savings account."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from engine.report.wording import words
from engine.web.screens import drawing
from forewalk.types import FloatArray

START = 10_000.0
SAVINGS = 0.02  # a year, said on the screen
DAYS_A_YEAR = 365.25
HELD_TRADES = "only when a company comes or goes"
HELD_COSTS = "taken off too, not counted apart"
NEAR = 10  # days from the turn of a year within which a year counts as whole


@dataclass(frozen=True)
class WhatIf:
    """The screen.

    Attributes:
        sentence: the first. chart: three lines, the worst fall shaded.
        facts: (what, the strategy, just holding) in words.
        years: (year, strategy, holding) in money of START at the year's beginning; one that is not whole says so.
        caution: what flatters these numbers.
    """

    sentence: str
    chart: Markup
    facts: tuple[tuple[str, str, str], ...]
    years: tuple[tuple[str, str, str], ...]
    caution: str


@dataclass(frozen=True)
class Fall:
    """The worst fall of a series: rows of its peak, its lowest, and the recovery, None where it never came."""

    peak: int
    lowest: int
    recovered: int | None
    amount: float


def worst_fall(values: FloatArray) -> Fall:
    """Return the deepest fall from an earlier peak, in the units of `values`; by share of the peak."""
    peaks = np.maximum.accumulate(values)
    lowest = int(np.argmin(values / peaks))
    peak = int(np.argmax(values[: lowest + 1]))
    after = np.flatnonzero(values[lowest:] >= values[peak])
    recovered = int(lowest + after[0]) if len(after) and lowest > peak else None
    return Fall(peak, lowest, recovered, float(values[peak] - values[lowest]))


def what_if(run: Path) -> WhatIf:
    """Read the account of a finished run and say it in money.

    Holding is of the run's own symbols, whatever `evaluation.benchmark` names.
    """
    from forewalk.returns import same_symbols

    equity = pd.read_parquet(run / "equity.parquet")
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    times = pd.DatetimeIndex(equity["time"])
    own = START * equity["equity"].to_numpy(np.float64) / float(equity["equity"].iloc[0])
    same = same_symbols(equity)
    held = START * same / float(same[0])
    years = (times - times[0]).total_seconds().to_numpy() / (86_400 * DAYS_A_YEAR)
    saved = START * (1 + SAVINGS) ** years
    falls = worst_fall(own), worst_fall(held)
    by_year = _years(times, own, held)
    scale = START / float(equity["equity"].iloc[0])
    days = f"{(times[-1] - times[0]).days:,}"
    costs = float(metrics["costs"]["total"]) * scale
    return WhatIf(
        sentence=words.what_if(START, own[-1], held[-1], saved[-1]),
        chart=_lines(times, own, held, saved, falls[0]),
        facts=(
            ("worst fall", _fall(falls[0], times), _fall(falls[1], times)),
            (
                "worst year",
                _worst([(name, a) for name, a, _ in by_year]),
                _worst([(name, b) for name, _, b in by_year]),
            ),
            ("days from the first to the last", days, days),
            (
                "purchases and sales",
                f"{metrics['orders']['filled'] + metrics['orders']['partial']:,}",
                HELD_TRADES,
            ),
            ("fees and slippage, already taken off", words.money(costs), HELD_COSTS),
        ),
        years=tuple(
            (year, words.money(START * (1 + a)), words.money(START * (1 + b))) for year, a, b in by_year
        ),
        caution=words.SURVIVORS if metrics["universe"]["survivorship_bias"] else "",
    )


def _fall(fall: Fall, times: pd.DatetimeIndex) -> str:
    if fall.amount <= 0:
        return "none"
    back = (
        f"made up after {(times[fall.recovered] - times[fall.peak]).days:,} days"
        if fall.recovered is not None
        else "not made up by the end"
    )
    return f"{words.money(fall.amount)}, {back}"


def _years(times: pd.DatetimeIndex, own: FloatArray, held: FloatArray) -> list[tuple[str, float, float]]:
    """Return (year, return of the strategy, of holding) of every calendar year; parts of years are named so."""
    table = pd.DataFrame({"own": own, "held": held}, index=times)
    last = table.groupby(times.year).last()
    before = last.shift(1)
    before.iloc[0] = table.iloc[0]
    change = last / before - 1
    columns = (change[name].to_numpy(np.float64).tolist() for name in ("own", "held"))
    return list(zip([_named(int(year), times) for year in change.index], *columns, strict=True))


def _named(year: int, times: pd.DatetimeIndex) -> str:
    """The year, and from or up to when where the account does not fill it."""
    first, last = times[0].date(), times[-1].date()
    begins = f"from {first.day} {first:%B}" if first > date(year, 1, NEAR) else ""
    ends = f"up to {last.day} {last:%B}" if last < date(year, 12, 31 - NEAR) else ""
    part = " ".join(each for each in (begins, ends) if each)
    return f"{year}, {part}" if part else str(year)


def _worst(years: list[tuple[str, float]]) -> str:
    name, change = min(years, key=lambda row: row[1])
    return f"{name}: {START * change:+,.0f} of {words.money(START)}"


def _lines(
    times: pd.DatetimeIndex, own: FloatArray, held: FloatArray, saved: FloatArray, fall: Fall
) -> Markup:
    rows = drawing.thinned(own)
    x, y = drawing.axes([*own, *held, *saved], len(own))
    parts = [drawing.frame(y, "{:,.0f}", f"{times[0]:%Y-%m}", f"{times[-1]:%Y-%m}")]
    inside = list(range(fall.peak, fall.lowest + 1))[:: max(1, (fall.lowest - fall.peak) // 100)]
    if len(inside) > 1:
        xs = [x(row) for row in inside]
        parts.append(
            drawing.area("fall", xs, [y(own[row]) for row in inside], [y(own[fall.peak])] * len(inside))
        )
    for kind, series in (("saved", saved), ("held", held), ("own", own)):
        parts.append(drawing.line(kind, [x(row) for row in rows], [y(series[row]) for row in rows]))
    return drawing.chart(
        f"{words.money(START)} in the strategy, in just holding, and in a savings account; the worst fall is shaded",
        parts,
    )
