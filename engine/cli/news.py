"""`forewalk news`: look at a file of texts before believing it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.options import Json, Set, say_at_once, settings_of_flags

if TYPE_CHECKING:
    import pandas as pd

    from forewalk.types import Bars

news_app = typer.Typer(
    name="news", help="Look at news and social texts before believing them.", no_args_is_help=True
)


@news_app.callback()
def news() -> None:
    """Look at news and social texts before believing them."""
    say_at_once("reading")


@news_app.command()
def check(
    path: Annotated[Path, typer.Argument(help="File or folder of texts.", metavar="PATH")],
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Show what a file of texts is understood to be; exit 5 if it cannot be used. Nothing is run."""
    from forewalk.data.columns.texts.checking import checked_texts
    from forewalk.errors import EXIT_DATA, DataError

    settings = settings_of_flags(None, set_, {"news.path": str(path.expanduser().resolve())}).news
    try:
        found = checked_texts(settings)
    except DataError as problem:
        if not as_json:
            raise
        error, _, remedy = str(problem).rpartition(": ")
        told = {"error": error or remedy, "remedy": remedy if error else ""}
        typer.echo(json.dumps(told))
        raise typer.Exit(EXIT_DATA) from None
    typer.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))


@news_app.command()
def fetch(
    out: Annotated[Path, typer.Argument(help="File of JSON lines to append to.", metavar="OUT.jsonl")],
    symbols: Annotated[str, typer.Option(help="Symbols, separated by commas.", metavar="A,B,...")],
    source: Annotated[
        str, typer.Option("--from", help="alpaca, rss, sec, gdelt, reddit; several, separated by commas.")
    ] = "alpaca",
    start: Annotated[
        str, typer.Option(help="First day, YYYY-MM-DD, of a source with a history.")
    ] = "2015-01-01",
    end: Annotated[str | None, typer.Option(help="Last day; default today.")] = None,
    set_: Set = None,
) -> None:
    """Append texts about some symbols to a file; called again, it goes on where the file ends.

    What appears between two calls is first seen at the second one; what was there before was seen by nobody.
    """
    from datetime import UTC, datetime, timedelta

    from forewalk.data.columns.texts.fetching.sources import checked_names, fetch_texts
    from forewalk.data.columns.texts.fetching.store import TextStore
    from forewalk.data.columns.texts.fetching.wanted import Wanted
    from forewalk.data.columns.texts.fetching.web import Web
    from forewalk.errors import ForewalkError, UsageError

    settings = settings_of_flags(None, set_, {})
    now = datetime.now(UTC)
    try:
        first = datetime.fromisoformat(start).replace(tzinfo=UTC)
        last = now if end is None else datetime.fromisoformat(end).replace(tzinfo=UTC) + timedelta(days=1)
    except ValueError:
        raise UsageError("--start and --end are days, written YYYY-MM-DD") from None
    wanted_names = checked_names(source)
    named = tuple(name.strip().upper() for name in symbols.split(",") if name.strip())
    web = Web(settings.news.contact)
    store = TextStore(out)
    wanted = Wanted(named, first, last, now, settings.news, web, lambda: datetime.now(UTC))
    failed: ForewalkError | None = None
    for name in wanted_names:
        try:
            added = fetch_texts(name, store, wanted, settings.data)
            typer.echo(f"{name}: {added:,} texts added to {out}")
        except ForewalkError as problem:  # one source takes no other along
            typer.echo(f"{name}: {problem}", err=True)
            failed = failed or problem
    if failed is not None:
        raise typer.Exit(failed.exit_code)
    typer.echo(f"look at them with: forewalk news check {out}")


@news_app.command()
def behind(
    run: Annotated[Path, typer.Argument(help="Folder of a run that used texts.", metavar="RUN")],
    symbol: Annotated[str, typer.Argument(help="One of its symbols.")],
    day: Annotated[
        str | None,
        typer.Option(
            help="Day (UTC) of the bar, YYYY-MM-DD, or its close in ISO 8601; default the last bar."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the texts that a forecast of a run was the first to know, with time, weight and tone."""
    from dataclasses import asdict

    from engine.runs.folder import read_run
    from engine.runs.stored import require_same_bars
    from forewalk.data.columns.texts.behind import texts_behind
    from forewalk.data.loading import load_bars
    from forewalk.errors import UsageError
    from forewalk.settings.loading import load_settings

    settings = load_settings(run / "config.toml", environment={})
    if settings.news.path is None:
        raise UsageError(f"{run} used no texts")
    require_same_bars(read_run(run), settings)
    bars, _ = load_bars(settings.data, columns=settings.features.columns, news=settings.news)
    found = texts_behind(settings.news, bars, symbol, _bar(bars, day))
    if as_json:
        typer.echo(json.dumps([asdict(text) for text in found], default=lambda moment: moment.isoformat()))
        return
    typer.echo(f"{symbol}, bar of {_bar(bars, day):%Y-%m-%d %H:%M} UTC: {len(found)} texts")
    for text in found:
        tone = "   no tone" if text.tone is None else f"tone {text.tone:+.2f}"
        notes = ", ".join(
            note for note, said in (("repeat", text.repeats), ("a guess", text.backfilled)) if said
        )
        known = f"{text.known_at:%Y-%m-%d %H:%M:%S}" + (f" ({notes})" if notes else "")
        typer.echo(f"  {known}  weight {text.weight:.2f}  {tone}  {text.kind}: {text.headline[:160]}")
        for at, words in text.later:
            typer.echo(f"    changed, known {at:%Y-%m-%d %H:%M:%S}, and counted for nothing: {words[:160]}")


def _bar(bars: Bars, day: str | None) -> pd.Timestamp:
    """Return the close of the last bar, or of the last one of a day, or the moment that is given."""
    import pandas as pd

    from forewalk.errors import UsageError

    if day is None:
        return bars.timestamps[-1]
    try:
        moment = pd.Timestamp(day)
    except ValueError:
        raise UsageError("--day is a day, YYYY-MM-DD, or the close of a bar") from None
    moment = moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")
    if len(day) > 10:
        return moment
    of_day = bars.timestamps[bars.timestamps.normalize() == moment]
    if not len(of_day):
        raise UsageError(f"no bar closes on {day}; the last one closes on {bars.timestamps[-1]:%Y-%m-%d}")
    return of_day[-1]


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [
        f"{found['texts']:,} texts of {found['rows']:,} rows, known from {found['first_known_at']} to "
        f"{found['last_known_at']}; zone: {found['zone']}"
    ]
    named = ", ".join(f"{name} {count:,}" for name, count in list(found["symbols"].items())[:12])
    lines.append(f"{found['symbols_in_all']:,} symbols: {named or 'none'}")
    for what, words in (
        ("duplicates", "repeat an earlier text about the same symbol and count as repeats"),
        ("joined", "rows say what another one said at the same moment, of another symbol or again"),
        ("amended", "later versions are left out: the first one counts"),
        ("undated", "without any moment are dropped"),
        ("without_symbol", "name no symbol"),
        (
            "backfilled",
            f"were collected afterwards: known {found['lag_minutes']:g} minutes after publication, a guess",
        ),
    ):
        if found[what]:
            lines.append(f"note: {found[what]:,} {words}")
    return lines
