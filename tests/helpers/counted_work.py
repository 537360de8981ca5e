"""Work counted, not timed: lines of Python in our packages and in backtrader, and calls of each function.

Both depend on the program and its inputs alone: not on the machine, on what else it does, or on what ran before,
once everything is imported. What NumPy, torch and compiled code do is not seen.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import backtrader

from helpers.making import REPOSITORY

OURS = ("forewalk", "engine", "strategies", "models", "broker")
THEIRS = Path(backtrader.__file__).parent


@dataclass(frozen=True)
class Work:
    """Lines that ran, by file; calls, by `path/of/file.py:function`."""

    lines: Counter[str]
    calls: Counter[str]

    def lines_of(self, *packages: str) -> int:
        """Return how many lines ran in these packages, in all of them where none is named."""
        return sum(
            count for file, count in self.lines.items() if not packages or file.split("/")[0] in packages
        )


def count_work(job: Callable[[], object]) -> Work:
    """Run a job twice and count what the second run does: the first imports and fills what is kept."""
    job()
    places: dict[str, str] = {}
    lines: Counter[str] = Counter()
    calls: Counter[str] = Counter()

    def line(frame, event, argument):
        if event == "line":
            lines[places[frame.f_code.co_filename]] += 1
        return line

    def call(frame, event, argument):
        code = frame.f_code
        place = places.get(code.co_filename)
        if place is None:
            place = places[code.co_filename] = _place(code.co_filename)
        if not place:
            return None
        calls[f"{place}:{code.co_qualname}"] += 1
        return line

    earlier, threads_earlier = sys.gettrace(), threading.gettrace()
    gc.collect()
    gc.disable()  # what is thrown away meanwhile runs no line
    threading.settrace(call)
    sys.settrace(call)
    try:
        job()
    finally:
        sys.settrace(earlier)
        threading.settrace(threads_earlier)
        gc.enable()
    return Work(lines, calls)


def _place(file: str) -> str:
    """Return where a file lies, from its package on; "" if it is neither ours nor backtrader's."""
    path = Path(file)
    if path.is_relative_to(THEIRS):
        return f"backtrader/{path.relative_to(THEIRS)}"
    ours = path.relative_to(REPOSITORY).as_posix() if path.is_relative_to(REPOSITORY) else ""
    return ours if ours.split("/")[0] in OURS else ""
