"""Tables of results over time: by year, without the best year, by lateness, and whether the spread was right."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.evaluation.metrics.forecasts.conformal import widenings, with_record
from engine.evaluation.metrics.over_time import RankAt, TimeMetrics
from engine.report import tables
from engine.report.tables import PageTable
from forewalk.types import FloatArray, Forecasts


def time_context(time: TimeMetrics | None) -> Mapping[str, PageTable]:
    """Return what the pages show of it."""
    return {
        "years": year_table(time),
        "regimes": regime_table(time),
        "decay": decay_table(time),
        "spread": spread_table(time),
    }


def year_table(time: TimeMetrics | None) -> PageTable:
    """Each calendar year, and all of them without the one that gained most on buying and holding."""
    columns = ("Year", "This run", "Benchmark", "Rank IC", "Direction right")
    if time is None:
        return PageTable(columns, ())
    rows = [
        (
            str(one.year),
            tables.percent(one.total_return),
            tables.percent(one.benchmark_return),
            tables.number(one.rank_ic, 4),
            tables.percent(one.direction),
        )
        for one in time.years
    ]
    if time.without:
        rest = time.without
        rows.append(
            (
                f"without {rest.year} (alpha {tables.percent(rest.alpha_per_year)}, t {tables.number(rest.t, 1)})",
                tables.percent(rest.total_return),
                tables.percent(rest.benchmark_return),
                tables.number(rest.rank_ic, 4),
                "",
            )
        )
    return PageTable(columns, tuple(rows), (0,))


REGIMES = {
    "calm": "calm (volatility of 21 bars below its median so far)",
    "wild": "wild (above it)",
    "risen": "the market has risen over 126 bars",
    "fallen": "it has fallen",
}


def regime_table(time: TimeMetrics | None) -> PageTable:
    """The account and the forecasts by the state of the market that was known before each bar."""
    columns = ("Market", "Bars", "This run", "Benchmark", "Rank IC", "Direction right")
    rows = [
        (
            REGIMES.get(one.regime, one.regime),
            f"{one.bars:,}",
            tables.percent(one.total_return),
            tables.percent(one.benchmark_return),
            tables.number(one.rank_ic, 4),
            tables.percent(one.direction),
        )
        for one in (time.regimes if time else ())
    ]
    return PageTable(columns, tuple(rows), (0,))


def decay_table(time: TimeMetrics | None) -> PageTable:
    """Rank IC of forecasts that are used late, and of what an order can have; nothing where nothing is ranked."""
    columns = ("Forecast used", "Rank IC", "t")
    if time is None or time.tradable.rank_ic is None:
        return PageTable(columns, ())
    rows = [_rank_row("from the next open (tradable)", time.tradable)]
    rows += [_rank_row(f"{tables.bars_of(at.lag_bars)} late", at) for at in time.decay]
    return PageTable(columns, tuple(rows), (0,))


def _rank_row(label: str, at: RankAt) -> tuple[str, str, str]:
    return label, tables.number(at.rank_ic, 4), tables.number(at.t)


def conformal_table(forecasts: Forecasts, actual: FloatArray) -> PageTable:
    """How often the stated intervals held, and would have held widened by what was known before each.

    Args:
        forecasts: of the run, T rows of S symbols.
        actual: log return over the horizon of each, [T, S]; NaN where it is not known.
    """
    stated = forecasts.mean, forecasts.std, actual
    found = with_record(widenings(*stated, forecasts.horizon_bars), *stated, forecasts.horizon_bars)
    rows = [
        (
            f"{one.level:.0%} interval",
            tables.percent(float(one.held)),
            "holds" if one.held_widened is None else tables.percent(one.held_widened),
            f"{one.factor:.2f}",
        )
        for one in found
        if np.isfinite(one.held)
    ]
    return PageTable(("Stated", "Came", "Came, widened", "Width now"), tuple(rows), (0,))


def spread_table(time: TimeMetrics | None) -> PageTable:
    """Coverage of the stated intervals and the test of the probability integral transform."""
    columns = ("Stated", "Came", "z", "p, two-sided")
    if time is None:
        return PageTable(columns, ())
    found = time.calibration
    rows = [
        (
            f"{one.level:.0%} interval",
            tables.percent(one.share),
            tables.number(one.z),
            tables.number(one.p, 3),
        )
        for one in found.coverage
    ]
    pair = f"{tables.number(found.pit_mean, 3)}, {tables.number(found.pit_spread, 3)}"
    rows.append(("outcome's place: mean 0.5, spread 1", pair, "", tables.number(found.p, 3)))
    return PageTable(columns, tuple(rows), (0,))
