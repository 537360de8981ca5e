"""Settings from defaults, a TOML file, the environment and the command line."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from forewalk.errors import ConfigError
from forewalk.settings.sections import Settings

ENV_PREFIX = "FOREWALK_"


ENV_RESERVED = frozenset({"FOREWALK_SHARED_DATA"})  # read by the tests, not a setting


def load_settings(
    path: Path | None = None,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Build the settings from defaults, a TOML file, the environment and `a.b=c` overrides.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, a value is not allowed.
    """
    tree = _read_toml(path) if path else {}
    for name, value in sorted((os.environ if environment is None else environment).items()):
        if name.startswith(ENV_PREFIX) and name not in ENV_RESERVED:
            _put(tree, name[len(ENV_PREFIX) :].lower().split("__"), value, source=name)
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {override!r}: write it as section.key=value, e.g. model.hidden_size=64")
        _put(tree, key.strip().split("."), value.strip(), source=f"--set {override}")
    return settings_from(tree, source=str(path) if path else None)


def settings_from(tree: Mapping[str, Any], source: str | None = None) -> Settings:
    """Validate a plain tree; the first problem becomes one ConfigError naming key, value and remedy."""
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        problems = [_explain(dict(item)) for item in error.errors(include_url=False)]
        where = f"{source}: " if source else ""
        raise ConfigError(where + "; ".join(problems)) from None


def settings_to_toml(settings: Settings) -> str:
    """Return the complete settings as TOML that `load_settings` reads back to an equal tree."""
    import tomli_w

    return tomli_w.dumps(_without_none(settings.model_dump(mode="json")))


def _without_none(tree: dict[str, Any]) -> dict[str, Any]:
    # TOML has no null; a field whose default is not None but is set to None is written as "none".
    return {
        key: _without_none(value) if isinstance(value, dict) else ("none" if value is None else value)
        for key, value in tree.items()
    }


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return dict(_nones(tomllib.loads(path.read_text(encoding="utf-8"))))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _nones(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nones(item) for key, item in value.items()}
    return None if value == "none" else value


def _put(tree: dict[str, Any], keys: Sequence[str], text: str, source: str) -> None:
    for key in keys[:-1]:
        branch = tree.setdefault(key, {})
        if not isinstance(branch, dict):
            raise ConfigError(f"{source}: {key!r} is a value, not a section")
        tree = branch
    tree[keys[-1]] = _parse_value(text)


def _parse_value(text: str) -> Any:
    """Read a TOML value; anything else is a plain string, and `none` is no value."""
    try:
        return _nones(tomllib.loads(f"value = {text}")["value"])
    except tomllib.TOMLDecodeError:
        return None if text == "none" else text


def _explain(problem: dict[str, Any]) -> str:
    location = tuple(str(part) for part in problem["loc"])
    key = ".".join(location)
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {key!r}{_nearest(location)}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{key}: {message}" if key else message
    return f"{key} = {problem['input']!r}: {message[:1].lower()}{message[1:]}"


def _nearest(location: Sequence[str]) -> str:
    section: type[BaseModel] = Settings
    for part in location[:-1]:
        annotation = section.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return ""
        section = annotation
    names = list(section.model_fields)
    close = difflib.get_close_matches(location[-1], names, n=1, cutoff=0.5)
    prefix = ".".join(location[:-1])
    if close:
        return f"; did you mean {'.'.join(filter(None, [prefix, close[0]]))!r}?"
    elsewhere = _section_holding(location[-1])
    if elsewhere:
        return f"; did you mean {elsewhere!r}?"
    return f"; {prefix or 'the top level'} has: {', '.join(names)}"


def _section_holding(name: str) -> str | None:
    for section_name, field in Settings.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            close = difflib.get_close_matches(name, list(annotation.model_fields), n=1, cutoff=0.8)
            if close:
                return f"{section_name}.{close[0]}"
    return None
