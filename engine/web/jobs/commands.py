"""What is asked of a job, as a command line of this program; what may not be asked is refused before it is queued."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import engine
from engine.web.jobs.job import Job
from engine.web.places import NAME, Places
from forewalk.data.benchmark import is_file
from forewalk.errors import UsageError
from forewalk.settings.loading import dotted, load_settings, settings_to_toml
from forewalk.settings.sections import Settings

ANSWERS = {"audit": 1, "reproduce": 1}  # an exit code that is an answer, too: a leak was found, a run differs
SECRETS = re.compile(r"^(APCA_|ALPACA_|FOREWALK_.*(KEY|SECRET|TOKEN))")
UNWRITABLE = re.compile("[\0\ud800-\udfff]")
OF_TEXTS = ("news.cache", "news.model", "news.poll", "news.feeds")
SERVERS_OWN = ("jobs", "executor", "address", "plugins", "live", "data.cache", "data.url", *OF_TEXTS)
FILES = ("data.path", "data.universe", "data.columns_path", "data.events", "news.path", "evaluation.factors")
BENCHMARK = "evaluation.benchmark"


def check(kind: str, settings: Mapping[str, Any], places: Places, symbols: int) -> None:
    """Refuse what cannot be run, or is of more symbols than the plan allows.

    Raises:
        UsageError: the kind is unknown, a key is missing or not known, a setting is not for members of a team.
        ConfigError: a setting is wrong. DataError: a run or file is not there.
    """
    _refuse_unwritable(settings)
    _words(kind, settings, places, None, None)
    if "run" in settings:
        return
    asked = len(settings_of(settings, places).data.symbols)
    if asked > symbols:
        raise UsageError(f"{asked} symbols were asked for, and the plan is for {symbols}")


def command_of(job: Job, places: Places, folder: Path) -> list[str]:
    """Return the words of a job's command; its settings are written into `folder`. Raises as `check` does."""
    words = _words(job.kind, job.settings, places, folder, run_folder(job, places))
    return [sys.executable, "-P", "-m", f"engine.{job.kind}", *words, "--json", "--progress", "jsonl"]


def run_folder(job: Job, places: Places) -> Path | None:
    """Return the folder of the run that a job makes; None where it makes none."""
    if job.kind != "backtest":
        return None
    moment = re.sub(r"[-:]", "", job.submitted[:19])
    return places.runs / f"{moment}-{_name(job.settings)}-{job.id[:8]}"


def environment_of(places: Places) -> dict[str, str]:
    """Return the environment of a team's commands; keys of accounts are the home team's only."""
    found = {name: text for name, text in os.environ.items() if places.is_home or not SECRETS.match(name)}
    packages = str(Path(engine.__file__).parents[1])
    found["PYTHONPATH"] = os.pathsep.join(filter(None, (packages, found.get("PYTHONPATH"))))
    return found


def _words(
    kind: str, asked: Mapping[str, Any], places: Places, folder: Path | None, run: Path | None
) -> list[str]:
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of job; there are {', '.join(KINDS)}")
    return KINDS[kind](asked, places, folder, run)


def _backtest(asked: Mapping[str, Any], places: Places, folder: Path | None, run: Path | None) -> list[str]:
    return [*_settings(asked, places, folder), *(["--out", str(run)] if run else [])]


def _forecast(asked: Mapping[str, Any], places: Places, folder: Path | None, run: Path | None) -> list[str]:
    log = ["--log", str(places.forecasts)]
    if "run" not in asked:
        return [*_settings(asked, places, folder), *log]
    _only(asked, "run")
    return [str(places.run(_text(asked, "run"))), *log]


def _sweep(asked: Mapping[str, Any], places: Places, folder: Path | None, run: Path | None) -> list[str]:
    from engine.sweep.grid import parse_axis

    _only(asked, "run", "vary")
    vary = asked.get("vary") or []
    if not isinstance(vary, list) or not all(isinstance(axis, str) for axis in vary):
        raise UsageError("vary: give a list of texts, such as strategy.entry=0:0.2:0.01")
    for axis in vary:
        parse_axis(axis)
        if "kind" in axis.partition("=")[0] and not places.is_home:
            raise UsageError(f"{axis}: code of your own is run for whoever started the server only")
    return [str(places.run(_text(asked, "run"))), *(word for axis in vary for word in ("--vary", axis))]


def _of_run(asked: Mapping[str, Any], places: Places, folder: Path | None, run: Path | None) -> list[str]:
    _only(asked, "run")
    return [str(places.run(_text(asked, "run")))]


Builder = Callable[[Mapping[str, Any], Places, Path | None, Path | None], list[str]]
KINDS: dict[str, Builder] = {
    "backtest": _backtest,
    "forecast": _forecast,
    "sweep": _sweep,
    "audit": _of_run,
    "reproduce": _of_run,
}


def settings_of(asked: Mapping[str, Any], places: Places) -> Settings:
    """Return the settings that somebody of a team asks for. Raises as `check` does."""
    _refuse_unwritable(asked)
    flat = dotted(asked)
    flat = _at_home(flat, places) if places.is_home else _as_member(flat, places)
    settings = load_settings(overrides=flat)
    if settings.own_code and not places.is_home:
        own = settings.own_code[0][1]
        raise UsageError(f"{own}: code of your own is run for whoever started the server only")
    return settings


def _refuse_unwritable(asked: Any) -> None:
    """Refuse texts that no file and no answer can hold: half a character, or a zero."""
    if isinstance(asked, Mapping):
        asked = [*asked.keys(), *asked.values()]
    if isinstance(asked, list | tuple):
        for each in asked:
            _refuse_unwritable(each)
    elif isinstance(asked, str) and UNWRITABLE.search(asked):
        raise UsageError("a text holds a zero or half a character (a lone surrogate); send plain UTF-8")


def _settings(asked: Mapping[str, Any], places: Places, folder: Path | None) -> list[str]:
    """Check the settings; write them whole into the folder of the job, and return the words that name the file."""
    settings = settings_of(asked, places)
    if folder is None:
        return []
    file = folder / "settings.toml"
    file.write_text(settings_to_toml(settings), encoding="utf-8")
    return ["--config", str(file)]


def _at_home(flat: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """Return settings in which the plain name of an uploaded file leads to it; every other path is left as it is."""
    found = dict(flat)
    for key in (*FILES, BENCHMARK):
        name = flat.get(key)
        if not isinstance(name, str) or not NAME.fullmatch(name) or not (places.uploads / name).is_file():
            continue
        if (places.home / name).exists():
            raise UsageError(
                f"{key}: {name} is an uploaded file and one in {places.home}; give its whole path"
            )
        found[key] = str(places.uploads / name)
    return found


def _as_member(flat: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """Return settings whose files are the team's uploads, by name; refuse those that are the server's own."""
    for key in flat:
        if any(key == own or key.startswith(f"{own}.") for own in SERVERS_OWN):
            raise UsageError(f"{key} is set by whoever started the server")
    named = [key for key in FILES if flat.get(key) is not None]
    if is_file(str(flat.get(BENCHMARK, ""))):  # else a symbol
        named.append(BENCHMARK)
    return {**flat, **{key: str(places.upload(str(flat[key]))) for key in named}}


def _name(settings: Mapping[str, Any]) -> str:
    default: str = Settings.model_fields["name"].default
    return str(settings.get("name", default))


def _only(asked: Mapping[str, Any], *known: str) -> None:
    for key in asked:
        if key not in known:
            raise UsageError(f"{key!r} is not known here; there are {', '.join(known)}")


def _text(asked: Mapping[str, Any], key: str) -> str:
    value = asked.get(key)
    if not isinstance(value, str):
        raise UsageError(f"{key}: name a run")
    return value
