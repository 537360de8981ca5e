"""The losses that a network can be trained on one cell at a time, and their slopes.

All take mean, log std and target [...] in units of a symbol's volatility and return a loss of the same shape. What
compares the symbols of a bar is in `models.recurrent.ranking`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from scipy.special import ndtri
from torch import Tensor
from torch.nn import functional

from models.recurrent.networks import (
    gaussian_nll,
    gaussian_nll_slope,
    mean_and_log_std,
    squared_error,
    squared_error_slope,
)

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
Slope = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

HUBER_LIMIT = 1.0  # standard deviations from which an error counts by its size, no more by its square
LEVELS = tuple((step + 0.5) / 9 for step in range(9))  # of the quantiles, the median in the middle


def huber(mean: Tensor, log_std: Tensor, target: Tensor) -> Tensor:
    """Squared error near the mean, absolute beyond one standard deviation (Huber 1964); `log_std` is ignored."""
    return functional.huber_loss(mean, target, reduction="none", delta=HUBER_LIMIT)


def quantile(mean: Tensor, log_std: Tensor, target: Tensor) -> Tensor:
    """Mean pinball loss of nine quantiles of N(mean, exp(log_std)^2) (Koenker & Bassett 1978, Econometrica 46).

    Twice it is nearly the continuous ranked probability score (Gneiting & Raftery 2007, JASA 102): mean and spread
    are learned as by likelihood, but a single large return pulls no harder than a middling one.
    """
    std = torch.exp(log_std)
    total = torch.zeros_like(target)
    for level in LEVELS:
        missed = target - (mean + float(ndtri(level)) * std)
        total = total + torch.maximum(level * missed, (level - 1.0) * missed)
    return total / len(LEVELS)


def slope_by_autograd(loss_of: Loss) -> Slope:
    """Return what gives, of answers [..., 2], the sum of `weight * loss` and its gradient, [..., 2] like them."""

    def slope(out: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        leaf = out.detach().requires_grad_()
        with torch.enable_grad():
            total = (loss_of(*mean_and_log_std(leaf), target) * weight).sum()
        (gradient,) = torch.autograd.grad(total, leaf)
        return total.detach(), gradient

    return slope


LOSSES: dict[str, Loss] = {
    "gaussian_nll": gaussian_nll,
    "mse": squared_error,
    "huber": huber,
    "quantile": quantile,
}
SLOPES: dict[str, Slope] = {
    "gaussian_nll": gaussian_nll_slope,
    "mse": squared_error_slope,
    "huber": slope_by_autograd(huber),
    "quantile": slope_by_autograd(quantile),
}
OF_RESIDUALS = (
    "mse",
    "huber",
    "sharpe",
)  # these learn no spread: it is that of the residuals on the validation rows
