"""Processes: what the second one brings, and how soon Ctrl-C ends them all.

The clock counts here, so the figures mean little on a machine that has other work; its load is written down.
"""

from __future__ import annotations

import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.data import sp500
from benchmarks.measure import Report, machine
from benchmarks.train import problem
from engine.training.walkforward import walk_forward
from forewalk.compute.pool import Processes
from forewalk.types import FloatArray
from models.recurrent.forecaster import LSTMForecaster

TARGET = 1.8
CTRL_C_S, PATIENCE_S = 2.0, 10.0
PASSES, RUNS = 5, 3
MODEL = {"max_epochs": PASSES, "patience": PASSES, "seeds": 3}
INTERRUPTED = """
import time
from forewalk.compute.pool import Processes
from benchmarks.parallel import sleep
print("started", flush=True)
Processes(2).run(sleep, [60.0] * 4, {})
"""


def sleep(seconds: float, arrays: object) -> None:
    """Stand in for a long task."""
    print("working", flush=True)
    time.sleep(seconds)


def run() -> Report:
    """Measure one worker against two, and an interrupt."""
    Processes(2).prepare()  # as a run does, before it reads its data
    bars, data = sp500()
    report = Report("parallel", data)
    task = problem(
        bars,
        model=MODEL,
        label={"kind": "market_relative"},
        folds={"train_bars": 1245, "refit_every_bars": 232},
    )
    taken: dict[int, list[float]] = {1: [], 2: []}
    cpu: dict[int, list[float]] = {1: [], 2: []}
    means: dict[int, FloatArray] = {}
    for jobs in (1, 2) * RUNS:
        begun, own, workers = time.perf_counter(), time.process_time(), _workers_cpu()
        forecaster = LSTMForecaster(task.settings.model, task.settings.seed)
        timeline, _ = walk_forward(
            task.panel, task.labels, task.folds, forecaster, 504, workers=Processes(jobs)
        )
        taken[jobs].append(time.perf_counter() - begun)
        cpu[jobs].append(time.process_time() - own + (_workers_cpu() - workers) / jobs)
        means[jobs] = timeline.forecasts(task.panel, 1).mean
    one, two = statistics.median(taken[1]), statistics.median(taken[2])
    one_cpu, two_cpu = statistics.median(cpu[1]), statistics.median(cpu[2])
    same = np.array_equal(means[1], means[2], equal_nan=True)
    work = f"{len(bars.symbols)} symbols, {len(task.folds)} folds, 3 seeds, {PASSES} passes"
    report.add(f"{work}: one process", one, "s by the clock", note=f"{one_cpu:.1f} s CPU")
    report.add(
        f"{work}: two processes",
        two,
        "s by the clock",
        against="one process",
        ratio=one / two,
        target=f">= {TARGET}x, same bits",
        reached=bool(same and one / two >= TARGET),
        note=f"bits equal: {same}; load of the machine {machine()['load_average'][0]}",
    )
    report.add(
        "processor time on the longest way, two processes (the parent and half of the workers)",
        two_cpu,
        "s CPU",
        against="one process",
        ratio=one_cpu / two_cpu,
        note="the speed-up where both cores are free",
    )
    seconds, left = _interrupt()
    report.details["seconds_by_the_clock"] = {str(jobs): seconds for jobs, seconds in taken.items()}
    report.add(
        "Ctrl-C until every process is gone",
        seconds,
        "s by the clock",
        target=f"< {CTRL_C_S} s, none left",
        reached=seconds < CTRL_C_S and not left,
    )
    return report


def _workers_cpu() -> float:
    """Return the processor seconds of our child processes, and of theirs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    alive = 0
    for fields in _processes():
        if int(fields[1]) == os.getpid():
            alive += sum(int(ticks) for ticks in fields[11:15])  # utime, stime, cutime, cstime of proc(5)
    return used.ru_utime + used.ru_stime + alive / os.sysconf("SC_CLK_TCK")


def _interrupt() -> tuple[float, bool]:
    """Interrupt a run of two workers; return the seconds until all were gone, and whether any stayed."""
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).resolve().parent.parent,
    )
    assert process.stdout is not None
    while process.stdout.readline().strip() != "working":
        pass
    begun = time.perf_counter()
    os.killpg(process.pid, signal.SIGINT)
    process.wait()
    while _anyone(process.pid) and time.perf_counter() - begun < PATIENCE_S:
        time.sleep(0.01)
    return time.perf_counter() - begun, _anyone(process.pid)


def _anyone(group: int) -> bool:
    """Return whether a process of `group` is left; what has ended and waits to be reaped is not."""
    return any(int(fields[2]) == group and fields[0] != "Z" for fields in _processes())


def _processes() -> Iterator[list[str]]:
    """Give /proc/PID/stat of every process: state, parent, group and what follows."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            yield file.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
