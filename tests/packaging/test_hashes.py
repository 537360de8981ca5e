"""The hashes of the pinned packages: of every pin, of no other, as pip itself reports and checks them."""

import re
import runpy
import subprocess
import sys
import zipfile
from hashlib import sha256

import pytest

from helpers.making import REPOSITORY

SCRIPT = runpy.run_path(str(REPOSITORY / "deploy" / "make_hashes.py"))
LINES = [
    line
    for line in (REPOSITORY / "deploy" / "hashes-cpu.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
OFFLINE = ["--no-index", "-f"]


def wheel(folder, name="tiny_thing", version="1.5"):
    """Write the smallest wheel that pip takes; return its path."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    return path


def test_every_pin_has_its_hash_and_nothing_else_has():
    wanted = SCRIPT["pins"]((REPOSITORY / "constraints.txt").read_text(encoding="utf-8"))
    assert [line.partition(" ")[0] for line in LINES] == wanted
    assert len(wanted) > 200
    assert [line for line in LINES if not re.fullmatch(r"\S+==\S+ --hash=sha256:[0-9a-f]{64}", line)] == []
    assert [line for line in LINES if line.startswith("torch==") and "+cpu" not in line] == []


def test_no_two_packages_have_the_same_hash():
    assert len({line.partition("sha256:")[2] for line in LINES}) == len(LINES)


def test_the_hash_is_that_of_the_file_that_pip_takes_and_another_file_is_refused(tmp_path):
    path = wheel(tmp_path)
    options = [*OFFLINE, str(tmp_path)]
    (line,) = SCRIPT["hashed"](["tiny.thing==1.5"], SCRIPT["reported"](["tiny.thing==1.5"], options))
    assert line == f"tiny.thing==1.5 --hash=sha256:{sha256(path.read_bytes()).hexdigest()}"
    asked = tmp_path / "asked.txt"
    asked.write_text(line + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--isolated", "install", "--dry-run", "--ignore-installed"]
    command += ["--no-deps", "--require-hashes", *options, "-r", str(asked)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    with path.open("ab") as file:
        file.write(b"\0")  # of the archive's trailing bytes: still a wheel, but not this one
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr


def test_a_pin_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        SCRIPT["reported"](["tiny_thing==2"], [*OFFLINE, str(tmp_path)])
