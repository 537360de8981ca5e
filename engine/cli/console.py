"""What a run prints: progress while it works, then one table. Quiet where the output is not a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from engine.backtest.job import Backtest
    from engine.reproduce.job import Comparison

TABLE_WIDTH = 100  # where stdout is not a terminal


def _console() -> Console:
    probe = Console()
    return probe if probe.is_terminal else Console(width=TABLE_WIDTH)


@contextmanager
def progress_display(enabled: bool = True) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a `progress(what, done, total)` that draws bars on stderr, or nothing if it is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<11}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not (enabled and console.is_terminal)) as bars:
        tasks: dict[str, Any] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for earlier in tasks.values():
                    bars.update(earlier, completed=bars.tasks[earlier].total)
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield progress
        for task in tasks.values():
            bars.update(task, completed=bars.tasks[task].total)


def print_backtest(result: Backtest, folder: Path, verbose: bool = False) -> None:
    """Print the verdict, one table of forecast and account beside their baselines, and where the reports are."""
    console = _console()
    console.print(result.verdict, highlight=False)
    for line in _data_lines(result, verbose):
        console.print(line, highlight=False, markup=False)
    console.print(_headline_table(result))
    for file, what in (
        ("index.html", "start here"),
        ("tearsheet.html", "strategy"),
        ("forecast.html", "forecasts"),
    ):
        console.print(f"{what + ':':<12}{folder / file}", highlight=False, markup=False, soft_wrap=True)


def _data_lines(result: Backtest, verbose: bool) -> list[str]:
    lines = result.quality.summary_lines()
    if verbose:
        lines += [
            f"  {finding.symbol} {finding.kind}: {finding.message}" for finding in result.quality.findings
        ]
    return lines


def _headline_table(result: Backtest) -> Table:
    table = Table(title=f"Out of sample, {_span(result)}", title_justify="left", show_edge=False)
    table.add_column("")
    for heading in ("this run", "naive / buy-and-hold"):
        table.add_column(heading, justify="right")
    for row in (*_forecast_rows(result.metrics), *_account_rows(result.metrics)):
        table.add_row(*row)
    return table


def _span(result: Backtest) -> str:
    times = result.subject.forecasts.timestamps
    universe = result.metrics["universe"]
    return f"{times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}, {universe['forecast_symbols']} symbols"


def _forecast_rows(metrics: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    overall = metrics["forecast"]["overall"]
    returns = overall["returns"]
    for name in ("mae", "rmse"):
        pair = (_text(returns[name], "{:.6f}"), _text(returns[f"naive_{name}"], "{:.6f}"))
        yield f"forecast {name.upper()} (log return)", *pair
    yield "forecast skill (1 - MSE / naive MSE)", _text(overall["returns"]["skill_mse"], "{:+.4%}"), "0"
    direction = overall["direction"]
    yield (
        "direction right (base rate)",
        _text(direction["accuracy"], "{:.2%}"),
        _text(direction["base_rate"], "{:.2%}"),
    )
    if overall["rank_ic"]:
        yield "rank IC per bar (t)", f"{overall['rank_ic']['mean']:.4f} ({overall['rank_ic']['t']:.2f})", "0"
    trees = metrics["baselines"]["forecasters"]
    best = max((n for n in trees if n != "zero"), key=lambda n: trees[n]["skill_mse"] or 0.0)
    yield "best forecaster on the same rows", best, _text(trees[best]["skill_mse"], "{:+.4%}")
    variance = overall["variance"]
    if variance:
        yield (
            "volatility QLIKE (EWMA)",
            _text(variance["qlike"], "{:.4f}"),
            _text(variance["ewma_qlike"], "{:.4f}"),
        )


def _account_rows(metrics: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    strategy, benchmark = metrics["strategy"], metrics["benchmark"]
    for name, label, form in (
        ("total_return", "total return", "{:.1%}"),
        ("cagr", "return per year", "{:.2%}"),
        ("annual_volatility", "volatility per year", "{:.1%}"),
        ("sharpe", "Sharpe ratio", "{:.2f}"),
        ("max_drawdown", "largest drawdown", "{:.1%}"),
    ):
        yield label, _text(strategy[name], form), _text(benchmark[name], form)
    luck = metrics["luck"]
    if luck["sharpe"]["low"] is not None:
        yield "Sharpe ratio, 95% interval", f"{luck['sharpe']['low']:.2f} to {luck['sharpe']['high']:.2f}", ""
        yield (
            f"probability it is real ({luck['tries']} tries)",
            _text(luck["deflated"]["probability"], "{:.2f}"),
            "",
        )
    orders = metrics["orders"]
    yield "trades closed", str(strategy["trades"]), ""
    refused = orders["margin"] + orders["rejected"]
    yield "orders filled (refused)", f"{orders['filled'] + orders['partial']:.0f} ({refused:.0f})", ""
    yield "fees + slippage paid", f"{orders['fees_paid'] + orders['slippage_paid']:,.2f}", ""


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def print_comparison(comparison: Comparison) -> None:
    """Print what a rerun found."""
    console = _console()
    for line in comparison.lines():
        console.print(line, highlight=False, markup=False, soft_wrap=True)
