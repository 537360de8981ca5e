"""Many LSTMs trained at once: seeds and folds side by side in one batched product, so that a device is busy.

A network of 32 units is far too small for a GPU. Stacked, G of them take one step with one product over [G, B, H].
Every network keeps its own data, random numbers, clipping, averaging and early stopping: what it learns is what
`train_network` teaches it alone, to rounding.

Shapes: G networks, L steps, B sequences, F features, H hidden units, P weights of one network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from forewalk.settings.sections import ModelSettings
from models.recurrent.augment import Batch
from models.recurrent.losses import LOSSES
from models.recurrent.networks import RecurrentForecaster, mean_and_log_std
from models.recurrent.training import (
    BETAS,
    EPSILON,
    Sequences,
    Trained,
    batches,
    new_network,
    steps_per_pass,
    validation_loss,
)


def can_stack(settings: ModelSettings) -> bool:
    """Whether networks of these settings can be stacked: LSTMs with a head and nothing else, cell by cell."""
    more = (
        settings.attention or settings.layer_norm or settings.symbol_embedding or settings.residual != "off"
    )
    return settings.cell == "lstm" and not more and settings.dropout == 0.0 and settings.loss in LOSSES


def train_stacked(
    sequences: Sequence[Sequences], seeds: Sequence[int], settings: ModelSettings, device: str
) -> list[Trained]:
    """Train one network for each of `sequences`, from its seed, all at once on `device`.

    Equal to `train_network` of each alone up to rounding. The networks returned are on the CPU.
    """
    there = [one.to(device) for one in sequences]
    networks = [
        new_network(one, settings, seed).to(device) for one, seed in zip(sequences, seeds, strict=True)
    ]
    generators = [np.random.default_rng(seed) for seed in seeds]
    stack = Stack(networks, [steps_per_pass(one, settings) for one in sequences], settings)
    records = [_Record() for _ in networks]
    for epoch in range(settings.max_epochs):
        going = [g for g, record in enumerate(records) if not record.stopped]
        if not going:
            break
        losses = _one_pass(stack, there, generators, going, settings)
        for g in going:
            network = stack.network(g)
            validated = validation_loss(network, there[g], settings)
            records[g].add(epoch, losses[g], validated, stack.average[g], settings.patience)
    trained = []
    for g, record in enumerate(records):
        if record.best_weights is not None:
            stack.average[g] = record.best_weights
        network = stack.network(g).cpu().eval()
        curves = tuple(record.train_losses), tuple(record.valid_losses)
        trained.append(Trained(network, *curves, record.best_epoch, record.best_residual))
    return trained


class _Record:
    """Losses of one network, and its best weights so far."""

    def __init__(self) -> None:
        self.train_losses: list[float] = []
        self.valid_losses: list[float] = []
        self.best_loss, self.best_epoch, self.best_residual = np.inf, 0, np.nan
        self.best_weights: Tensor | None = None
        self.stopped = False

    def add(
        self, epoch: int, train: float, validated: tuple[float, float], weights: Tensor, patience: int
    ) -> None:
        loss, residual = validated
        self.train_losses.append(train)
        self.valid_losses.append(loss)
        if loss < self.best_loss:
            self.best_loss, self.best_epoch, self.best_residual = loss, epoch, residual
            self.best_weights = weights.clone()
        elif epoch - self.best_epoch >= patience:
            self.stopped = True


class Stack:
    """The weights of G networks as one matrix [G, P], their forward pass and their AdamW."""

    def __init__(
        self, networks: Sequence[RecurrentForecaster], horizons: Sequence[int], settings: ModelSettings
    ) -> None:
        self._networks, self._settings = networks, settings
        names = [name for name, _ in networks[0].named_parameters()]
        self._shapes = {name: networks[0].get_parameter(name).shape for name in names}
        self._sizes = [shape.numel() for shape in self._shapes.values()]
        rows = [torch.cat([net.get_parameter(n).detach().flatten() for n in names]) for net in networks]
        self.weights = torch.stack(rows).requires_grad_()  # [G, P]
        self.average = self.weights.detach().clone()
        self._first, self._second = torch.zeros_like(self.average), torch.zeros_like(self.average)
        self._steps = torch.zeros_like(self.average[:, :1])  # [G, 1]
        self._horizons = torch.tensor(horizons, dtype=torch.float32, device=self.average.device)[:, None]

    def network(self, g: int) -> RecurrentForecaster:
        """Return network `g` with its averaged weights."""
        network = self._networks[g]
        with torch.no_grad():
            for parameter, own in zip(network.parameters(), self.average[g].split(self._sizes), strict=True):
                parameter.copy_(own.view_as(parameter))
        return network

    def forward(self, x: Tensor, burn: int) -> tuple[Tensor, Tensor]:
        """Read x [G, L, B, F]; return mean and log std [G, L - burn, B]. The first `burn` steps warm the state."""
        parts = self.weights.split(self._sizes, dim=1)
        weights = {
            name: part.view(len(x), *shape)
            for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }
        with torch.no_grad():
            states = self._layers(weights, x[:, :burn], None)[1]
        hidden, _ = self._layers(weights, x[:, burn:], states)  # [G, K, B, H]
        flat = hidden.flatten(1, 2)
        out = torch.baddbmm(weights["head.bias"][:, None], flat, weights["head.weight"].transpose(1, 2))
        out = out.view(*hidden.shape[:3], 2)
        return mean_and_log_std(out)

    def _layers(
        self, weights: dict[str, Tensor], x: Tensor, states: list[tuple[Tensor, Tensor]] | None
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        after = []
        for layer in range(self._settings.layers):
            zero = x.new_zeros(x.shape[0], x.shape[2], self._settings.hidden_size)
            state = (zero, zero) if states is None else states[layer]
            x, state = _lstm_layer(weights, layer, x, state)
            after.append(state)
        return x, after

    @torch.no_grad()
    def step(self, losses: Tensor, active: Tensor) -> None:
        """Move the weights of the networks where `active` [G] down the gradient of their own loss [G]."""
        (gradient,) = torch.autograd.grad(losses, self.weights, torch.ones_like(losses))
        norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        gradient.mul_((self._settings.clip_norm / (norm + 1e-6)).clamp_(max=1.0))
        on = active[:, None].to(gradient.dtype)
        self._steps += on
        self._first.lerp_(gradient, (1 - BETAS[0]) * on)
        self._second.lerp_(gradient.square(), (1 - BETAS[1]) * on)
        rate = self._settings.learning_rate
        first = self._first / (1 - BETAS[0] ** self._steps).clamp(min=EPSILON)
        second = self._second / (1 - BETAS[1] ** self._steps).clamp(min=EPSILON)
        decayed = self.weights * (1 - rate * self._settings.weight_decay)
        moved = decayed - rate * first / (second.sqrt() + EPSILON)
        self.weights.copy_(torch.where(active[:, None], moved, self.weights))
        share = 1.0 / torch.minimum(self._steps + 1, self._horizons)
        self.average.lerp_(self.weights.detach(), share * on)


def _lstm_layer(
    weights: dict[str, Tensor], layer: int, x: Tensor, state: tuple[Tensor, Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run one LSTM layer of G networks over x [G, L, B, F]; return hidden [G, L, B, H] and the state after it."""
    own = {
        part: weights[f"cell.{part}_l{layer}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    bias = (own["bias_ih"] + own["bias_hh"])[:, None]
    inputs = torch.baddbmm(bias, x.flatten(1, 2), own["weight_ih"].transpose(1, 2))
    inputs = inputs.view(*x.shape[:3], -1)  # [G, L, B, 4H]
    recurrent = own["weight_hh"].transpose(1, 2)  # [G, H, 4H]
    hidden, cell = state
    answers = []
    for step in inputs.unbind(1):
        gate_in, forget, candidate, gate_out = torch.baddbmm(step, hidden, recurrent).chunk(4, dim=-1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(gate_in) * torch.tanh(candidate)
        hidden = torch.sigmoid(gate_out) * torch.tanh(cell)
        answers.append(hidden)
    return torch.stack(answers, dim=1), (hidden, cell)


def _one_pass(
    stack: Stack,
    sequences: Sequence[Sequences],
    generators: Sequence[np.random.Generator],
    going: Sequence[int],
    settings: ModelSettings,
) -> list[float]:
    """One pass of every network in `going` over its own targets; return the mean loss per target of each."""
    total, count = torch.zeros(len(sequences)), torch.zeros(len(sequences))
    cuts = [
        batches(one, settings, generator) if g in going else iter(())
        for g, (one, generator) in enumerate(zip(sequences, generators, strict=True))
    ]
    for group in zip_longest(*cuts):
        x, y, mask = _padded(group)
        mean, log_std = stack.forward(x, settings.lookback_bars)
        targets = mask.sum(dim=(1, 2))  # [G]
        losses = (LOSSES[settings.loss](mean, log_std, y) * mask).sum(dim=(1, 2)) / targets.clamp(min=1)
        stack.step(losses, targets > 0)
        total += (losses.detach() * targets).cpu()
        count += targets.cpu()
    return (total / count.clamp(min=1)).tolist()


def _padded(group: Sequence[Batch | None]) -> Batch:
    """Stack one batch of each network, [G, L, B, F], [G, K, B] and [G, K, B]; what is missing is masked."""
    there = [batch for batch in group if batch is not None]
    width = max(batch[0].shape[1] for batch in there)
    empty = tuple(torch.zeros_like(part) for part in there[0])
    x, y, mask = [], [], []
    for batch in group:
        parts = empty if batch is None else batch
        more = width - parts[0].shape[1]
        x.append(functional.pad(parts[0], (0, 0, 0, more)))
        y.append(functional.pad(parts[1], (0, more)))
        mask.append(functional.pad(parts[2], (0, more)))
    return torch.stack(x), torch.stack(y), torch.stack(mask)
