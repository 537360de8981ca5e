"""`forewalk forecast` and `forewalk track`: what is expected next, and what became of what was expected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Config, Jobs, Json, Progress, Set, settings_of_flags
from forewalk.errors import UsageError

if TYPE_CHECKING:
    from engine.forecast.job import Given
    from forewalk.settings.sections import Settings

EPILOG = """\b
Examples:
  python -m engine.forecast
  python -m engine.forecast runs/latest
  python -m engine.forecast runs/latest --explain
  python -m engine.forecast --symbols AAPL,MSFT --source yahoo --positions positions.csv
  python -m engine.forecast --horizons 1,5,20
  python -m engine.forecast runs/one-day runs/one-week --watch

Exit codes: 0 done, 1 failure, 2 usage, 3 configuration, 4 connection, 5 data, 130 interrupted."""

Log = Annotated[
    Path, typer.Option("--log", help="Where every forecast given is written down.", metavar="FILE")
]
LOG = Path("runs/forecasts.sqlite")
NEXT = "forecast-next.html"


def forecast(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of finished runs, one for each horizon; without one, train now.", metavar="[RUN...]"
        ),
    ] = None,
    config: Config = None,
    symbols: Annotated[
        str | None, typer.Option(help="Symbols, separated by commas.", metavar="A,B,...")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Where bars come from.", metavar="sample|files|yahoo|alpaca")
    ] = None,
    horizons: Annotated[
        str | None, typer.Option(help="Bars ahead; a model is trained for each.", metavar="1,5,...")
    ] = None,
    path: Annotated[Path | None, typer.Option(help="File or folder of the files source.")] = None,
    positions: Annotated[
        Path | None,
        typer.Option(
            help="What is held: CSV of symbol, quantity, price; or the daemon's folder.", metavar="FILE"
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help=f"The page with charts; in text mode {NEXT} beside the log.", metavar="FILE.html"),
    ] = None,
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
    explain: Annotated[
        bool, typer.Option("--explain", help="Also what each forecast is made of, by feature; of a RUN.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table and nothing else.")] = False,
    as_json: Json = False,
    progress_form: Progress = None,
) -> None:
    """Tell what is expected at the next close: ranges, chance of a rise, the strategy's order, the record so far.

    Every forecast given is written to a log before its outcome is known; see `forewalk track`.
    """
    form = _form(as_csv, as_json)
    if explain and as_csv:
        raise UsageError("--explain has no place in the table of --csv; take --json, or the text")
    if once and not watch:
        raise UsageError("--once belongs to --watch; without it a forecast is given once anyway")
    data = {
        "data.symbols": symbols,
        "data.source": source,
        "data.path": None if path is None else str(path.resolve()),
    }
    asked, overrides = _asked(runs or [], config, horizons, list(set_ or []), data, jobs)
    pages = _pages(html or (log.with_name(NEXT) if form == "text" else None), len(asked))

    from engine.cli.console import progress_display

    def make() -> tuple[Given, ...]:
        with progress_display(form == "text", progress_form) as progress:
            from engine.forecast.job import give
            from engine.forecast.log import ForecastLog

            book = ForecastLog(log)
            return tuple(
                give(what, book, progress, overrides, positions, page, explain=explain)
                for what, page in zip(asked, pages, strict=True)
            )

    if watch:
        from engine.forecast.watching import watch as keep_watching

        keep_watching(make, lambda given: _show(given, form, pages), once=once)
    else:
        _show(make(), form, pages)


def _form(as_csv: bool, as_json: bool) -> str:
    if as_csv and as_json:
        raise UsageError("--csv and --json are two ways to print; choose one")
    return "csv" if as_csv else "json" if as_json else "text"


def _asked(
    runs: list[Path],
    config: Path | None,
    horizons: str | None,
    overrides: list[str],
    data: dict[str, str | None],
    jobs: int | None,
) -> tuple[list[Settings | Path], list[str]]:
    """Return what is asked, runs or settings to train by, and what overrides the settings of a run."""
    if not runs:
        return [
            settings_of_flags(config, overrides, {**data, "jobs": jobs, "label.horizon_bars": horizon})
            for horizon in _horizons(horizons)
        ], []
    if config is not None:
        raise UsageError("a run has its own settings; give RUN or --config")
    if horizons is not None:
        raise UsageError("a run has its own horizon; name one run for each horizon instead of --horizons")
    named = [f"{key}={json.dumps(value)}" for key, value in data.items() if value is not None]
    return list(runs), [*overrides, *named]


def _show(given: tuple[Given, ...], form: str, pages: list[Path | None]) -> None:
    """Print answers as one object, one table, or lines."""
    from engine.forecast.text import lines, table

    if form == "json":
        found = [each.to_dict() for each in given]
        typer.echo(json.dumps(found[0] if len(found) == 1 else {"forecasts": found}, allow_nan=False))
    elif form == "csv":
        typer.echo(table(*(each.answer for each in given)), nl=False)
    else:
        said = [
            "\n".join([*lines(each), *([] if page is None else [f"charts: {page}"])])
            for each, page in zip(given, pages, strict=True)
        ]
        typer.echo("\n\n".join(said))


def _horizons(text: str | None) -> list[int | None]:
    """Return bars ahead, None for what the settings say."""
    if text is None:
        return [None]
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--horizons {text!r}: give whole numbers of bars, as in 1,5,20") from None
    if len({*found}) < len(found):
        raise UsageError(f"--horizons {text!r} names one twice")
    return [*found]


def _pages(html: Path | None, count: int) -> list[Path | None]:
    """Return where the page of each answer goes: `next.html`, then `next-2.html`, ..."""
    if html is None:
        return [None] * count
    return [html, *(html.with_stem(f"{html.stem}-{number}") for number in range(2, count + 1))]


def track(log: Log = LOG, as_json: Json = False) -> None:
    """Show what became of every forecast given, and check that the log is as it was written; exit 1 if it is not."""
    from engine.cli.console import reading

    with reading():
        from engine.forecast.text import track_lines
        from engine.forecast.track import track_record

        found = track_record(log)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), allow_nan=False))
    else:
        typer.echo("\n".join(track_lines(found)))
    if found.problems:
        raise typer.Exit(1)
