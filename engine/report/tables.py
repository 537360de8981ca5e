"""Tables of the report pages: metrics in, rows of text out. The templates escape the text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from engine.evaluation.metrics.accounts.account import (
    CostMetrics,
    OrderMetrics,
    ReturnMetrics,
    StrategyMetrics,
)
from engine.evaluation.metrics.forecasts.skill import Errors, ForecastSkill
from engine.evaluation.metrics.forecasts.volatility import VarianceSkill
from forewalk.data.quality import Finding

Cells = tuple[str, ...]  # the text of one line of a table
MAX_ROWS = 30
NOTHING = "–"  # noqa: RUF001  an en dash reads as "no value"


@dataclass(frozen=True)
class PageTable:
    """One table of a page.

    Attributes:
        columns: headings.
        rows: cells as text, one tuple per row.
        text: positions of columns that hold words rather than numbers.
        more: what was left out, "" if nothing was.
    """

    columns: Cells
    rows: tuple[Cells, ...]
    text: tuple[int, ...] = ()
    more: str = ""


def number(value: float | None, digits: int = 2) -> str:
    """Return a number with thousands separators, or a dash for None."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a fraction in per cent, or a dash for None."""
    return NOTHING if value is None else f"{value * 100:,.{digits}f} %"


def small(value: float | None) -> str:
    """Return four significant digits, or a dash for None."""
    return NOTHING if value is None else f"{value:.4g}"


def p_value(value: float | None) -> str:
    """Return a p-value as "p = 0.123" or "p < 0.001", or "no test possible" for None."""
    if value is None:
        return "no test possible"
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def bars_of(count: int) -> str:
    """Return "1 bar" or "n bars"."""
    return f"{count:,} bar" if count == 1 else f"{count:,} bars"


def symbols_of(count: int) -> str:
    """Return "1 symbol" or "n symbols"."""
    return f"{count:,} symbol" if count == 1 else f"{count:,} symbols"


def capped(columns: Cells, rows: Sequence[Cells], what: str, text: tuple[int, ...] = ()) -> PageTable:
    """Return a table of at most 30 rows that says how many more there are and where to find them."""
    left = len(rows) - MAX_ROWS
    more = f"and {left:,} more {what}; all of them are in the run folder's files" if left > 0 else ""
    return PageTable(columns, tuple(rows[:MAX_ROWS]), text, more)


def error_table(overall: ForecastSkill) -> PageTable:
    """Forecast errors in return and price units and direction accuracy, each beside its naive forecast."""
    direction, brier, variance = overall.direction, overall.brier, overall.variance
    accuracy = percent(direction.accuracy)
    frequent, last = percent(direction.base_rate), percent(direction.persistence_accuracy)
    rows: list[Cells] = [
        *_error_rows(overall.returns, "return"),
        *_error_rows(overall.prices, "price"),
        ("Direction right; beside always the more frequent one", accuracy, frequent, ""),
        ("Direction right; beside repeating the last bar's", accuracy, last, ""),
        (
            "Brier score of p(up); beside a coin",
            small(brier.score),
            small(brier.coin),
            percent(brier.skill, 2),
        ),
    ]
    if variance:
        pair = small(variance.qlike), small(variance.ewma_qlike)
        rows.append(("QLIKE of the variance; beside EWMA", *pair, ""))
        pair = small(variance.mse), small(variance.ewma_mse)
        rows.append(("MSE of the variance; beside EWMA", *pair, percent(variance.skill_mse, 2)))
    return PageTable(("Measure", "Forecast", "Naive", "Skill"), tuple(rows), (0,))


def _error_rows(errors: Errors, unit: str) -> Iterable[Cells]:
    for name, own, naive, skill in (
        ("MAE", errors.mae, errors.naive_mae, errors.skill_mae),
        ("RMSE", errors.rmse, errors.naive_rmse, errors.skill_rmse),
        ("MSE", errors.mse, errors.naive_mse, errors.skill_mse),
    ):
        yield f"{name}, {unit}", small(own), small(naive), percent(skill, 2)


def evidence_lines(overall: ForecastSkill) -> tuple[str, ...]:
    """Return the tests behind the error table as sentences."""
    test, direction, coverage = overall.diebold_mariano, overall.direction, overall.coverage
    lines = [
        f"{overall.forecasts:,} forecasts on {overall.bars:,} bars have a known outcome.",
        f"Diebold-Mariano test that the squared error is below naive: statistic {number(test.statistic)}, "
        f"{p_value(test.p_less)} (negative favours the forecast; {test.lag_bars} lags).",
        f"Direction: exact 95 % interval {percent(direction.exact_low)} to {percent(direction.exact_high)}, "
        f"with the symbols of a bar as one observation {percent(direction.clustered_low)} to "
        f"{percent(direction.clustered_high)}; Matthews correlation {number(direction.mcc, 3)}.",
    ]
    for ic, label in (
        (overall.ic, "Information coefficient"),
        (overall.rank_ic, "Rank information coefficient"),
    ):
        if ic:
            lines.append(
                f"{label}: mean {number(ic.mean, 4)}, ICIR {number(ic.icir)}, "
                f"t = {number(ic.t)} ({p_value(ic.p)}, two-sided) over {ic.bars:,} bars."
            )
    if overall.variance:
        lines.append(_variance_line(overall.variance))
    shares = ", ".join(
        f"{percent(share)} of outcomes in the {level} % band"
        for level, share in (
            (50, coverage.in_50_percent),
            (80, coverage.in_80_percent),
            (95, coverage.in_95_percent),
        )
    )
    lines.append(f"Interval coverage: {shares}.")
    return tuple(lines)


def _variance_line(variance: VarianceSkill) -> str:
    verdict = "beats" if variance.beats_ewma else "does not beat"
    return f"The variance forecast {verdict} EWMA (QLIKE, {p_value(variance.diebold_mariano.p_less)})."


def skill_table(parts: Mapping[str, ForecastSkill], what: str) -> PageTable:
    """One row per symbol or model with the headline skill numbers, at most 30."""
    columns = (
        what.capitalize(),
        "Forecasts",
        "RMSE",
        "Naive",
        "Skill (MSE)",
        "DM p",
        "Direction",
        "Base rate",
        "Rank IC",
    )
    return capped(columns, [_skill_cells(name, part) for name, part in parts.items()], f"{what}s")


def _skill_cells(name: str, part: ForecastSkill) -> Cells:
    return (
        name,
        f"{part.forecasts:,}",
        small(part.returns.rmse),
        small(part.returns.naive_rmse),
        percent(part.returns.skill_mse, 2),
        number(part.diebold_mariano.p_less, 3),
        percent(part.direction.accuracy),
        percent(part.direction.base_rate),
        number(part.rank_ic.mean, 4) if part.rank_ic else NOTHING,
    )


def account_table(strategy: ReturnMetrics, benchmark: ReturnMetrics, held: str = "Buy and hold") -> PageTable:
    """Growth and risk of the strategy beside buying and holding; `held` heads that column."""
    shown: tuple[tuple[str, Callable[[ReturnMetrics], str]], ...] = (
        ("Total return", lambda part: percent(part.total_return)),
        ("Growth per year (CAGR)", lambda part: percent(part.cagr)),
        ("Volatility per year", lambda part: percent(part.volatility_annual)),
        ("Sharpe ratio", lambda part: number(part.sharpe_annual)),
        ("Sortino ratio", lambda part: number(part.sortino_annual)),
        ("Calmar ratio", lambda part: number(part.calmar)),
        ("Deepest drawdown", lambda part: percent(part.max_drawdown)),
        ("Drawdown from", lambda part: _day(part.drawdown_start)),
        ("Drawdown lowest on", lambda part: _day(part.drawdown_trough)),
        ("Drawdown recovered on", lambda part: _day(part.drawdown_recovery)),
    )
    rows = tuple((label, show(strategy), show(benchmark)) for label, show in shown)
    return PageTable(("", "Strategy", held), rows)


def trading_table(strategy: StrategyMetrics, costs: CostMetrics, orders: OrderMetrics) -> PageTable:
    """Activity and costs of the account."""
    pips = orders.pips_per_fill
    received = (("Interest", orders.interest), ("Dividends", orders.dividends))
    rows: tuple[Cells, ...] = (
        ("Mean gross exposure", percent(strategy.mean_gross_exposure)),
        ("Turnover per year (buys plus sells over mean equity)", number(strategy.turnover_per_year, 1)),
        ("Closed trades", f"{strategy.trades:,}"),
        ("Winning trades", percent(strategy.hit_rate)),
        ("Average win", percent(strategy.average_win, 2)),
        ("Average loss", percent(strategy.average_loss, 2)),
        ("Fees paid", number(costs.fees_paid)),
        ("Slippage paid", number(costs.slippage_paid)),
        ("Fees and slippage as a share of the starting cash", percent(costs.share_of_start, 2)),
        *((f"{name} received", number(money)) for name, money in received if money is not None),
        *(() if pips is None else (("Spread and slippage per fill, pips", number(pips, 2)),)),
        ("Orders", f"{orders.orders:,.0f}"),
        ("Orders filled", f"{orders.filled:,.0f}"),
        ("Orders partial", f"{orders.partial:,.0f}"),
        ("Orders rejected", f"{orders.rejected:,.0f}"),
        ("Orders margin", f"{orders.margin:,.0f}"),
        ("Orders cancelled", f"{orders.cancelled:,.0f}"),
        ("Orders pending", f"{orders.pending:,.0f}"),
    )
    return PageTable(("", "Strategy"), rows, (0,))


def findings_table(findings: Iterable[Finding]) -> PageTable:
    """What the data check found and did, most frequent first."""
    ordered = sorted(findings, key=lambda finding: (-finding.count, finding.symbol, finding.kind))
    columns = ("Symbol", "Finding", "Action", "Bars", "First", "Last", "Meaning")
    return capped(columns, [_finding_cells(finding) for finding in ordered], "findings", (1, 2, 6))


def _finding_cells(finding: Finding) -> Cells:
    return (
        finding.symbol,
        finding.kind.replace("_", " "),
        finding.action,
        f"{finding.count:,}",
        _day(finding.first),
        _day(finding.last),
        finding.message,
    )


def refused_table(refused: Mapping[str, str]) -> PageTable:
    """Symbols that were left out and why."""
    return capped(("Symbol", "Reason"), list(refused.items()), "symbols", (1,))


def _day(value: str | pd.Timestamp | None) -> str:
    return NOTHING if value is None else str(value)[:10]
