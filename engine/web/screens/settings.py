"""The settings of a backtest as the fields of a form, made from the settings tree itself."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from forewalk.errors import UsageError
from forewalk.settings.base import Chosen
from forewalk.settings.choices import SOURCES
from forewalk.settings.loading import value_of
from forewalk.settings.sections import Settings

SECTIONS = ("data", "features", "label", "folds", "model", "strategy", "execution", "evaluation")
OF_THE_RUN = ("name", "seed")
IN_A_FILE = frozenset(
    ("data.url", "data.options", "features.extra", "model.params", "strategy.params", "evaluation.benchmark")
)  # addresses, what code of one's own is given, and what may be a path; every path is one of these by its type
OF_FILES = ("files", "csv", "parquet")  # sources that read `data.path`
LONGEST = 1000  # characters of one field
SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


@dataclass(frozen=True)
class Field:
    """One setting in the form.

    Attributes:
        name: dotted. help: its docstring in parts, every second of which is code. default: as the command line takes
        it. choices: what can be chosen, () where it is typed. limits: in signs, "" for none.
        is_number: whether digits are enough to type it.
    """

    name: str
    help: tuple[str, ...]
    default: str
    choices: tuple[str, ...]
    limits: str
    is_number: bool


@dataclass(frozen=True)
class Part:
    """One section of the form.

    Attributes:
        name: dotted. about: what it is about, in a sentence. help: the rest of its docstring, as a field has it.
        fields: its own. in_a_file: the settings that only a file sets.
    """

    name: str
    about: str
    help: tuple[str, ...]
    fields: tuple[Field, ...]
    in_a_file: tuple[str, ...]


def form(defaults: Settings) -> tuple[Part, ...]:
    """Return the sections of the form; `defaults` are the settings of a run of which nothing is asked."""
    run = Part("run", "Its name, and its seed.", (), tuple(_fields(defaults, "", OF_THE_RUN)), ())
    parts = [part for name in SECTIONS for part in _parts(getattr(defaults, name), name)]
    return (run, *parts)


def asked(sent: Iterable[tuple[str, object]], known: Iterable[str]) -> dict[str, Any]:
    """Return the settings that a form asks for, read as `--set` reads them; blank fields ask for nothing.

    Args:
        sent: what the browser sent: (dotted name, text). known: names of the form's fields.

    Raises:
        UsageError: a field is not of the form, is there twice, is no text or is too long.
    """
    names = frozenset(known)
    seen: set[str] = set()
    found: dict[str, Any] = {}
    for name, text in sent:
        if name not in names:
            raise UsageError(f"{name[:80]!r} is not set on this page; a settings file may")
        if not isinstance(text, str) or len(text) > LONGEST:
            raise UsageError(f"{name}: write at most {LONGEST} characters")
        if name in seen:
            raise UsageError(f"{name} is given twice; give it once")
        seen.add(name)
        if text.strip():
            found[name] = _plain(value_of(text.strip()))
    return found


def refuse_own_code(settings: Settings) -> None:
    """Refuse code of the user's own, which no page names.

    Raises:
        UsageError: there is some.
    """
    for name, own in settings.own_code:
        raise UsageError(f"{name} = {own!r}: code of your own is named in a settings file, not on this page")


def blamed(said: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the fields that a message is about: those that begin one of its sentences."""
    return tuple(name for name in names if re.search(rf"(^|; ){re.escape(name)}(\.\S+)?( =|:| is)", said))


def _parts(section: BaseModel, name: str) -> Iterator[Part]:
    kind = type(section)
    plain = [key for key in kind.model_fields if not isinstance(getattr(section, key), BaseModel)]
    schema = kind.model_json_schema()["properties"]
    kept = [key for key in plain if f"{name}.{key}" in IN_A_FILE or _is_path(schema[key])]
    fields = tuple(_fields(section, f"{name}.", [key for key in plain if key not in kept]))
    about, stop, rest = _one_line(kind.__doc__).partition(". ")
    told = tuple(rest.split("`")) if rest else ()
    yield Part(name, about + stop.strip(), told, fields, tuple(f"{name}.{key}" for key in kept))
    for key in kind.model_fields:
        if key not in plain:
            yield from _parts(getattr(section, key), f"{name}.{key}")


def _fields(section: BaseModel, prefix: str, keys: Iterable[str]) -> Iterator[Field]:
    schema = type(section).model_json_schema()["properties"]
    for key in keys:
        value = getattr(section, key)
        told = _one_line(type(section).model_fields[key].description)
        options = schema[key].get("anyOf", [schema[key]])
        yield Field(
            prefix + key,
            tuple(told.split("`")),
            _written(value),
            _choices(section, prefix + key, options, value is None),
            ", ".join(_limits(options[0])),
            options[0].get("type") in ("integer", "number")
            and len(options) == 1
            and not _may_be_negative(options[0]),
        )


def _choices(
    section: BaseModel, name: str, options: list[dict[str, Any]], none_is_default: bool
) -> tuple[str, ...]:
    if name == "data.source":
        return tuple(source for source in SOURCES if source not in OF_FILES)
    if isinstance(section, Chosen) and name.endswith(".kind"):
        return tuple(section.built_in)
    found = options[0].get("enum", ["true", "false"] if options[0].get("type") == "boolean" else [])
    none = ["none"] if found and len(options) > 1 and not none_is_default else []
    return (*map(str, found), *none)


def _is_path(schema: Mapping[str, Any]) -> bool:
    return any(option.get("format") == "path" for option in schema.get("anyOf", [schema]))


def _may_be_negative(schema: Mapping[str, Any]) -> bool:
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    return least is None or least < 0


def _limits(schema: Mapping[str, Any]) -> Iterator[str]:
    for key, sign in SIGNS.items():
        if key in schema:
            yield f"{sign} {schema[key]:.12g}"


def _written(value: object) -> str:
    """Write a value as `--set` reads it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, tuple | list):
        inside = ", ".join(map(_written, value))
        return inside if value and all(isinstance(each, str) for each in value) else f"[{inside}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key} = {_written(each)}' for key, each in value.items())}}}"
    return str(value)


def _plain(value: Any) -> Any:
    """Return a value of TOML as one of JSON: its dates are texts there."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
