"""Make a release: `make release`, or `make release ARGS=--dry-run` from any checkout.

Builds the wheel and the source archive twice from a clean copy of the commit and wants them equal byte for byte,
lists what the wheel needs as a CycloneDX bill of materials, and writes the SHA-256 of all of them into `dist/`.
Nothing is published; the last lines say how. `docs/releases.md` says what a stranger can check.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from io import BytesIO
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
DATED = re.compile(r"^## (?P<version>\d\S*) - (?P<day>\d{4}-\d\d-\d\d)$", re.MULTILINE)
WITHOUT = {"dev", "docs", "release", "transformer"}  # extras that are not on the bill
HEADING = re.compile(r"^## (?P<version>\d\S*)", re.MULTILINE)


def said(*command: str, folder: Path = ROOT, **variables: str) -> str:
    """Return what a command prints."""
    environment = {**os.environ, **variables}
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def unready(version: str, changelog: str, changes: str) -> list[str]:
    """Return what stands between this checkout and a release of `version`, in words.

    Args:
        changelog: text of CHANGELOG.md. changes: of `git status --porcelain`.
    """
    found = []
    newest = HEADING.search(changelog)
    if newest is None or newest["version"] != version:
        found.append(
            f"CHANGELOG.md begins with {newest['version'] if newest else 'no version'}, not {version}"
        )
    elif not any(match["version"] == version for match in DATED.finditer(changelog)):
        found.append(f"CHANGELOG.md gives {version} no day; write '## {version} - YYYY-MM-DD'")
    if changes:
        found.append(f"{len(changes.splitlines())} files differ from the commit; commit or stash them")
    return found


def built(commit: str, into: Path) -> dict[str, bytes]:
    """Build wheel and source archive from a clean copy of a commit; return their bytes by name."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "source")
        archive = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, check=True, capture_output=True
        ).stdout  # of the commit, whatever lies in the checkout
        with tarfile.open(fileobj=BytesIO(archive)) as tree:
            tree.extractall(source, filter="data")
        moment = said("git", "log", "-1", "--format=%ct", commit)
        said(
            *(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into), "."),
            folder=source,
            SOURCE_DATE_EPOCH=moment,
            PYTHONPATH="",
        )
    return {file.name: file.read_bytes() for file in sorted(into.iterdir())}


def needed(name: str, extras: tuple[str, ...] = ()) -> Iterator[Distribution]:
    """Yield what an installed distribution needs, itself left out, each once, as far as it is installed.

    Args:
        extras: of it that are followed too.

    Raises:
        PackageNotFoundError: something that it needs without an extra is not installed.
    """
    open_, done = [(name, extras)], {canonicalize_name(name)}
    while open_:
        where, wanted = open_.pop()
        for text in distribution(where).requires or ():
            requirement = Requirement(text)
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                continue
            key = canonicalize_name(requirement.name)
            if key not in done:
                done.add(key)
                open_.append((key, tuple(requirement.extras)))
                yield distribution(key)


def component(
    of: Distribution, kind: ComponentType = ComponentType.LIBRARY, version: str | None = None
) -> Component:
    """Return one entry of the bill: name, exact version, address of the package, licence as it states it."""
    name, version = canonicalize_name(of.name), version or of.version.partition("+")[0]
    # A licence field that holds a whole text names nothing; one line does.
    stated = of.metadata["License-Expression"] or (of.metadata["License"] or "").strip()
    licences = [LicenseFactory().make_from_string(stated)] if stated and "\n" not in stated else []
    if not licences:
        kinds = [
            line.rpartition("::")[2].strip()
            for line in of.metadata.get_all("Classifier") or ()
            if line.startswith("License ::")
        ]
        licences = [DisjunctiveLicense(name=each) for each in kinds[:1]]
    address = PackageURL(type="pypi", name=name, version=version)
    return Component(
        name=name, version=version, type=kind, purl=address, bom_ref=str(address), licenses=licences
    )


def bill(version: str, extras: tuple[str, ...]) -> str:
    """Return the bill of materials of this version with these extras: CycloneDX 1.6 JSON, valid by its schema.

    The exact versions are those installed here, which are those of constraints.txt.

    Raises:
        ValueError: it is not valid.
    """
    parts = {}
    everything = Bom()
    # An editable installation may say an older version of itself.
    itself = component(distribution("forewalk"), ComponentType.APPLICATION, version)
    everything.metadata.component = itself
    for each in needed("forewalk", extras):
        parts[each.name] = component(each)
        everything.components.add(parts[each.name])
    everything.register_dependency(itself, parts.values())
    text = JsonV1Dot6(everything).output_as_string(indent=2)
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise ValueError(f"the bill of materials is not valid: {str(problem.data)[:300]}")
    return text


def written(files: dict[str, bytes], into: Path) -> str:
    """Write the files and their SHA256SUMS into a folder, instead of a former release; return the sums."""
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    into.mkdir(exist_ok=True)
    for former in into.glob("forewalk-*"):
        former.unlink()
    for name, data in {**files, "SHA256SUMS": sums.encode()}.items():
        (into / name).write_bytes(data)
    return sums


def built_twice() -> dict[str, bytes]:
    """Return the files of two builds of the commit that are equal.

    Raises:
        ValueError: they are not.
    """
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        files, again = built("HEAD", Path(first)), built("HEAD", Path(second))
    if files != again:
        differing = sorted(name for name in files.keys() | again.keys() if files.get(name) != again.get(name))
        raise ValueError(f"built twice and not equal: {', '.join(differing)}")
    return files


def main() -> int:
    """Make it; return the exit code: 0 made, 1 not ready or not equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="say what is not ready and build all the same")
    dry = parser.parse_args().dry_run
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version, changelog = str(project["version"]), (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    problems = unready(version, changelog, said("git", "status", "--porcelain"))
    print("".join(f"not ready: {problem}\n" for problem in problems), end="")
    if problems and not dry:
        return 1
    extras = tuple(sorted(set(project["optional-dependencies"]) - WITHOUT))
    try:
        files = built_twice()
        files[f"forewalk-{version}.cdx.json"] = bill(version, extras).encode()
    except ValueError as problem:
        print(problem)
        return 1
    print(written(files, ROOT / "dist"), end="")
    print(f"in dist/, built twice and equal; the bill of materials is with {', '.join(extras)}")
    if not dry:
        print(f"next: git tag -s v{version}, push it, and add the files of dist/ to the release")
    return 0


if __name__ == "__main__":
    sys.exit(main())
