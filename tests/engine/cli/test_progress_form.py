"""`--progress`: bars for people, a line of JSON a step for programs, or nothing."""

import json

import pytest

from engine.cli.console import progress_display
from engine.cli.options import ProgressForm


def told(capsys, form, enabled=True):
    with progress_display(enabled, form) as progress:
        progress("folds", 0, 2)
        progress("folds", 2, 2)
    return capsys.readouterr()


def test_jsonl_is_a_line_a_step_on_stderr_even_beside_json_on_stdout(capsys):
    said = told(capsys, ProgressForm.JSONL, enabled=False)
    assert said.out == ""
    assert [json.loads(line) for line in said.err.splitlines()] == [
        {"what": "folds", "done": 0, "total": 2},
        {"what": "folds", "done": 2, "total": 2},
    ]


@pytest.mark.parametrize("form", [None, ProgressForm.BARS, ProgressForm.NONE])
def test_without_a_terminal_nothing_else_is_told(capsys, form):
    assert told(capsys, form) == ("", "")
