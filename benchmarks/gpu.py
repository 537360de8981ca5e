"""A GPU beside one processor core: the same networks of every kind, their time, and whether they learn the same.

`python -m benchmarks gpu` runs unattended and writes its table. Without a device it says so, and measures the
processor alone: the same networks and steps, so that the table of a device has something to stand beside.
Times are by the clock, the device's work included: a processor waits while a device works. What the device can do
is measured, not looked up: a large product of bf16 matrices, on a processor a smaller one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.data import made_up
from benchmarks.measure import Report
from benchmarks.train import Problem, problem
from forewalk.settings.sections import ModelSettings
from forewalk.types import FloatArray
from models.recurrent.forecaster import LSTMForecaster
from models.recurrent.networks import RecurrentForecaster, gaussian_nll
from models.recurrent.stacked import Stack

NETWORKS, FEATURES, PRODUCT, SMALL_PRODUCT = 24, 17, 8192, 1024  # eight folds of three seeds
SYMBOLS, ROWS, SEEDS, PASSES = 10, 2518, 3, 3
KINDS: dict[str, dict[str, Any]] = {
    "LSTM": {},
    "two layers": {"layers": 2},
    "GRU": {"cell": "gru"},
    "attention": {"attention": True},
}


def run() -> Report:
    """Train every kind on the processor and, where there is one, on the device."""
    report = Report("gpu", f"made-up random walks, {SYMBOLS} symbols x {ROWS} days, {SEEDS} seeds")
    has_device = torch.cuda.is_available()
    none = "none here: measured on the processor alone"
    report.details["gpu"] = torch.cuda.get_device_name() if has_device else none
    for name, changes in KINDS.items():
        _kind_lines(report, name, changes, has_device)
    step_lines(report, *(("cuda", PRODUCT) if has_device else ("cpu", SMALL_PRODUCT)))
    return report


def _kind_lines(report: Report, name: str, changes: dict[str, Any], has_device: bool) -> None:
    """Add the time of all folds and seeds on both, and how far apart their forecasts are."""
    model = {"max_epochs": PASSES, "patience": PASSES, "seeds": SEEDS, **changes}
    task = problem(made_up(SYMBOLS, ROWS), model=model)
    networks = f"{len(task.folds) * SEEDS} networks, {PASSES} passes"
    if not has_device:
        report.add(
            f"{name}, one processor core", _learnt(task, "cpu")[1], "s", note=f"{networks}; no device here"
        )
        return
    _learnt(problem(made_up(2, 1300), model={**model, "max_epochs": 1}), "cuda")  # first use of the libraries
    here, processor = _learnt(task, "cpu")
    there, device = _learnt(task, "cuda")
    report.add(f"{name}, one processor core", processor, "s", note=networks)
    report.add(f"{name}, device", device, "s", against="one core", ratio=processor / device)
    apart = np.nanmax(np.abs(here - there)) / np.nanstd(here)
    report.add(f"{name}: largest difference of a forecast", apart, "of their standard deviation")


def _learnt(task: Problem, device: str) -> tuple[FloatArray, float]:
    """Train all members of all folds as a run does; return the means of the test rows and the seconds."""
    forecaster = LSTMForecaster(task.settings.model, task.settings.seed)
    data = [task.data(fold) for fold in task.folds]
    members = forecaster.members(data[0].symbols)
    work = [(one, member) for one in data for member in members]
    begun = time.perf_counter()
    if device == "cpu":
        parts = [forecaster.fit_member(*one)[0] for one in work]
    else:
        parts = [part for part, _ in forecaster.fit_together(work, device)]
    seconds = time.perf_counter() - begun
    means = []
    for number, (one, fold) in enumerate(zip(data, task.folds, strict=True)):
        own = parts[number * len(members) : (number + 1) * len(members)]
        fitted = forecaster.assemble(one.info, own)
        means.append(fitted.predict_scaled(task.panel, int(fold.test[0]), int(fold.test[-1]) + 1).mean)
    return np.concatenate(means), seconds


def step_lines(report: Report, device: str = "cuda", product: int = PRODUCT) -> None:
    """Add the time of a step and its share of the bf16 peak of `device`."""
    settings = ModelSettings()
    networks = [RecurrentForecaster(FEATURES, settings).to(device) for _ in range(NETWORKS)]
    stack = Stack(networks, [16] * NETWORKS, settings)
    burn, targets, batch = settings.lookback_bars, settings.sequence_targets, settings.batch_sequences
    x = torch.randn(NETWORKS, burn + targets, batch, FEATURES, device=device)
    y = torch.randn(NETWORKS, targets, batch, device=device)
    active = torch.ones(NETWORKS, dtype=torch.bool, device=device)

    def step() -> None:
        mean, log_std = stack.forward(x, burn)
        stack.step(gaussian_nll(mean, log_std, y).mean(dim=(1, 2)), active)

    a = torch.randn(product, product, device=device, dtype=torch.bfloat16)
    peak = 2 * product**3 / _clock(lambda: a @ a, device)
    seconds = _clock(step, device)
    done = NETWORKS * targets * batch
    forward = 8 * settings.hidden_size * (FEATURES + settings.hidden_size)
    flops = done * (forward * (2 + burn / targets) + 8 * settings.hidden_size**2)
    report.add(
        f"one step of {NETWORKS} networks on {device}",
        1e3 * seconds,
        "ms",
        note=f"{1e6 * seconds / done:.3f} us per target",
    )
    report.add(
        "its share of the device's bf16 rate",
        flops / seconds / peak,
        "",
        note=f"{flops / seconds / 1e9:.0f} of {peak / 1e9:.0f} GFLOP/s, measured; the step itself is float32",
    )


def _clock(work: Callable[[], object], device: str, runs: int = 5) -> float:
    """Return the median seconds of a call by the clock, the device's work included."""
    taken = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[1:])
