"""Change training sequences at random, so that a network sees each bar in many forms: `model.augment`.

Noise on the inputs (Bishop 1995, Neural Computation 7), features that are missing (Srivastava et al. 2014, JMLR 15),
factors on the inputs and missing spans of time (Um et al. 2017, ICMI; Park et al. 2019, Interspeech), mixtures of two
examples (Zhang et al. 2018, ICLR). Missing is 0 for a scaled feature, as it is where the data have none.

Nothing is reversed, shifted or cut from elsewhere: a bar never comes to stand before what was known at it. Shapes:
L steps, of which the last K have targets, B sequences, F features. Draws are made on the CPU whatever the device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from forewalk.settings.model import AugmentSettings, ModelSettings

Batch = tuple[Tensor, Tensor, Tensor]


def noise_of(settings: ModelSettings, generator: np.random.Generator) -> np.random.Generator | None:
    """Return random numbers for the changes of one pass, None where there are none; `generator` goes on as it was."""
    return generator.spawn(1)[0] if settings.augment.on else None


def augmented(batch: Batch, settings: ModelSettings, noise: np.random.Generator) -> Batch:
    """Return x [L, B, F], y [K, B] and its mask [K, B], changed as `settings.augment` says.

    With mixup only targets count that both of a pair have; a sequence that shares none with its other stays alone.
    """
    x, y, mask = _mixed(batch, settings.augment.mixup, noise)
    x = changed_inputs(x, settings.augment, noise)
    return _shortened(x, settings, noise), y, mask


def changed_inputs(x: Tensor, augment: AugmentSettings, noise: np.random.Generator) -> Tensor:
    """Return x [L, B, F] with noise, factors, missing features and missing spans; x itself is left as it is."""
    steps, sequences, features = x.shape
    if augment.magnitude:
        factor = np.exp(augment.magnitude * noise.standard_normal((1, sequences, 1), np.float32))
        x = x * _there(factor, x)
    if augment.jitter:
        x = x + augment.jitter * _there(noise.standard_normal((steps, sequences, features), np.float32), x)
    if augment.feature_dropout:
        kept = noise.random((1, sequences, features)) >= augment.feature_dropout
        x = x * _there(kept, x)
    if augment.time_mask_bars:
        length = noise.integers(0, min(augment.time_mask_bars, steps), sequences, endpoint=True)
        first = noise.integers(0, steps - length, endpoint=True)
        at = np.arange(steps)[:, None]
        x = x * _there(((at < first) | (at >= first + length))[:, :, None], x)
    return x


def _shortened(x: Tensor, settings: ModelSettings, noise: np.random.Generator) -> Tensor:
    """Return x without the first bars of its warm-up: as at the beginning of a history, where there are none."""
    most = int(settings.augment.burn_in * settings.lookback_bars)
    if not most:
        return x
    missing = noise.integers(0, most, x.shape[1], endpoint=True)
    return x * _there((np.arange(len(x))[:, None] >= missing)[:, :, None], x)


def _mixed(batch: Batch, alpha: float, noise: np.random.Generator) -> Batch:
    x, y, mask = batch
    if not alpha:
        return batch
    count = x.shape[1]
    other = torch.from_numpy(noise.permutation(count)).to(x.device)
    share = _there(noise.beta(alpha, alpha, count), x)  # [B]
    both = mask & mask[:, other]
    paired = both.any(dim=0)
    share = torch.where(paired, share, torch.ones_like(share))
    mixed = x * share[:, None] + x[:, other] * (1.0 - share)[:, None]
    return mixed, y * share + y[:, other] * (1.0 - share), torch.where(paired, both, mask)


def _there(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]], like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(like.device, like.dtype)
