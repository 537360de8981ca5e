"""The `forewalk` command. `python -m engine.backtest` is `forewalk backtest`, and so on.

Only light modules are imported here: `--help` must answer at once. Every error that is meant for the user
becomes one line on stderr and a documented exit code (see `forewalk.errors`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.compare import EPILOG as COMPARE_EPILOG
from engine.cli.compare import compare, runs
from engine.cli.data import data_app
from engine.cli.doctor import doctor
from engine.cli.explain import EPILOG as EXPLAIN_EPILOG
from engine.cli.explain import explain
from engine.cli.forecast import EPILOG as FORECAST_EPILOG
from engine.cli.forecast import forecast, track
from engine.cli.live import live_app
from engine.cli.models import models_app
from engine.cli.news import news_app
from engine.cli.options import (
    Address,
    Config,
    Executor,
    Jobs,
    Json,
    Progress,
    Set,
    Verbose,
    settings_of_flags,
    symbols_hint,
    where_of_flags,
)
from engine.cli.serve import EPILOG as SERVE_EPILOG
from engine.cli.serve import serve
from engine.cli.tune import EPILOG as TUNE_EPILOG
from engine.cli.tune import tune
from forewalk.errors import ForewalkError

EXIT_CODES = "Exit codes: 0 done, 1 failure, 2 usage, 3 configuration, 4 connection, 5 data, 130 interrupted."

app = typer.Typer(
    name="forewalk",
    help="Walk-forward LSTM forecasts, backtested without a look at the future.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(live_app)
app.add_typer(models_app)
app.add_typer(news_app)
app.add_typer(data_app)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"forewalk {version('forewalk')}")
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


BACKTEST_EPILOG = f"""\b
Examples:
  python -m engine.backtest
  python -m engine.backtest --symbols AAPL,MSFT --source yahoo --start 2015-01-01
  python -m engine.backtest --source csv --path prices.csv --symbols AAPL
  python -m engine.backtest --config examples/quickstart.toml --set model.hidden_size=64
  python -m engine.backtest --json --seed 11 --jobs 2 --out results/run-1

{EXIT_CODES}"""


@app.command(epilog=BACKTEST_EPILOG)
def backtest(
    config: Config = None,
    symbols: Annotated[
        str | None, typer.Option(help="Symbols, separated by commas.", metavar="A,B,...")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Where bars come from.", metavar="sample|files|yahoo|alpaca")
    ] = None,
    path: Annotated[Path | None, typer.Option(help="File or folder of the files source.")] = None,
    start: Annotated[str | None, typer.Option(help="First session.", metavar="YYYY-MM-DD")] = None,
    end: Annotated[str | None, typer.Option(help="Last session, included.", metavar="YYYY-MM-DD")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use the download cache only.")] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of all randomness.", min=0)] = None,
    jobs: Jobs = None,
    executor: Executor = None,
    address: Address = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder to create; default runs/<UTC>-<name>.", metavar="DIR")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    set_: Set = None,
    as_json: Json = False,
    progress_form: Progress = None,
    verbose: Verbose = False,
) -> None:
    """Train walk-forward, backtest, and write a run folder with tearsheet and forecast report.

    Without any option it runs on bundled daily bars of AAPL, GOOG, IBM and MSFT, 2000-2013, offline.
    """
    flags = {
        "data.symbols": symbols,
        "data.source": source,
        "data.path": None if path is None else str(path.resolve()),
        "data.start": start,
        "data.end": end,
        "data.offline": True if offline else None,
        "seed": seed,
        "jobs": jobs,
        "executor": executor,
        "address": address,
        "name": name,
    }
    settings = settings_of_flags(config, set_, flags)

    from engine.cli.console import print_backtest, progress_display

    with progress_display(not as_json, progress_form) as progress:
        from engine.backtest.job import backtest as run_backtest
        from engine.backtest.writing import earlier_trials, write_backtest
        from engine.runs.folder import check_destination

        if out is not None:
            check_destination(out)
        result = run_backtest(settings, progress, earlier_trials(out))
        progress("report", 0, 1)
        folder = write_backtest(result, out)
    if as_json:
        summary = {"run": str(folder), "verdict": result.verdict, "refused": result.quality.refused}
        typer.echo(json.dumps({**summary, "metrics": result.metrics.to_json()}, allow_nan=False))
    else:
        print_backtest(result, folder, verbose)


@app.command()
def reproduce(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.", metavar="RUN")],
    jobs: Jobs = None,
    executor: Executor = None,
    address: Address = None,
    as_json: Json = False,
    progress_form: Progress = None,
) -> None:
    """Rerun a stored run and compare forecasts, orders, equity and metrics; exit 1 if anything differs."""
    from engine.cli.console import print_reproduction, progress_display

    with progress_display(not as_json, progress_form) as progress:
        from engine.reproduce.job import reproduce as rerun

        found = rerun(run, where_of_flags(jobs, executor, address), progress)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), allow_nan=False))
    else:
        print_reproduction(found)
    if not found.same:
        raise typer.Exit(1)


@app.command()
def audit(
    what: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of a finished run or a settings file; by default the default settings.",
            metavar="[RUN|CONFIG]",
        ),
    ] = None,
    earlier: Annotated[
        Path | None, typer.Option(help="An earlier download of the same bars: csv or parquet.")
    ] = None,
    set_: Set = None,
    jobs: Jobs = None,
    executor: Executor = None,
    address: Address = None,
    as_json: Json = False,
    progress_form: Progress = None,
) -> None:
    """Replace the future at many dates, rerun the whole pipeline, compare the past; exit 1 if it changed.

    Prints the leak certificate; a finished run keeps it as certificate.json.
    """
    from engine.cli.console import progress_display

    with progress_display(not as_json, progress_form) as progress:
        from engine.audit.job import audit_command

        certificate = audit_command(
            what, set_ or (), where_of_flags(jobs, executor, address), earlier, progress
        )
    if as_json:
        typer.echo(json.dumps(certificate.to_dict(), allow_nan=False))
    else:
        typer.echo("\n".join(certificate.lines()))
    if not certificate.clean:
        raise typer.Exit(1)


SWEEP_EPILOG = f"""\b
Examples:
  python -m engine.sweep runs/latest
  python -m engine.sweep runs/latest --vary strategy.target_volatility=0.05:0.3:0.01 --vary strategy.tilt=0,0.5,1
  python -m engine.sweep runs/latest --vary execution.fee_bps=0,1,2,5,10 --json

{EXIT_CODES}"""


@app.command(epilog=SWEEP_EPILOG)
def sweep(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.", metavar="RUN")],
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help="What to try: strategy.* or execution.*, KEY=FIRST:LAST:STEP or KEY=A,B,C; repeatable.",
            metavar="KEY=VALUES",
        ),
    ] = None,
    jobs: Jobs = None,
    executor: Executor = None,
    address: Address = None,
    as_json: Json = False,
    progress_form: Progress = None,
) -> None:
    """Try thousands of policy settings on a run's stored forecasts; each is recorded as a trial.

    Without --vary the sizes (or thresholds, or ranks, and the holding time) are varied.
    """
    from engine.cli.console import progress_display

    with progress_display(not as_json, progress_form) as progress:
        from engine.sweep.grid import parse_axis
        from engine.sweep.job import sweep as run_sweep
        from engine.sweep.job import write_sweep
        from engine.sweep.result import summary, sweep_lines
        from forewalk.compute.workers import workers_of
        from forewalk.settings.loading import load_settings

        axes = [parse_axis(text) for text in vary or []]
        where = load_settings(overrides=where_of_flags(jobs, executor, address), environment={})
        result = run_sweep(run, axes, workers_of(where), progress)
    folder = write_sweep(result)
    if as_json:
        typer.echo(json.dumps({**summary(result), "folder": str(folder)}, allow_nan=False, default=str))
    else:
        for line in [*sweep_lines(result), f"heat maps and table: {folder / 'index.html'}"]:
            typer.echo(line)


@app.command()
def trials(
    runs: Annotated[
        Path, typer.Argument(help="Folder of the runs whose ledger is shown.", metavar="[RUNS]")
    ] = Path("runs"),
    last: Annotated[int, typer.Option(help="List the last N trials of each set of data.", min=0)] = 10,
    as_json: Json = False,
) -> None:
    """Show how often the same data was tried, and check that no try was forgotten; exit 1 if one was."""
    from engine.cli.console import reading

    with reading():
        from engine.runs.ledger import LEDGER_FILE, Ledger
        from engine.runs.listing import ledger_lines, ledger_summary

        ledger = Ledger(runs / LEDGER_FILE)
        problems = ledger.verify()
    if as_json:
        data = [asdict(entry) for entry in ledger_summary(ledger)]
        typer.echo(json.dumps({"data": data, "problems": problems}, allow_nan=False))
    else:
        for line in ledger_lines(ledger, last) + [f"PROBLEM: {problem}" for problem in problems]:
            typer.echo(line)
    if problems:
        raise typer.Exit(1)


app.command()(doctor)
app.command(epilog=FORECAST_EPILOG)(forecast)
app.command()(track)
app.command(epilog=COMPARE_EPILOG)(compare)
app.command()(runs)
app.command(epilog=SERVE_EPILOG)(serve)
app.command(epilog=TUNE_EPILOG)(tune)
app.command(epilog=EXPLAIN_EPILOG)(explain)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `forewalk` command; ends with SystemExit."""
    _guarded(app, "forewalk", arguments)


def run(command: str) -> None:
    """Entry point of `python -m engine.<command>`."""
    if command == live_app.info.name:
        _guarded(live_app, "python -m engine.live")
        return
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    single.registered_commands.extend(
        entry for entry in app.registered_commands if entry.callback and entry.callback.__name__ == command
    )
    _guarded(single, f"python -m engine.{command}")


def _guarded(application: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> None:
    """Run; typer itself answers usage errors with 2 and Ctrl-C with 130."""
    hint = symbols_hint(sys.argv[1:] if arguments is None else arguments)
    try:
        application(args=arguments, prog_name=name)
    except SystemExit as ended:
        if hint and ended.code == 2:
            typer.echo(hint, err=True)
        raise
    except ForewalkError as problem:
        typer.echo(f"error: {problem}", err=True)
        if hint:
            typer.echo(hint, err=True)
        sys.exit(problem.exit_code)
