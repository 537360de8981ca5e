"""docs/simulator.md names every command and option, nothing that does not exist, and its Python runs."""

import re
from pathlib import Path

import pytest

from broker.simulator.__main__ import parser
from broker.simulator.serving import commands
from broker.simulator.serving.faults import FRAME_ACTIONS, HTTP_ACTIONS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")
TABLE = PAGE[PAGE.index("| Command |") :].split("\n\n")[0]


def test_every_command_is_in_the_table_and_no_other():
    cells = [line.split("|")[1] for line in TABLE.splitlines()[2:]]
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == commands.names()


def test_every_option_is_in_the_table_and_no_other():
    options = set(re.findall(r"--[a-z-]+", parser().format_usage()))
    section = PAGE[PAGE.index("## Options") : PAGE.index("## How time")]
    assert {f"--{name}" for name in re.findall(r"`--([a-z-]+)`", section)} == options


@pytest.mark.parametrize("action", sorted(HTTP_ACTIONS | FRAME_ACTIONS))
def test_every_action_is_explained(action):
    assert f"`{action}`" in PAGE[PAGE.index("**HTTP faults.**") :]


@pytest.mark.enable_socket
def test_the_example_of_the_harness_runs():
    (code,) = re.findall(r"```python\n(from broker.simulator.harness.*?)```", PAGE, re.DOTALL)
    found = {}
    exec(code, found)
    assert found["truth"]["time"].startswith("2012-01-04T14:30")
