import re
import tomllib
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from forewalk.settings.loading import load_settings, settings_from

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = {"forewalk", "engine", "strategies", "models", "broker"}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def wheel_files():
    return {Path(file.distribution_path) for file in WheelBuilder(str(ROOT)).recurse_included_files()}


def constraints():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_wheel_holds_the_packages_and_nothing_else():
    assert {file.parts[0] for file in wheel_files()} == PACKAGES


def test_the_wheel_holds_every_module_of_the_packages():
    modules = {file.relative_to(ROOT) for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    assert modules <= wheel_files()


def test_every_constraint_is_an_exact_version_that_installs_anywhere():
    assert [line for line in constraints() if not re.fullmatch(r"[\w.-]+==[\w.!]+", line)] == []


def test_the_constraints_pin_everything_the_project_asks_for_and_agree_with_it():
    pinned = {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in constraints()}
    asked = map(Requirement, PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
    wrong = [
        str(need)
        for need in asked
        if not need.specifier.contains(pinned.get(canonicalize_name(need.name), "0"))
    ]
    assert wrong == []


def test_the_makefile_installs_the_torch_of_the_constraints():
    wanted = next(line for line in constraints() if line.startswith("torch=="))
    assert f"install -qq {wanted} " in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_is_made_of_known_settings(example):
    assert load_settings(example, environment={}) != settings_from({})


def test_the_readme_names_real_files_settings_and_targets():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    files = links + re.findall(r"--config (\S+)", README)
    assert [file for file in files if not (ROOT / file.strip("`.")).exists()] == []
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE)) <= set(targets)


def test_the_readme_says_alpha_and_luck_beside_the_totals():
    table = README.partition("## Honest numbers")[2].partition("How fast")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    for row, words in {
        "alpha a year against buy-and-hold": r"t = -?\d",
        "its lead over buy-and-hold": r"\(-?\d.* to -?\d",
        "Sharpe ratio (95 % interval)": r"\(-?\d.* to -?\d",
        "Sharpe ratio of the same policy on shuffled forecasts": r"\d",
    }.items():
        (found,) = [line for line in rows if line.startswith(f"| {row}")]
        assert re.search(words, found.partition("|")[2].partition("|")[2])


@pytest.mark.parametrize("override", sorted(set(re.findall(r"--set (\S+=\w+)", README))))
def test_the_readme_overrides_are_accepted(override):
    assert load_settings(overrides=[override], environment={}) != settings_from({})


def test_no_file_of_the_set_up_names_a_machine_or_an_index():
    files = ["Makefile", ".ci/run", "constraints.txt", "pyproject.toml", ".pre-commit-config.yaml"]
    text = "\n".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    assert "://" not in text  # what is installed comes from wherever pip is set up to look
    assert [place for place in (str(Path.home()), str(ROOT)) if place in text] == []
