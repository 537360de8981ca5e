"""The source behind a plug-in: which files it is made of, and their hash.

Known by hash are the module and every file of the user's own that it imports, so that a run can say which source it
was made with. Files of libraries are not among them, nor what is imported by a name made at run time.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

HOUSE = ("forewalk", "engine", "strategies", "models", "broker")

_ROOT = Path(__file__).resolve().parents[2]
_LIBRARIES = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")})


@dataclass(frozen=True)
class Source:
    """Where a plug-in comes from.

    Attributes:
        setting: the setting that names it, e.g. "features.extra".
        name: as written there, e.g. "my_module:my_features".
        file: of the module, absolute.
        sha256: over the paths and bytes of `files`.
        files: the module and every file of the user's own that it imports, each as
            (path from the folder of its package, absolute path), sorted.
    """

    setting: str
    name: str
    file: str
    sha256: str
    files: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.setting} = {self.name!r}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; `files` maps the path within the package to the absolute one."""
        return {**asdict(self), "files": dict(self.files)}


def hashes(sources: Sequence[Source]) -> dict[str, str]:
    """Return the hash of each plug-in by setting and name; bars have a fingerprint, their source counts no more."""
    return {str(source): source.sha256 for source in sources if not source.setting.startswith("data.")}


def own_files(module: str) -> tuple[tuple[str, str], ...]:
    """Return the file of a module and of every module of the user's own that it imports, without running any.

    It does not matter where an import stands. Files of the package that the module itself belongs to count as the
    user's own, also where that is installed as a library.
    """
    top = module.partition(".")[0]
    found: dict[str, str] = {}
    waiting = _with_parents(module)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _path_of(name, top)
        if path is None or not path.is_file():
            continue
        is_package = path.stem == "__init__"
        inside = name.replace(".", "/") + ("/__init__" if is_package else "") + path.suffix
        found[inside] = str(path)
        package = name if is_package else name.rpartition(".")[0]
        waiting += [each for target in _imports(path, package) for each in _with_parents(target)]
    return tuple(sorted(found.items()))


def _path_of(name: str, top: str) -> Path | None:
    """Return the file of a module, or the folder of a package without `__init__.py`; nothing is run.

    None for one that is not the user's own, unless it belongs to the package `top`, and for one that is not there.
    """
    first, *rest = name.split(".")
    if first in HOUSE or first in sys.stdlib_module_names:
        return None
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):  # `__main__` has none
        return None
    if not place_of(spec) or (first != top and not is_own_file(place_of(spec))):
        return None
    path = Path(place_of(spec))
    for part in rest:
        folder = path.parent if path.stem == "__init__" else path
        ways = (folder / part / "__init__.py", folder / f"{part}.py", folder / part)
        found = next((way for way in ways if way.exists()), None)
        if found is None:
            return None
        path = found
    return path


def place_of(spec: ModuleSpec | None) -> str:
    """Return the file of a module, or the folder of a package without `__init__.py`."""
    if spec is None:
        return ""
    place = spec.origin or next(iter(spec.submodule_search_locations or ()), "")
    return str(Path(place).resolve()) if place else ""


def _imports(file: Path, package: str) -> Iterator[str]:
    """Yield the full names that a Python file imports; names within a module are yielded too, and not found."""
    if file.suffix != ".py":
        return
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts)) if all(parts[: count + 1])]


def is_own_file(path: str) -> bool:
    """Whether a path is neither a library's nor this project's; frames without a file are not."""
    if not path or path.startswith("<") or "site-packages" in Path(path).parts:
        return False
    resolved = Path(path).resolve()
    if any(resolved.is_relative_to(folder) for folder in _LIBRARIES):
        return False
    return not is_house_file(path)


def is_house_file(path: str) -> bool:
    """Whether a path is a file of this project's packages."""
    resolved = Path(path).resolve()
    return any(resolved.is_relative_to(_ROOT / package) for package in HOUSE)


def hash_of(files: Sequence[tuple[str, str]]) -> str:
    """Return sha256 over the paths within the packages and the bytes of some files."""
    digest = hashlib.sha256()
    for inside, path in files:
        content = Path(path).read_bytes()
        digest.update(f"{inside} {len(content)} ".encode() + content)
    return digest.hexdigest()
