"""Processes: what the second one brings, and how soon Ctrl-C ends them all.

The clock counts here, so the figures mean little on a machine that has other work; its load is written down.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.data import sp500
from benchmarks.measure import Report, machine
from benchmarks.train import problem
from engine.types import FloatArray
from engine.walkforward import walk_forward
from models.lstm import LSTMForecaster

TARGET = 1.8
CTRL_C_S = 2.0
MODEL = {"max_epochs": 5, "patience": 5, "seeds": 3}
INTERRUPTED = """
import time
from engine.parallel import run_tasks
from benchmarks.parallel import sleep
print("started", flush=True)
run_tasks(sleep, [60.0] * 4, {}, 2)
"""


def sleep(seconds: float, arrays: object) -> None:
    """Stand in for a long task."""
    print("working", flush=True)
    time.sleep(seconds)


def run() -> Report:
    """Measure one worker against two, and an interrupt."""
    bars, data = sp500()
    report = Report("parallel", data)
    task = problem(
        bars,
        model=MODEL,
        label={"kind": "market_relative"},
        folds={"train_bars": 1245, "refit_every_bars": 232},
    )
    taken: dict[int, float] = {}
    means: dict[int, FloatArray] = {}
    for jobs in (1, 2):
        begun = time.perf_counter()
        forecaster = LSTMForecaster(task.settings.model, task.settings.seed)
        timeline, _ = walk_forward(task.panel, task.labels, task.folds, forecaster, 504, jobs=jobs)
        taken[jobs] = time.perf_counter() - begun
        means[jobs] = timeline.forecasts(task.panel, 1).mean
    same = np.array_equal(means[1], means[2], equal_nan=True)
    work = f"{len(bars.symbols)} symbols, {len(task.folds)} folds, 3 seeds, 5 passes"
    report.add(f"{work}: one process", taken[1], "s by the clock")
    report.add(
        f"{work}: two processes",
        taken[2],
        "s by the clock",
        against="one process",
        ratio=taken[1] / taken[2],
        target=f">= {TARGET}x, same bits",
        reached=bool(same and taken[1] / taken[2] >= TARGET),
        note=f"bits equal: {same}; load of the machine {machine()['load_average'][0]}",
    )
    seconds, left = _interrupt()
    report.add(
        "Ctrl-C until every process is gone",
        seconds,
        "s by the clock",
        target=f"< {CTRL_C_S} s, none left",
        reached=seconds < CTRL_C_S and not left,
    )
    return report


def _interrupt() -> tuple[float, list[int]]:
    """Interrupt a run of two workers; return the seconds until it ended and the processes that stayed."""
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
    seconds = time.perf_counter() - begun
    return seconds, _in_group(process.pid)


def _in_group(group: int) -> list[int]:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return []
    return [group]
