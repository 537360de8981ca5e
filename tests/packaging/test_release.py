"""What a release is made of: when a checkout is ready for one, and that the bill of materials tells everything."""

import json
import runpy
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.making import REPOSITORY

SCRIPT = runpy.run_path(str(REPOSITORY / "deploy" / "release.py"))
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(
    line.split("==")
    for line in (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if "==" in line
)


def names(requirements):
    return {canonicalize_name(Requirement(text).name) for text in requirements}


@pytest.mark.parametrize(
    ("changelog", "changes", "said"),
    [
        ("## 0.3.0 - 2026-12-01\n\n## 0.2.0 - 2026-11-01\n", "", []),
        ("## 0.3.0 - unreleased\n", "", ["gives 0.3.0 no day"]),
        ("## 0.3.0\n", "", ["gives 0.3.0 no day"]),
        ("## 0.2.0 - 2026-11-01\n", "", ["begins with 0.2.0, not 0.3.0"]),
        ("# Changelog\n", "", ["begins with no version"]),
        ("## 0.3.0 - 2026-12-01\n", " M README.md\n?? notes\n", ["2 files differ"]),
        ("## 0.3.0 - unreleased\n", " M README.md", ["gives 0.3.0 no day", "1 files differ"]),
    ],
)
def test_a_checkout_is_ready_or_told_what_is_missing(changelog, changes, said):
    found = SCRIPT["unready"]("0.3.0", changelog, changes)
    assert len(found) == len(said)
    assert all(part in problem for part, problem in zip(said, found, strict=True))


def test_the_changelog_is_about_this_version():
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert SCRIPT["HEADING"].search(changelog)["version"] == PROJECT["version"]


def test_the_bill_names_what_is_asked_for_at_its_pinned_version_and_no_tool_of_the_developers():
    bill = json.loads(SCRIPT["bill"]("9.9.9", ("web",)))
    found = {part["name"]: part["version"] for part in bill["components"]}
    assert (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"]) == (
        "forewalk",
        "9.9.9",
    )
    assert names(PROJECT["dependencies"]) <= found.keys()
    assert names(PROJECT["optional-dependencies"]["web"]) <= found.keys()
    assert not found.keys() & {"pytest", "mypy", "ruff", "ray", "forewalk"}
    pins = {canonicalize_name(name): version for name, version in PINS.items()}
    assert {name: version for name, version in found.items() if pins.get(name) != version} == {}
    assert (
        sum("licenses" in part for part in bill["components"]) >= len(found) - 5
    )  # as their authors state them


def test_a_former_release_does_not_lie_beside_the_new_one(tmp_path):
    (tmp_path / "forewalk-0.0.1.tar.gz").write_bytes(b"old")
    sums = SCRIPT["written"]({"forewalk-0.0.2.tar.gz": b"new"}, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"forewalk-0.0.2.tar.gz", "SHA256SUMS"}
    assert (tmp_path / "SHA256SUMS").read_text() == sums
    assert sums.endswith("  forewalk-0.0.2.tar.gz\n")
