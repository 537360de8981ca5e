"""The plan of the house in numbers: `python -m benchmarks.house` (nothing is timed, nothing is run).

The largest folders, files, classes and functions of the product's code, and whether any import runs upwards.
`tests/packaging/test_house.py` holds the limits; the table in CONTRIBUTING.md is what this prints.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("forewalk", "models", "strategies", "broker", "engine")
KINDS = {"class": ast.ClassDef, "function": ast.FunctionDef | ast.AsyncFunctionDef}


@dataclass(frozen=True)
class Measured:
    """One thing of the code: its kind, where it is, and its size (entries of a folder, lines of all else)."""

    kind: str
    where: str
    size: int


def measured() -> list[Measured]:
    """Return every folder, file, class and function of the packages, the largest of each kind first."""
    found = [*_folders(), *_files()]
    return sorted(found, key=lambda thing: (thing.kind, -thing.size, thing.where))


def _folders() -> Iterator[Measured]:
    for package in PACKAGES:
        for folder in [ROOT / package, *(ROOT / package).rglob("*/")]:
            entries = [
                e for e in folder.iterdir() if not e.name.startswith(("__", ".")) and e.name != "py.typed"
            ]
            if entries and "__pycache__" not in folder.parts:
                yield Measured("folder", f"{folder.relative_to(ROOT)}/", len(entries))


def _files() -> Iterator[Measured]:
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        text, where = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        yield Measured("file", where, len(text.splitlines()))
        for node in ast.walk(ast.parse(text)):
            for kind, sort in KINDS.items():
                if isinstance(node, sort):
                    assert node.end_lineno is not None
                    yield Measured(kind, f"{where}: {node.name}", node.end_lineno - node.lineno + 1)


def upward_imports() -> str:
    """Return what import-linter says about .importlinter, in one line."""
    linter = Path(sys.executable).parent / "lint-imports"
    said = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return next((line for line in said.splitlines() if line.startswith("Contracts:")), said)


def main(top: int = 3) -> None:
    """Print a table in Markdown."""
    things = measured()
    print("| Largest | | |\n|---|---|---|")
    for kind, unit in {"folder": "things", "file": "lines", "class": "lines", "function": "lines"}.items():
        for thing in [thing for thing in things if thing.kind == kind][:top]:
            print(f"| {kind} | `{thing.where}` | {thing.size} {unit} |")
    files = [thing for thing in things if thing.kind == "file"]
    functions = sorted(thing.size for thing in things if thing.kind == "function")
    median, ninth = functions[len(functions) // 2], functions[len(functions) * 9 // 10]
    print(f"\n{len(files)} files, {sum(file.size for file in files):,} lines; function lines: ", end="")
    print(f"median {median}, nine in ten at most {ninth}.\nImports: {upward_imports()}")


if __name__ == "__main__":
    main()
