"""`forewalk compare` and `forewalk runs`: finished runs side by side, and which there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json

EPILOG = """\b
Examples:
  python -m engine.compare runs/one runs/two
  python -m engine.compare runs/one runs/two runs/three --html compare.html
  python -m engine.compare runs/one-day runs/one-week --accounts

Exit codes: 0 done, 1 failure, 2 usage, 3 configuration, 4 connection, 5 data, 130 interrupted."""


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of finished runs; each is laid beside the first.", metavar="A B [C...]"),
    ],
    accounts: Annotated[
        bool, typer.Option("--accounts", help="Compare the accounts alone, whatever they forecast.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with charts.", metavar="FILE.html")] = None,
    as_json: Json = False,
) -> None:
    """Say what differs between runs, and test whether one forecasts or earns better by more than luck.

    Forecasts are tested pair by pair (Diebold-Mariano), accounts by a bootstrap of their difference. What cannot be
    compared is refused with exit code 5.
    """
    from engine.cli.console import reading

    with reading():
        from engine.compare.job import compare_runs
        from engine.compare.text import lines

        found = compare_runs(runs, accounts)
        if html is not None:
            from engine.compare.page import write_page

            write_page(found, html)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), allow_nan=False))
    else:
        typer.echo("\n".join([*lines(found), *([] if html is None else [f"charts: {html}"])]))


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder of the runs.", metavar="[RUNS]")] = Path("runs"),
    as_json: Json = False,
) -> None:
    """List the finished runs of a folder, the newest first; exit 1 if one of them cannot be read."""
    from engine.cli.console import reading

    with reading():
        from engine.runs.overview import overview, overview_lines

        found = overview(folder)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), allow_nan=False))
    else:
        typer.echo("\n".join(overview_lines(found, folder)))
    if found.problems:
        raise typer.Exit(1)
