"""Why one forecast is what it is: integrated gradients of a recurrent model.

Sundararajan, Taly & Yan (2017), ICML: the input goes in a straight line from a baseline to what it is, and each
feature is given its part of the gradient on the way. The parts add up to the forecast less that of the baseline. The
baseline is the training mean of every feature at every bar, which is zero once scaled.

A forest or any other step function has no gradient; of a linear rule the parts are coefficient times scaled feature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from forewalk.features.panel import FeaturePanel
from forewalk.types import FloatArray
from models.recurrent.fitted import FittedLSTM, Member

STEPS = 64  # on the way from the baseline to the input


@dataclass(frozen=True, eq=False)
class Attribution:
    """The parts of one forecast.

    Attributes:
        value, baseline: answer of the networks, their mean, at the input and at the baseline: the mean return in
            multiples of the panel's scale, or with `rank_correlation` the score before it is standardised.
        parts: of each feature over all bars that the networks have read, float64 [F]; they add up to
            `value - baseline` but for the error of the sum over steps.
    """

    value: float
    baseline: float
    parts: FloatArray

    @property
    def gap(self) -> float:
        """How far the parts are from adding up."""
        return float(self.parts.sum()) - (self.value - self.baseline)


def integrated_gradients(
    answer: Callable[[Tensor], Tensor], x: Tensor, steps: int = STEPS
) -> tuple[float, float, FloatArray]:
    """Return f(x), f(0) and the parts of x [L, F], [L, F], of `answer`: [L, B, F] to one number each, [B].

    The integral is taken at the middles of `steps` equal pieces.
    """
    middles = (torch.arange(steps, dtype=x.dtype) + 0.5) / steps
    points = (middles[None, :, None] * x[:, None, :]).requires_grad_()
    (slope,) = torch.autograd.grad(answer(points).sum(), points)
    parts = (x * slope.mean(dim=1)).double().numpy()
    with torch.no_grad():
        ends = answer(torch.stack([x, torch.zeros_like(x)], dim=1))
    return float(ends[0]), float(ends[1]), parts


def attribution(model: FittedLSTM, panel: FeaturePanel, row: int, column: int) -> Attribution:
    """Explain the forecast of one symbol at one bar, as `model.predict_scaled` makes it.

    Raises:
        DataError: the panel does not fit the model, or the bar comes before it.
        ValueError: the symbol has no forecast there.
    """
    if not (np.isfinite(panel.values[row, column]).all() and panel.eligible[row, column]):
        raise ValueError(f"{panel.symbols[column]} has no forecast at {panel.timestamps[row]}")
    found = []
    for member, inputs in model.inputs_of(panel, row, column):
        worth = 1.0 if model.settings.loss == "rank_correlation" else member.return_per_score
        answer = partial(_mean, member, panel.symbols[column], worth)
        found.append(integrated_gradients(answer, inputs))
    values, baselines, parts = zip(*found, strict=True)
    total = np.mean([each.sum(axis=0) for each in parts], axis=0)
    return Attribution(float(np.mean(values)), float(np.mean(baselines)), total)


def _mean(member: Member, symbol: str, worth: float, x: Tensor) -> Tensor:
    """Return the mean (or score) of the last step of x [L, B, F], all of them of one symbol, times `worth`."""
    mean, _, _ = member.network(x, None, member.whose((symbol,) * x.shape[1]))
    return worth * mean[-1]  # type: ignore[no-any-return]
