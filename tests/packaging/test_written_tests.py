"""What holds for every file of tests, read without running it: see "Tests" in CONTRIBUTING.md."""

import ast
import sys
from collections import Counter
from functools import cache
from pathlib import Path

from helpers.making import REPOSITORY

TESTS = REPOSITORY / "tests"
FILES = sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py"))
OURS = {"forewalk", "engine", "models", "strategies", "broker", "benchmarks"}

# What is done all the same, and why.
PRIVATE = {
    (
        "broker/simulator/test_simulator_client_calls.py",
        "client._session",
    ): "alpaca-py cannot be closed otherwise",
    ("faults/test_faults_million.py", "stream._dispatch"): "alpaca-py's own name of what hears a frame",
    ("forewalk/compute/test_cluster.py", "os._exit"): "how a forked process ends",
}
YAHOO = "forewalk/data/conftest.py"  # yfinance's memory is forgotten, and put back after each test
REPLACED = {
    YAHOO: "put back by the fixture",
    "faults/scene.py": "in a forked process, which ends with the test",
    "faults/close_to_post.py": "put back by the context; a program of its own",
    "faults/soak.py": "a program of its own",
    "faults/kill_loop.py": "a program of its own",
    "helpers/clients/mcp_calls.py": "a program of its own",
    "helpers/clients/trade_api_calls.py": "a program of its own",
}
SLEEPS = {"helpers/waiting.py": "by condition", "forewalk/compute/test_cluster.py": "by condition, on a node"}


@cache
def walked(file):
    return list(ast.walk(ast.parse((TESTS / file).read_text(encoding="utf-8"))))


def nodes(file, kind):
    return [node for node in walked(file) if isinstance(node, kind)]


def at(file, node):
    return f"tests/{file}:{node.lineno}: {ast.unparse(node)[:100]}"


def is_private(name):
    return name.startswith("_") and not name.endswith("_")


def imported_modules(file):
    for node in nodes(file, ast.Import | ast.ImportFrom):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        else:
            yield node, node.module


def test_no_two_files_have_one_name():
    counts = Counter(
        Path(file).name for file in FILES if Path(file).name not in ("conftest.py", "__init__.py")
    )
    assert [name for name, count in counts.items() if count > 1] == []


def test_a_file_imports_helpers_and_neighbours_only_so_that_any_folders_can_be_collected_in_any_order():
    """A neighbour is found by the folder that pytest adds for the file itself, a file elsewhere only by luck."""
    everywhere = {Path(file).stem for file in FILES} - OURS - set(sys.stdlib_module_names)
    found = []
    for file in FILES:
        neighbours = {path.stem for path in (TESTS / file).parent.glob("*.py")} - {"conftest"}
        tops = [(node, name.partition(".")[0]) for node, name in imported_modules(file)]
        found += [at(file, node) for node, top in tops if top in everywhere - neighbours]
    assert found == []


def test_no_private_name_is_touched():
    found = [at(file, node) for file in FILES if file != YAHOO for node in private_names(file)]
    assert found == []


def private_names(file):
    for node in nodes(file, ast.Attribute):
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        if is_private(node.attr) and not own and (file, ast.unparse(node)) not in PRIVATE:
            yield node
    yield from (
        node for node in nodes(file, ast.ImportFrom) if any(is_private(alias.name) for alias in node.names)
    )
    for call in nodes(file, ast.Call):
        texts = [
            arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
        ]
        if ast.unparse(call.func).endswith("setattr") and any(
            is_private(text.split(".")[-1]) for text in texts
        ):
            yield call


def test_nothing_is_replaced_that_is_not_put_back():
    found = [at(file, node) for file in FILES if file not in REPLACED for node in replacements(file)]
    assert found == []


def replacements(file):
    """Assignments to attributes and items of what was imported; monkeypatch puts back what it sets."""
    imports = nodes(file, ast.Import | ast.ImportFrom)
    imported = {(alias.asname or alias.name).partition(".")[0] for node in imports for alias in node.names}
    for target in [target for node in nodes(file, ast.Assign) for target in node.targets]:
        root = target
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        if root is not target and isinstance(root, ast.Name) and root.id in imported:
            yield target


def test_waiting_is_by_condition_with_patience():
    found = [at(file, node) for file in FILES for node in impatient(file)]
    assert found == []


def impatient(file):
    for call in nodes(file, ast.Call):
        waits = [keyword.value for keyword in call.keywords if keyword.arg == "timeout"]
        fixed = any(isinstance(value, ast.Constant) and value.value is not None for value in waits)
        sleeps = ast.unparse(call.func).endswith("sleep") and file not in SLEEPS
        if fixed or sleeps:
            yield call


def test_no_source_is_read():
    readers = ("getsource", "getsourcelines")
    calls = [(file, node) for file in FILES for node in nodes(file, ast.Call)]
    assert [at(file, node) for file, node in calls if ast.unparse(node.func).split(".")[-1] in readers] == []


def test_every_test_can_fail():
    functions = {
        (file, f.name): f for file in FILES for f in nodes(file, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    failing = {name for (_, name), function in functions.items() if fails_by_itself(function)}
    while more := {
        n for (_, n), f in functions.items() if n not in failing and failing & set(names_called(f))
    }:
        failing |= more
    tests = {key: f for key, f in functions.items() if key[1].startswith("test_")}
    assert len(tests) > 500
    found = [key for key, f in tests.items() if not fails_by_itself(f) and not failing & set(names_called(f))]
    assert found == []


def names_called(function):
    return (
        ast.unparse(node.func).split(".")[-1] for node in ast.walk(function) if isinstance(node, ast.Call)
    )


def fails_by_itself(function):
    """Whether it asserts, or says which error must come, or which may and no other."""
    said = {"raises", "warns", "fail", "exit", "suppress"}
    return any(isinstance(node, ast.Assert) for node in ast.walk(function)) or any(
        name in said or name.startswith("assert_") for name in names_called(function)
    )
