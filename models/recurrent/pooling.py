"""What each member of an ensemble said of the validation rows, and the say that it is given for it.

Densities are pooled linearly with the shares under which the outcomes were likeliest (Geweke & Amisano 2011, Journal
of Econometrics 164), found by expectation maximisation; scores that only rank, by least squares without negative
shares (Breiman 1996, Machine Learning 24). Shares are not negative and add up to one. The rows are those that have
also decided when a network stops, so its share is a little too high.

Shapes: V validation rows, S symbols, K members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import nnls

from forewalk.types import FloatArray
from models.base import FittedForecaster, ScaledForecast, TrainingData, WarmedBefore
from models.checkpoint import pack, unpack
from models.scores import standardised

ROUNDS, CLOSE = 1000, 1e-9  # of expectation maximisation


@dataclass(frozen=True, eq=False)
class Said:
    """What a member said of the validation rows: how well, [V, S], NaN where it said nothing or none is known.

    `value` is the density of the outcome, or for ranks the standardised score; `label` the rank label, or zeros.
    """

    value: FloatArray
    label: FloatArray


def said_by(model: FittedForecaster, data: TrainingData, ranks: bool) -> Said:
    """Ask a member that was just trained about its validation rows, on a state warmed before them."""
    first, stop = int(data.valid[0]), int(data.valid[-1]) + 1
    if isinstance(model, WarmedBefore):
        model = model.warmed_before(data.panel.timestamps[first])
    whole = model.predict_scaled(data.panel, first, stop)
    rows = data.valid - first
    found = ScaledForecast(whole.mean[rows], whole.std[rows])
    target = data.target[data.valid]
    usable = np.isfinite(found.mean) & np.isfinite(target)
    usable &= np.isfinite(data.panel.values[data.valid]).all(axis=2)
    if ranks and data.scores is not None:
        usable &= np.isfinite(data.scores[data.valid])
        return Said(standardised(found.mean, usable), np.where(usable, data.scores[data.valid], np.nan))
    error = (target - found.mean) / found.std
    density = np.exp(-0.5 * error**2) / found.std
    return Said(np.where(usable, density, np.nan), np.zeros(target.shape))


def with_said(part: bytes, said: Said) -> bytes:
    """Serialise a member's part together with what it said; what is unknown is told by a mask."""
    known = np.isfinite(said.value) & np.isfinite(said.label)
    tensors = {
        "part": torch.frombuffer(bytearray(part), dtype=torch.uint8),
        "known": torch.from_numpy(known.astype(np.uint8)),
    }
    for name in ("value", "label"):
        values = np.where(known, getattr(said, name), 0.0).astype(np.float32)
        tensors[name] = torch.from_numpy(values)
    return pack(tensors, {})


def apart(whole: bytes) -> tuple[bytes, Said]:
    """Return what `with_said` has put together."""
    tensors, _ = unpack(whole)
    known = tensors["known"].numpy().astype(bool)
    value, label = (np.where(known, tensors[name].double().numpy(), np.nan) for name in ("value", "label"))
    return tensors["part"].numpy().tobytes(), Said(value, label)


def together(said: Sequence[Said]) -> Said:
    """Return several networks as one member: the mean of those that said something."""
    values = np.stack([one.value for one in said])
    count = np.isfinite(values).sum(axis=0)
    mean = np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)
    labels = np.stack([np.where(np.isfinite(one.label), one.label, -np.inf) for one in said])
    return Said(mean, np.where(count > 0, labels.max(axis=0), np.nan))  # all that know a label know the same


def shares_of(said: Sequence[Said], ranks: bool) -> tuple[float, ...]:
    """Return the share of each member, from what it said of the cells that all have said something of."""
    values = np.stack([one.value for one in said])  # [K, V, S]
    known = np.isfinite(values).all(axis=0)
    equal = np.full(len(said), 1.0 / len(said))
    if not known.any():
        return tuple(equal.tolist())
    cells = values[:, known].T  # [cells, K]
    found = np.asarray(nnls(cells, said[0].label[known])[0]) if ranks else likeliest(cells)
    total = found.sum()
    return tuple((found / total if total > 0 else equal).tolist())


def likeliest(densities: FloatArray) -> FloatArray:
    """Return the shares [K] of a mixture under which outcomes with densities [cells, K] are likeliest."""
    shares: FloatArray = np.full(densities.shape[1], 1.0 / densities.shape[1])
    for _ in range(ROUNDS):
        pooled = np.maximum(densities @ shares, np.finfo(float).tiny)
        better: FloatArray = shares * (densities / pooled[:, None]).mean(axis=0)
        better /= better.sum()
        if np.abs(better - shares).max() < CLOSE:
            return better
        shares = better
    return shares
