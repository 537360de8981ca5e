"""What a run prints: progress while it works, then one table. Quiet where the output is not a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from engine.cli.options import ProgressForm, symbols_of

if TYPE_CHECKING:
    from engine.backtest.job import Backtest
    from engine.reproduce.job import Reproduction

TABLE_WIDTH = 100  # where stdout is not a terminal


def _console() -> Console:
    probe = Console()
    return probe if probe.is_terminal else Console(width=TABLE_WIDTH)


@contextmanager
def progress_display(
    enabled: bool = True, form: ProgressForm | None = None
) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a `progress(what, done, total)` that draws bars on stderr, or nothing if it is no terminal.

    With `form` jsonl it writes each step as a line of JSON, wherever stderr goes; with none it says nothing. Open it
    before what is slow to import: its first bar is there at once.
    """
    if form == ProgressForm.JSONL:
        yield _as_json
        return
    enabled = enabled and form != ProgressForm.NONE
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<11}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not (enabled and console.is_terminal)) as bars:
        tasks: dict[str, Any] = {"start": bars.add_task("start", total=1)}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for earlier in tasks.values():
                    bars.update(earlier, completed=bars.tasks[earlier].total)
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield progress
        for task in tasks.values():
            bars.update(task, completed=bars.tasks[task].total)


@contextmanager
def reading() -> Iterator[None]:
    """Say on a terminal, at once and until the answer is there, that a short command is at work."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        bars.add_task("reading", total=None)
        yield


def _as_json(what: str, done: int, total: int) -> None:
    print(json.dumps({"what": what, "done": done, "total": total}), file=sys.stderr, flush=True)


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
    from engine.report.wording.headline import headline_rows

    table = Table(title=f"Out of sample, {_span(result)}", title_justify="left", show_edge=False)
    table.add_column("")
    held = result.subject.settings.evaluation
    beside = "buy-and-hold" if held.benchmark is None else f"holding {held.held}"
    for heading in ("this run", f"naive / {beside}"):
        table.add_column(heading, justify="right")
    for row in headline_rows(result.metrics):
        table.add_row(*row)
    return table


def _span(result: Backtest) -> str:
    times = result.subject.forecasts.timestamps
    symbols = result.metrics.universe.forecast_symbols
    return f"{times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}, {symbols_of(symbols)}"


def print_reproduction(reproduction: Reproduction) -> None:
    """Print what a rerun found."""
    console = _console()
    for line in reproduction.lines():
        console.print(line, highlight=False, markup=False, soft_wrap=True)
