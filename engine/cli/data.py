"""`forewalk data`: look at a file before believing it, and write it clean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Json, Set, settings_of_flags, symbols_of

if TYPE_CHECKING:
    from forewalk.data.checking import Checked
    from forewalk.settings.sections import DataSettings

data_app = typer.Typer(name="data", help="Look at price files before believing them.", no_args_is_help=True)
Source = Annotated[Path, typer.Argument(help="File or folder.", metavar="PATH")]
Symbols = Annotated[str | None, typer.Option(help="Symbols, separated by commas.", metavar="A,B,...")]


@data_app.command()
def check(
    path: Source,
    symbols: Symbols = None,
    set_: Set = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a page with a picture of each series.", metavar="FILE.html")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a file or folder is understood to be; exit 5 if it cannot be used. Nothing is run."""
    from engine.cli.console import reading
    from forewalk.errors import EXIT_DATA

    with reading():
        from forewalk.data.checking import check as look

        checked = look(_settings(path, symbols, set_))
        if out is not None:
            from engine.report.series import write_series_page

            write_series_page(checked, out)
    if as_json:
        typer.echo(json.dumps(checked.to_dict(), allow_nan=False))
    else:
        typer.echo("\n".join([*_lines(checked), *([f"pictures: {out}"] if out is not None else [])]))
        if not checked.usable:
            typer.echo(f"error: {checked.problem}", err=True)
    if not checked.usable:
        raise typer.Exit(EXIT_DATA)


@data_app.command()
def convert(
    path: Source,
    out: Annotated[Path, typer.Argument(help="Parquet file to write.", metavar="OUT.parquet")],
    symbols: Symbols = None,
    set_: Set = None,
) -> None:
    """Write the clean bars of a file or folder as one Parquet file, which is read back without any telling."""
    from engine.cli.console import reading

    with reading():
        from forewalk.data.converting import convert as write

        bars, report = write(_settings(path, symbols, set_), out)
    typer.echo(
        "\n".join(
            [*report.summary_lines(), f"{out}: {report.bars_kept} bars of {symbols_of(len(bars.symbols))}"]
        )
    )


def _settings(path: Path, symbols: str | None, set_: list[str] | None) -> DataSettings:
    flags = {"data.source": "files", "data.path": str(path.expanduser().resolve()), "data.symbols": symbols}
    return settings_of_flags(None, set_, flags).data


def _lines(checked: Checked) -> list[str]:
    said = checked.to_dict()
    if not checked.usable or checked.report is None:
        return []
    lines = [
        checked.report.understood.sentence(),
        f"{said['rows']} bars of {symbols_of(len(said['symbols']))}",
    ]
    for name, entry in list(said["symbols"].items())[:20]:
        flags = f"  {', '.join(entry['flags'])}" if entry["flags"] else ""
        damage = f"  {entry['dropped']} dropped, {entry['repaired']} repaired"
        lines.append(
            f"{name:<12} {entry['rows']:>8}  {entry['first']} {entry['first_close']:g} .. {entry['last']} "
            f"{entry['last_close']:g}{damage}{flags}"
        )
    if len(said["symbols"]) > 20:
        lines.append(f"... and {len(said['symbols']) - 20} more")
    return [*lines, *(f"note: {warning}" for warning in said["warnings"])]
