"""`forewalk tune`: choose the model's settings nested in walk-forward, and see whether that helped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Address, Config, Executor, Jobs, Json, Progress, Set, settings_of_flags

EPILOG = """\b
Examples:
  python -m engine.tune
  python -m engine.tune --trials 8 --budget 120 --vary model.hidden_size=16,32,64
  python -m engine.tune --config examples/universe.toml --inner 2 --json

Exit codes: 0 done, 1 failure, 2 usage, 3 configuration, 4 connection, 5 data, 130 interrupted."""


def tune(
    config: Config = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="What to try: settings of the model; repeatable.", metavar="KEY=A,B,C"),
    ] = None,
    trials: Annotated[int, typer.Option(help="Trials of each fold at the most.", min=1)] = 16,
    inner: Annotated[int, typer.Option(help="Inner folds of each fold.", min=1)] = 3,
    budget: Annotated[
        float, typer.Option(help="Processor seconds of all trials together.", min=1.0, metavar="SECONDS")
    ] = 600.0,
    out: Annotated[
        Path | None, typer.Option(help="Folder; default runs/tune-KEY, where it goes on.", metavar="DIR")
    ] = None,
    set_: Set = None,
    jobs: Jobs = None,
    executor: Executor = None,
    address: Address = None,
    as_json: Json = False,
    progress_form: Progress = None,
) -> None:
    """Choose the model's settings fold by fold, each on its own past, and test them against the default.

    A command that was killed goes on where it was. Every trial is in the ledger.
    """
    flags = {"jobs": jobs, "executor": executor, "address": address}
    settings = settings_of_flags(config, set_, flags)
    from engine.tune.space import parse_space

    space = parse_space(vary or [])
    typer.echo(
        f"budget: {budget:.0f} processor seconds over all folds, {trials} trials a fold at the most", err=True
    )
    from engine.cli.console import progress_display

    with progress_display(not as_json, progress_form) as progress:
        from engine.tune.job import Effort
        from engine.tune.job import tune as run_tune
        from engine.tune.page import write_tuning
        from engine.tune.result import summary, tuning_lines

        found = run_tune(settings, space, Effort(trials, inner, budget), out, progress)
    folder = write_tuning(found)
    if as_json:
        typer.echo(json.dumps({**summary(found), "folder": str(folder)}, allow_nan=False))
    else:
        typer.echo("\n".join([*tuning_lines(found), f"page: {folder / 'index.html'}"]))
