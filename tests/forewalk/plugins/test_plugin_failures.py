"""Whatever the user's code raises becomes one error that names their file and line."""

import pickle

import pytest

from forewalk.errors import DataError, LookaheadError, PluginError
from forewalk.plugins.failures import own_code
from forewalk.plugins.loading import load_plugin
from helpers.own_code import write_module

TEXT = """\
import sys
from forewalk.errors import DataError, LookaheadError
import numpy as np

def divide(x):
    return inner(x)

def inner(x):
    return 1 / x

def leave(x):
    sys.exit("gone")

def stop(x):
    raise KeyboardInterrupt

def in_numpy(x):
    return np.reshape(np.zeros(3), (2, 2))

def refuse(x):
    raise DataError("bad data")

def ahead(x):
    raise LookaheadError("later")
"""


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_module(tmp_path, "mine", TEXT)

    def run(name):
        plugin = load_plugin(f"mine:{name}", "features.extra")
        with own_code(plugin.source):
            return plugin.value(0)

    return run, path


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("divide", "ZeroDivisionError: division by zero", "line 9, in inner: return 1 / x"),
        ("leave", "SystemExit: gone", "line 12, in leave"),
        ("in_numpy", "ValueError: cannot reshape", "line 18, in in_numpy"),
    ],
)
def test_an_exception_names_the_innermost_line_of_the_users_own(call, name, text, line):
    run, path = call
    with pytest.raises(PluginError) as problem:
        run(name)
    said = str(problem.value)
    assert said.startswith(f"features.extra = 'mine:{name}' failed with {text}")
    assert f"({path} {line}" in said
    assert "\n" not in said


def test_the_exception_itself_stays_behind_it_for_a_notebook(call):
    run, _ = call
    with pytest.raises(PluginError) as problem:
        run("divide")
    assert isinstance(problem.value.__cause__, ZeroDivisionError)


def test_our_own_errors_keep_their_class_and_are_told_at_which_line(call):
    run, path = call
    with pytest.raises(DataError, match="bad data") as problem:
        run("refuse")
    assert f"{path} line 21" in str(problem.value)
    with pytest.raises(LookaheadError, match=r"^later$"):
        run("ahead")


def test_an_interruption_passes(call):
    run, _ = call
    with pytest.raises(KeyboardInterrupt):
        run("stop")


def test_the_error_travels_between_processes(call):
    run, _ = call
    with pytest.raises(PluginError) as problem:
        run("divide")
    assert str(pickle.loads(pickle.dumps(problem.value))) == str(problem.value)
