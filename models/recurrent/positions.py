"""Positions trained on what they would have earned after costs: `model.loss = "sharpe"`.

Lim, Zohren & Roberts (2019), Enhancing Time Series Momentum Strategies Using Deep Neural Networks, Journal of
Financial Data Science 1(4): the network answers with a position in [-1, 1], a tanh, of an asset held at constant
risk, and the loss is minus the Sharpe ratio of all bars and symbols of a batch less a cost of turnover. Returns are
in units of a symbol's volatility, as all labels are: a position is one in risk. The ratio is per bar, not a year's.

The position of a sequence's first target is taken up without a cost. Shapes: K bars of a sequence, B sequences.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from forewalk.settings.sections import ModelSettings
from models.recurrent.losses import SLOPES, Slope
from models.scores import return_per_score

SHARPE = "sharpe"
SMALLEST_VARIANCE = 1e-6  # below the square of one


def minus_sharpe(position: Tensor, target: Tensor, weight: Tensor, cost: float) -> Tensor:
    """Return minus the ratio of mean to standard deviation of what positions [K, B] earn on returns [K, B].

    Each counts by its `weight` [K, B], 0 where there is no return. A change of position by one costs `cost`, where
    the bar before it counts, too.
    """
    both = ((weight[1:] > 0) & (weight[:-1] > 0)).to(position.dtype)
    moved = torch.cat([torch.zeros_like(position[:1]), (position[1:] - position[:-1]).abs() * both])
    net = position * target - cost * moved
    share = weight / weight.sum()
    mean = (share * net).sum()
    variance = (share * (net - mean) ** 2).sum()
    return -mean / (variance + SMALLEST_VARIANCE).sqrt()


def slope_of(settings: ModelSettings) -> Slope:
    """Return what gives the loss of a batch and its gradient, of answers [K, B, 2], targets and weights."""
    if settings.loss != SHARPE:
        return SLOPES[settings.loss]
    return partial(_sharpe_slope, cost=settings.turnover_cost)


def _sharpe_slope(out: Tensor, target: Tensor, weight: Tensor, cost: float) -> tuple[Tensor, Tensor]:
    leaf = out.detach().requires_grad_()
    with torch.enable_grad():
        loss = minus_sharpe(leaf[..., 0], target, weight, cost)
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient


def return_per_position(position: Tensor, target: Tensor, mask: Tensor) -> float:
    """Return the scaled return per unit of position by least squares through zero, where `mask`; at least 0.001."""
    known = np.where(mask.cpu().numpy(), target.double().cpu().numpy(), np.nan)
    return return_per_score(position.double().cpu().numpy(), known)
