"""`--help` of every command answers at once: nothing heavy is imported before a command has work to do."""

import re
import subprocess
import sys

import pytest

from helpers.making import REPOSITORY

HEAVY = {
    "torch", "backtrader", "quantstats", "alpaca", "pandas", "numpy", "scipy", "matplotlib", "yfinance",
    "sklearn", "statsmodels", "ray", "numba", "aiohttp",
}  # fmt: skip
DOORS = sorted(path.parent.relative_to(REPOSITORY) for path in REPOSITORY.glob("engine/*/__main__.py"))
WALK = """
import sys
from typer.main import get_command
from typer.testing import CliRunner
from engine.cli.app import app

def commands(command, path=()):
    yield path
    for name in getattr(command, "commands", {}):
        yield from commands(command.commands[name], (*path, name))

for path in commands(get_command(app)):
    done = CliRunner().invoke(app, [*path, "--help"])
    assert done.exit_code == 0 and "Usage:" in done.output, (path, done.output)
    print("forewalk", *path, "->", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def imported_by(*command):
    """Return the top-level packages that a Python process imports, which must succeed."""
    process = subprocess.run(
        [sys.executable, "-X", "importtime", *command], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr[-500:]
    return {
        name.split(".")[0]
        for name in re.findall(r"^import time:.*\|\s+([\w.]+)$", process.stderr, re.MULTILINE)
    }


@pytest.mark.parametrize("door", [".".join(path.parts) for path in DOORS] + ["broker.simulator"])
def test_the_help_of_a_door_imports_nothing_heavy(door):
    assert imported_by("-m", door, "--help") & HEAVY == set()


def test_the_help_of_every_command_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", WALK], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    imported = {
        name: set(found.split()) for name, found in (line.split(" -> ") for line in done.stdout.splitlines())
    }
    assert {"forewalk", "forewalk backtest", "forewalk live status"} <= imported.keys()
    assert {name: found & HEAVY for name, found in imported.items() if found & HEAVY} == {}


def test_the_import_probe_sees_what_is_imported():
    assert {"json", "numpy"} <= imported_by("-c", "import json, numpy.linalg")
