"""A folder of the user's with the name of a package of ours is named, instead of `No module named 'models.base'`."""

import subprocess
import sys
import zipfile

import pytest
from hatchling.builders.wheel import WheelBuilder

from helpers.making import REPOSITORY

NAMES = ("engine", "strategies", "models", "broker")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds what the wheel holds, as a site-packages does."""
    (wheel,) = WheelBuilder(str(REPOSITORY)).build(directory=str(tmp_path_factory.mktemp("wheel")))
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def python(installed, tmp_path):
    """Return a function that runs Python in the user's folder `tmp_path`, with the wheel installed."""

    def run(*command):
        environment = {"PYTHONPATH": str(installed), "HOME": str(tmp_path)}
        return subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return run


def add_package(folder, name):
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()


def test_the_wheel_works_from_another_folder(python, installed):
    said = python("-c", "import forewalk, models.base; print(forewalk.__file__, models.base.__file__)")
    assert [path.startswith(f"{installed}/") for path in said.stdout.split()] == [True, True], said.stderr
    assert python("-m", "engine.backtest", "--help").returncode == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["package", "module"])
def test_importing_forewalk_names_what_is_in_the_way(name, kind, python, tmp_path):
    if kind == "package":
        add_package(tmp_path, name)
    else:
        (tmp_path / f"{name}.py").touch()
    failed = python("-c", "import forewalk")
    place = tmp_path / (name if kind == "package" else f"{name}.py")
    assert f"PackageShadowed: {place} is in the way" in failed.stderr
    assert "Rename it, or start from another folder" in failed.stderr


@pytest.mark.parametrize("door", ["engine.backtest", "engine.live", "engine.cli"])
def test_a_command_says_it_in_one_line(door, python, tmp_path):
    add_package(tmp_path, "models")
    refused = python("-m", door, *(["trials"] if door == "engine.cli" else []))
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr.startswith(f"error: {tmp_path / 'models'} is in the way")
    assert refused.stderr.count("\n") == 1


def test_the_simulator_says_it_in_one_line(python, tmp_path):
    add_package(tmp_path, "strategies")
    refused = python("-m", "broker.simulator")
    assert refused.stderr.startswith(f"error: {tmp_path / 'strategies'} is in the way")
    assert refused.stderr.count("\n") == 1


def test_the_way_out_that_the_message_names_works(python, tmp_path):
    add_package(tmp_path, "models")
    assert python("-P", "-m", "engine.backtest", "--help").returncode == 0
    script = "import sys; from engine.cli.app import main; main(['--help'])"  # what `forewalk` is, in bin/
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "forewalk").write_text(script)
    assert python("bin/forewalk").returncode == 0


def test_a_package_already_imported_asks_for_a_new_start(python, tmp_path):
    add_package(tmp_path, "models")
    failed = python("-c", "import models, sys; sys.path.remove(''); import forewalk")
    assert "then start Python anew, in a notebook its kernel" in failed.stderr


def test_a_folder_elsewhere_on_the_path_is_named_with_its_place(python, tmp_path):
    (tmp_path / "lib").mkdir()
    add_package(tmp_path / "lib", "models")
    failed = python("-c", "import sys; sys.path.insert(0, 'lib'); import forewalk")
    assert f"take {tmp_path / 'lib'} out of PYTHONPATH and sys.path" in failed.stderr


def test_a_module_made_in_memory_is_named_too(python):
    failed = python(
        "-c", "import sys, types; sys.modules['models'] = types.ModuleType('models'); import forewalk"
    )
    assert "a module made in memory is in the way: Python finds it under the name 'models'" in failed.stderr


def test_folders_that_are_no_packages_are_in_nobodys_way(python, tmp_path):
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.bin").touch()
    assert python("-c", "import forewalk, models.base").returncode == 0
    assert python("-m", "engine.backtest", "--help").returncode == 0
