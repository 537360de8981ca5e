"""Tables of what may be luck: intervals, what is left beyond the benchmark and beyond factors, and the tries."""

from __future__ import annotations

import math
from collections.abc import Callable

from engine.evaluation.factors import FactorMetrics
from engine.evaluation.metrics.accounts.bootstrap import Interval
from engine.evaluation.metrics.accounts.luck import LuckMetrics
from engine.evaluation.metrics.accounts.relative import Alpha
from engine.evaluation.metrics.accounts.sharpe_interval import SharpeDifference
from engine.report import tables
from engine.report.forecasters import LABELS
from engine.report.tables import PageTable


def luck_table(luck: LuckMetrics) -> PageTable:
    """Intervals, probabilities and what they are made of."""
    deflated, needed = luck.deflated, luck.minimum_track_record_bars
    overfit = luck.overfitting.probability if luck.overfitting else None
    beyond = "cash" if luck.against == "cash" else "buying and holding"
    rows = (
        ("Sharpe ratio per year", _interval(luck.sharpe, tables.number)),
        ("Growth per year", _interval(luck.cagr, tables.percent)),
        ("Deepest drawdown", _interval(luck.max_drawdown, tables.percent)),
        ("Sharpe ratio minus that of buying and holding", _difference(luck.sharpe_difference)),
        ("Alpha a year against buying and holding", _alpha(luck.alpha)),
        ("Its t statistic (Newey-West)", tables.number(luck.alpha.t)),
        ("Beta to buying and holding", tables.number(luck.alpha.loadings["buy_and_hold"].beta)),
        (f"1 - p: something is left beyond {beyond}", tables.number(luck.probabilistic_sharpe)),
        ("1 - p after all tries on overlapping data", tables.number(deflated.probability)),
        ("Tries on overlapping data (those that count)", f"{luck.tries:,} ({deflated.trials:.0f})"),
        ("Tries lost from the ledger", f"{luck.lost_tries:,}"),
        (f"Sharpe ratio beyond {beyond} that luck would give", tables.number(deflated.threshold_annual)),
        ("Bars needed for 1 - p = 0.95", "never" if needed is None else f"{math.ceil(needed):,}"),
        ("Probability that picking the best try was overfitting", tables.percent(overfit)),
        (
            "Superior ability: p that the best try is luck",
            tables.number(luck.superior_ability.consistent, 3),
        ),
    )
    return PageTable(("", "Value (95 % interval)"), rows, (0,))


def _difference(difference: SharpeDifference) -> str:
    low, high = difference.low, difference.high
    if low is None or high is None:
        return tables.number(difference.value)
    return f"{tables.number(difference.value)} ({low:.2f} to {high:.2f})"


def _alpha(alpha: Alpha) -> str:
    low, high = alpha.low_per_year, alpha.high_per_year
    if low is None or high is None:
        return tables.percent(alpha.alpha_per_year)
    return f"{tables.percent(alpha.alpha_per_year)} ({low:.1%} to {high:.1%})"


def _interval(part: Interval, show: Callable[[float | None], str]) -> str:
    if part.low is None:
        return show(part.value)
    return f"{show(part.value)} ({show(part.low)} to {show(part.high)})"


def factor_table(factors: FactorMetrics | None) -> PageTable:
    """Alpha beyond the factors of a file, and how much of each the account carries."""
    if factors is None:
        return PageTable(("", "Value", "t"), ())
    alpha = factors.alpha
    rows = [("Alpha a year", _alpha(alpha), tables.number(alpha.t))]
    rows += [
        (LABELS.get(name, name), tables.number(loading.beta), tables.number(loading.t))
        for name, loading in alpha.loadings.items()
    ]
    rows.append(("Share of the variance that they explain", tables.percent(alpha.r_squared), ""))
    return PageTable(("", "Value (95 % interval)", "t"), tuple(rows), (0,))


def factor_notes(factors: FactorMetrics | None) -> str:
    """Say which file the factors are of, and what was measured."""
    if factors is None:
        return ""
    unit = "per cent" if factors.unit == "percent" else "fractions"
    beyond = ", beyond the return of cash that it holds" if factors.risk_free else ""
    return (
        f"{factors.file}, read as {unit} a day; {factors.alpha.observations:,} of {factors.bars:,} bars have all "
        f"factors{beyond}. Errors are Newey and West's."
    )
