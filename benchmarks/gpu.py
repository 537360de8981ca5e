"""A training step of all networks at once on a device: its time, and its share of what the device can do.

What the device can do is measured, not looked up: a large product of bf16 matrices.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.measure import Report
from forewalk.settings.sections import ModelSettings
from models.recurrent.networks import RecurrentForecaster, gaussian_nll
from models.recurrent.stacked import Stack

NETWORKS, FEATURES, PRODUCT = 24, 17, 8192  # eight folds of three seeds


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
