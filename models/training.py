"""One seeded training loop for every network.

Networks are trained many-to-many: a sequence warms the state over `lookback_bars` bars and then carries a
loss at each of `sequence_targets` bars. No window is ever materialised: a batch is gathered from the
panel by row number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from engine.config import ModelSettings
from engine.features.pipeline import Float32Array
from engine.types import FloatArray, IntArray
from models.networks import RecurrentForecaster, State, gaussian_nll, squared_error

PREDICT_STEPS = 256  # rows per pass; the state carries over, so it bounds memory and changes nothing else
TARGET_LIMIT = 8.0  # scaled returns beyond 8 standard deviations are cut in training only


@dataclass(frozen=True, eq=False)
class Sequences:
    """Training arrays of one member, padded so that every sequence can be cut without a special case.

    x [P + N + K, S, F] starts with P = lookback rows of zeros and ends with K; y and the two masks
    [N + K, S] are not padded in front: sequence at row a reads x[a : a + P + K] and is scored on y[a : a + K].
    """

    x: Tensor
    y: Tensor
    train: Tensor
    valid: Tensor
    first_valid: int
    rows: int


@dataclass(frozen=True, eq=False)
class Trained:
    """The kept weights, the losses per epoch, and the residual std of the validation targets."""

    network: RecurrentForecaster
    train_loss: tuple[float, ...]
    valid_loss: tuple[float, ...]
    best_epoch: int
    residual_std: float


def make_sequences(
    x: Float32Array, target: FloatArray, train: IntArray, valid: IntArray, settings: ModelSettings
) -> Sequences:
    """Prepare scaled features x [N, S, F] (0 where missing) and targets [N, S] (NaN where unknown)."""
    before, after = settings.lookback_bars, settings.sequence_targets
    known = np.isfinite(target)
    y = np.clip(np.where(known, target, 0.0), -TARGET_LIMIT, TARGET_LIMIT).astype(np.float32)
    masks = []
    for rows in (train, valid):
        mask = np.zeros_like(known)
        mask[rows] = known[rows]
        masks.append(torch.from_numpy(np.pad(mask, ((0, after), (0, 0)))))
    return Sequences(
        x=torch.from_numpy(np.pad(x, ((before, after), (0, 0), (0, 0)))),
        y=torch.from_numpy(np.pad(y, ((0, after), (0, 0)))),
        train=masks[0],
        valid=masks[1],
        first_valid=int(valid[0]),
        rows=len(x),
    )


def train_network(sequences: Sequences, settings: ModelSettings, seed: int) -> Trained:
    """Train a fresh network on CPU in float32; equal inputs and seed give equal bits.

    Stops after `patience` epochs without a better validation loss and keeps the best epoch's weights.
    """
    generator = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = RecurrentForecaster(sequences.x.shape[2], settings)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        return _train(network, optimizer, sequences, settings, generator)


def _train(
    network: RecurrentForecaster,
    optimizer: torch.optim.Optimizer,
    sequences: Sequences,
    settings: ModelSettings,
    generator: np.random.Generator,
) -> Trained:
    train_losses: list[float] = []
    valid_losses: list[float] = []
    best_loss, best_epoch, best_weights = np.inf, 0, _copy(network)
    for epoch in range(settings.max_epochs):
        network.train()
        train_losses.append(_one_pass(network, optimizer, sequences, settings, generator))
        valid_losses.append(validation_loss(network, sequences, settings)[0])
        if valid_losses[-1] < best_loss:
            best_loss, best_epoch, best_weights = valid_losses[-1], epoch, _copy(network)
        elif epoch - best_epoch >= settings.patience:
            break
    network.load_state_dict(best_weights)
    residual = validation_loss(network, sequences, settings)[1]
    return Trained(network.eval(), tuple(train_losses), tuple(valid_losses), best_epoch, residual)


def _one_pass(
    network: RecurrentForecaster,
    optimizer: torch.optim.Optimizer,
    sequences: Sequences,
    settings: ModelSettings,
    generator: np.random.Generator,
) -> float:
    """One pass over all training targets; return the mean loss per target."""
    loss_of = gaussian_nll if settings.loss == "gaussian_nll" else squared_error
    total, count = 0.0, 0
    for x, y, mask in batches(sequences, settings, generator):
        mean, log_std, _ = network(x)
        targets = int(mask.sum())
        burn = settings.lookback_bars
        loss = (loss_of(mean[burn:], log_std[burn:], y) * mask).sum() / targets
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
        optimizer.step()
        total += float(loss.detach()) * targets
        count += targets
    return total / max(count, 1)


def batches(
    sequences: Sequences, settings: ModelSettings, generator: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Cut the training rows into sequences at a random phase and yield them in random order.

    Yields x [lookback + K, B, F], y [K, B] and its mask [K, B]; every training target comes once.
    """
    size = settings.sequence_targets
    phase = int(generator.integers(size))
    starts = torch.arange(phase - size, sequences.rows, size).clamp(min=0).unique()
    ends = torch.cat([starts[1:], torch.tensor([sequences.rows])])
    counts = torch.zeros(len(sequences.train) + 1, sequences.train.shape[1], dtype=torch.int64)
    counts[1:] = sequences.train.cumsum(0)
    filled = counts[ends] - counts[starts] > 0  # [chunks, S]
    chunk, symbol = filled.nonzero(as_tuple=True)
    order = torch.from_numpy(generator.permutation(len(chunk)))
    steps = torch.arange(size + settings.lookback_bars)[:, None]
    for pick in order.split(settings.batch_sequences):
        first, column = starts[chunk[pick]], symbol[pick]
        inside = steps[:size] < (ends - starts)[chunk[pick]]  # the first chunk is shorter
        rows = first + steps[:size]
        x = sequences.x[first + steps, column]  # [lookback + K, B, F]
        yield x, sequences.y[rows, column], sequences.train[rows, column] & inside


@torch.no_grad()
def validation_loss(
    network: RecurrentForecaster, sequences: Sequences, settings: ModelSettings
) -> tuple[float, float]:
    """Return the mean loss of the validation targets and the root mean square of their residuals."""
    network.eval()
    loss_of = gaussian_nll if settings.loss == "gaussian_nll" else squared_error
    first = sequences.first_valid
    mean, log_std = run_network(network, sequences.x[first : sequences.rows + settings.lookback_bars])
    burn = settings.lookback_bars
    mask = sequences.valid[first : sequences.rows]
    y = sequences.y[first : sequences.rows]
    count = max(int(mask.sum()), 1)
    loss = float((loss_of(mean[burn:], log_std[burn:], y) * mask).sum() / count)
    residual = float((((y - mean[burn:]) ** 2 * mask).sum() / count).sqrt())
    return loss, residual


@torch.no_grad()
def run_network(network: RecurrentForecaster, x: Tensor) -> tuple[Tensor, Tensor]:
    """Run x [L, B, F] through the network from a fresh state; return mean and log std, each [L, B]."""
    state: State | None = None
    means, log_stds = [], []
    for block in x.split(PREDICT_STEPS):
        mean, log_std, state = network(block, state)
        means.append(mean)
        log_stds.append(log_std)
    return torch.cat(means), torch.cat(log_stds)


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in network.state_dict().items()}
