"""Other people's clients against the simulator, each in an environment of its own; docs/simulator.md counts calls."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from test_simulator_coins import bars_of_coins

from broker.simulator.harness import Simulator
from helpers.making import REPOSITORY
from helpers.waiting import PATIENCE_S

PLACE = os.environ.get("FOREWALK_CLIENTS")
PAGE = (REPOSITORY / "docs" / "simulator.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|]+) \| `(\w+)` \| (\d+) \| (\d+) \|", PAGE, re.MULTILINE)
MONDAY = "2026-03-02T10:00:00-05:00"  # shares and coins trade
SCRIPTS = REPOSITORY / "tests" / "helpers" / "clients"


def command(folder):
    """Return how to run a client's script; skips where its environment is not there."""
    if PLACE is None:
        pytest.skip("FOREWALK_CLIENTS names no folder of clients' environments")
    (script,) = SCRIPTS.glob(f"{folder}_calls.*")
    runner = "node" if script.suffix == ".cjs" else Path(PLACE, folder, "bin", "python")
    if not Path(PLACE, folder).exists():
        pytest.skip(f"there is no environment {folder} in FOREWALK_CLIENTS")
    return [str(runner), str(script)]


def answers(folder):
    """Return what the client's script says of each call, by its name: whether every answer to it was right."""
    run = command(folder)
    outside = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "NODE_PATH": f"{PLACE}/{folder}",
    }
    with Simulator(bars_of_coins(), start=MONDAY) as simulator:
        addresses = [simulator.url, simulator.ws_url, simulator.control_url]
        done = subprocess.run(
            [*run, *addresses], env=outside, capture_output=True, text=True, timeout=PATIENCE_S
        )
    assert done.returncode == 0, done.stderr[-3000:]
    found = {}
    for line in done.stdout.splitlines():
        said = json.loads(line)
        found.setdefault(said["call"], []).append(said)
    return found


@pytest.mark.enable_socket
@pytest.mark.parametrize(("program", "folder", "right", "refused"), ROWS, ids=[row[1] for row in ROWS])
def test_every_call_is_answered_as_the_page_says(program, folder, right, refused):
    found = answers(folder)
    assert [said for each in found.values() for said in each if not said["right"]] == []
    unknown = {name for name, said in found.items() if any(each["refused"] for each in said)}
    assert (len(found) - len(unknown), len(unknown)) == (int(right), int(refused))


def test_every_script_has_its_row_in_the_page():
    assert {path.name.removesuffix(path.suffix) for path in SCRIPTS.glob("*_calls.*")} == {
        f"{folder}_calls" for _, folder, _, _ in ROWS
    }
