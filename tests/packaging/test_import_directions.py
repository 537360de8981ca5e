"""Imports go one way, in no circle, and heavy libraries stay in the files made for them.

An import counts wherever it stands: one inside a function, or only for the type checker, is a dependency too.
What stands under `if __name__ == "__main__"` is not: it is a command that happens to be in the same file.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("engine", "strategies", "models", "broker")

# Lowest first; a module may import from its own layer and the ones below. The longest name that fits counts.
LAYERS = (
    ("engine.types", "engine.errors", "engine.config", "engine.config_base", "engine.config_live"),
    ("engine.data", "engine.features", "engine.folds", "engine.sessions"),
    ("models",),
    ("strategies", "broker"),
    ("engine",),  # walkforward, simulate, evaluation and whatever else is not a command
    (
        "engine.backtest",
        "engine.live",
        "engine.live_simulator",
        "engine.web",
        "engine.cli",
        "engine.cli_live",
        "engine.console",
        "engine.reproduce",
    ),
)

HOMES = {
    "torch": ("models/",),
    "backtrader": (
        "strategies/indicator.py",
        "strategies/signal.py",
        "engine/simulate.py",
        "engine/feeds.py",
        "engine/account.py",
        "broker/capture.py",
    ),
    "alpaca": ("broker/alpaca.py", "broker/alpaca_stream.py", "engine/data/alpaca.py"),
    "quantstats": ("engine/report.py",),
}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


def imports(name, tree, known):
    """Yield the dotted names that a module imports; `from a import b` is `a.b` where that is a module."""
    package = name if FILES.get(name, Path()).name == "__init__.py" else name.rpartition(".")[0]
    statements = [node for node in tree.body if not is_main_block(node)]
    for node in (inner for statement in statements for inner in ast.walk(statement)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(filter(None, [*package.split(".")[: 1 - node.level or None], base]))
            for alias in node.names:
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base


def is_main_block(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def imports_of(name):
    return set(imports(name, ast.parse(FILES[name].read_text(encoding="utf-8")), FILES))


def layer(name):
    fits = [
        (len(prefix), height)
        for height, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if name == prefix or name.startswith(prefix + ".")
    ]
    return max(fits)[1]


@pytest.mark.parametrize("name", FILES)
def test_a_module_imports_from_its_own_layer_or_below(name):
    upwards = {other for other in imports_of(name) & set(FILES) - {"engine"} if layer(other) > layer(name)}
    assert upwards == set()


def test_there_is_no_circle_of_imports():
    graph = {name: imports_of(name) & set(FILES) - {name} for name in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize("library", HOMES)
def test_a_heavy_library_stays_in_the_files_made_for_it(library):
    users = {
        path.relative_to(ROOT).as_posix()
        for name, path in FILES.items()
        if any(other == library or other.startswith(library + ".") for other in imports_of(name))
    }
    assert {user for user in users if not user.startswith(HOMES[library])} == set()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import torch.nn", "torch.nn"),
        ("from engine import config", "engine.config"),
        ("from engine.config import Settings", "engine.config"),
        ("def f():\n    import models", "models"),
        ("from . import errors", "engine.errors"),
        ("from .errors import DataError", "engine.errors"),
    ],
)
def test_the_reader_of_imports_sees_every_form(line, found):
    assert list(imports("engine.types", ast.parse(line), {"engine.config", "engine.errors"})) == [found]


def test_the_start_of_a_command_is_no_dependency_of_its_module():
    command = "import json\nif __name__ == '__main__':\n    from engine.cli import run"
    assert list(imports("engine.backtest", ast.parse(command), {"engine.cli"})) == ["json"]


def test_the_layers_are_in_the_order_of_the_design():
    upwards = ["engine.types", "engine.data.files", "models", "broker.orders", "engine.audit", "engine.cli"]
    assert [layer(name) for name in upwards] == list(range(len(LAYERS)))
