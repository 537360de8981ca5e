"""The flags that several commands share, and how they become settings."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from forewalk.settings.sections import Settings


Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings as a TOML file.", metavar="FILE")
]


Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Override one setting, e.g. model.hidden_size=64; repeatable.", metavar="KEY=VALUE"
    ),
]


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


Executor = Annotated[str | None, typer.Option("--executor", help="Where tasks run.", metavar="local|ray")]


Address = Annotated[
    str | None, typer.Option("--address", help="Head of the Ray cluster.", metavar="HOST:PORT")
]


Jobs = Annotated[int | None, typer.Option("--jobs", "-j", help="Worker processes; 0 is one per core.", min=0)]


Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="List every finding of the data check.")]


class ProgressForm(StrEnum):
    """How a command tells how far it is."""

    BARS = "bars"
    JSONL = "jsonl"
    NONE = "none"


Progress = Annotated[
    ProgressForm | None,
    typer.Option(
        "--progress",
        help='How progress is told on stderr: bars (the default, on a terminal), {"what", "done", "total"} a line, '
        "or not at all.",
    ),
]


def say_at_once(what: str) -> None:
    """Say on a terminal what a command is at, before it imports what is slow; not where help is asked for."""
    if sys.stderr.isatty() and "--help" not in sys.argv:
        typer.echo(what, err=True)


def where_of_flags(jobs: int | None, executor: str | None, address: str | None) -> list[str]:
    """Return as overrides where the tasks of a stored run shall run now; what is not given stays as stored."""
    given = {"jobs": jobs, "executor": executor, "address": address}
    return [f"{key}={value}" for key, value in given.items() if value is not None]


def settings_of_flags(config: Path | None, overrides: list[str] | None, flags: dict[str, Any]) -> Settings:
    """Return the settings of a command: its file, `--set`, then its own flags; see `load_settings`."""
    from forewalk.settings.loading import load_settings

    given = [
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in flags.items() if value is not None
    ]
    return load_settings(config, [*(overrides or []), *given])


def symbols_of(count: int) -> str:
    """Return "1 symbol" or "n symbols"."""
    return f"{count:,} symbol" if count == 1 else f"{count:,} symbols"


def symbols_hint(arguments: Sequence[str]) -> str:
    """Return what to write instead of `--symbols A B`; "" where the symbols are one argument.

    >>> symbols_hint(["--symbols", "AAPL,", "MSFT"])
    'hint: --symbols is one argument, with commas and without spaces: --symbols AAPL,MSFT'
    """
    if "--symbols" not in arguments:
        return ""
    after = list(arguments)[list(arguments).index("--symbols") + 1 :]
    words = [
        text for text in takewhile(lambda text: not text.startswith("-"), after) if not Path(text).exists()
    ]
    if len(words) < 2:
        return ""
    named = ",".join(filter(None, (word.strip(",") for word in words)))
    return f"hint: --symbols is one argument, with commas and without spaces: --symbols {named}"
