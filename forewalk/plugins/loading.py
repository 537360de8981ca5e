"""Import what `package.module:Name` stands for.

Modules are looked for in the folder of the settings (`plugins`), then in the current folder, then wherever Python
finds modules; a file that Python would pass over, because a module of the same name comes first, is refused.
"""

from __future__ import annotations

import difflib
import importlib.util
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from forewalk.errors import ConfigError, PluginError
from forewalk.plugins.failures import failure
from forewalk.plugins.reads import inside
from forewalk.plugins.sources import Source, hash_of, own_files, place_of
from forewalk.settings.base import OWN_NAME

FRESH_S = 2.0

_STARTED = time.time()
_importing: list[str] = []
_added: list[str] = []  # folders that stand at the end of sys.path for the sake of plug-ins
_known: dict[str, tuple[ModuleSpec | None, str]] = {}  # module -> what it was imported as, with which hash


@dataclass(frozen=True, eq=False)
class Plugin:
    """What a name stands for, and where it comes from."""

    source: Source
    value: Any


def load_plugin(name: str, setting: str, folder: Path | None = None) -> Plugin:
    """Import what `module:Name` stands for.

    A file that has changed since this process imported it is imported again, with every file of the user's own
    that it needs: what runs is what the hash is of.

    Args:
        name: `package.module:Name`; `Name` may have dots.
        setting: for messages: the setting that names it.
        folder: looked into before the current folder; None for none.

    Raises:
        ConfigError: there is no such module or name; the nearest one is named.
        PluginError: the module raised while it was imported.
    """
    module_name, _, attribute = name.partition(":")
    source = source_of(name, setting, folder)
    files, folders = source.files, _own_folders(folder)
    if _is_outdated(module_name, source):
        for top in {inside.partition("/")[0].removesuffix(".py") for inside, _ in files}:
            _forget(top)
    _drop_bytecode(files)
    module = _import(module_name, folders, source)
    _known[module_name] = (module.__spec__, source.sha256)
    source = replace(source, file=getattr(module, "__file__", None) or "Python itself")
    return Plugin(source, _attribute(module, attribute, source))


def source_of(name: str, setting: str, folder: Path | None = None) -> Source:
    """Return the source that `load_plugin` would import, without running any of it; no files where there are none.

    Raises:
        ConfigError: it is no name, or another module hides the user's file.
    """
    if not OWN_NAME.fullmatch(name):
        raise ConfigError(f"{setting} = {name!r}: write it as module:Name, e.g. my_module:my_function")
    module_name = name.partition(":")[0]
    folders = _own_folders(folder)
    asked = Source(setting, name, f"module {module_name}", "", ())
    _check_place(module_name, folders, asked)
    files = own_files(module_name)
    return replace(asked, sha256=hash_of(files), files=files)


def name_of(value: Any) -> str:
    """Return the name under which a function or class can be imported again, `module:Name`.

    What a script defines is found again under the name of its file.

    Raises:
        ConfigError: it cannot be: it is defined in a notebook, at a prompt, or within a function.
    """
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not module or not name:
        raise ConfigError(f"{value!r} has no name; give a function or a class of a module")
    if "<" in name:
        raise ConfigError(f"{name} is defined within a function, {_NOT_THERE}")
    if module == "__main__":
        script = _script_module()
        if script is None:
            raise ConfigError(
                f"{name} is defined in the notebook or at the prompt itself, {_NOT_THERE} (in a notebook: a cell "
                "that begins with %%writefile my_module.py, then `import my_module`)"
            )
        module = script
    return f"{module}:{name}"


_NOT_THERE = "where no worker process and no audit can import it; put it into a file of its own, my_module.py"


def _script_module() -> str | None:
    """Return the name under which the running script can be imported, None where there is no script."""
    main = sys.modules["__main__"]
    if main.__spec__ is not None:  # python -m package.module
        return main.__spec__.name
    file = Path(getattr(main, "__file__", None) or "")
    return file.stem if file.suffix == ".py" and file.stem.isidentifier() else None


def _own_folders(folder: Path | None) -> list[str]:
    """Put the user's folders at the end of sys.path, the nearest first, and return them."""
    given = [] if folder is None else [str(folder.expanduser().resolve())]
    folders = list(dict.fromkeys([*given, str(Path.cwd())]))
    for old in _added:
        if old in sys.path:
            sys.path.remove(old)
    _added[:] = [path for path in folders if path not in sys.path]
    sys.path.extend(_added)
    importlib.invalidate_caches()
    return folders


def _check_place(name: str, folders: Sequence[str], asked: Source) -> None:
    """Raise ConfigError where Python would take another module than the user's own file.

    A module of the same name from another folder of the user's, imported earlier by this process, is forgotten.
    """
    top = name.partition(".")[0]
    mine = PathFinder.find_spec(top, folders)
    taken = None if top in sys.stdlib_module_names else PathFinder.find_spec(top)
    if mine is not None and (taken is None or place_of(taken) != place_of(mine)):
        other = place_of(taken) or "a module of Python itself"
        raise ConfigError(f"{asked}: {place_of(mine)} is hidden by {other}; give your file another name")
    loaded, ours = sys.modules.get(top), any(known.partition(".")[0] == top for known in _known)
    if loaded is not None and (mine is not None or ours) and place_of(loaded.__spec__) != place_of(taken):
        _forget(top)


def is_importing() -> bool:
    """Whether a file of the user's own is being imported at this moment, by `load_plugin`."""
    return bool(_importing)


def _import(name: str, folders: Sequence[str], source: Source) -> ModuleType:
    _importing.append(name)
    try:
        with inside(source):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(_no_module(name, folders, source)) from None
        raise PluginError(failure(source, error)) from error
    except (Exception, SystemExit) as error:
        raise PluginError(failure(source, error)) from error
    finally:
        _importing.pop()


def _no_module(name: str, folders: Sequence[str], asked: Source) -> str:
    package, _, last = name.rpartition(".")
    inside = [Path(folder, *package.split(".")) for folder in folders]
    there = {path.stem for folder in inside for path in folder.glob("*.py")}
    there |= {path.parent.name for folder in inside for path in folder.glob("*/*.py")}
    near = difflib.get_close_matches(last, sorted(there), n=1, cutoff=0.5)
    hint = f"; did you mean {'.'.join(filter(None, [package, near[0]]))!r}?" if near else ""
    return f"{asked}: no module {name!r} in {' or '.join(folders)}, and none is installed{hint}"


def _attribute(module: ModuleType, path: str, source: Source) -> Any:
    value: Any = module
    for part in path.split("."):
        if not hasattr(value, part):
            names = [name for name in vars(value) if not name.startswith("_")]
            near = difflib.get_close_matches(part, names, n=1, cutoff=0.5)
            own = [name for name in names if getattr(vars(value)[name], "__module__", "") == module.__name__]
            hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(own[:10]) or 'nothing'}"
            raise ConfigError(f"{source}: {source.file} has no {part!r}; {hint}")
        value = getattr(value, part)
    return value


def _is_outdated(name: str, source: Source) -> bool:
    """Whether the files may have been edited since this process imported them."""
    module = sys.modules.get(name)
    if module is None:
        return False
    spec, before = _known.get(name, (None, ""))
    if spec is module.__spec__:
        return before != source.sha256
    return any(Path(path).stat().st_mtime > _STARTED for _, path in source.files)  # somebody else imported it


def _forget(top: str) -> None:
    for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
        del sys.modules[name]
        _known.pop(name, None)


def _drop_bytecode(files: Sequence[tuple[str, str]]) -> None:
    """Remove compiled files of sources written just now: Python knows an edit by size and whole seconds only."""
    for _, path in files:
        if path.endswith(".py") and abs(time.time() - Path(path).stat().st_mtime) < FRESH_S:
            Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)
