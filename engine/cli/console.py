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
    from engine.evaluation.subject import Metrics
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
    symbols = result.metrics.universe.forecast_symbols
    return f"{times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}, {symbols} symbols"


def _forecast_rows(metrics: Metrics) -> Iterator[tuple[str, str, str]]:
    overall = metrics.forecast.overall
    returns, direction, ranks, variance = (
        overall.returns,
        overall.direction,
        overall.rank_ic,
        overall.variance,
    )
    for name, own, naive in (
        ("MAE", returns.mae, returns.naive_mae),
        ("RMSE", returns.rmse, returns.naive_rmse),
    ):
        yield f"forecast {name} (log return)", _text(own, "{:.6f}"), _text(naive, "{:.6f}")
    yield "forecast skill (1 - MSE / naive MSE)", _text(returns.skill_mse, "{:+.4%}"), "0"
    yield (
        "direction right (base rate)",
        _text(direction.accuracy, "{:.2%}"),
        _text(direction.base_rate, "{:.2%}"),
    )
    if ranks:
        yield "rank IC per bar (t)", f"{_text(ranks.mean, '{:.4f}')} ({_text(ranks.t, '{:.2f}')})", "0"
    scores = {name: score for name, score in metrics.baselines.forecasters.items() if name != "zero"}
    best = max(scores, key=lambda name: scores[name].skill_mse or 0.0)
    yield "best forecaster on the same rows", best, _text(scores[best].skill_mse, "{:+.4%}")
    if variance:
        yield (
            "volatility QLIKE (EWMA)",
            _text(variance.qlike, "{:.4f}"),
            _text(variance.ewma_qlike, "{:.4f}"),
        )


def _account_rows(metrics: Metrics) -> Iterator[tuple[str, str, str]]:
    own, held = metrics.strategy, metrics.benchmark
    for label, form, value, beside in (
        ("total return", "{:.1%}", own.total_return, held.total_return),
        ("return per year", "{:.2%}", own.cagr, held.cagr),
        ("volatility per year", "{:.1%}", own.volatility_annual, held.volatility_annual),
        ("Sharpe ratio", "{:.2f}", own.sharpe_annual, held.sharpe_annual),
        ("largest drawdown", "{:.1%}", own.max_drawdown, held.max_drawdown),
    ):
        yield label, _text(value, form), _text(beside, form)
    luck, orders = metrics.luck, metrics.orders
    if luck.sharpe.low is not None:
        yield "Sharpe ratio, 95% interval", f"{luck.sharpe.low:.2f} to {luck.sharpe.high:.2f}", ""
        yield (
            f"probability it is real ({luck.tries} tries)",
            _text(luck.deflated.probability, "{:.2f}"),
            "",
        )
    yield "trades closed", str(own.trades), ""
    refused = orders.margin + orders.rejected
    yield "orders filled (refused)", f"{orders.filled + orders.partial:.0f} ({refused:.0f})", ""
    yield "fees + slippage paid", f"{orders.fees_paid + orders.slippage_paid:,.2f}", ""


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def print_comparison(comparison: Comparison) -> None:
    """Print what a rerun found."""
    console = _console()
    for line in comparison.lines():
        console.print(line, highlight=False, markup=False, soft_wrap=True)
