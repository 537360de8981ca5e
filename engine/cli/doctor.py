"""`forewalk doctor`: what is installed, writable, reachable, how fast, and what to do about what is not."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Config, Json, Set, say_at_once, settings_of_flags
from forewalk.errors import ForewalkError

PACKAGE = "forewalk"
LEAST_DISK_GB, LEAST_MEMORY_GB = 2.0, 2.0
PRODUCT, PRODUCTS = 512, 8  # a matrix product that takes a blink
TIMEOUT_S = 3.0
REACHED = {  # by --network alone
    "paper-api.alpaca.markets": "paper trading",
    "data.alpaca.markets": "prices of Alpaca",
    "query1.finance.yahoo.com": "prices of Yahoo",
}
KEYS = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "ALPACA_API_KEY", "ALPACA_SECRET_KEY")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: in a word or two. state: "good", "note" (works without it) or "bad" (mend it).
        found: what there is. remedy: what to do, "" where nothing is to be done.
    """

    what: str
    state: str
    found: str
    remedy: str = ""


def doctor(
    config: Config = None,
    set_: Set = None,
    network: Annotated[
        bool, typer.Option("--network", help="Try to reach the hosts of prices and paper trading, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Look at this machine and say what is missing and what to do; exit 1 if something must be mended."""
    say_at_once("looking at this machine")
    found = [
        *_settings(config, set_),
        python(),
        *packages(installed),
        *extras(installed),
        memory(),
        *writable(_folders(config, set_)),
        speed(),
        device(),
        keys(os.environ),
        *(reachable(_open) if network else ()),
    ]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        for finding in found:
            typer.echo(f"{finding.state:<5} {finding.what:<18} {finding.found}")
            if finding.remedy:
                typer.echo(f"{'':<24} -> {finding.remedy}")
    if any(finding.state == "bad" for finding in found):
        raise typer.Exit(1)


def python() -> Finding:
    """Whether this Python is one that is tested."""
    here = platform.python_version()
    good = sys.version_info[:2] == (3, 11)
    return Finding("Python", "good" if good else "bad", here, "" if good else "run Forewalk with Python 3.11")


def installed(name: str) -> str | None:
    """Return the version of an installed package, None where it is not."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def packages(version_of: Callable[[str], str | None]) -> Iterator[Finding]:
    """Yield what is missing or of a wrong version among what Forewalk needs; one line where nothing is."""
    from packaging.requirements import Requirement

    wanted = [
        Requirement(text) for text in importlib.metadata.requires(PACKAGE) or () if "extra ==" not in text
    ]
    wrong = []
    for need in wanted:
        there = version_of(need.name)
        if there is None or not need.specifier.contains(there, prereleases=True):
            wrong.append(f"{need.name} {there or 'is missing'} (needs {need.specifier or 'any'})")
    if not wrong:
        yield Finding("packages", "good", f"all {len(wanted)} that are needed")
    for each in wrong:
        yield Finding("package", "bad", each, "install Forewalk again into a fresh environment: make install")


def extras(version_of: Callable[[str], str | None]) -> Iterator[Finding]:
    """Yield for each extra whether its packages are there."""
    from packaging.requirements import Requirement

    groups: dict[str, list[str]] = {}
    for text in importlib.metadata.requires(PACKAGE) or ():
        named = re.search(r"extra == ['\"]([\w-]+)['\"]", text)
        if named and named[1] != "dev":
            groups.setdefault(named[1], []).append(Requirement(text).name)
    for name, needed in sorted(groups.items()):
        missing = [package for package in needed if version_of(package) is None]
        remedy = f"only where it is wanted: pip install 'forewalk[{name}]'" if missing else ""
        found = f"without {', '.join(missing)}" if missing else "there"
        yield Finding(f"extra {name}", "note" if missing else "good", found, remedy)


def memory() -> Finding:
    """How much memory there is, where the system tells."""
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (ValueError, OSError):
        return Finding("memory", "note", "this system does not tell")
    enough = size >= LEAST_MEMORY_GB
    remedy = "" if enough else "take fewer symbols at a time, or a machine with 4 GB"
    return Finding("memory", "good" if enough else "bad", f"{size:.1f} GB, {os.cpu_count()} cores", remedy)


def writable(folders: Mapping[str, Path]) -> Iterator[Finding]:
    """Yield for each folder whether it, or what it would be made in, takes files, and how much room there is."""
    for what, folder in folders.items():
        there = next(place for place in (folder, *folder.resolve().parents) if place.is_dir())
        room = shutil.disk_usage(there).free / 1e9
        if not os.access(there, os.W_OK | os.X_OK):
            yield Finding(
                what, "bad", f"{folder} cannot be written", f"give this user write access to {there}"
            )
        elif room < LEAST_DISK_GB:
            yield Finding(what, "bad", f"{folder}: {room:.1f} GB left", "make room, or choose another disk")
        else:
            yield Finding(what, "good", f"{folder}, {room:.0f} GB left")


def speed() -> Finding:
    """How fast one core multiplies matrices; training goes with it."""
    import numpy as np

    a = np.random.default_rng(0).random((PRODUCT, PRODUCT), dtype=np.float32)
    _ = a @ a
    begun = time.perf_counter()
    for _ in range(PRODUCTS):
        _ = a @ a
    rate = 2 * PRODUCT**3 * PRODUCTS / max(time.perf_counter() - begun, 1e-9) / 1e9
    return Finding("speed", "good", f"{rate:,.0f} GFLOP/s in matrix products")


def device() -> Finding:
    """Whether torch sees a GPU, which is never needed."""
    try:
        from models.device import gpu_name

        name = gpu_name()
    except (ImportError, OSError) as problem:
        return Finding("torch", "bad", str(problem)[:200], "install it again: pip install torch==2.13.0")
    if name is not None:
        return Finding("GPU", "good", f"{name}; used with model.device = 'cuda'")
    return Finding("GPU", "note", "none seen; networks of this size train as fast on a processor")


def keys(environment: Mapping[str, str]) -> Finding:
    """Whether keys of a paper account are set; never what they are."""
    there = [name for name in KEYS if environment.get(name, "").strip()]
    if there:
        return Finding("paper account", "good", f"{' and '.join(there)} are set")
    remedy = "only for paper trading and Alpaca's prices; --simulator needs none"
    return Finding("paper account", "note", "no keys in the environment", remedy)


def reachable(opened: Callable[[str], None]) -> Iterator[Finding]:
    """Yield for each host whether a connection opens; nothing is sent."""
    for host, what in REACHED.items():
        try:
            opened(host)
        except OSError as problem:
            remedy = f"{what} will not come; work offline from files and the cache, or look at the network"
            yield Finding("network", "note", f"{host}: {problem}", remedy)
        else:
            yield Finding("network", "good", f"{host} answers ({what})")


def _open(host: str) -> None:
    socket.create_connection((host, 443), timeout=TIMEOUT_S).close()


def _settings(config: Path | None, set_: Sequence[str] | None) -> Iterator[Finding]:
    try:
        settings_of_flags(config, list(set_ or ()), {})
    except ForewalkError as problem:
        yield Finding("settings", "bad", str(problem), "correct it; docs/settings.md lists them all")
    else:
        yield Finding("settings", "good", str(config) if config else "the defaults, and the environment's")


def _folders(config: Path | None, set_: Sequence[str] | None) -> dict[str, Path]:
    """Return the folders that commands write into."""
    folders = {"runs": Path("runs")}
    try:
        settings = settings_of_flags(config, list(set_ or ()), {})
    except ForewalkError:
        return folders
    return folders | {
        "price cache": settings.data.cache.expanduser(),
        "paper book": settings.live.state.expanduser(),
    }
