"""Settings from defaults, a TOML file, the environment and the command line."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from forewalk.errors import ConfigError
from forewalk.settings.markets import with_preset
from forewalk.settings.sections import Settings

ENV_PREFIX = "FOREWALK_"


ENV_RESERVED = frozenset({"FOREWALK_SHARED_DATA"})  # read by the tests, not a setting


MOVED = {"live.strategy": "strategy.kind now, which backtest, audit and daemon trade alike"}
FORMERLY = {
    "execution": {"borrow_bps_per_year": 0.0, "margin_bps_per_year": 0.0, "volume_known": "bar"}
}  # what a run that names no such setting was made with, where today's default is another
STORED_BARS = "bars.parquet"  # the bars of a run that came from memory, in its folder


def load_settings(
    path: Path | None = None,
    overrides: Sequence[str] | Mapping[str, Any] = (),
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Build the settings from defaults, a TOML file, the environment and overrides.

    `data.path = "bars.parquet"` of a file means the one beside it, if there is one: so a run folder that holds
    its own bars can be moved. The config.toml of a run folder is complete: a setting that it does not name did
    not exist when the run was made, and is read as what the run was made with.

    Args:
        path: a TOML file; None for none.
        overrides: `a.b=c` texts; or values by key, dotted ("model.seeds") or nested ({"model": {"seeds": 1}}).
        environment: variables to read; None means those of the process.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, a value is not allowed.
    """
    tree = _read_toml(path) if path else {}
    if path and path.name == "config.toml" and path.with_name("manifest.json").is_file():
        tree = _of_former(tree)
    for name, value in sorted((os.environ if environment is None else environment).items()):
        if name.startswith(ENV_PREFIX) and name not in ENV_RESERVED:
            _put(tree, name[len(ENV_PREFIX) :].lower().split("__"), value_of(value), source=name)
    if isinstance(overrides, Mapping):
        for key, value in dotted(overrides).items():
            _put(tree, _parts(key), value, source=key)
    else:
        _put_texts(tree, overrides)
    tree = _with_own_paths(
        tree, Path()
    )  # what is still relative was said here, and a stored run says it elsewhere
    settings = settings_from(tree, source=str(path) if path else None)
    return _with_plugin_folder(settings, path) if path else settings


def _of_former(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a stored run, also of one that an earlier version made, as they are read today."""
    former = {
        **tree,
        **{name: {**was, **tree[name]} for name, was in FORMERLY.items() if isinstance(tree.get(name), dict)},
    }
    live = former.get("live")
    if isinstance(live, dict):  # moved settings of a daemon: no backtest ever read them
        gone = {key.removeprefix("live.") for key in MOVED}
        former["live"] = {key: value for key, value in live.items() if key not in gone}
    return former


def _with_plugin_folder(settings: Settings, path: Path) -> Settings:
    """Say in which folder the user's own modules are looked for; one named in a file is relative to the file."""
    if not settings.own_code:
        return settings
    folder = path.parent if settings.plugins is None else path.parent / settings.plugins.expanduser()
    return settings.model_copy(update={"plugins": folder.resolve()})


def _put_texts(tree: dict[str, Any], overrides: Sequence[str]) -> None:
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {override!r}: write it as section.key=value, e.g. model.hidden_size=64")
        _put(tree, _parts(key.strip()), value_of(value.strip()), source=f"--set {override}")


def dotted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by dotted or nested keys as values by dotted keys.

    Raises:
        ConfigError: a key is no text, or is given both ways.
    """
    flat: dict[str, Any] = {}
    for key, value in _leaves(values):
        if key in flat:
            raise ConfigError(f"{key!r} is given twice, dotted and nested; give it once")
        flat[key] = value
    return flat


def _leaves(overrides: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value with its dotted key."""
    for key, value in overrides.items():
        if not isinstance(key, str):
            raise ConfigError(f"the key {key!r} of the settings is no text; write it as 'model.hidden_size'")
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _nones(value)


def settings_from(tree: Mapping[str, Any], source: str | None = None) -> Settings:
    """Validate a plain tree; the first problem becomes one ConfigError naming key, value and remedy."""
    try:
        return Settings.model_validate(with_preset(tree))
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
        tree = dict(_nones(tomllib.loads(path.read_text(encoding="utf-8"))))
        return _with_own_bars(_with_own_paths(tree, path.parent), path.parent)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


_PATHS = {
    "data": ("path", "events", "universe", "columns_path"),
    "evaluation": ("factors",),
    "news": ("path", "model"),
}  # by section


def _with_own_paths(tree: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the tree with the paths of its files as absolute ones: what is relative is relative to the settings."""
    return {
        **tree,
        **{name: _absolute(tree[name], keys, folder) for name, keys in _PATHS.items() if name in tree},
    }


def _absolute(section: Any, keys: Sequence[str], folder: Path) -> Any:
    if not isinstance(section, dict):
        return section
    own = {
        key: section[key]
        for key in keys
        if isinstance(section.get(key), str | Path) and not _is_own_bars(key, section[key])
    }
    found = {key: str((folder / Path(value).expanduser()).resolve()) for key, value in own.items()}
    return {**section, **found}


def _is_own_bars(key: str, value: str | Path) -> bool:
    return key == "path" and str(value) == STORED_BARS  # a run folder's own; see `_with_own_bars`


def _with_own_bars(tree: dict[str, Any], folder: Path) -> dict[str, Any]:
    data, bars = tree.get("data"), folder / STORED_BARS
    if isinstance(data, dict) and data.get("path") == STORED_BARS and bars.is_file():
        return {**tree, "data": {**data, "path": str(bars.resolve())}}
    return tree


def _nones(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nones(item) for key, item in value.items()}
    return None if value == "none" else value


def _parts(key: str) -> list[str]:
    """Return the parts of a dotted key; what follows a table of free names is one name: `data.calendars.7203.T`."""
    parts = key.split(".")
    for depth in range(1, len(parts) - 1):
        if tuple(parts[: depth + 1]) in _TABLES:
            return [*parts[: depth + 1], ".".join(parts[depth + 1 :])]
    return parts


def _tables(section: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the settings that are tables of free names, each by its parts."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _tables(kind, (*prefix, name))
        elif get_origin(kind) in (Mapping, dict) and get_args(kind)[1] is not Any:  # else a tree of its own
            yield (*prefix, name)


_TABLES = frozenset(_tables(Settings))


def _put(tree: dict[str, Any], keys: Sequence[str], value: Any, source: str) -> None:
    for key in keys[:-1]:
        branch = tree.setdefault(key, {})
        if not isinstance(branch, dict):
            raise ConfigError(f"{source}: {key!r} is a value, not a section")
        tree = branch
    tree[keys[-1]] = value


def value_of(text: str) -> Any:
    """Return what `--set key=text` sets: a TOML value; anything else is a plain string, and `none` is no value."""
    try:
        return _nones(tomllib.loads(f"value = {text}")["value"])
    except (ValueError, RecursionError):  # no TOML; or more digits or brackets than Python reads
        return None if text == "none" else text


def _explain(problem: dict[str, Any]) -> str:
    location = tuple(str(part) for part in problem["loc"])
    key = ".".join(location)
    if key in MOVED:
        return f"{key} is {MOVED[key]}"
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
