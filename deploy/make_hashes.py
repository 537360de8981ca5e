"""Write the SHA-256 of every pinned package: `python deploy/make_hashes.py`, after constraints.txt was renewed.

Asks pip, with whatever indexes it is set up for, which file it would install of each pin, and writes down the hash
of that file; nothing is installed. The files are those of this Python on this kind of machine, and torch is the CPU
build, which pip must be able to find (`PIP_EXTRA_INDEX_URL` or `PIP_FIND_LINKS`). `docs/deploy.md` says how the file
is used.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
HASHES = Path(__file__).with_name("hashes-cpu.txt")
HEAD = """\
# The SHA-256 of the file of every pin of constraints.txt: CPython {python}, {machine}, torch as a CPU build.
# Made by `python deploy/make_hashes.py`; used with `pip install --require-hashes`, see docs/deploy.md.
"""


def pins(text: str) -> list[str]:
    """Return the pins of constraints.txt, torch as its CPU build."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [f"{line}+cpu" if line.startswith("torch==") else line for line in lines]


def reported(wanted: Sequence[str], options: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return what pip says it would install of exactly these pins, one entry each.

    Raises:
        subprocess.CalledProcessError: pip finds one of them not, or not as a wheel.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, report = Path(folder, "pins.txt"), Path(folder, "report.json")
        asked.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        command = (
            [sys.executable, "-m", "pip", "--isolated"]
            if "--no-index" in options
            else [sys.executable, "-m", "pip"]
        )
        command += [
            "install",
            "--quiet",
            "--dry-run",
            "--ignore-installed",
            "--no-deps",
            "--only-binary=:all:",
        ]
        subprocess.run([*command, *options, "--report", str(report), "-r", str(asked)], check=True)
        found: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
    return found


def hashed(wanted: Sequence[str], found: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line for each pin with the hash of its file; KeyError where pip named none."""
    of_pin = {
        (_name(entry["metadata"]["name"]), entry["metadata"]["version"]): entry["download_info"][
            "archive_info"
        ]["hashes"]
        for entry in found
    }
    lines = []
    for pin in wanted:
        name, _, version = pin.partition("==")
        lines.append(f"{pin} --hash=sha256:{of_pin[_name(name), version]['sha256']}")
    return lines


def _name(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def main() -> None:
    """Write the file."""
    wanted = pins(CONSTRAINTS.read_text(encoding="utf-8"))
    head = HEAD.format(
        python="{}.{}".format(*sys.version_info), machine=f"{platform.system()} {platform.machine()}"
    )
    HASHES.write_text(head + "\n".join(hashed(wanted, reported(wanted))) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
