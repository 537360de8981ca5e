"""Whole commands, as a user calls them: a backtest over many symbols with every report, and an audit.

Processor time and memory are those of the command and all its processes. What would take too long is projected from
smaller runs of the same kind, and the line says so; with FOREWALK_BENCH_FULL=1 it is run. Where memory of processes
cannot be read (`/proc/PID/smaps_rollup`), it is told as NaN.
"""

from __future__ import annotations

import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.data import made_up, sp500
from benchmarks.measure import Report, machine
from forewalk.types import BAR_FIELDS, Bars

HERE = Path(__file__).resolve().parent.parent
UNIVERSE = HERE / "examples" / "universe.toml"
ROWS, TRAIN_BARS, FOLDS, SEEDS = 2520, 1006, 10, 3
SYMBOLS = (50, 100)  # sizes that are run
MANY_FOLDS = (5, 20)
AIM = 1000
LIMIT_GB, LIMIT_MINUTES, AUDIT_MINUTES, FLAT = 4.0, 15.0, 5.0, 1.1
SAMPLE_S = 0.2
FULL = "FOREWALK_BENCH_FULL"


@dataclass(frozen=True)
class Cost:
    """What a command took: processor seconds and peak memory of all its processes, seconds by the clock."""

    processor_s: float
    clock_s: float
    peak_gb: float


def run() -> Report:
    """Measure runs of growing size, project the large one, and time an audit."""
    report = Report("whole", f"made-up random walks, {ROWS} days; {SEEDS} seeds; examples/universe.toml")
    report.details["load_average"] = machine()["load_average"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        points = {count: backtest_cost(folder, count, FOLDS) for count in SYMBOLS}
        for count, cost in points.items():
            _line(report, f"backtest, {count} symbols, {FOLDS} folds", cost)
        _large(report, folder, points)
        few, many = (backtest_cost(folder, SYMBOLS[0], folds, seeds=1) for folds in MANY_FOLDS)
        report.add(
            f"peak memory with {MANY_FOLDS[1]} folds, {SYMBOLS[0]} symbols, one seed",
            many.peak_gb,
            "GB",
            against=f"{MANY_FOLDS[0]} folds",
            ratio=many.peak_gb / few.peak_gb,
            target=f"<= {FLAT}x: flat",
            reached=many.peak_gb <= FLAT * few.peak_gb,
        )
        _audit(report, folder)
    return report


def _line(report: Report, what: str, cost: Cost) -> None:
    report.add(
        what, cost.processor_s, "s CPU", note=f"{cost.clock_s:.0f} s by the clock, {cost.peak_gb:.2f} GB"
    )


def _large(report: Report, folder: Path, points: Mapping[int, Cost]) -> None:
    """Add the run over AIM symbols: measured where it is asked for, else projected from the smaller ones."""
    what = f"backtest, {AIM} symbols, ten years, {FOLDS} folds, {SEEDS} seeds, every report"
    if os.environ.get(FULL):
        cost, said = backtest_cost(folder, AIM, FOLDS, jobs=2), "measured, two processes"
    else:
        cost, said = grown(points, AIM), f"projected from {' and '.join(map(str, points))} symbols, not run"
    _line(report, f"{what}: {said}", cost)
    minutes = cost.clock_s / 60 if os.environ.get(FULL) else cost.processor_s / 120
    report.add(
        "that on two cores",
        minutes,
        "minutes",
        target=f"< {LIMIT_MINUTES:.0f} and {LIMIT_GB:.0f} GB",
        reached=minutes < LIMIT_MINUTES and cost.peak_gb < LIMIT_GB,
        note="by the clock" if os.environ.get(FULL) else "half of its processor time",
    )


def _audit(report: Report, folder: Path) -> None:
    """Add an audit from end to end; of some of the names only, unless all are asked for."""
    bars, data = sp500()
    whole = bool(os.environ.get(FULL))
    chosen = bars if whole else bars.select(bars.symbols[: SYMBOLS[0]])
    file = write_bars(chosen, folder / "audit.parquet")
    sets = ["model.seeds=1", "model.max_epochs=1", "data.source=parquet", f"data.path={file}", "jobs=2"]
    cost = command_cost(["engine.audit", str(UNIVERSE), *_flags(sets)], folder)
    _line(report, f"audit from end to end, one seed and pass, {len(chosen.symbols)} of {data}", cost)
    if whole:
        minutes = cost.clock_s / 60
        report.add(
            "that by the clock",
            minutes,
            "minutes",
            target=f"< {AUDIT_MINUTES:.0f}",
            reached=minutes < AUDIT_MINUTES,
        )


def backtest_cost(folder: Path, symbols: int, folds: int, seeds: int = SEEDS, jobs: int = 1) -> Cost:
    """Run `forewalk backtest` with every report over made-up bars and return what it took."""
    file = write_bars(made_up(symbols, ROWS), folder / f"{symbols}.parquet")
    step = -(-(ROWS - TRAIN_BARS) // folds)
    sets = [
        *("data.source=parquet", f"data.path={file}", f"jobs={jobs}", f"model.seeds={seeds}"),
        *(f"folds.train_bars={TRAIN_BARS}", f"folds.refit_every_bars={step}"),
    ]
    out = folder / f"run-{symbols}-{folds}-{seeds}-{jobs}"
    return command_cost(
        ["engine.backtest", "--config", str(UNIVERSE), *_flags(sets), "--out", str(out)], folder
    )


def _flags(sets: Sequence[str]) -> list[str]:
    return [word for each in sets for word in ("--set", each)]


def write_bars(bars: Bars, file: Path) -> Path:
    """Write bars as one long file, as a user has them: symbol, date, prices, volume."""
    dates = bars.timestamps.tz_convert("America/New_York").tz_localize(None).normalize()
    index = pd.MultiIndex.from_product([dates, bars.symbols], names=["date", "symbol"])
    table = pd.DataFrame({name: getattr(bars, name).ravel() for name in BAR_FIELDS}, index=index)
    table.dropna().reset_index().to_parquet(file)
    return file


def command_cost(arguments: Sequence[str], folder: Path) -> Cost:
    """Run `python -m MODULE ...` to its end and return what it and its processes took.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    peak, ended = [math.nan], threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, ended))
    watcher.start()
    said, _ = process.communicate()
    ended.set()
    watcher.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed: {said[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(used, time.perf_counter() - begun, peak[0] / 2**20)


def _watch(session: int, peak: list[float], ended: threading.Event) -> None:
    """Keep in `peak` the largest memory of all processes of a session, in KiB."""
    while not ended.wait(SAMPLE_S):
        now = sum(memory_kib(pid) for pid in _members(session))
        peak[0] = now if math.isnan(peak[0]) else max(peak[0], now)


def _members(session: int) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        if int(fields[3]) == session:
            yield int(folder.name)


def memory_kib(pid: int) -> float:
    """Return the memory of a process, each shared page by its share (PSS); 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return float(next((line.split()[1] for line in lines if line.startswith("Pss:")), 0.0))


def grown(points: Mapping[int, Cost], count: int) -> Cost:
    """Return what `count` symbols cost by the line through `points`: so much once, and so much a symbol.

    A power law would take what is paid once for slow growth, and foretell too little.
    """
    sizes = [float(size) for size in points]

    def line(name: str) -> float:
        fit = statistics.linear_regression(sizes, [getattr(cost, name) for cost in points.values()])
        return fit.intercept + fit.slope * count

    return Cost(line("processor_s"), line("clock_s"), line("peak_gb"))
