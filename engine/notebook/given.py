"""What a notebook user hands over, as what the engine takes: settings, and bars in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forewalk.errors import ConfigError, DataError, UsageError
from forewalk.settings.loading import STORED_BARS, dotted
from forewalk.settings.loading import load_settings as read_settings
from forewalk.settings.sections import DataSettings, Settings

if TYPE_CHECKING:
    from forewalk.data.table import Table
    from forewalk.types import Bars

Given = Settings | str | Path | Mapping[str, Any] | None  # what stands for settings

_SUFFIXES = {".csv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet"}


def load_settings(given: Given = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of a `Settings`, a TOML file, or a dict with dotted or nested keys.

    Defaults and the environment (`FOREWALK_MODEL__SEEDS=1`) apply as on the command line, except to a `Settings`,
    which is complete. `overrides`, by dotted keys, win over all of them. Functions and classes of the user's own may
    stand for their names: {"features.extra": [my_module.my_feature]}.

    Raises:
        ConfigError: as on the command line, with the same message.
    """
    more = _named(overrides or {})
    if isinstance(given, Settings):
        tree = dotted(given.model_dump(exclude_unset=True))
        return read_settings(overrides={**tree, **more}, environment={}) if more else given
    if isinstance(given, str | Path):
        return read_settings(Path(given).expanduser(), more)
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(
            f"settings = {given!r}: give Settings, the path of a TOML file, or a dict such as "
            "{'model.seeds': 1}"
        )
    return read_settings(overrides={**_named(dotted(given or {})), **more})


def _chosen(bars: Bars, settings: Settings) -> Bars:
    """Return the bars of the symbols, and with the columns, that the settings name."""
    data, wanted = settings.data, settings.features.columns if settings.data.columns_path is None else ()
    if "member" in bars.extras and data.universe is None:
        raise ConfigError(
            "the bars given were read with a universe; name it in the settings too, data.universe = FILE, so that "
            "its members are entered only while they belong"
        )
    missing = [name for name in wanted if name not in bars.extras]
    if missing:
        raise DataError(
            f"the bars given have no column {missing[0]!r}; read them with it, as in "
            f"Bars.from_frame(frame, columns=[{missing[0]!r}]), or name a file in data.columns_path"
        )
    chosen = bars.select(data.symbols) if data.symbols else bars
    from forewalk.data.table import EXTRAS

    kept = [*wanted, *(name for name in EXTRAS if name in chosen.extras)]
    return replace(chosen, extras={name: chosen.extras[name] for name in kept})


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with functions and classes as the names under which any process can import them."""
    return {key: _name(value) for key, value in values.items()}


def _name(value: Any) -> Any:
    from forewalk.plugins.loading import name_of

    if isinstance(value, list | tuple):
        return [_name(item) for item in value]
    return name_of(value) if callable(value) else value


def load_bars(
    path: str | Path | None = None,
    symbols: Sequence[str] | str = (),
    *,
    source: str | None = None,
    start: str | None = None,
    end: str | None = None,
    settings: Given = None,
) -> Bars:
    """Load and clean bars, as `forewalk backtest` does with flags of the same names.

    Args:
        path: a CSV or Parquet file, or a folder with one for each symbol; None takes the source of the settings,
            by default the bundled sample.
        symbols: what to load, in this order; all when empty.
        source: "sample", "csv", "parquet" or "yahoo"; None tells a file by its name.
        start, end: first and last session, YYYY-MM-DD, both included.
        settings: calendar, interval, cleaning and the rest of section `data`; `min_history_bars` counts only where
            it is named, since a backtest asks for it again.

    Returns:
        Bars [T, S]; `notes` say what was found and changed on the way.

    Raises:
        DataError, ConfigError, ConnectionFailed: as on the command line.
    """
    from forewalk.data.loading import load_bars as load
    from forewalk.data.sources.frames import noted

    place = None if path is None else Path(path).expanduser()
    flags = {
        "data.symbols": symbols or None,
        "data.source": source or (None if place is None else kind_of(place)),
        "data.path": None if place is None else str(place.resolve()),
        "data.start": start,
        "data.end": end,
    }
    chosen = load_settings(settings, {key: value for key, value in flags.items() if value is not None})
    data = chosen.data
    if "min_history_bars" not in data.model_fields_set:
        data = data.model_copy(update={"min_history_bars": 1})
    return noted(*load(data, columns=chosen.features.columns))


def kind_of(path: Path) -> str:
    """Return "csv" or "parquet": what a file or the files of a folder are by their names.

    Raises:
        UsageError: they are neither, or a folder has both.
    """
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    kinds = {_SUFFIXES[file.suffix.lower()] for file in inside if file.suffix.lower() in _SUFFIXES}
    if len(kinds) != 1:
        found = "both CSV and Parquet files" if kinds else "neither a CSV nor a Parquet file by its name"
        raise UsageError(f"{path}: {found}; say which with source='csv' or source='parquet'")
    return kinds.pop()


def with_bars(settings: Settings, bars: Bars) -> tuple[Settings, Table]:
    """Return settings whose source is `bars`, and the rows of these.

    Symbols, span, history and the cleaning policies that the settings name apply to them. The rule for outliers,
    where it is not named, only flags: these bars were cleaned when they were read, and cleaning twice could drop
    more.

    Raises:
        ConfigError: calendar or interval of the settings are not those of the bars, or their universe is not named.
        DataError: a symbol or column is not among them, or they are none that the exchange calendar has.
    """
    from forewalk.data.sources.memory import bars_table

    data = settings.data
    for name in ("calendar", "interval"):
        asked, there = getattr(data, name), getattr(bars, name)
        if name in data.model_fields_set and asked != there:
            raise ConfigError(
                f"data.{name} = {asked!r}, but the bars given have {there!r}; leave it out, or read the bars "
                f"with {name}={asked!r}"
            )
    table = bars_table(_chosen(bars, settings))
    rules = data.cleaning.model_dump()
    if "outliers" not in data.cleaning.model_fields_set:
        rules["outliers"] = "flag"
    tree = {
        **data.model_dump(),
        "source": "parquet",
        "path": Path(STORED_BARS),
        "calendar": bars.calendar,
        "calendars": {**data.calendars, **dict(zip(bars.symbols, bars.calendars, strict=False))},
        "interval": bars.interval,
        "cleaning": rules,
    }
    return settings.model_copy(update={"data": DataSettings.model_validate(tree)}), table


def refuse_inside_an_import() -> None:
    """Raise UsageError where the user's own file is being imported, as a plug-in or by a worker process.

    Its classes are needed there, not another run: that would begin this one again, and again.
    """
    from forewalk.compute.pool import in_worker
    from forewalk.plugins.loading import is_importing

    if in_worker() or is_importing():
        raise UsageError(
            "this file is imported for what it defines, and calls for a run meanwhile; put the call under "
            "`if __name__ == '__main__':`"
        )
