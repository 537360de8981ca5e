"""Training: our loop against the windowed one, fold by fold, with the quality that each buys.

Both see the same targets the same number of times. Quality is out of sample: squared error relative to the
forecast of zero, Gaussian likelihood and rank correlation, per fold and overall.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.data import kdd17
from benchmarks.measure import Report, median_cpu, timed
from benchmarks.windowed import Windowed
from engine.evaluation.metrics.statistics import diebold_mariano, mean_test, rank_ic
from engine.training.walkforward import training_data
from forewalk.features.panel import FeaturePanel, Labels, build_features, build_labels
from forewalk.folds import Fold, walk_forward_folds
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import ModelSettings, Settings
from forewalk.types import Bars, FloatArray
from models.base import TrainingData, fit
from models.recurrent.forecaster import LSTMForecaster

PASSES = 3
FOLDS = {"train_bars": 1006, "refit_every_bars": 189}  # eight on kdd17
SGEMM = 1024
KERNEL_RUNS = 200
TARGET_RATIO, TARGET_SHARE = 30.0, 0.5


@dataclass
class Contender:
    """What one training loop cost and forecast, fold after fold."""

    cpu: list[float] = field(default_factory=list)
    mean: list[FloatArray] = field(default_factory=list)
    std: list[FloatArray] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Problem:
    """A panel with its labels, folds and settings."""

    settings: Settings
    panel: FeaturePanel
    labels: Labels
    folds: tuple[Fold, ...]

    def data(self, fold: Fold) -> TrainingData:
        """Return what the fold's model may see."""
        return training_data(self.panel, self.labels, fold)

    def targets(self, fold: Fold) -> int:
        """Return the number of training targets of a fold."""
        return int(np.isfinite(self.data(fold).target[fold.train]).sum())


def problem(bars: Bars, **sections: dict[str, Any]) -> Problem:
    """Build features, labels and folds of `bars` under default settings with changes."""
    settings = settings_from({"folds": FOLDS, **sections})
    panel = build_features(bars, settings.features, 1, settings.data.min_history_bars)
    labels = build_labels(bars, panel, settings.label)
    return Problem(settings, panel, labels, walk_forward_folds(bars.timestamps, labels.end, settings.folds))


def run() -> Report:
    """Measure the training targets."""
    bars, data = kdd17()
    report = Report("train", data)
    model = {"max_epochs": PASSES, "patience": PASSES, "seeds": 1}
    task = problem(bars, model=model)
    ours, windowed = _both(task)
    targets = [PASSES * task.targets(fold) for fold in task.folds]
    own, theirs = _median_cost(ours, targets), _median_cost(windowed, targets)
    report.add("windowed loop, batch 256, one thread", theirs, "us CPU per target and pass")
    report.add(
        "our loop",
        own,
        "us CPU per target and pass",
        against="windowed loop",
        ratio=theirs / own,
        target=f">= {TARGET_RATIO:.0f}x",
        reached=theirs / own >= TARGET_RATIO,
    )
    _flop_lines(report, task, own)
    _quality_lines(report, task, ours, windowed)
    _device_line(report)
    report.details["cpu_seconds"] = {"ours": ours.cpu, "windowed": windowed.cpu, "targets": targets}
    report.details["folds"] = len(task.folds)
    return report


def _both(task: Problem) -> tuple[Contender, Contender]:
    """Train and forecast every fold with both loops, in turn."""
    ours, windowed = Contender(), Contender()
    forecaster = LSTMForecaster(task.settings.model, task.settings.seed)
    fit(forecaster, task.data(task.folds[0]))  # first use of the libraries
    for fold in task.folds:
        data, first, stop = task.data(fold), int(fold.test[0]), int(fold.test[-1]) + 1
        fitted, seconds = timed(partial(fit, forecaster, data))
        ours.cpu.append(seconds)
        forecast = fitted.predict_scaled(task.panel, first, stop)
        ours.mean.append(forecast.mean)
        ours.std.append(forecast.std)
        other = Windowed(task.settings.model, task.settings.seed)
        windowed.cpu.append(timed(partial(other.fit, data, PASSES))[1])
        mean, std = other.predict(task.panel, first, stop)
        windowed.mean.append(mean)
        windowed.std.append(std)
    return ours, windowed


def _median_cost(contender: Contender, targets: list[int]) -> float:
    """Return the median over the folds of the microseconds per target and pass."""
    return 1e6 * statistics.median(
        seconds / count for seconds, count in zip(contender.cpu, targets, strict=True)
    )


def flops_per_target(features: int, model: ModelSettings, valid_share: float) -> float:
    """Return the floating-point operations that one target costs in one pass, matrix products only.

    A step of an LSTM with H units over F inputs multiplies [F + H] by [F + H, 4H]: 8H(F + H) operations
    forward; backward as many for the weights and 8HH for the state. Warming steps and validation targets
    are forward only. Gates, loss and optimiser are not counted.
    """
    forward = 8 * model.hidden_size * (features + model.hidden_size)
    backward = forward + 8 * model.hidden_size**2
    warming = forward * model.lookback_bars / model.sequence_targets
    return forward + backward + warming + forward * valid_share


def _flop_lines(report: Report, task: Problem, own: float) -> None:
    a, b = torch.randn(SGEMM, SGEMM), torch.randn(SGEMM, SGEMM)
    sgemm = 2 * SGEMM**3 / median_cpu(lambda: torch.mm(a, b), 9) / 1e9
    valid = sum(len(fold.valid) for fold in task.folds) / sum(len(fold.train) for fold in task.folds)
    flops = flops_per_target(len(task.panel.names), task.settings.model, valid)
    rate = flops / own / 1e3
    report.add(f"sgemm {SGEMM} x {SGEMM}, one core", sgemm, "GFLOP/s")
    report.add(
        f"our loop at {flops:.0f} FLOP per target and pass",
        rate,
        "GFLOP/s",
        against="sgemm",
        ratio=rate / sgemm,
        target=f">= {TARGET_SHARE}",
        reached=rate / sgemm >= TARGET_SHARE,
    )
    kernel = _kernel_rate(len(task.panel.names), task.settings.model)
    report.add(
        "torch's LSTM alone at the same shapes, no loss, no optimiser, no batches",
        kernel,
        "GFLOP/s",
        against="sgemm",
        ratio=kernel / sgemm,
        note="the most that any loop around it can reach",
    )


def _kernel_rate(features: int, model: ModelSettings) -> float:
    """Return the GFLOP/s of the recurrent layer: warming, forward and backward of one batch."""
    burn, batch = model.lookback_bars, model.batch_sequences
    cell = torch.nn.LSTM(features, model.hidden_size, model.layers)
    x = torch.randn(burn + model.sequence_targets, batch, features)

    def step() -> None:
        with torch.no_grad():
            _, state = cell(x[:burn])
        hidden, _ = cell(x[burn:], state)
        torch.autograd.backward(hidden, ones)

    ones = torch.ones(model.sequence_targets, batch, model.hidden_size)
    flops = flops_per_target(features, model, valid_share=0.0) * model.sequence_targets * batch
    return float(flops / median_cpu(step, KERNEL_RUNS) / 1e9)


def _quality_lines(report: Report, task: Problem, ours: Contender, windowed: Contender) -> None:
    first = int(task.folds[0].test[0])
    actual = task.labels.scaled[first:]
    own, other = Losses.of(ours, actual), Losses.of(windowed, actual)
    for name, losses in (("our loop", own), ("windowed loop", other)):
        zero = np.nansum(losses.square) / np.nansum(np.where(np.isfinite(losses.square), actual**2, np.nan))
        report.add(f"{name}: squared error over that of a zero forecast", zero, "")
        report.add(f"{name}: Gaussian negative log likelihood", np.nanmean(losses.likelihood), "nats")
        ic = mean_test(losses.rank_ic)
        report.add(f"{name}: rank IC", ic.mean, "", note=f"t = {ic.t:.2f}")
    for name in ("square", "likelihood"):
        test = diebold_mariano(getattr(own, name), getattr(other, name))
        worse = 1.0 - test.p_less
        report.add(
            f"Diebold-Mariano, {name}: ours minus windowed",
            test.mean_difference,
            "",
            target="not worse at 5 %",
            reached=worse > 0.05,
            note=f"one-sided p of being worse {worse:.3f}",
        )
    report.details["per_fold"] = [
        {"fold": fold.model_id, "ours": own.in_fold(fold, first), "windowed": other.in_fold(fold, first)}
        for fold in task.folds
    ]


@dataclass(frozen=True, eq=False)
class Losses:
    """Losses out of sample: squared error and negative log likelihood [T, S], rank IC [T]."""

    square: FloatArray
    likelihood: FloatArray
    rank_ic: FloatArray

    @classmethod
    def of(cls, contender: Contender, actual: FloatArray) -> Losses:
        """Compare what was forecast with what happened, both in multiples of volatility."""
        mean, std = np.concatenate(contender.mean), np.concatenate(contender.std)
        error = actual - mean
        return cls(error**2, np.log(std) + 0.5 * (error / std) ** 2, rank_ic(mean, actual))

    def in_fold(self, fold: Fold, first: int) -> dict[str, float]:
        """Return the means over one fold's test rows."""
        rows = fold.test - first
        return {
            "square": float(np.nanmean(self.square[rows])),
            "likelihood": float(np.nanmean(self.likelihood[rows])),
            "rank_ic": float(np.nanmean(self.rank_ic[rows])),
        }


def _device_line(report: Report) -> None:
    if not torch.cuda.is_available():
        report.details["gpu"] = "none here: step time and share of the bf16 peak were not measured"
        return
    from benchmarks.gpu import step_lines

    step_lines(report)
