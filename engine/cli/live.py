"""The `live` commands: the daemon, and what a person can tell it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Json, say_at_once

if TYPE_CHECKING:
    from broker.journal.journal import Journal
    from forewalk.settings.sections import Settings

EPILOG = """\b
Examples:
  python -m engine.live --config examples/paper.toml --simulator
  APCA_API_KEY_ID=... APCA_API_SECRET_KEY=... python -m engine.live --config examples/paper.toml
  python -m engine.live --config examples/paper.toml --once
  python -m engine.live status --config examples/paper.toml

Paper accounts only: every other host is refused. Stop it with Ctrl-C, SIGTERM or a power cut."""

live_app = typer.Typer(
    name="live",
    help="Trade an Alpaca paper account with the backtest's own strategy, or tell a running daemon what to do.",
    epilog=EPILOG,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings as a TOML file.", metavar="FILE")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override one setting, e.g. live.book=mine; repeatable.", metavar="KEY=VALUE"),
]


@live_app.callback()
def live(
    context: typer.Context,
    config: Config = None,
    set_: Set = None,
    simulator: Annotated[
        bool, typer.Option("--simulator", help="Trade a simulator on this machine, over past bars.")
    ] = False,
    sessions: Annotated[int, typer.Option(help="Sessions to simulate.", min=1)] = 10,
    once: Annotated[
        bool, typer.Option("--once", help="Decide for the last closed bar and leave; safe to run twice.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and journal, send nothing.")] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="Orders and new models wait for `live approve`.")
    ] = False,
    retrain: Annotated[
        str | None,
        typer.Option(help="Train a challenger: weekly, every so many bars, or never.", metavar="weekly|BARS"),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Begin a new journal from the broker's positions.")
    ] = False,
) -> None:
    """Run the daemon."""
    say_at_once("reading the journal" if context.invoked_subcommand else "starting")
    if context.invoked_subcommand is not None:
        return
    given = [f"live.{key}=true" for key, on in (("dry_run", dry_run), ("approve", approve)) if on]
    given += [f"live.retrain={retrain}"] if retrain is not None else []
    settings = settings_of(config, [*(set_ or []), *given])
    if simulator:
        _simulate(settings, sessions)
        return
    from engine.live.job import live as run_live

    run_live(settings, once=once, rebuild=rebuild)


def _simulate(settings: Settings, sessions: int) -> None:
    from rich.console import Console
    from rich.table import Table

    from engine.live.job import open_journal
    from engine.live.rehearsal import SessionRow, simulated
    from engine.live.watch.summary import write_summary

    state = settings.live.state.expanduser() / f"simulated-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    console = Console()
    table = Table("bar", "decision", "orders", "fills", "equity", title=f"{sessions} simulated sessions")

    def show(row: SessionRow) -> None:
        table.add_row(f"{row.asof:%Y-%m-%d}", row.decided, row.orders, row.fills, f"{row.equity:,.2f}")

    with console.status("simulating; the first model is trained before the first session"):
        simulated(settings, sessions, state, show)
    console.print(table)
    page = state / "summary.html"
    with (
        console.status("writing the page about the account"),
        closing(open_journal(state, settings.live.book, readonly=True)) as journal,
    ):
        write_summary(journal, settings, page)
    console.print(f"journal and log: {state}\nthe account: {page}", soft_wrap=True)


@live_app.command()
def status(config: Config = None, set_: Set = None, as_json: Json = False) -> None:
    """Show what the book holds, what it waits for and what is halted."""
    from engine.live.lock import is_locked
    from engine.live.watch.statement import status_text

    settings = settings_of(config, set_)
    running = is_locked(settings.live.state.expanduser())
    typer.echo(status_text(opened_journal(settings, readonly=True), settings, running, as_json))


@live_app.command()
def orders(
    config: Config = None,
    set_: Set = None,
    everything: Annotated[bool, typer.Option("--all", help="Finished orders too.")] = False,
) -> None:
    """List the orders that are not finished."""
    from broker.trading.commands import order_rows

    rows = order_rows(opened_journal(settings_of(config, set_), readonly=True), everything)
    for row in rows:
        typer.echo("  ".join(cell for cell in row if cell))
    if not rows:
        typer.echo("no orders")


@live_app.command()
def approve(
    order_ids: Annotated[list[str], typer.Argument(help="client_order_ids, or a challenger's model id.")],
    config: Config = None,
    set_: Set = None,
    nonce: Annotated[
        str | None, typer.Option(help="Approve only if the order is still the one shown with this.")
    ] = None,
) -> None:
    """Let orders that wait go out, or a challenger become a champion."""
    from broker.trading import commands
    from engine.live.models.retrain import promote

    settings = settings_of(config, set_)
    journal = opened_journal(settings)
    now = commands.now_utc()
    known = {model["model_id"] for model in journal.models.all()}
    for order_id in order_ids:
        if order_id in known:
            typer.echo(promote(journal, order_id, market_time(settings, now)))
        else:
            commands.approve(journal, order_id, nonce, market_time(settings, now))
            typer.echo(f"{order_id} approved")


@live_app.command()
def reject(order_ids: list[str], config: Config = None, set_: Set = None) -> None:
    """Say no to orders that wait, or close orders that nobody can find."""
    from broker.trading import commands

    journal = opened_journal(settings_of(config, set_))
    for order_id in order_ids:
        commands.reject(journal, order_id, commands.now_utc())
        typer.echo(f"{order_id} rejected")


@live_app.command()
def halt(
    symbol: Annotated[str | None, typer.Argument(help="A symbol; none means everything.")] = None,
    config: Config = None,
    set_: Set = None,
    reason: str = "by hand",
    suspend: Annotated[
        bool, typer.Option(help="Let the broker refuse new orders too, even if this machine dies.")
    ] = True,
) -> None:
    """Stop: cancel our open orders and send no more until `resume`."""
    _stop(settings_of(config, set_), symbol, reason, flatten=False, suspend=suspend)


@live_app.command()
def flatten(
    symbol: Annotated[str | None, typer.Argument(help="A symbol; none means everything.")] = None,
    config: Config = None,
    set_: Set = None,
    suspend: bool = True,
    foreign_too: Annotated[
        bool,
        typer.Option("--all", help="Orders and positions that are not this book's too, after a question."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop and close positions at the market; it is tried again until the broker shows zero."""
    settings = settings_of(config, set_)
    if foreign_too and not yes:
        _confirm_all(settings, symbol)
    _stop(settings, symbol, "flatten by hand", flatten=True, suspend=suspend, foreign_too=foreign_too)


def _confirm_all(settings: Settings, symbol: str | None) -> None:
    """Show what else would be cancelled and closed, and ask; UsageError where nobody says yes."""
    import sys

    from broker.errors import BrokerError
    from broker.trading.closing import foreign_things
    from engine.live.job import as_book, broker_from_environment
    from forewalk.errors import UsageError

    journal = opened_journal(settings, readonly=True)
    try:
        lines = foreign_things(journal, as_book(broker_from_environment(settings), settings, journal), symbol)
    except BrokerError as problem:
        lines = [f"the broker does not show what is there: {problem}"]
    journal.close()
    typer.echo("\n".join(["besides this book's own, this cancels and closes:", *(lines or ["nothing"])]))
    if not sys.stdin.isatty():
        raise UsageError("flatten --all must be confirmed: answer at a terminal, or add --yes")
    if not typer.confirm("go on?"):
        raise UsageError("nothing was done")


def _stop(
    settings: Settings,
    symbol: str | None,
    reason: str,
    flatten: bool,
    suspend: bool,
    foreign_too: bool = False,
) -> None:
    from broker.trading import commands
    from engine.live.job import carry_out_halts
    from engine.live.lock import is_locked

    journal = opened_journal(settings)
    suspend = suspend and not settings.live.is_shared
    commands.halt(journal, symbol, reason, commands.now_utc(), flatten, suspend, foreign_too)
    journal.close()
    typer.echo(f"halted: {symbol or 'everything'}")
    if settings.live.is_shared:
        typer.echo(
            f"of the book {settings.live.book} only: the broker goes on taking orders of the other books"
        )
    if is_locked(settings.live.state.expanduser()):
        typer.echo("the daemon tells the broker within seconds; see `live status`")
        return
    typer.echo("\n".join(carry_out_halts(settings)))


@live_app.command()
def resume(
    symbol: Annotated[str | None, typer.Argument(help="A symbol; none means everything.")] = None,
    config: Config = None,
    set_: Set = None,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Take the broker's positions and orders over into the journal first."),
    ] = False,
    new_peak: Annotated[
        bool, typer.Option("--new-peak", help="Measure losses from now on: after a loss or drawdown.")
    ] = False,
    unsuspend: Annotated[
        bool, typer.Option("--unsuspend", help="Lift a suspension of the account that is not this book's.")
    ] = False,
) -> None:
    """Lift a halt, after a look at the account; a halt that would begin again is not lifted, and it is said why."""
    from broker.trading.resuming import Wishes
    from engine.live.job import resume_book

    settings = settings_of(config, set_)
    wishes = Wishes(adopt, new_peak, unsuspend)
    for line in resume_book(settings, opened_journal(settings), symbol, wishes):
        typer.echo(line)


@live_app.command()
def parity(
    run: Annotated[
        Path, typer.Argument(help="Folder of the run whose settings the book trades.", metavar="RUN")
    ],
    config: Config = None,
    set_: Set = None,
) -> None:
    """Compare every live bar with what the backtest says about it, and its forecasts with the forecast log.

    Exit 1 where decisions differ unexplained, or the log is not as it was written.
    """
    from engine.live.deciding.texts import run_text_parity
    from engine.live.logged import logged
    from engine.live.parity import parity as compare
    from engine.runs.record import LOG_FILE

    settings = settings_of(config, set_)
    journal = opened_journal(settings, readonly=True)
    report = compare(run, settings, journal)
    log = logged(journal, settings.live.state.expanduser() / LOG_FILE)
    texts = run_text_parity(run, settings.live.state.expanduser())
    typer.echo("\n".join([*report.lines(), *texts.lines(), *log.lines()]))
    if not report.same or log.problems:
        raise typer.Exit(1)


@live_app.command()
def summary(
    config: Config = None,
    set_: Set = None,
    out: Annotated[
        Path | None, typer.Option(help="The page to write; default summary.html in the state folder.")
    ] = None,
) -> None:
    """Write the page about the paper account: halts, money, positions, orders, models."""
    from engine.live.watch.summary import write_summary

    settings = settings_of(config, set_)
    page = out or settings.live.state.expanduser() / "summary.html"
    history = write_summary(opened_journal(settings, readonly=True), settings, page)
    typer.echo(f"{page}: {len(history)} bars, equity {history['equity'].iloc[-1]:,.2f}")


def settings_of(config: Path | None, overrides: list[str] | None) -> Settings:
    """Return the settings of a command about a book."""
    from forewalk.settings.loading import load_settings

    return load_settings(config, overrides or [])


def opened_journal(settings: Settings, readonly: bool = False) -> Journal:
    """Return the journal of a book; DataError where there is none yet."""
    from engine.live.job import open_journal
    from forewalk.errors import DataError

    state = settings.live.state.expanduser()
    if not (state / "journal.db").exists():
        raise DataError(f"{state}: no journal there; is live.state right? Has the daemon ever run?")
    return open_journal(state, settings.live.book, readonly)


def market_time(settings: Settings, now: datetime) -> datetime:
    """Return the broker's time on a simulator, whose clock is virtual; else this machine's."""
    from broker.hosts import is_local
    from engine.live.job import broker_from_environment

    return broker_from_environment(settings).clock().now if is_local(settings.live.url) else now
