"""Tables of the report pages: metrics in, rows of text out. The templates escape the text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Metrics = Mapping[str, Any]
Row = tuple[str, ...]
MAX_ROWS = 30
NOTHING = "–"  # noqa: RUF001  an en dash reads as "no value"


@dataclass(frozen=True)
class Table:
    """One table of a page.

    Attributes:
        columns: headings.
        rows: cells as text, one tuple per row.
        text: positions of columns that hold words rather than numbers.
        more: what was left out, "" if nothing was.
    """

    columns: Row
    rows: tuple[Row, ...]
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


def capped(columns: Row, rows: Sequence[Row], what: str, text: tuple[int, ...] = ()) -> Table:
    """Return a table of at most 30 rows that says how many more there are and where to find them."""
    left = len(rows) - MAX_ROWS
    more = f"and {left:,} more {what}; all of them are in the run folder's files" if left > 0 else ""
    return Table(columns, tuple(rows[:MAX_ROWS]), text, more)


def error_table(overall: Metrics) -> Table:
    """Forecast errors in return and price units and direction accuracy, each beside its naive forecast."""
    rows: list[Row] = []
    for unit, label in (("returns", "return"), ("prices", "price")):
        block = overall[unit]
        for name in ("mae", "rmse", "mse"):
            own, naive = small(block[name]), small(block[f"naive_{name}"])
            rows.append((f"{name.upper()}, {label}", own, naive, percent(block[f"skill_{name}"], 2)))
    direction, brier = overall["direction"], overall["brier"]
    accuracy = percent(direction["accuracy"])
    rows.append(
        (
            "Direction right; beside always the more frequent one",
            accuracy,
            percent(direction["base_rate"]),
            "",
        )
    )
    rows.append(
        (
            "Direction right; beside repeating the last bar's",
            accuracy,
            percent(direction["persistence_accuracy"]),
            "",
        )
    )
    rows.append(
        (
            "Brier score of p(up); beside a coin",
            small(brier["score"]),
            small(brier["coin"]),
            percent(brier["skill"], 2),
        )
    )
    variance = overall["variance"]
    if variance:
        rows.append(
            (
                "QLIKE of the variance; beside EWMA",
                small(variance["qlike"]),
                small(variance["ewma_qlike"]),
                "",
            )
        )
        skill = percent(variance["skill_mse"], 2)
        rows.append(
            ("MSE of the variance; beside EWMA", small(variance["mse"]), small(variance["ewma_mse"]), skill)
        )
    return Table(("Measure", "Forecast", "Naive", "Skill"), tuple(rows), (0,))


def evidence_lines(overall: Metrics) -> tuple[str, ...]:
    """Return the tests behind the error table as sentences."""
    test, direction, coverage = overall["diebold_mariano"], overall["direction"], overall["coverage"]
    lines = [
        f"{overall['n']:,} forecasts on {overall['bars']:,} bars have a known outcome.",
        f"Diebold-Mariano test that the squared error is below naive: statistic {number(test['statistic'])}, "
        f"{p_value(test['p_less'])} (negative favours the forecast; {test['lag']} lags).",
        f"Direction: exact 95 % interval {percent(direction['exact_low'])} to "
        f"{percent(direction['exact_high'])}, "
        f"with the symbols of a bar as one observation {percent(direction['clustered_low'])} to "
        f"{percent(direction['clustered_high'])}; Matthews correlation {number(direction['mcc'], 3)}.",
    ]
    for name, label in (("ic", "Information coefficient"), ("rank_ic", "Rank information coefficient")):
        ic = overall[name]
        if ic:
            lines.append(
                f"{label}: mean {number(ic['mean'], 4)}, ICIR {number(ic['icir'])}, "
                f"t = {number(ic['t'])} over {ic['days']:,} bars."
            )
    if overall["variance"]:
        lines.append(_variance_line(overall["variance"]))
    shares = ", ".join(
        f"{percent(coverage[level])} of outcomes in the {level} % band" for level in ("50", "80", "95")
    )
    lines.append(f"Interval coverage: {shares}.")
    return tuple(lines)


def _variance_line(variance: Metrics) -> str:
    verdict = "beats" if variance["beats_ewma"] else "does not beat"
    return f"The variance forecast {verdict} EWMA (QLIKE, {p_value(variance['diebold_mariano']['p_less'])})."


def skill_table(parts: Mapping[str, Metrics], what: str) -> Table:
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
    return capped(columns, [_skill_row(name, part) for name, part in parts.items()], f"{what}s")


def _skill_row(name: str, part: Metrics) -> Row:
    returns, direction, ic = part["returns"], part["direction"], part["rank_ic"]
    return (
        name,
        f"{part['n']:,}",
        small(returns["rmse"]),
        small(returns["naive_rmse"]),
        percent(returns["skill_mse"], 2),
        number(part["diebold_mariano"]["p_less"], 3),
        percent(direction["accuracy"]),
        percent(direction["base_rate"]),
        number(ic["mean"], 4) if ic else NOTHING,
    )


def account_table(strategy: Metrics, benchmark: Metrics) -> Table:
    """Growth and risk of the strategy beside buying and holding."""
    formats: dict[str, tuple[str, Any]] = {
        "total_return": ("Total return", percent),
        "cagr": ("Growth per year (CAGR)", percent),
        "annual_volatility": ("Volatility per year", percent),
        "sharpe": ("Sharpe ratio", number),
        "sortino": ("Sortino ratio", number),
        "calmar": ("Calmar ratio", number),
        "max_drawdown": ("Deepest drawdown", percent),
        "drawdown_start": ("Drawdown from", _day),
        "drawdown_trough": ("Drawdown lowest on", _day),
        "drawdown_recovery": ("Drawdown recovered on", _day),
    }
    rows = tuple((label, show(strategy[key]), show(benchmark[key])) for key, (label, show) in formats.items())
    return Table(("", "Strategy", "Buy and hold"), rows)


def trading_table(strategy: Metrics, costs: Metrics, counts: Mapping[str, float]) -> Table:
    """Activity and costs of the account."""
    rows = [
        ("Mean gross exposure", percent(strategy["exposure"])),
        ("Turnover per year (buys plus sells over mean equity)", number(strategy["turnover_per_year"], 1)),
        ("Closed trades", f"{strategy['trades']:,}"),
        ("Winning trades", percent(strategy["hit_rate"])),
        ("Average win", percent(strategy["average_win"], 2)),
        ("Average loss", percent(strategy["average_loss"], 2)),
        ("Fees paid", number(costs["fees_paid"])),
        ("Slippage paid", number(costs["slippage_paid"])),
        ("Fees and slippage as a share of the starting cash", percent(costs["share_of_start"], 2)),
    ]
    orders = ("orders", "filled", "partial", "rejected", "margin", "cancelled", "pending")
    rows += [
        (f"Orders {name}" if name != "orders" else "Orders", f"{counts[name]:,.0f}")
        for name in orders
        if name in counts
    ]
    return Table(("", "Strategy"), tuple(rows), (0,))


def findings_table(findings: Iterable[Metrics]) -> Table:
    """What the data check found and did, most frequent first."""
    ordered = sorted(findings, key=lambda item: (-int(item["count"]), str(item["symbol"]), str(item["kind"])))
    rows = [_finding_row(item) for item in ordered]
    columns = ("Symbol", "Finding", "Action", "Bars", "First", "Last", "Meaning")
    return capped(columns, rows, "findings", (1, 2, 6))


def _finding_row(item: Metrics) -> Row:
    return (
        str(item["symbol"]),
        str(item["kind"]).replace("_", " "),
        str(item["action"]),
        f"{item['count']:,}",
        _day(item["first"]),
        _day(item["last"]),
        str(item["message"]),
    )


def refused_table(refused: Mapping[str, str]) -> Table:
    """Symbols that were left out and why."""
    return capped(
        ("Symbol", "Reason"), [(symbol, str(reason)) for symbol, reason in refused.items()], "symbols", (1,)
    )


def _day(value: object) -> str:
    return NOTHING if value is None else str(value)[:10]
