"""One seeded training loop for every network.

Networks are trained many-to-many: a sequence warms the state over `lookback_bars` bars and then carries a
loss at each of `sequence_targets` bars. No window is ever materialised: a batch is copied out of the panel,
one contiguous block a sequence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from forewalk.features.panel import Float32Array
from forewalk.settings.sections import ModelSettings
from forewalk.types import FloatArray, IntArray
from models.recurrent.augment import Batch, augmented, noise_of
from models.recurrent.losses import LOSSES
from models.recurrent.networks import Carried, RecurrentForecaster
from models.recurrent.positions import SHARPE, minus_sharpe, return_per_position, slope_of

PREDICT_STEPS = 256  # rows per pass; the state carries over, so it bounds memory and changes nothing else
TARGET_LIMIT = 8.0  # scaled returns beyond 8 standard deviations are cut in training only
STEPS_PER_PASS = 16  # gradient steps a pass has at least, as long as there are as many sequences
BETAS, EPSILON = (0.9, 0.999), 1e-8  # AdamW's usual ones


@dataclass(frozen=True, eq=False)
class Sequences:
    """Training arrays of one member, padded so that every sequence can be cut without a special case.

    Symbol-major, so that a sequence is one block of memory. x [S, P + N + K, F] starts with P = lookback rows
    of zeros and ends with K; y and the two masks [S, N + K] are not padded in front: the sequence at row a of
    symbol s reads x[s, a : a + P + K] and is scored on y[s, a : a + K]. `line` [F + 1] is what a ridge has learned.
    """

    x: Tensor
    y: Tensor
    train: Tensor
    valid: Tensor
    first_valid: int
    rows: int
    line: Tensor | None = None

    def to(self, device: str) -> Sequences:
        """Return the same arrays on `device`."""
        if device == "cpu":
            return self
        moved = {name: getattr(self, name).to(device) for name in ("x", "y", "train", "valid")}
        return replace(self, **moved)


@dataclass(frozen=True, eq=False)
class Trained:
    """The kept weights, the losses per epoch, and the residual std of the validation targets.

    `return_per_position` is the scaled return that a position of one was worth there; 1 where the answer is a return.
    """

    network: RecurrentForecaster
    train_loss: tuple[float, ...]
    valid_loss: tuple[float, ...]
    best_epoch: int
    residual_std: float
    return_per_position: float = 1.0


def make_sequences(
    x: Float32Array, target: FloatArray, train: IntArray, valid: IntArray, settings: ModelSettings
) -> Sequences:
    """Prepare scaled features x [N, S, F] (0 where missing) and targets [N, S] (NaN where unknown)."""
    before, after = settings.lookback_bars, settings.sequence_targets
    known = np.isfinite(target)
    y = np.clip(np.where(known, target, 0.0), -TARGET_LIMIT, TARGET_LIMIT).astype(np.float32)
    rows, symbols, features = x.shape
    padded = np.zeros((symbols, before + rows + after, features), np.float32)
    padded[:, before : before + rows] = x.swapaxes(0, 1)
    masks = []
    for chosen in (train, valid):
        mask = np.zeros_like(known)
        mask[chosen] = known[chosen]
        masks.append(_by_symbol(mask, after))
    return Sequences(
        x=torch.from_numpy(padded),
        y=_by_symbol(y, after),
        train=masks[0],
        valid=masks[1],
        first_valid=int(valid[0]),
        rows=rows,
    )


def _by_symbol(values: npt.NDArray[Any], after: int) -> Tensor:
    """Return values [N, S] as [S, N + after], zeros at the end."""
    return torch.from_numpy(np.ascontiguousarray(np.pad(values, ((0, after), (0, 0))).T))


def train_network(sequences: Sequences, settings: ModelSettings, seed: int, device: str = "cpu") -> Trained:
    """Train a fresh network in float32; on the CPU equal inputs and seed give equal bits.

    Stops after `patience` epochs without a better validation loss and keeps the best epoch's weights. The
    network returned is on the CPU.
    """
    with torch.random.fork_rng(devices=[]):
        network = new_network(sequences, settings, seed).to(device)  # seeds the dropout of what follows, too
        trained = _train(network, sequences.to(device), settings, np.random.default_rng(seed))
    trained.network.cpu()
    return trained


def new_network(sequences: Sequences, settings: ModelSettings, seed: int) -> RecurrentForecaster:
    """Return the network that `seed` begins with; sets torch's random numbers."""
    torch.manual_seed(seed)
    network = RecurrentForecaster(sequences.x.shape[2], settings, len(sequences.x))
    if network.line is not None and sequences.line is not None:
        network.line.copy_(sequences.line)
    return network


def _train(
    network: RecurrentForecaster,
    sequences: Sequences,
    settings: ModelSettings,
    generator: np.random.Generator,
) -> Trained:
    optimizer = FlatAdamW(network, settings, steps_per_pass(sequences, settings))
    train_losses: list[float] = []
    valid_losses: list[float] = []
    best_loss, best_epoch, best_weights, best_residual = np.inf, 0, optimizer.weights.clone(), np.nan
    for epoch in range(settings.max_epochs):
        train_losses.append(_one_pass(network, optimizer, sequences, settings, generator))
        with optimizer.averaged():
            loss, residual = validation_loss(network, sequences, settings)
        valid_losses.append(loss)
        if loss < best_loss:
            best_loss, best_epoch, best_residual = loss, epoch, residual
            best_weights = optimizer.average.clone()
        elif epoch - best_epoch >= settings.patience:
            break
    optimizer.weights.copy_(best_weights)
    worth = 1.0
    if settings.loss == SHARPE:
        position, _, y, mask = _validated(network, sequences)
        worth = return_per_position(position, y, mask)
    curves = tuple(train_losses), tuple(valid_losses)
    return Trained(network.eval(), *curves, best_epoch, best_residual, worth)


class FlatAdamW:
    """AdamW (Loshchilov & Hutter 2019, ICLR) with a clipped gradient, over all weights as one vector.

    A network of this size has a dozen small tensors. Clearing, clipping and stepping one vector that they
    are views of takes a few calls a step instead of a dozen each. `weights` is that vector, float32 [P].

    `average` is the exponential moving average of the weights over about `horizon_steps` steps (Polyak &
    Juditsky 1992, SIAM J. Control Optim. 30): large steps get there fast, their average stands still.
    """

    def __init__(self, network: nn.Module, settings: ModelSettings, horizon_steps: int = 1) -> None:
        self.horizon_steps = horizon_steps
        parameters = list(network.parameters())
        flat = torch.cat([parameter.detach().flatten() for parameter in parameters])
        gradient = torch.zeros_like(flat)
        sizes = [parameter.numel() for parameter in parameters]
        for parameter, own, slope in zip(parameters, flat.split(sizes), gradient.split(sizes), strict=True):
            parameter.data = own.view_as(parameter)
            parameter.grad = slope.view_as(parameter)  # autograd adds into it in place
        self.weights, self._gradient, self._clip_norm = flat, gradient, settings.clip_norm
        self.average, self._steps = flat.clone(), 0
        self._first, self._second = torch.zeros_like(flat), torch.zeros_like(flat)
        self._rate, self._decay = settings.learning_rate, settings.weight_decay

    @torch.no_grad()
    def step(self, outputs: Tensor, slope: Tensor | None = None) -> None:
        """Move the weights down the gradient of a loss, cut to the largest norm allowed.

        `outputs` is the loss itself, or with `slope` what it was made of and its gradient with respect to that.
        """
        gradient = self._gradient.zero_()
        torch.autograd.backward(outputs, slope)
        norm = torch.linalg.vector_norm(gradient)
        gradient.mul_((self._clip_norm / (norm + 1e-6)).clamp_(max=1.0))
        self._steps += 1
        self._first.lerp_(gradient, 1.0 - BETAS[0])
        self._second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1.0 - BETAS[1])
        root = self._second.sqrt().div_(math.sqrt(1.0 - BETAS[1] ** self._steps)).add_(EPSILON)
        self.weights.mul_(1.0 - self._rate * self._decay)
        self.weights.addcdiv_(self._first, root, value=-self._rate / (1.0 - BETAS[0] ** self._steps))
        self.average.lerp_(self.weights, 1.0 / min(self._steps + 1, self.horizon_steps))

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the network have the averaged weights for a while."""
        own = self.weights.clone()
        self.weights.copy_(self.average)
        yield
        self.weights.copy_(own)


def _one_pass(
    network: RecurrentForecaster,
    optimizer: FlatAdamW,
    sequences: Sequences,
    settings: ModelSettings,
    generator: np.random.Generator,
) -> float:
    """One pass over all training targets; return the mean loss per target.

    The state is warmed without a gradient: no error is carried back into the bars before the first target.
    """
    network.train()
    slope = slope_of(settings)
    total, count, burn = 0.0, 0, settings.lookback_bars
    for (x, y, mask), who in batches_of_symbols(sequences, settings, generator):
        out, _ = network.read(x[burn:], network.warmed(x[:burn], who), who)
        targets = int(mask.sum())
        loss, gradient = slope(out, y, mask * (1.0 / targets))
        optimizer.step(out, gradient)
        total += float(loss) * targets
        count += targets
    return total / max(count, 1)


def batches(sequences: Sequences, settings: ModelSettings, generator: np.random.Generator) -> Iterator[Batch]:
    """Yield the batches of `batches_of_symbols` without their symbols."""
    return (batch for batch, _ in batches_of_symbols(sequences, settings, generator))


def batches_of_symbols(
    sequences: Sequences, settings: ModelSettings, generator: np.random.Generator
) -> Iterator[tuple[Batch, Tensor]]:
    """Cut the training rows into sequences at a random phase and yield them in random order.

    Yields x [lookback + K, B, F], y [K, B] and its mask [K, B], and the column of each sequence's symbol [B]; every
    training target comes once. What `settings.augment` changes is changed in them, and in nothing else.
    """
    noise = noise_of(settings, generator)
    size, burn = settings.sequence_targets, settings.lookback_bars
    phase = int(generator.integers(size))
    starts = torch.arange(phase - size, sequences.rows, size).clamp(min=0).unique()
    ends = torch.cat([starts[1:], torch.tensor([sequences.rows])])
    counts = functional.pad(sequences.train.cpu().cumsum(1), (1, 0))  # targets before each row
    filled = counts[:, ends] - counts[:, starts] > 0  # [S, chunks]
    chunk, symbol = filled.t().nonzero(as_tuple=True)
    order = torch.from_numpy(generator.permutation(len(chunk)))
    chunk, symbol = chunk[order], symbol[order]
    device = sequences.x.device
    first, length = starts[chunk], (ends - starts)[chunk].to(device)  # the first chunk is shorter
    at_x = (symbol * sequences.x.shape[1] + first).to(device)
    at_y = (symbol * sequences.y.shape[1] + first).to(device)
    x = _blocks(sequences.x.flatten(0, 1), burn + size)
    y, train = _blocks(sequences.y.flatten(), size), _blocks(sequences.train.flatten(), size)
    steps = torch.arange(size, device=device)[:, None]
    together = batch_size(len(order), settings)
    parts = (each.split(together) for each in (at_x, at_y, length, symbol.to(device)))
    for inputs, rows, until, who in zip(*parts, strict=True):
        batch = (
            x.index_select(0, inputs).view(len(inputs), burn + size, -1).transpose(0, 1),
            y.index_select(0, rows).t().contiguous(),
            train.index_select(0, rows).t() & (steps < until),
        )
        yield batch if noise is None else augmented(batch, settings, noise), who


def _blocks(values: Tensor, length: int) -> Tensor:
    """View contiguous values [N, ...] as [N - length + 1, length * ...]: the block that begins at each row."""
    width = values[0].numel()
    return values.as_strided((len(values) - length + 1, length * width), (width, 1))


def batch_size(count: int, settings: ModelSettings) -> int:
    """Sequences per step: as set, but fewer where a pass over `count` of them would take too few steps."""
    return min(settings.batch_sequences, max(1, count // STEPS_PER_PASS))


def steps_per_pass(sequences: Sequences, settings: ModelSettings) -> int:
    """Return about how many gradient steps a pass over the training targets takes."""
    count = -(-int(sequences.train.sum()) // settings.sequence_targets)
    return max(1, count // batch_size(count, settings))


@torch.no_grad()
def validation_loss(
    network: RecurrentForecaster, sequences: Sequences, settings: ModelSettings
) -> tuple[float, float]:
    """Return the mean loss of the validation targets and the root mean square of their residuals."""
    mean, log_std, y, mask = _validated(network, sequences)
    count = max(int(mask.sum()), 1)
    if settings.loss == SHARPE:
        loss = float(minus_sharpe(mean, y, mask.to(y.dtype), settings.turnover_cost))
        mean = mean * return_per_position(mean, y, mask)
    else:
        loss = float((LOSSES[settings.loss](mean, log_std, y) * mask).sum() / count)
    residual = float((((y - mean) ** 2 * mask).sum() / count).sqrt())
    return loss, residual


@torch.no_grad()
def _validated(network: RecurrentForecaster, sequences: Sequences) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return mean and log std from the first validation row on, the targets and which of them count, each [n, S]."""
    network.eval()
    first = sequences.first_valid
    burn = sequences.x.shape[1] - sequences.y.shape[1]  # y is not padded in front
    x = sequences.x[:, first : sequences.rows + burn].transpose(0, 1).contiguous()
    who = torch.arange(len(sequences.x), device=x.device)
    mean, log_std = run_network(network, x[burn:], network.warmed(x[:burn], who), who)
    own = slice(first, sequences.rows)
    return mean, log_std, sequences.y[:, own].t(), sequences.valid[:, own].t()


@torch.no_grad()
def run_network(
    network: nn.Module, x: Tensor, state: Carried | None = None, who: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run x [L, B, F], L > 0, through the network; return mean and log std, each [L, B].

    Without `state` the network starts fresh. `who` [B] says whose sequences these are, for `symbol_embedding`.
    """
    means, log_stds = [], []
    for block in x.split(PREDICT_STEPS):
        mean, log_std, state = network(block, state, who)
        means.append(mean)
        log_stds.append(log_std)
    return torch.cat(means), torch.cat(log_stds)
