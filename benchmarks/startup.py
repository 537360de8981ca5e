"""Start-up: how soon `--help` answers."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import Report, machine

RUNS = 7
LIMIT_S = 0.3
COMMANDS = (("engine.backtest", "--help"), ("engine.cli", "--help"))


def run() -> Report:
    """Measure the help of the commands, by the clock and in processor time."""
    report = Report("startup", "no data")
    for module, flag in COMMANDS:
        clock, cpu = zip(*(_timed(module, flag) for _ in range(RUNS)), strict=True)
        seconds = statistics.median(cpu)
        report.add(
            f"python -m {module} {flag}",
            seconds,
            "s CPU",
            target=f"< {LIMIT_S} s",
            reached=seconds < LIMIT_S,
            note=f"by the clock {statistics.median(clock):.2f} s at a load of {machine()['load_average'][0]}",
        )
    return report


def _timed(module: str, flag: str) -> tuple[float, float]:
    before, begun = _children(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", module, flag],
        capture_output=True,
        check=True,
        cwd=Path(__file__).resolve().parent.parent,
    )
    return time.perf_counter() - begun, _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
