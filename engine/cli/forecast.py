"""`forewalk forecast` and `forewalk track`: what is expected next, and what became of what was expected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Config, Jobs, Json, Set, settings_of_flags
from forewalk.errors import UsageError

EPILOG = """\b
Examples:
  python -m engine.forecast
  python -m engine.forecast runs/latest
  python -m engine.forecast --symbols AAPL,MSFT --source yahoo --positions positions.csv
  python -m engine.forecast runs/latest --watch

Exit codes: 0 done, 1 failure, 2 usage, 3 configuration, 4 connection, 5 data, 130 interrupted."""

Log = Annotated[
    Path, typer.Option("--log", help="Where every forecast given is written down.", metavar="FILE")
]
LOG = Path("runs/forecasts.sqlite")


def forecast(
    run: Annotated[
        Path | None, typer.Argument(help="Folder of a finished run; without one, train now.", metavar="[RUN]")
    ] = None,
    config: Config = None,
    symbols: Annotated[
        str | None, typer.Option(help="Symbols, separated by commas.", metavar="A,B,...")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Where bars come from.", metavar="sample|files|yahoo|alpaca")
    ] = None,
    path: Annotated[Path | None, typer.Option(help="File or folder of the files source.")] = None,
    positions: Annotated[
        Path | None,
        typer.Option(
            help="What is held: CSV of symbol, quantity, price; or the daemon's folder.", metavar="FILE"
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with charts.", metavar="FILE.html")] = None,
    log: Log = LOG,
    jobs: Jobs = None,
    set_: Set = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Give it anew after each close, until stopped.")
    ] = False,
    once: Annotated[
        bool,
        typer.Option("--once", help="With --watch: for the newest close and leave; for cron and timers."),
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table and nothing else.")] = False,
    as_json: Json = False,
) -> None:
    """Tell what is expected at the next close: ranges, chance of a rise, the strategy's order, the record so far.

    Every forecast given is written to a log before its outcome is known; see `forewalk track`.
    """
    if as_csv and as_json:
        raise UsageError("--csv and --json are two ways to print; choose one")
    if once and not watch:
        raise UsageError("--once belongs to --watch; without it a forecast is given once anyway")
    data = {
        "data.symbols": symbols,
        "data.source": source,
        "data.path": None if path is None else str(path.resolve()),
    }
    if run is not None and config is not None:
        raise UsageError("a run has its own settings; give RUN or --config")

    from engine.cli.console import progress_display
    from engine.forecast.job import Given, give
    from engine.forecast.log import ForecastLog
    from engine.forecast.text import lines, table

    overrides = list(set_ or [])
    if run is not None:
        overrides += [f"{key}={json.dumps(value)}" for key, value in data.items() if value is not None]
    what = settings_of_flags(config, set_, {**data, "jobs": jobs}) if run is None else run
    book = ForecastLog(log)

    def make() -> Given:
        with progress_display(enabled=not (as_json or as_csv)) as progress:
            return give(what, book, progress, overrides, positions, html)

    def show(given: Given) -> None:
        if as_json:
            entered = given.entered
            logged = {"written": entered.written, "known": entered.known, "closed": entered.closed}
            typer.echo(json.dumps({**given.answer.to_dict(), "log": logged}, allow_nan=False))
        elif as_csv:
            typer.echo(table(given.answer), nl=False)
        else:
            typer.echo("\n".join([*lines(given), *([] if html is None else [f"charts: {html}"])]))

    if watch:
        from engine.forecast.watching import watch as keep_watching

        keep_watching(make, show, once=once)
    else:
        show(make())


def track(log: Log = LOG, as_json: Json = False) -> None:
    """Show what became of every forecast given, and check that the log is as it was written; exit 1 if it is not."""
    from engine.forecast.log import LOG_FILE, ForecastLog
    from engine.forecast.skill import skill_of
    from engine.forecast.text import track_lines

    log = log / LOG_FILE if log.is_dir() else log
    book = ForecastLog(log)
    found, problems = book.table() if log.exists() else None, book.problems()
    if as_json:
        rows = [] if found is None else json.loads(found.to_json(orient="records", date_format="iso"))
        skill = None if found is None else skill_of(found).to_dict()
        typer.echo(json.dumps({"forecasts": rows, "skill": skill, "problems": problems}, allow_nan=False))
    else:
        import pandas as pd

        typer.echo("\n".join(track_lines(pd.DataFrame() if found is None else found, problems)))
    if problems:
        raise typer.Exit(1)
