"""Recurrent networks that read a sequence once and answer at every step.

Shapes: L steps, B sequences, F features, H hidden units, N embedded symbols, E numbers of each. Time-major, so that
step t is one contiguous block.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from forewalk.settings.sections import ModelSettings

# At these sizes intra-op threads cost several times the CPU for less speed; processes are the parallelism.
torch.set_num_threads(1)

EMBEDDING_STD = 0.1  # of a symbol's numbers before anything is learned
LOG_STD_LIMIT = 4.0  # std of a scaled return between 0.018 and 55


@dataclass
class Carried:
    """What a network remembers between two calls.

    `recurrent` is [layers, B, H] (a pair of them for an LSTM); `recent` the last hidden outputs
    [<= lookback - 1, B, H] that attention still looks at.
    """

    recurrent: Tensor | tuple[Tensor, Tensor]
    recent: Tensor | None = None


class RecurrentForecaster(nn.Module):
    """LSTM or GRU, optionally causal attention, then mean and log std of the scaled return at every step.

    With `symbol_embedding` each symbol has E learned numbers beside its features (Guo & Berkhahn 2016,
    arXiv:1604.06737), and `who` [B] says which of `symbols` a sequence is of: `symbols` itself stands for any other,
    which has the mean of all. With `layer_norm` what the head reads is normalised at every step (Ba, Kiros & Hinton
    2016, arXiv:1607.06450). With `loss = "sharpe"` the mean is a position in [-1, 1]. With `residual` a fixed line is
    added to the mean, [F + 1], the intercept last: see `models.recurrent.residual`.
    """

    line: Tensor | None

    def __init__(self, features: int, settings: ModelSettings, symbols: int = 0) -> None:
        super().__init__()
        embedded = settings.symbol_embedding
        self.embedding = nn.Parameter(EMBEDDING_STD * torch.randn(symbols, embedded)) if embedded else None
        self.norm = nn.LayerNorm(settings.hidden_size) if settings.layer_norm else None
        self.register_buffer("line", torch.zeros(features + 1) if settings.residual == "ridge" else None)
        cell = nn.LSTM if settings.cell == "lstm" else nn.GRU
        between = settings.dropout if settings.layers > 1 else 0.0
        self.cell = cell(features + embedded, settings.hidden_size, settings.layers, dropout=between)
        self.attention = (
            CausalAttention(settings.hidden_size, settings.lookback_bars) if settings.attention else None
        )
        self.bounded = settings.loss == "sharpe"
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(settings.hidden_size, 2)
        nn.init.zeros_(self.head.bias)  # start from the honest forecast: mean 0, std 1
        nn.init.normal_(self.head.weight, std=0.01)

    def forward(
        self, x: Tensor, state: Carried | None = None, who: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Carried]:
        """Read x [L, B, F] from `state`; return mean [L, B], log std [L, B] and the state after it."""
        out, after = self.read(x, state, who)
        return *mean_and_log_std(out), after

    def read(
        self, x: Tensor, state: Carried | None = None, who: Tensor | None = None
    ) -> tuple[Tensor, Carried]:
        """Read x [L, B, F] from `state`; return its answers [L, B, 2] and the state after it."""
        inputs = x if self.embedding is None else self._beside(x, who, self.embedding)
        hidden, recurrent = self.cell(inputs, None if state is None else state.recurrent)  # [L, B, H]
        recent = None
        if self.attention is not None:
            hidden, recent = self.attention(hidden, None if state is None else state.recent)
        if self.norm is not None:
            hidden = self.norm(hidden)
        out = self.head(self.dropout(hidden))
        if self.line is not None:
            out = out + functional.pad(on_line(x, self.line)[..., None], (0, 1))
        if self.bounded:
            out = torch.cat([torch.tanh(out[..., :1]), out[..., 1:]], dim=-1)
        return out, Carried(recurrent, recent)

    @staticmethod
    def _beside(x: Tensor, who: Tensor | None, numbers: Tensor) -> Tensor:
        """Return x [L, B, F] with the `numbers` [N, E] of its symbols beside it, [L, B, F + E]."""
        if who is None:
            raise ValueError("a network with symbol_embedding must be told whose sequences it reads")
        known = torch.cat([numbers, numbers.mean(dim=0, keepdim=True)])  # [N + 1, E]
        return torch.cat([x, known[who].expand(len(x), -1, -1)], dim=-1)

    @torch.no_grad()
    def warmed(self, x: Tensor, who: Tensor | None = None) -> Carried:
        """Read x [L, B, F] from a fresh state, without a forecast and without a gradient; return the state."""
        inputs = x if self.embedding is None else self._beside(x, who, self.embedding)
        hidden, recurrent = self.cell(inputs)  # [L, B, H]
        if self.attention is None:
            return Carried(recurrent)
        return Carried(recurrent, hidden[max(0, len(hidden) - self.attention.lookback + 1) :])


class CausalAttention(nn.Module):
    """Each step looks back at the last `lookback` hidden states, its own included, and adds what it finds.

    Single-head scaled dot-product attention (Vaswani et al. 2017) with a learned bias per distance.
    """

    def __init__(self, hidden: int, lookback: int) -> None:
        super().__init__()
        self.lookback = lookback
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.key = nn.Linear(hidden, hidden, bias=False)
        self.value = nn.Linear(hidden, hidden, bias=False)
        self.distance_bias = nn.Parameter(torch.zeros(lookback))
        nn.init.zeros_(self.value.weight)  # start as the plain network

    def forward(self, hidden: Tensor, recent: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map hidden [L, B, H], preceded by `recent` [R, B, H], to [L, B, H]; return also the new `recent`."""
        steps, _, size = hidden.shape
        past = hidden if recent is None else torch.cat([recent, hidden])  # [R + L, B, H]
        before = len(past) - steps
        query = self.query(hidden).transpose(0, 1)  # [B, L, H]
        key = self.key(past).transpose(0, 1)  # [B, R + L, H]
        value = self.value(past).transpose(0, 1)
        here, there = (torch.arange(count, device=hidden.device) for count in (steps, len(past)))
        distance = before + here[:, None] - there[None, :]  # [L, R + L]
        visible = (distance >= 0) & (distance < self.lookback)
        bias = self.distance_bias[distance.clamp(0, self.lookback - 1)].masked_fill(~visible, float("-inf"))
        weights = torch.softmax(query @ key.transpose(1, 2) / size**0.5 + bias, dim=-1)  # [B, L, R + L]
        found = (weights @ value).transpose(0, 1)  # [L, B, H]
        keep = min(self.lookback - 1, len(past))
        return hidden + found, past[len(past) - keep :]


def on_line(x: Tensor, line: Tensor) -> Tensor:
    """Return x [..., F] times the first F of `line` [F + 1], plus its last."""
    return (x * line[:-1]).sum(dim=-1) + line[-1]


def mean_and_log_std(out: Tensor) -> tuple[Tensor, Tensor]:
    """Split a network's answers [..., 2] into the mean and the log std, which is kept within its limit."""
    return out[..., 0], LOG_STD_LIMIT * torch.tanh(out[..., 1] / LOG_STD_LIMIT)


def gaussian_nll(mean: Tensor, log_std: Tensor, target: Tensor) -> Tensor:
    """Negative log likelihood of `target` under N(mean, exp(log_std)^2), without the constant; elementwise."""
    return log_std + 0.5 * ((target - mean) * torch.exp(-log_std)) ** 2


def squared_error(mean: Tensor, log_std: Tensor, target: Tensor) -> Tensor:
    """Squared error of the mean; `log_std` is ignored."""
    return (target - mean) ** 2


@torch.no_grad()
def gaussian_nll_slope(out: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of `weight * gaussian_nll(...)` of the answers `out` and its gradient, [..., 2] like `out`.

    The bits are autograd's, which takes twice as long for operations of this size.
    """
    squashed = torch.tanh(out[..., 1] / LOG_STD_LIMIT)
    log_std = LOG_STD_LIMIT * squashed
    inverse = torch.exp(-log_std)
    missed = target - out[..., 0]
    z = missed * inverse
    weighted = weight * z
    slope = torch.empty_like(out)
    torch.mul(weighted, -inverse, out=slope[..., 0])
    slope[..., 1] = torch.ops.aten.tanh_backward(weight - weighted * missed * inverse, squashed)
    return ((log_std + 0.5 * z**2) * weight).sum(), slope


@torch.no_grad()
def squared_error_slope(out: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of `weight * squared_error(...)` and its gradient, [..., 2] like `out`."""
    missed = target - out[..., 0]
    slope = torch.zeros_like(out)
    torch.mul(weight * missed, -2.0, out=slope[..., 0])
    return (missed**2 * weight).sum(), slope
