"""Which files and services the user's own code turns to by itself: what it takes from there no audit can change."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from forewalk.plugins.sources import Source, is_house_file, is_own_file

_CODE = (".py", ".pyc", ".pyi", ".so", ".toml", ".cfg")
_SYSTEM = ("/proc/", "/dev/", "/sys/", "/usr/", "/etc/", "/lib/")

_inside: list[Source] = []  # whose code runs now, the innermost last
_found: set[tuple[str, str]] = set()
_state = {"hooked": False, "watching": False}


@contextmanager
def inside(source: Source) -> Iterator[None]:
    """Mark that code of this source runs."""
    _inside.append(source)
    try:
        yield
    finally:
        _inside.pop()


@contextmanager
def watched() -> Iterator[set[tuple[str, str]]]:
    """Collect (plug-in, file or host) for everything that code of the user's own opens in this process."""
    if not _state["hooked"]:
        sys.addaudithook(_hook)  # there is no way to take one off: it looks at `watching` first
        _state["hooked"] = True
    _found.clear()
    _state["watching"] = True
    try:
        yield _found
    finally:
        _state["watching"] = False


def _asked_by_the_user() -> bool:
    """Whether the user's own code opens it, by way of a library perhaps, and not code of ours that it has called."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if is_house_file(path):
            return False
        if is_own_file(path):
            return True
        frame = frame.f_back
    return False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _state["watching"] or not _inside or _inside[-1].setting == "data.source":
        return  # the rows of a source are doctored like any other
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path = str(Path(os.fsdecode(arguments[0])).absolute())
        plain = not path.endswith(_CODE) and not path.startswith(_SYSTEM) and is_own_file(path)
        if plain and _asked_by_the_user():
            _found.add((str(_inside[-1]), path))
    elif event == "socket.connect":
        _found.add((str(_inside[-1]), f"the network ({arguments[1]})"))
