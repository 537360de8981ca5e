"""`forewalk explain`: which features carry the forecasts of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Address, Executor, Jobs, Json, Progress, where_of_flags

EPILOG = """\b
Examples:
  forewalk explain runs/latest
  forewalk explain runs/latest --repeats 5 --json

Exit codes: 0 done, 1 failure, 2 usage, 3 configuration, 4 connection, 5 data, 130 interrupted."""


def explain(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.", metavar="RUN")],
    repeats: Annotated[
        int, typer.Option(help="How often each feature is put out of step.", min=1, max=100)
    ] = 3,
    jobs: Jobs = None,
    executor: Executor = None,
    address: Address = None,
    as_json: Json = False,
    progress_form: Progress = None,
) -> None:
    """Measure which features carry the forecasts of a run, fold by fold, and what the newest ones are made of.

    Nothing is trained: the stored models are asked. Writes explanation.json and a part of forecast.html.
    """
    from engine.cli.console import progress_display

    with progress_display(not as_json, progress_form) as progress:
        from engine.forecast.explaining.job import FILE, shown_where, summary_lines
        from engine.forecast.explaining.job import explain as run_explain
        from forewalk.compute.workers import workers_of
        from forewalk.settings.loading import load_settings

        where = load_settings(overrides=where_of_flags(jobs, executor, address), environment={})
        told = run_explain(run, repeats, workers_of(where), progress)
    if as_json:
        typer.echo(json.dumps(told, allow_nan=False))
    else:
        typer.echo("\n".join([*summary_lines(told), f"file: {run / FILE}; {shown_where(run)}"]))
