"""Processor time, medians and ratios: how every figure of this folder is taken.

Wall-clock time on a shared machine says little. A figure here is the processor time of this process (user and
system), the median of several runs. Two things that are compared run alternately in one call, so that
whatever else the machine does falls on both.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")

LIBRARIES = ("torch", "numpy", "pandas", "backtrader", "numba")


@dataclass(frozen=True)
class Line:
    """One figure. `ratio` is side by side with `against`; `reached` is None where there is no target."""

    what: str
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    target: str = ""
    reached: bool | None = None
    note: str = ""


@dataclass
class Report:
    """What one suite found: lines for the table, and everything else it measured."""

    suite: str
    data: str
    lines: list[Line] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def add(self, what: str, value: float, unit: str, **more: Any) -> None:
        """Append a line; `more` are the other fields of `Line`."""
        self.lines.append(Line(what, float(value), unit, **more))

    def to_json(self) -> dict[str, Any]:
        """Return the report with the machine and the date, ready for JSON."""
        return {
            "suite": self.suite,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": versions(),
            "data": self.data,
            "lines": [
                {key: None if value != value else value for key, value in asdict(line).items()}
                for line in self.lines
            ],
            "details": self.details,
        }


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the processor seconds that one call takes in this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Return what one call gives, and the processor seconds it took in this process."""
    before = time.process_time()
    result = work()
    return result, time.process_time() - before


def median_cpu(work: Callable[[], object], runs: int = 5) -> float:
    """Return the median processor seconds of `runs` calls, after one that does not count."""
    work()
    return statistics.median(cpu_seconds(work) for _ in range(runs))


def side_by_side(works: Mapping[str, Callable[[], object]], runs: int = 3) -> dict[str, float]:
    """Return the median processor seconds of each of `works`, run alternately `runs` times."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            taken[name].append(cpu_seconds(work))
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def fitted_exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return b of the least-squares fit cost = a * size ** b."""
    return statistics.linear_regression(_logs(sizes), _logs(costs)).slope


def projected(sizes: Sequence[float], costs: Sequence[float], size: float) -> float:
    """Return the cost that the fit of `fitted_exponent` gives for `size`."""
    fit = statistics.linear_regression(_logs(sizes), _logs(costs))
    return math.exp(fit.intercept + fit.slope * math.log(size))


def _logs(values: Sequence[float]) -> list[float]:
    return [math.log(value) for value in values]


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, memory, system."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def versions(libraries: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """Return the versions of Python and of those `libraries` that are installed."""
    found = {"python": platform.python_version()}
    for library in libraries:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
