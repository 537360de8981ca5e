"""Sweeps: bars a second of the compiled simulation, alone, against the Cerebro run, and against vectorbt.

A bar is one bar of one symbol under one setting. Every figure includes what a sweep shows: reading the bars,
the simulation, total return, Sharpe ratio, drawdown and turnover. vectorbt is measured only where its own
environment, `.venv-peers`, exists; its licence forbids depending on it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measure import Report, median_cpu, side_by_side
from engine.simulation.cerebro import simulate
from engine.simulation.compiled.account import simulate_compiled
from engine.simulation.compiled.run import simulate_settings
from engine.simulation.engines import check_equal
from forewalk.compute.pool import Processes
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts

PEERS = Path(os.environ.get("FOREWALK_PEERS", Path(__file__).resolve().parents[1] / ".venv-peers"))
PEER = PEERS / "bin" / "python"
PEER_SCRIPT = Path(__file__).with_name("peer_vectorbt.py")
VECTORBT = 2.5  # million bars a second, measured once on two cores: see the issue
TARGET = 10 * VECTORBT
PORTFOLIO = (2500, 200)  # bars, symbols
ENTRIES = [round(0.02 * number, 2) for number in range(16)]  # thresholds that both sweep
RUNS = 5


def run() -> Report:
    """Measure grids of settings, threads, and the others."""
    report = Report("sweep", f"random walks, {PORTFOLIO[0]} bars x {PORTFOLIO[1]} symbols")
    _grids(report)
    _threads(report)
    _cerebro(report)
    _vectorbt(report)
    return report


def made_up_world(bars: int, symbols: int, seed: int = 0) -> tuple[Bars, Forecasts]:
    """Return random walks and forecasts that last a few days, by the same seed the same."""
    random = np.random.default_rng(seed)
    times = pd.bdate_range("2010-01-04", periods=bars, tz="UTC") + pd.Timedelta(hours=21)
    close = 50 * np.exp(np.cumsum(random.normal(0, 0.02, (bars, symbols)), axis=0))
    open_ = close * np.exp(random.normal(0, 0.005, (bars, symbols)))
    mean = np.empty((bars, symbols))
    mean[0] = random.normal(0, 0.006, symbols)
    for t in range(1, bars):
        mean[t] = 0.8 * mean[t - 1] + random.normal(0, 0.0036, symbols)
    names = tuple(f"S{number}" for number in range(symbols))
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    history = Bars(times, names, open_, high, low, close, np.full(close.shape, 1e6))
    std, half = np.full(mean.shape, 0.02), np.full(mean.shape, 0.5)
    never = pd.DatetimeIndex([pd.NaT] * bars, tz="UTC")
    return history, Forecasts(times, names, mean, std, half, 1, ("",) * bars, never)


def _grids(report: Report) -> None:
    bars, forecasts = made_up_world(*PORTFOLIO)
    for name, tree in {
        "thresholds": {"entry": 0.1},
        "ranks": {"kind": "cross_section", "top": 20, "hysteresis": 20},
    }.items():
        grid = _grid(tree)
        seconds = median_cpu(lambda grid=grid: simulate_settings(bars, forecasts, grid), RUNS)
        result = simulate_settings(bars, forecasts, grid)
        share = float(result.table["filled"].sum()) / bars.close.size / len(grid)
        _speed(
            report,
            f"one account over {PORTFOLIO[1]} symbols, {len(grid)} settings, {name}",
            len(grid) * bars.close.size / seconds,
            f"orders on {share:.1%} of bars",
        )


def _threads(report: Report) -> None:
    """By the clock, alternately, since that is what threads are for.

    On a busy machine the clock measures the others: then only the processor time counts. Where it does not grow
    with the second thread, a free second core halves the time.
    """
    bars, forecasts = made_up_world(*PORTFOLIO)
    grid = _grid({"entry": 0.1}, 64)
    clock: dict[int, list[float]] = {1: [], 2: []}
    cpu: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(RUNS):
        for threads in (1, 2):
            begun, used = time.perf_counter(), time.process_time()
            simulate_settings(bars, forecasts, grid, Processes(threads))
            clock[threads].append(time.perf_counter() - begun)
            cpu[threads].append(time.process_time() - used)
    one, two = min(clock[1]), min(clock[2])
    speed = len(grid) * bars.close.size / two / 1e6
    note = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; best of {RUNS}"
    report.add(
        "two threads, by the clock", speed, "M bars/s", against="one thread", ratio=one / two, note=note
    )
    more = statistics.median(cpu[2]) / statistics.median(cpu[1])
    report.add(
        "processor time of two threads", statistics.median(cpu[2]), "CPU s", against="one thread", ratio=more
    )
    report.details["threads"] = {"clock_seconds": clock, "cpu_seconds": cpu}


def _cerebro(report: Report) -> None:
    bars, forecasts = made_up_world(500, 20)
    settings = settings_from({"strategy": {"entry": 0.1}})
    simulate_compiled(bars, forecasts, settings)
    taken = side_by_side(
        {
            "cerebro": lambda: simulate(bars, forecasts, settings),
            "compiled": lambda: simulate_compiled(bars, forecasts, settings),
        }
    )
    check_equal(simulate(bars, forecasts, settings), simulate_compiled(bars, forecasts, settings))
    report.add(
        "one run with all its tables, 500 bars x 20 symbols",
        bars.close.size / taken["compiled"] / 1e6,
        "M bars/s",
        against="the Cerebro run",
        ratio=taken["cerebro"] / taken["compiled"],
        note="the same to the last bit",
    )


def _vectorbt(report: Report) -> None:
    if not PEER.exists():
        report.details["vectorbt"] = "not measured: .venv-peers is not here (make bench-peers)"
        return
    bars, forecasts = made_up_world(*PORTFOLIO)
    grid = [
        settings_from({"strategy": {"entry": entry, "exit": -entry, "min_hold_bars": 0}}) for entry in ENTRIES
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "signals.npz"
        np.savez(file, close=bars.close, score=forecasts.mean / forecasts.std, entries=ENTRIES)
        command = [str(PEER), str(PEER_SCRIPT), str(file), str(RUNS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        report.details["vectorbt"] = f"not measured: {done.stderr.strip().splitlines()[-1:]}"
        return
    peer = json.loads(done.stdout)
    own = median_cpu(lambda: simulate_settings(bars, forecasts, grid), RUNS)
    cells = len(grid) * bars.close.size
    what = f"{len(grid)} thresholds over {PORTFOLIO[1]} symbols, one account each"
    report.details["vectorbt"] = peer
    report.add(f"vectorbt {peer['version']}, {what}", cells / peer["seconds"] / 1e6, "M bars/s")
    ratio = peer["seconds"] / own
    report.add(
        what,
        cells / own / 1e6,
        "M bars/s",
        against="vectorbt",
        ratio=ratio,
        target=">= 10",
        reached=ratio >= 10,
    )


def _grid(tree: dict[str, object], count: int = 16) -> list[Settings]:
    return [
        settings_from({"strategy": {**tree, "max_weight": 0.1 + 0.01 * number, "min_hold_bars": number % 8}})
        for number in range(count)
    ]


def _speed(report: Report, what: str, bars_a_second: float, note: str) -> None:
    speed = bars_a_second / 1e6
    report.add(
        what,
        speed,
        "M bars/CPU s",
        against=f"vectorbt's {VECTORBT} M",
        ratio=speed / VECTORBT,
        target=f">= {TARGET:.0f}",
        reached=speed >= TARGET,
        note=note,
    )


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.__main__ import show, write

    measured = run()
    write(measured)
    show(measured, Console(width=150))
