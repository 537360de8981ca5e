"""Code of the user's own is found beside the settings, by name, and its hash is that of what runs."""

import contextlib
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.errors import ConfigError, PluginError
from forewalk.plugins.loading import load_plugin, name_of
from helpers.own_code import write_module

SETTING = "features.extra"


def load(name, folder=None):
    return load_plugin(name, SETTING, folder)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_module_is_found_in_the_current_folder(here):
    write_module(here, "mine", "def f(bars):\n    return 1\n")
    plugin = load("mine:f")
    assert plugin.value(None) == 1
    assert plugin.source.file == str(here / "mine.py")


def test_a_module_is_found_in_the_folder_of_the_settings_before_the_current_one(here):
    write_module(here, "mine", "x = 'current'\n")
    write_module(here / "settings", "mine", "x = 'settings'\n")
    assert load("mine:x", here / "settings").value == "settings"
    assert load("mine:x").value == "current"


def test_a_name_may_lie_in_a_package_and_within_a_class(here):
    write_module(here, "own.deep.mine", "class Outer:\n    class Inner:\n        x = 3\n")
    assert load("own.deep.mine:Outer.Inner.x").value == 3


def test_the_folder_of_one_settings_is_not_searched_for_another(here):
    write_module(here / "a", "only_in_a", "x = 1\n")
    assert load("only_in_a:x", here / "a").value == 1
    with pytest.raises(ConfigError, match="no module 'only_in_a'"):
        load("only_in_a:x", here / "b")


def test_a_folder_of_the_users_own_never_hides_a_library(here):
    write_module(here, "numpy", "x = 1\n")
    with pytest.raises(ConfigError, match=r"is hidden by .*numpy.*give your file another name"):
        load("numpy:x")
    write_module(here, "signal", "x = 1\n")
    with pytest.raises(ConfigError, match="hidden by a module of Python itself"):
        load("signal:x")
    write_module(here, "models.mine", "x = 1\n")
    write_module(here, "models.__init__", "")
    with pytest.raises(ConfigError, match=r"is hidden by .*models"):
        load("models.mine:x")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_modul:f", "did you mean 'my_module'?"),
        ("own.deap:f", "did you mean 'own.deep'?"),
        ("my_module:my_featurs", "did you mean 'my_features'?"),
        ("my_module:zzz", "it has: my_features"),
        ("my_module.my_features", "write it as module:Name"),
        ("my module:f", "write it as module:Name"),
        (":f", "write it as module:Name"),
    ],
)
def test_what_is_not_found_is_answered_with_the_nearest_name(here, name, message):
    write_module(here, "my_module", "import numpy\ndef my_features(bars): pass\n")
    write_module(here, "own.deep", "x = 1\n")
    with pytest.raises(ConfigError) as problem:
        load(name)
    assert message in str(problem.value)
    assert f"{SETTING} = {name!r}" in str(problem.value)


@given(st.text(max_size=30))
def test_no_text_does_anything_but_load_or_be_refused(text):
    with contextlib.suppress(ConfigError, PluginError):
        load(text)


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("x = 1\ny = 1 / 0\n", "ZeroDivisionError", "line 2"),
        ("def f(:\n", "SyntaxError", "line 1"),
        ("\nimport no_such_library\n", "ModuleNotFoundError: No module named 'no_such_library'", "line 2"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3", "line 2"),
    ],
)
def test_an_exception_while_it_is_imported_names_file_and_line(here, text, kind, line):
    path = write_module(here, "broken", text)
    with pytest.raises(PluginError) as problem:
        load("broken:f")
    assert kind in str(problem.value)
    assert f"{path} {line}" in str(problem.value)


def test_a_file_that_was_edited_is_imported_again(here):
    for number in (1, 2, 3):  # of the same length, within a second
        write_module(here, "mine", f"import helper\nx = {number}, helper.y\n")
        write_module(here, "helper", f"y = {number}\n")
        assert load("mine:x").value == (number, number)


def test_a_file_that_was_not_edited_stays_the_same_object(here):
    write_module(here, "mine", "class Mine: pass\n")
    assert load("mine:Mine").value is load("mine:Mine").value


def test_the_hash_is_that_of_the_module_and_of_every_own_file_that_it_imports(here):
    write_module(here, "own.__init__", "")
    write_module(here, "own.mine", "from . import near\nimport numpy, json\ndef f():\n    import far.away\n")
    write_module(here, "own.near", "")
    write_module(here, "own.unused", "")
    write_module(here, "far.away", "x = 1\n")
    first = load("own.mine:f").source
    assert [inside for inside, _ in first.files] == [
        "far/away.py",
        "own/__init__.py",
        "own/mine.py",
        "own/near.py",
    ]
    write_module(here, "own.unused", "x = 1\n")
    assert load("own.mine:f").source.sha256 == first.sha256
    write_module(here, "far.away", "x = 2\n")
    assert load("own.mine:f").source.sha256 != first.sha256


def test_the_hash_does_not_depend_on_where_the_files_lie(here):
    for folder in ("a", "b"):
        write_module(here / folder, "mine", "x = 1\n")
    a, b = (load("mine:x", here / folder).source for folder in ("a", "b"))
    assert a.sha256 == b.sha256
    assert a.file != b.file


def test_a_file_imported_before_us_and_edited_since_is_imported_again(here):
    write_module(here, "mine", "x = 1\n")
    program = (
        "import mine, pathlib\n"
        "from forewalk.plugins.loading import load_plugin\n"
        "pathlib.Path('mine.py').write_text('x = 2\\n')\n"
        "print(load_plugin('mine:x', 'features.extra').value)"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout.strip() == "2", done.stderr


def test_a_function_has_a_name_where_others_can_import_it(here):
    write_module(here, "mine", "def f(): pass\n")
    assert name_of(load("mine:f").value) == "mine:f"


def test_what_nobody_else_can_import_has_no_name():
    with pytest.raises(ConfigError, match=r"within a function.*file of its own"):
        name_of(lambda: None)
    with pytest.raises(ConfigError, match="has no name"):
        name_of(3)


NAMED = """
from forewalk.plugins.loading import name_of
class Mine: pass
try: print(name_of(Mine))
except Exception as problem: print(problem)
"""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["study.py"], "study:Mine"),
        (["-m", "study"], "study:Mine"),
        (["-m", "package.study"], "package.study:Mine"),
        (["my-study.py"], "in the notebook or at the prompt itself"),
        (["-c", NAMED], "a cell that begins with %%writefile my_module.py"),
    ],
)
def test_what_a_script_defines_is_named_after_its_file_and_what_a_prompt_defines_is_refused(
    here, command, said
):
    (here / "package").mkdir()
    for file in ("study.py", "my-study.py", "package/study.py"):
        (here / file).write_text(NAMED)
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=here,
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said in done.stdout
