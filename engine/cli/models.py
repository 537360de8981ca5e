"""`forewalk models`: the models of a paper book, and what a person may say about them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.live import Config, Set, market_time, opened_journal, settings_of
from engine.cli.options import say_at_once

if TYPE_CHECKING:
    from engine.live.models.registry import ModelEntry

models_app = typer.Typer(
    name="models",
    help="List the models of a paper book with their lineage; promote, retire or expire one.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@models_app.callback()
def models(
    context: typer.Context,
    config: Config = None,
    set_: Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array and nothing else.")] = False,
) -> None:
    """List the models, oldest first; `*` is the one that is asked about the next bar."""
    say_at_once("reading the journal")
    if context.invoked_subcommand is not None:
        return
    from broker.trading.commands import now_utc
    from engine.live.models.registry import listed

    settings = settings_of(config, set_)
    journal = opened_journal(settings, readonly=True)
    folder = settings.live.state.expanduser() / "models"
    entries = listed(journal, settings, folder, market_time(settings, now_utc()))
    if as_json:
        typer.echo(json.dumps([entry.to_json() for entry in entries], indent=2))
        return
    typer.echo("\n".join(line for entry in entries for line in _lines(entry)) or "no models yet")


def _lines(entry: ModelEntry) -> list[str]:
    mark = "*" if entry.active and not entry.is_too_old else " "
    age = "" if entry.age_bars is None else f", {entry.age_bars} of {entry.max_age_bars} bars old"
    age += ": too old, it gives no forecasts" if entry.is_too_old else ""
    until = f", until {entry.until[:16]}" if entry.until else ""
    after = f", after {entry.parent}" if entry.parent else ""
    lines = [f"{mark} {entry.model_id}  {entry.role}{after}, from {entry.valid_from[:16]}{until}{age}"]
    trained = f"trained until {entry.trained_until[:16]}; " if entry.trained_until else ""
    return [*lines, f"    {trained}{entry.note}{f'; {entry.problem}' if entry.problem else ''}"]


@models_app.command()
def promote(model_id: str, config: Config = None, set_: Set = None) -> None:
    """Let a challenger forecast from the next bar on; the same as `live approve ID`."""
    from broker.trading.commands import now_utc
    from engine.live.models.retrain import promote as promoted

    settings = settings_of(config, set_)
    typer.echo(promoted(opened_journal(settings), model_id, market_time(settings, now_utc())))


@models_app.command()
def retire(model_id: str, config: Config = None, set_: Set = None) -> None:
    """Let a champion be asked no more; the one before it goes on, while it is not too old."""
    from broker.trading.commands import now_utc
    from engine.live.models.registry import retire as retired

    settings = settings_of(config, set_)
    typer.echo(retired(opened_journal(settings), model_id, market_time(settings, now_utc())))


@models_app.command()
def expire(
    config: Config = None,
    set_: Set = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Let every model fall silent: no forecasts, so that what is held is closed and nothing is entered."""
    import sys

    from broker.trading.commands import now_utc
    from engine.live.models.registry import expire as expired
    from forewalk.errors import UsageError

    settings = settings_of(config, set_)
    if not yes:
        typer.echo("without a forecast the strategy closes what it holds at the next bar")
        if not sys.stdin.isatty():
            raise UsageError("confirm it: answer at a terminal, or add --yes")
        if not typer.confirm("go on?"):
            raise UsageError("nothing was done")
    typer.echo(expired(opened_journal(settings), market_time(settings, now_utc())))
