"""Train a network to order the symbols of a bar.

The loss is minus the mean over bars of the correlation over symbols between scores and rank labels: what a
cross-section is judged by, instead of a likelihood that spends the network on the variance. All symbols of a bar
stand side by side, a step takes `sequence_targets` bars, and the state is carried on without its gradient (truncated
backpropagation, Williams & Peng 1990). A second network beside it learns the spread of the returns by likelihood.

Shapes: N rows, S symbols, F features, L bars of a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from forewalk.errors import DataError
from forewalk.features.panel import Float32Array
from forewalk.settings.features import FEWEST_SYMBOLS
from forewalk.settings.sections import ModelSettings
from forewalk.types import FloatArray, IntArray
from models.recurrent.augment import changed_inputs, noise_of
from models.recurrent.networks import Carried, RecurrentForecaster, gaussian_nll, on_line
from models.recurrent.training import TARGET_LIMIT, FlatAdamW, run_network
from models.scores import return_per_score, standardised


@dataclass
class CarriedPair:
    """What the two networks of a `RankForecaster` remember between two calls."""

    ranker: Carried
    sizer: Carried


class RankForecaster(nn.Module):
    """Two networks on the same inputs: one scores the symbols of a bar, one knows the spread of their returns."""

    line: Tensor | None

    def __init__(self, features: int, settings: ModelSettings, symbols: int = 0) -> None:
        super().__init__()
        own = settings.model_copy(
            update={"residual": "off"}
        )  # the line is of the scores, and misses no input
        self.ranker = RecurrentForecaster(features, own, symbols)
        self.sizer = RecurrentForecaster(features, own, symbols)
        self.input_dropout = nn.Dropout(settings.input_dropout)
        self.register_buffer("line", torch.zeros(features + 1) if settings.residual == "ridge" else None)

    def forward(
        self, x: Tensor, state: CarriedPair | None = None, who: Tensor | None = None
    ) -> tuple[Tensor, Tensor, CarriedPair]:
        """Read x [L, S, F] from `state`; return scores and log std of the scaled return [L, S], and the new state."""
        score, _, ranker = self.ranker(self.input_dropout(x), None if state is None else state.ranker, who)
        _, log_std, sizer = self.sizer(x, None if state is None else state.sizer, who)
        if self.line is not None:
            score = score + on_line(x, self.line)
        return score, log_std, CarriedPair(ranker, sizer)


@dataclass(frozen=True, eq=False)
class RankRows:
    """Training arrays of one network: x [N, S, F], scores and scaled returns [N, S], NaN where unknown.

    `line` [F + 1] is what a ridge has learned of the scores.
    """

    x: Tensor
    scores: Tensor
    target: Tensor
    train: IntArray
    valid: IntArray
    line: Tensor | None = None

    @property
    def who(self) -> Tensor:
        """The column of each symbol, [S]."""
        return torch.arange(self.x.shape[1])

    @classmethod
    def of(
        cls,
        x: Float32Array,
        scores: FloatArray,
        target: FloatArray,
        train: IntArray,
        valid: IntArray,
        line: Tensor | None = None,
    ) -> RankRows:
        """Prepare scaled features (0 where missing), rank labels and scaled returns."""
        cut = np.clip(target, -TARGET_LIMIT, TARGET_LIMIT)
        x32, scores32, cut32 = (torch.from_numpy(values.astype(np.float32)) for values in (x, scores, cut))
        return cls(x32, scores32, cut32, train, valid, line)

    def only(self, rows: IntArray) -> RankRows:
        """Return the same rows with labels on `rows` alone."""
        there = torch.zeros(len(self.x), 1, dtype=torch.bool)
        there[torch.from_numpy(rows)] = True
        nothing = torch.tensor(float("nan"))
        scores, target = (torch.where(there, values, nothing) for values in (self.scores, self.target))
        return replace(self, scores=scores, target=target)


@dataclass(frozen=True, eq=False)
class TrainedRanker:
    """The kept weights, the losses per epoch (minus the correlation), and what makes returns of the answers."""

    network: RankForecaster
    train_loss: tuple[float, ...]
    valid_loss: tuple[float, ...]
    best_epoch: int
    return_per_score: float
    std_factor: float


def train_ranker(rows: RankRows, settings: ModelSettings, seed: int) -> TrainedRanker:
    """Train a fresh pair of networks in float32 on the CPU; equal inputs and seed give equal bits.

    Stops after `patience` epochs without a better correlation on the validation rows and keeps the best epoch's
    weights. The validation rows also say how much return there is to a score, and how far the spread is off.

    Raises:
        DataError: no training or no validation bar has labels of 20 symbols.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = RankForecaster(rows.x.shape[2], settings, rows.x.shape[1])
        if network.line is not None and rows.line is not None:
            network.line.copy_(rows.line)
        return _train(network, rows, settings, np.random.default_rng(seed))


def _train(
    network: RankForecaster, rows: RankRows, settings: ModelSettings, generator: np.random.Generator
) -> TrainedRanker:
    learning = rows.only(rows.train)
    steps = -(-len(rows.train) // settings.sequence_targets)
    optimizer = FlatAdamW(network, settings, steps)
    train_losses: list[float] = []
    valid_losses: list[float] = []
    best_loss, best_epoch, best_weights = np.inf, 0, optimizer.weights.clone()
    for epoch in range(settings.max_epochs):
        train_losses.append(_one_pass(network, optimizer, learning, settings, generator))
        with optimizer.averaged():
            score, _ = _validated(network, rows, settings)
        valid_losses.append(_mean_loss(score, rows.scores[torch.from_numpy(rows.valid)], "validation"))
        if valid_losses[-1] < best_loss:
            best_loss, best_epoch, best_weights = valid_losses[-1], epoch, optimizer.average.clone()
        elif epoch - best_epoch >= settings.patience:
            break
    optimizer.weights.copy_(best_weights)
    curves = tuple(train_losses), tuple(valid_losses)
    return TrainedRanker(network.eval(), *curves, best_epoch, *_calibrated(network, rows, settings))


def _one_pass(
    network: RankForecaster,
    optimizer: FlatAdamW,
    rows: RankRows,
    settings: ModelSettings,
    generator: np.random.Generator,
) -> float:
    """Read the training rows once from the first to the last; return the mean loss of their bars."""
    network.train()
    state: CarriedPair | None = None
    total, count = 0.0, 0
    noise = noise_of(settings, generator)
    for first, stop in _steps(rows, settings, generator):
        x = rows.x[first:stop]
        x = x if noise is None else changed_inputs(x, settings.augment, noise)
        score, log_std, state = network(x, state, rows.who)
        state = CarriedPair(_detached(state.ranker), _detached(state.sizer))
        correlations = row_correlations(score, rows.scores[first:stop])
        if not len(correlations):
            continue
        loss = -correlations.mean()
        optimizer.step(loss + _mean_nll(log_std, rows.target[first:stop]))
        total += float(loss.detach()) * len(correlations)
        count += len(correlations)
    if not count:
        raise _nothing_to_learn("training")
    return total / count


def _steps(
    rows: RankRows, settings: ModelSettings, generator: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Cut the rows up to the last training row into steps; the first is of random length, so that cuts move."""
    size = settings.sequence_targets
    first = max(0, int(rows.train[0]) - settings.lookback_bars)
    stop = first + 1 + int(generator.integers(size))
    last = int(rows.train[-1]) + 1
    while first < last:
        yield first, min(stop, last)
        first, stop = stop, stop + size


def row_correlations(score: Tensor, label: Tensor) -> Tensor:
    """Return the correlation over symbols of each row of [L, S] with at least 20 labels, [<= L]; NaN is no label."""
    there = torch.isfinite(label)
    count = there.sum(dim=1, keepdim=True)
    enough = (count >= FEWEST_SYMBOLS)[:, 0]
    there, count, score = there[enough], count[enough], score[enough]
    truth = torch.where(there, label[enough], torch.zeros(()))

    def centred(values: Tensor) -> Tensor:
        mean = (values * there).sum(dim=1, keepdim=True) / count
        return (values - mean) * there

    a, b = centred(score), centred(truth)
    size = ((a**2).sum(dim=1) * (b**2).sum(dim=1) + 1e-12).sqrt()
    return (a * b).sum(dim=1) / size


def _mean_nll(log_std: Tensor, target: Tensor) -> Tensor:
    """Return the mean negative log likelihood of the known targets around zero."""
    there = torch.isfinite(target)
    known = torch.where(there, target, torch.zeros(()))
    losses = gaussian_nll(torch.zeros_like(known), log_std, known)
    return (losses * there).sum() / there.sum().clamp(min=1)


def _mean_loss(score: Tensor, label: Tensor, what: str) -> float:
    correlations = row_correlations(score, label)
    if not len(correlations):
        raise _nothing_to_learn(what)
    return -float(correlations.double().mean())


@torch.no_grad()
def _validated(network: RankForecaster, rows: RankRows, settings: ModelSettings) -> tuple[Tensor, Tensor]:
    """Return scores and log std of the validation rows, the state warmed over the bars before them."""
    network.eval()
    first, stop = int(rows.valid[0]), int(rows.valid[-1]) + 1
    begin = max(0, first - settings.lookback_bars)
    score, log_std = run_network(network, rows.x[begin:stop], who=rows.who)
    chosen = torch.from_numpy(rows.valid - begin)
    return score[chosen], log_std[chosen]


def _calibrated(network: RankForecaster, rows: RankRows, settings: ModelSettings) -> tuple[float, float]:
    """Return, from the validation rows, the scaled return per unit of standardised score and a factor on the std."""
    score, log_std = _validated(network, rows, settings)
    known = torch.from_numpy(rows.valid)
    label, target = rows.scores[known].double().numpy(), rows.target[known].double().numpy()
    slope = return_per_score(standardised(score.double().numpy(), np.isfinite(label)), target)
    square = (target / np.exp(log_std.double().numpy())) ** 2
    return slope, float(np.sqrt(np.nanmean(square)))


def _detached(state: Carried) -> Carried:
    recurrent = state.recurrent
    kept = (
        recurrent.detach()
        if isinstance(recurrent, Tensor)
        else (recurrent[0].detach(), recurrent[1].detach())
    )
    return Carried(kept, None if state.recent is None else state.recent.detach())


def _nothing_to_learn(what: str) -> DataError:
    return DataError(
        f"no {what} bar has labels of {FEWEST_SYMBOLS} symbols with all features; load a longer history"
    )
