"""The plug-ins of one run: loaded once, held to the source they had then, and written down.

Who edits a file while a run is at work changes nothing in it: this process keeps what it has imported, and a worker
that finds another source refuses to go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forewalk.errors import PluginError
from forewalk.plugins.loading import Plugin, load_plugin, source_of
from forewalk.plugins.sources import Source, is_own_file
from forewalk.settings.sections import Settings

FOLDER = "plugins"  # of a run, with the source as it was

_held: dict[tuple[str, str], Plugin] = {}  # (setting, name) -> what the run at work goes on with


@dataclass(frozen=True)
class Own:
    """The plug-ins of a run.

    Attributes:
        sources: of every plug-in that the settings name, in their order.
        files: path within its package -> bytes, of all of them, as they were when they were loaded.
    """

    sources: tuple[Source, ...] = ()
    files: Mapping[str, bytes] | None = None

    def manifest(self) -> list[dict[str, Any]]:
        """Return what a run writes down about them, JSON-able."""
        return [source.to_dict() for source in self.sources]

    def write(self, folder: Path) -> None:
        """Write the source as it was into `folder`; nothing where there is none."""
        for inside, content in (self.files or {}).items():
            path = folder / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def plugin_of(settings: Settings, setting: str, name: str) -> Plugin:
    """Return a plug-in of the settings: the one that the run at work holds, else freshly loaded."""
    return held_plugin(setting, name, settings.plugins)


def held_plugin(setting: str, name: str, folder: Path | None = None) -> Plugin:
    """Return the plug-in that the run at work holds, else freshly loaded; see `load_plugin`."""
    there = _held.get((setting, name))
    return there if there is not None else load_plugin(name, setting, folder)


def sources_of(settings: Settings) -> tuple[Source, ...]:
    """Return the sources of all plug-ins of the settings without running them; ConfigError where one is not there."""
    sources = []
    for setting, name in settings.own_code:
        source = source_of(name, setting, settings.plugins)
        sources.append(source if source.files else load_plugin(name, setting, settings.plugins).source)
    return tuple(sources)


def same_plugin(name: str, setting: str, folder: Path | None, expected: Source | None = None) -> Plugin:
    """Return a plug-in, held or loaded; PluginError where its source is not the one that is expected."""
    plugin = held_plugin(setting, name, folder)
    _check((plugin.source,), () if expected is None else (expected,))
    return plugin


@contextmanager
def held(settings: Settings, expected: Sequence[Source] = ()) -> Iterator[Own]:
    """Load every plug-in that the settings name and keep to it inside; within another `held` that one counts.

    Args:
        settings: whose plug-ins.
        expected: what they were where the run began; none where it begins here.

    Raises:
        ConfigError: one is not there. PluginError: one raised while it was imported, or is not what was expected.
    """
    plugins = {key: plugin_of(settings, *key) for key in settings.own_code}
    sources = tuple(plugin.source for plugin in plugins.values())
    _check(sources, expected)
    own = Own(
        sources, {inside: Path(path).read_bytes() for source in sources for inside, path in source.files}
    )
    before = dict(_held)
    _held.update(plugins)
    try:
        yield own
    finally:
        _held.clear()
        _held.update(before)


def _check(sources: Sequence[Source], expected: Sequence[Source]) -> None:
    before = {(source.setting, source.name): source.sha256 for source in expected}
    for source in sources:
        then = before.get((source.setting, source.name), source.sha256)
        if then != source.sha256:
            raise PluginError(
                f"{source}: {source.file} is not what the run began with (sha256 {then[:12]} then, "
                f"{source.sha256[:12]} here); leave the files alone while it is at work, and run it again"
            )


def settled(settings: Settings, own: Own) -> Settings:
    """Return the settings with the folder in which their plug-ins were found, so that they are found again."""
    roots = {
        Path(path).parents[len(Path(inside).parts) - 1]
        for source in own.sources
        for inside, path in source.files
        if is_own_file(path)
    }
    return settings.model_copy(update={"plugins": roots.pop()}) if len(roots) == 1 else settings


def changed_since(manifest: Mapping[str, Any], sources: Sequence[Source]) -> list[str]:
    """Return, in words, which plug-ins have another source than the one a run's manifest names."""
    then = {(entry["setting"], entry["name"]): entry["sha256"] for entry in manifest.get("plugins", ())}
    return [
        f"{source.name} of {source.setting} ({source.file})"
        for source in sources
        if then.get((source.setting, source.name)) != source.sha256
    ]
